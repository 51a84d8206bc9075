package main

import (
	"math/big"
	"testing"
)

// Goal: the cascade and the rules decide as the page says where the vectors have no case. Method: calls
// with quotes of 10, 20, 40 and 80 on S to XL, and the balances that bring a rule about.

func callOf(run, month balance, runLimit, monthLimit int64, preferred, ceiling tier) *call {
	c := &call{agent: &agent{priority: "P2"}, preferred: preferred, tableCeiling: ceiling, ceiling: ceiling,
		verdict: verdict{floor: noTier, ceiling: unlimited}}
	c.legs = []legBefore{{cap: "run", kind: "run", balance: run, limit: &runLimit}, {cap: "none", kind: "month"},
		{cap: "month", kind: "month", balance: month, limit: &monthLimit}, {cap: "year", kind: "year"}}
	for i, amount := range []int64{10, 20, 40, 80} {
		q := quote{tier: tier(i + 1), priced: true, amount: amount}
		if q.tier > preferred {
			q.skip = "above-preferred"
		}
		c.quotes = append(c.quotes, q)
	}
	return c
}

func TestCascade(t *testing.T) {
	year := callOf(balance{}, balance{}, 1000, 1000, tierL, unlimited)
	nine := int64(9)
	year.legs[3].limit = &nine
	unpriced := callOf(balance{}, balance{}, 1000, 1000, tierL, unlimited)
	for i := range unpriced.quotes {
		unpriced.quotes[i].skip = "not-allowed"
	}
	unpriced.quotes[1].skip = "unpriced"
	lightOnly := callOf(balance{}, balance{}, 30, 1000, tierL, unlimited)
	lightOnly.quotes[2].skip = "modality"
	for name, c := range map[string]struct {
		c             *call
		rule, reason  string
		granted       tier
		failing       int
		blockedByHeld bool
	}{
		"fits":                     {callOf(balance{}, balance{}, 40, 40, tierL, unlimited), "05", "heaviest-fit", tierL, 0, false},
		"month takes a lighter":    {callOf(balance{}, balance{}, 40, 39, tierL, unlimited), "05", "heaviest-fit", tierM, 0, false},
		"run takes a lighter":      {callOf(balance{}, balance{}, 39, 40, tierL, unlimited), "04", "per-run-tier-down", tierM, 0, false},
		"run is spent":             {callOf(balance{31, 0}, balance{}, 40, 40, tierL, unlimited), "01", "per-run-cap", noTier, 1, false},
		"run is held":              {callOf(balance{0, 31}, balance{}, 40, 40, tierL, unlimited), "01", "per-run-cap", noTier, 1, true},
		"shortfall as large":       {callOf(balance{30, 1}, balance{}, 40, 40, tierL, unlimited), "01", "per-run-cap", noTier, 1, true},
		"held, and spent too":      {callOf(balance{0, 31}, balance{31, 0}, 40, 40, tierL, unlimited), "01", "per-run-cap", noTier, 2, false},
		"month is spent":           {callOf(balance{}, balance{31, 0}, 40, 40, tierL, unlimited), "02", "monthly-cap", noTier, 1, false},
		"year":                     {year, "02", "yearly-cap", noTier, 1, false},
		"unpriced":                 {unpriced, "00", "unpriced", noTier, 0, false},
		"ceiling":                  {callOf(balance{}, balance{}, 1000, 1000, tierXL, tierM), "03", "priority-rebalance", tierM, 0, false},
		"ceiling, and a lighter":   {callOf(balance{}, balance{}, 19, 1000, tierXL, tierM), "03", "priority-rebalance", tierS, 0, false},
		"ceiling at the preferred": {callOf(balance{}, balance{}, 1000, 1000, tierM, tierM), "05", "heaviest-fit", tierM, 0, false},
		"shed":                     {callOf(balance{}, balance{}, 1000, 1000, tierM, shed), "03", "priority-rebalance", noTier, 0, false},
		"heaviest is not eligible": {lightOnly, "05", "heaviest-fit", tierM, 0, false},
	} {
		c.c.cascade()
		granted := noTier
		if c.c.granted != nil {
			granted = c.c.granted.tier
		}
		if c.c.rule != c.rule || c.c.reason != c.reason || granted != c.granted || len(c.c.failing) != c.failing ||
			(c.c.moneyRefused && c.c.blockedByHolds) != c.blockedByHeld {
			t.Errorf("%s: %s %s %s, %d failing, %v", name, c.c.rule, c.c.reason, granted, len(c.c.failing), c.c.blockedByHolds)
		}
	}
}

// TestCeilingWithDearLightTier has a tier under the ceiling that costs more than one above it.
func TestCeilingWithDearLightTier(t *testing.T) {
	c := callOf(balance{0, 5}, balance{}, 30, 1000, tierL, tierS)
	c.quotes[0].amount, c.quotes[2].amount = 30, 15
	if c.cascade(); c.rule != "03" || c.outcome != "hold" || len(c.failing) != 1 || c.failing[0].by != 5 || !c.blockedByHolds {
		t.Errorf("%s %s %+v", c.rule, c.outcome, c.failing)
	}
}

