package main

import (
	"fmt"
	"strings"
	"testing"
)

// Goal: whoever writes the whole ledger anew, with a chain and a checkpoint that fit, is still found out by
// what the entries say. Method: one field of an entry of the vectors is changed, all hashes after it are
// made again, and a key signs the result.

// A forgery puts one text in place of another in an entry; the fault shows there, or in a later entry
// that reads what was changed.
type forgery struct {
	seq, shows int
	code       string
	old, new   string
}

func TestRewrittenBalance(t *testing.T) {
	tryAll(t, []forgery{
		{5, 5, "balance", `"amount":"8000000"`, `"amount":"8000001"`},
		{5, 5, "balance", `"settled":"8000000"`, `"settled":"8000001"`},
		{5, 5, "balance", `"held":"40000000"`, `"held":"40000001"`},
		{5, 5, "balance", `{"cap":"agent:bot/run"`, `{"cap":"agent:bot/day"`},
		{5, 5, "balance", `{"cap":"team:care/month","held":"40000000","period":"2026-11@UTC","settled":"8000000"},`, ``},
		{5, 5, "balance", `"period":"ticket-1"`, `"period":"ticket-9"`},
		{5, 5, "balance", `"overage":"0"`, `"overage":"1"`},
		{5, 5, "balance", `"late":false`, `"late":true`},
		{5, 6, "balance", `"final":false`, `"final":true`},
		{5, 5, "balance", `"agent":"bot"`, `"agent":"bat"`},
		{5, 5, "balance", `"run":"ticket-1"`, `"run":"ticket-2"`},
		{5, 5, "balance", `"opened":{"hash":"6`, `"opened":{"hash":"7`},
		{5, 5, "balance", `"seq":"4"}`, `"seq":"3"}`},
		{5, 5, "balance", `"authorization":"auth_01a1c2c1-27e8`, `"authorization":"auth_01a1c2c1-27e9`},
		{6, 6, "balance", `"part":"2"`, `"part":"1"`},
		{7, 7, "balance", `"amount":"14120000"`, `"amount":"14120001"`},
		{7, 7, "balance", `"authorization":"auth_01a1c2c1-27e8`, `"authorization":"auth_01a1c2c1-27e9`},
		{8, 8, "balance", `"authorization":"auth_01a1c2c1-33a0-7020-a020-202020202020"`,
			`"authorization":"auth_01a1c2c1-27e8-7010-9010-101010101010"`},
		{8, 8, "balance", `"limit":"60000000"`, `"limit":"23999999"`},
		{8, 8, "balance", `"settled":"33880000"`, `"settled":"0"`},
		{11, 11, "balance", `"amount":"6000000"`, `"amount":"0"`},
		{12, 12, "balance", `"amount":"0"`, `"amount":"1"`},
		{12, 12, "balance", `auth_01a1c2c1-4340-7040-8040-404040404040`, `auth_01a1c2c1-3b70-7030-b030-303030303030`},
		{13, 13, "balance", `auth_01a1c2c1-4728-7050-9050-505050505050`, `auth_01a1c2c1-4340-7040-8040-404040404040`},
		{15, 15, "balance", `"held":"0","key"`, `"held":"1","key"`},
		{37, 37, "balance", `"amount":"12000000"`, `"amount":"11000000"`},
		{37, 37, "balance", `"on_expiry":"release"`, `"on_expiry":"capture"`},
		{39, 39, "balance", `"late":true`, `"late":false`},
		{39, 39, "balance", `"overage":"2500000"`, `"overage":"0"`},
		{42, 42, "balance", `"amount":"12000000"`, `"amount":"11000000"`},
		{43, 43, "balance", `"part":"2"`, `"part":"1"`},
		{44, 44, "balance", `"amount":"-500000"`, `"amount":"-2570001"`},
		{76, 76, "balance", `"overage":"1900000"`, `"overage":"0"`},
	})
}

