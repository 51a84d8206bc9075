package main

import "math/big"

// A rule of policy: a condition and what it does.
type rule struct {
	when   *node
	do     string
	tier   tier
	origin *node
}

func readRules(list []node) []rule {
	rules := make([]rule, len(list))
	for i := range list {
		then := list[i].get("then")
		rules[i] = rule{list[i].get("if"), then.str("do"), tierOf(then.str("tier")), &list[i]}
	}
	return rules
}

// A situation is what conditions may ask for. remaining is nil where no leg has a limit, preferred
// noTier where the lane has no such model.
type situation struct {
	pace, remaining *big.Int
	preferred       tier
	priority        string
}

func (s *situation) holds(c *node) bool {
	if c.has("not") {
		return !s.holds(c.get("not"))
	}
	if c.has("any") {
		for i := range c.list("any") {
			if s.holds(&c.list("any")[i]) {
				return true
			}
		}
		return false
	}
	if c.has("all") {
		for i := range c.list("all") {
			if !s.holds(&c.list("all")[i]) {
				return false
			}
		}
		return true
	}
	return s.compares(c.str("field"), c.str("is"), c.str("value"))
}

func (s *situation) compares(field, is, value string) bool {
	var order int
	switch field {
	case "pace":
		order = s.pace.Cmp(bigOf(value))
	case "remaining":
		if order = 1; s.remaining != nil {
			order = s.remaining.Cmp(bigOf(value))
		}
	case "tier":
		if s.preferred == noTier {
			return false
		}
		order = int(s.preferred - tierOf(value))
	case "priority":
		order = int(s.priority[1]) - int(value[1])
	}
	switch is {
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case "=":
		return order == 0
	case "!=":
		return order != 0
	case ">":
		return order > 0
	}
	return order >= 0
}

// A verdict is what the rules that hold come to, each with the rule that it comes from.
type verdict struct {
	floor, ceiling                tier
	floorRule, ceilingRule, holds *node
}

// judge finds the highest floor, the lowest ceiling and the first hold of the rules, in their order.
func (s *situation) judge(lists ...[]rule) verdict {
	v := verdict{floor: noTier, ceiling: unlimited}
	for _, rules := range lists {
		for _, r := range rules {
			if !s.holds(r.when) {
				continue
			}
			switch {
			case r.do == "hold" && v.holds == nil:
				v.holds = r.origin
			case r.do == "floor" && r.tier > v.floor:
				v.floor, v.floorRule = r.tier, r.origin
			case r.do == "ceiling" && r.tier < v.ceiling:
				v.ceiling, v.ceilingRule = r.tier, r.origin
			}
		}
	}
	return v
}

// A row of the rebalancing table: the ceilings by priority from a pace on.
type tableRow struct {
	from  *big.Int
	cells map[string]tier
}

// builtInTable is in force until a policy entry.
var builtInTable = []tableRow{
	{big.NewInt(8000), map[string]tier{"P3": tierM}},
	{big.NewInt(9000), map[string]tier{"P3": tierS, "P2": tierM}},
	{big.NewInt(10000), map[string]tier{"P3": shed, "P2": tierS, "P1": tierL}},
	{big.NewInt(11000), map[string]tier{"P3": shed, "P2": shed, "P1": tierM}},
}

func readTable(list []node) []tableRow {
	table := make([]tableRow, len(list))
	for i := range list {
		table[i] = tableRow{bigOf(list[i].str("pace_from")), map[string]tier{}}
		for _, p := range [...]string{"P0", "P1", "P2", "P3"} {
			if list[i].has(p) {
				table[i].cells[p] = tierOf(list[i].str(p))
			}
		}
	}
	return table
}

// ceilingAt gives the tightest cell over all rows that hold at a pace.
func ceilingAt(table []tableRow, pace *big.Int, priority string) tier {
	ceiling := unlimited
	for _, row := range table {
		if cell, set := row.cells[priority]; set && row.from.Cmp(pace) <= 0 && cell < ceiling {
			ceiling = cell
		}
	}
	return ceiling
}