func TestRules(t *testing.T) {
	read := func(s string) []rule {
		n, err := parseCanonical(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := listOf(ruleObject)(n.get("rules")); err != nil {
			t.Fatal(err)
		}
		return readRules(n.list("rules"))
	}
	when := func(condition, then string, line string) string {
		return `{"file":"f","if":` + condition + `,"line":` + line + `,"source":"s","then":` + then + `}`
	}
	pace := func(is, value string) string { return `{"field":"pace","is":"` + is + `","value":"` + value + `"}` }
	rules := read(`{"rules":[` +
		when(pace(">", "8000"), `{"do":"floor","tier":"M"}`, "1") + `,` +
		when(`{"not":`+pace("<", "9000")+`}`, `{"do":"ceiling","tier":"L"}`, "2") + `,` +
		when(`{"any":[{"field":"remaining","is":"<","value":"100"},`+pace("=", "1")+`]}`, `{"do":"ceiling","tier":"S"}`, "3") + `,` +
		when(`{"all":[{"field":"tier","is":">=","value":"L"},{"field":"priority","is":"!=","value":"P0"}]}`, `{"do":"floor","tier":"L"}`, "4") + `,` +
		when(`{"field":"remaining","is":"<=","value":"-5"}`, `{"do":"hold"}`, "5") + `,` +
		when(`{"any":[]}`, `{"do":"hold"}`, "6") + `]}`)
	for name, c := range map[string]struct {
		pace, remaining int64
		limited         bool
		preferred       tier
		priority        string
		floor, ceiling  tier
		holds           bool
	}{
		"none holds":      {8000, 0, false, tierM, "P2", noTier, unlimited, false},
		"floor":           {8001, 0, false, tierM, "P2", tierM, unlimited, false},
		"higher floor":    {8001, 0, false, tierL, "P2", tierL, unlimited, false},
		"priority":        {8001, 0, false, tierL, "P0", tierM, unlimited, false},
		"ceiling":         {9000, 0, false, tierM, "P2", tierM, tierL, false},
		"lower ceiling":   {9000, 99, true, tierM, "P2", tierM, tierS, false},
		"equal pace":      {1, 0, false, tierM, "P2", noTier, tierS, false},
		"remaining not":   {1000, 100, true, tierM, "P2", noTier, unlimited, false},
		"below remaining": {1000, -5, true, tierM, "P2", noTier, tierS, true},
	} {
		s := situation{pace: big.NewInt(c.pace), preferred: c.preferred, priority: c.priority}
		if c.limited {
			s.remaining = big.NewInt(c.remaining)
		}
		v := s.judge(nil, rules)
		if v.floor != c.floor || v.ceiling != c.ceiling || (v.holds != nil) != c.holds {
			t.Errorf("%s: floor %s, ceiling %d, holds %v", name, v.floor, v.ceiling, v.holds != nil)
		}
	}
}

func TestPolicyRule(t *testing.T) {
	floor, ceiling := &node{text: "floor"}, &node{text: "ceiling"}
	for name, c := range map[string]struct {
		outcome       string
		table, policy tier
		want          *node
	}{
		"policy tighter":        {"throttle", tierL, tierM, ceiling},
		"table tighter":         {"throttle", tierS, tierM, nil},
		"both, throttled":       {"throttle", tierM, tierM, nil},
		"both, refused":         {"hold", tierM, tierM, floor},
		"table tighter, shed":   {"hold", shed, tierM, floor},
		"policy tighter, cut":   {"hold", unlimited, tierS, ceiling},
		"table alone, refused":  {"hold", shed, unlimited, floor},
		"table alone, throttle": {"throttle", tierS, unlimited, nil},
	} {
		decided := &call{rule: "03", reason: "priority-rebalance", outcome: c.outcome, tableCeiling: c.table,
			verdict: verdict{ceiling: c.policy, ceilingRule: ceiling, floorRule: floor}}
		if got := decided.policyRule(); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestBuiltInTable(t *testing.T) {
	for _, c := range []struct {
		pace           int64
		p3, p2, p1, p0 tier
	}{
		{7999, unlimited, unlimited, unlimited, unlimited}, {8000, tierM, unlimited, unlimited, unlimited},
		{9000, tierS, tierM, unlimited, unlimited}, {10000, shed, tierS, tierL, unlimited},
		{11000, shed, shed, tierM, unlimited},
	} {
		for p, want := range map[string]tier{"P3": c.p3, "P2": c.p2, "P1": c.p1, "P0": c.p0} {
			if got := ceilingAt(builtInTable, big.NewInt(c.pace), p); got != want {
				t.Errorf("%s at %d: %d, not %d", p, c.pace, got, want)
			}
		}
	}
}