func TestRewrittenDecision(t *testing.T) {
	tryAll(t, []forgery{
		{4, 4, "decision", `"outcome":"admit"`, `"outcome":"throttle"`},
		{4, 4, "decision", `"config_seq":"3"`, `"config_seq":"2"`},
		{4, 4, "decision", `"policy_seq":"2"`, `"policy_seq":"0"`},
		{4, 4, "decision", `"price_seq":"1"`, `"price_seq":"2"`},
		{4, 4, "decision", `"price_card":"ab`, `"price_card":"ac`},
		{4, 4, "decision", `"expires_at":"2026-11-10T00:00:31`, `"expires_at":"2026-11-10T00:00:32`},
		{4, 4, "decision", `"priority":"P0"`, `"priority":"P1"`},
		{4, 4, "decision", `"family":"acme"`, `"family":"acne"`},
		{4, 4, "decision", `"limit":"60000000"`, `"limit":"60000001"`},
		{4, 4, "decision", `"limit":"20000000000","pace":"0",`, ``},
		{4, 4, "decision", `"start":"2026-11-01T00`, `"start":"2026-11-01T01`},
		{4, 4, "decision", `"end":"2027-01-01T00`, `"end":"2027-01-01T01`},
		{4, 4, "decision", `"preferred":"XL"`, `"preferred":"L"`},
		{4, 4, "decision", `"preferred":"XL",`, ``},
		{4, 4, "decision", `"pico":"6000000000"`, `"pico":"6000000001"`},
		{4, 4, "decision", `"amount":"6000000"`, `"amount":"6000001"`},
		{4, 4, "decision", `"input":"1000"`, `"input":"1001"`},
		{4, 4, "decision", `"output":"1000"`, `"output":"999"`},
		{4, 4, "decision", `"modalities":["text"]`, `"modalities":["pdf","text"]`},
		{4, 4, "decision", `"cache_write":[]`, `"cache_write":["5m"]`},
		{4, 4, "decision", `"api":"anthropic","model":"model-xl"`, `"api":"openai","model":"model-xl"`},
		{4, 4, "decision", `"reason":"heaviest-fit"`, `"reason":"tool-quota"`},
		{4, 4, "decision", `"rule":"05"`, `"rule":"04"`},
		{8, 8, "decision", `"pace":"1882"`, `"pace":"1883"`},
		{8, 8, "decision", `"value":"1882"`, `"value":"1881"`},
		{8, 8, "decision", `"skip":"above-preferred",`, ``},
		{8, 8, "decision", `"cap":"agent:bot/month","value"`, `"cap":"agent:bot/year","value"`},
		{15, 15, "decision", `"shortfall":"15600000"`, `"shortfall":"15600001"`},
		{15, 15, "decision", `"blocked_by":"holds",`, ``},
		{15, 15, "decision", `"reason":"per-run-cap"`, `"reason":"monthly-cap"`},
		{20, 20, "decision", `"reason":"model-not-in-lane"`, `"reason":"no-eligible-tier"`},
		{21, 21, "decision", `"outcome":"hold"`, `"outcome":"admit"`},
		{21, 21, "decision", `"line":2`, `"line":3`},
		{21, 21, "decision", `if priority >= P3 and`, `if priority >= P2 and`},
		{25, 25, "decision", `"ceiling":"S"`, `"ceiling":"M"`},
		{27, 27, "decision", `"ceiling":"shed",`, ``},
		{72, 72, "decision", `"floor":"L",`, ``},
		{72, 72, "decision", `"skip":"below-floor"`, `"skip":"not-allowed"`},
		{6, 6, "decision", `"output":"321"`, `"output":"322"`},
		{6, 6, "decision", `"pico":"25880000000"`, `"pico":"25880000001"`},
		{6, 6, "decision", `"tier":"XL"`, `"tier":"L"`},
		{6, 6, "decision", `"model":"model-xl"`, `"model":"model-l"`},
		{6, 6, "decision", `"price_card":"ab`, `"price_card":"ac`},
		{6, 6, "decision", `"basis":"measured"`, `"basis":"measured","cost_now":"1"`},
		{50, 50, "decision", `"cost_now":"4407700"`, `"cost_now":"4407701"`},
		{50, 50, "decision", `"cost_now":"4407700",`, ``},
		{62, 62, "decision", `"unpriced":true,`, ``},
		{37, 37, "decision", `"due_at":"2026-11-10T00:00:57`, `"due_at":"2026-11-10T00:00:56`},
		{37, 37, "decision", `"due_at":"2026-11-10T00:00:57`, `"due_at":"2026-11-10T00:01:57`},
		{40, 40, "decision", `"output":"20"`, `"output":"21"`},
		{40, 40, "decision", `"pico":"400000000"`, `"pico":"400000001"`},
		{40, 40, "decision", `"by":"settle"`, `"by":"somebody"`},
		{40, 40, "decision", `"seq":"38"}`, `"seq":"37"}`},
		{44, 44, "decision", `"corrects":{"hash":"1`, `"corrects":{"hash":"2`},
		{46, 46, "decision", `"base_seq":"3"`, `"base_seq":"2"`},
		{49, 49, "decision", `"base_seq":"3"`, `"base_seq":"0"`},
		{49, 52, "decision", `"commit":true`, `"commit":false`},
		{65, 65, "decision", `"frozen":true`, `"frozen":false`},
		{65, 65, "decision", `"stage":"overage-64"`, `"stage":"overage-63"`},
		{65, 65, "decision", `"by":"tarmac:overage"`, `"by":"cli:operator"`},
		{65, 65, "decision", `"month":"300000000"`, `"month":"300000001"`},
		{69, 69, "decision", `"holds_until":"2026-11-10T00:02:00`, `"holds_until":"2026-11-10T00:03:00`},
		{69, 75, "decision", `"holds_until":"2026-11-10T00:02:00`, `"holds_until":"2026-11-10T00:02:10`},
		{3, 4, "decision", `"expiry_ms":30000`, `"expiry_ms":30001`},
		{3, 4, "decision", `"time_zone":"UTC"`, `"time_zone":"Europe/Berlin"`},
		{3, 3, "decision", `"id":"acme","item":"workspace"`, `"id":"acne","item":"workspace"`},
		{3, 4, "decision", `"priority":"P0"`, `"priority":"P2"`},
		{3, 37, "decision", `"on_expiry":"release","on_overage":"none","priority":"P0"`,
			`"on_expiry":"capture","on_overage":"none","priority":"P0"`},
		{2, 25, "decision", `"P3":"S","pace_from":"9000"`, `"P3":"M","pace_from":"9000"`},
		{2, 21, "decision", `"do":"hold"`, `"do":"floor","tier":"S"`},
		{1, 4, "decision", `"pico_usd":"5000000"`, `"pico_usd":"5000001"`},
		{1, 8, "decision", `"aliases":["alias-l"]`, `"aliases":[]`},
	})
}

func tryAll(t *testing.T, forgeries []forgery) {
	t.Helper()
	lines := vectorLines(t)
	k := newTestKey(t, testOrigin, 1)
	for _, f := range forgeries {
		if l := readLine(replace(f.old, f.new)(lines[f.seq-1])); l.wrong != nil {
			t.Fatalf("%d, %s to %s is not even an entry: %v", f.seq, f.old, f.new, l.wrong)
		}
		faulty := rewrite(t, lines, f.seq, replace(f.old, f.new))
		got := told(t, export(t, faulty, k.checkpointOf(t, faulty), nil), "--vkey", k.vkey)
		if want := fmt.Sprintf("BAD entry %d: %s: ", f.shows, f.code); !strings.HasPrefix(got, want) {
			t.Errorf("%d, %s to %s: want %s, got %s", f.seq, f.old, f.new, want, strings.SplitN(got, "\n", 2)[0])
		}
	}
}
