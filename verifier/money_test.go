package main

import "testing"

// Goal: amounts, costs and periods come out as the page says at their edges. Method: examples worked by hand.

func TestRounding(t *testing.T) {
	for _, c := range []struct {
		pico            string
		halfEven, above int64
	}{
		{"0", 0, 0}, {"1", 0, 1}, {"499", 0, 1}, {"500", 0, 1}, {"501", 1, 1}, {"1000", 1, 1}, {"1500", 2, 2},
		{"2500", 2, 3}, {"2500001/1000", 3, 3}, {"2500000/1000", 2, 3}, {"363478500", 363478, 363479},
		{"21016000750000/1000", 21016001, 21016001}, {"1000000000000000000", 1000000000000000, 1000000000000000},
	} {
		f, ok := parseFraction(c.pico)
		if !ok || f.nanoHalfEven() != c.halfEven || f.nanoUp() != c.above {
			t.Errorf("%s: %d and %d", c.pico, f.nanoHalfEven(), f.nanoUp())
		}
	}
	for _, s := range []string{"", "-1", "01", "1/0", "1/", "/1", "1/2/3", "1.5"} {
		if _, ok := parseFraction(s); ok {
			t.Errorf("%q is taken for a fraction", s)
		}
	}
	if dear, _ := parseFraction("1000000000000000001"); !dear.tooDear() {
		t.Error("what costs above $1,000,000 has a price")
	}
	if dear, _ := parseFraction("2000000000000000000/2"); dear.tooDear() {
		t.Error("what costs $1,000,000 has none")
	}
}

func TestWorstCase(t *testing.T) {
	price := func(pico, per string) *fraction { return &fraction{bigOf(pico), bigOf(per)} }
	m := &pricedModel{window: bigOf("1000"), outputMax: bigOf("100"), bands: []band{
		{from: bigOf("0"), units: [unitCount]*fraction{inputUnit: price("10", "1"), outputUnit: price("50", "1"),
			cacheWrite5m: price("25", "2")}},
		{from: bigOf("500"), units: [unitCount]*fraction{inputUnit: price("20", "1"), outputUnit: price("40", "1"),
			cacheWrite5m: price("15", "1"), webSearch: price("7000", "1000")}},
	}}
	within := func(input, output string, more func(b *bound)) *bound {
		b := &bound{input: bigOf(input), choices: bigOf("1"), iterations: bigOf("1"), searches: bigOf("0")}
		if output != "" {
			b.output = bigOf(output)
		}
		if more != nil {
			more(b)
		}
		return b
	}
	for name, c := range map[string]struct {
		b    *bound
		want string
	}{
		"first band":        {within("100", "10", nil), "1500"},
		"output unbounded":  {within("100", "", nil), "6000"},
		"output too large":  {within("100", "999", nil), "6000"},
		"second band":       {within("500", "0", nil), "10000"},
		"above the window":  {within("1001", "0", nil), "20000"},
		"hidden":            {within("1", "0", func(b *bound) { b.hidden = true }), "20000"},
		"twice":             {within("1", "10", func(b *bound) { b.iterations = bigOf("2") }), "40800"},
		"two answers":       {within("100", "10", func(b *bound) { b.choices = bigOf("2") }), "2000"},
		"cache write":       {within("100", "10", func(b *bound) { b.writes = []int{cacheWrite5m} }), "3500/2"},
		"unpriced write":    {within("100", "10", func(b *bound) { b.writes = []int{cacheWrite1h} }), ""},
		"unpriced searches": {within("100", "10", func(b *bound) { b.searches = bigOf("1") }), ""},
	} {
		got, priced := m.worstCase(c.b)
		if priced != (c.want != "") || priced && !sameFraction(got.String(), c.want) {
			t.Errorf("%s: %v, %v", name, got, priced)
		}
	}
}

func TestPeriods(t *testing.T) {
	for _, c := range []struct{ key, start, end string }{
		{"2026-11@UTC", "2026-11-01T00:00:00.000Z", "2026-12-01T00:00:00.000Z"},
		{"2026-03@Europe/Berlin", "2026-02-28T23:00:00.000Z", "2026-03-31T22:00:00.000Z"},
		{"2026@Europe/Berlin", "2025-12-31T23:00:00.000Z", "2026-12-31T23:00:00.000Z"},
		{"2026-11@America/New_York", "2026-11-01T04:00:00.000Z", "2026-12-01T05:00:00.000Z"},
		// The clock skips midnight of the first: the month begins at one.
		{"2017-10@America/Asuncion", "2017-10-01T04:00:00.000Z", "2017-11-01T03:00:00.000Z"},
		{"2026-12@Pacific/Kiritimati", "2026-11-30T10:00:00.000Z", "2026-12-31T10:00:00.000Z"},
	} {
		s, err := periodOf(c.key)
		if err != nil || s.key != c.key || formatInstant(s.start) != c.start || formatInstant(s.end) != c.end {
			t.Errorf("%s: %+v, %v", c.key, s, err)
			continue
		}
		calendar, _ := newCalendar(c.key[indexOf(c.key, '@')+1:])
		for _, at := range []int64{s.start, s.end - 1} {
			if month := calendar.monthOf(at).key; len(c.key) > 7 && c.key[4] == '-' && month != c.key {
				t.Errorf("%s is of %s, not of %s", formatInstant(at), month, c.key)
			}
		}
	}
	for _, key := range []string{"2026-13@UTC", "2026-11", "2026-11@Nowhere/Else", "26@UTC", "2026-11@Local", "2026/11@UTC"} {
		if _, err := periodOf(key); err == nil {
			t.Errorf("%s is taken for a period", key)
		}
	}
}

func indexOf(s string, c byte) int {
	for i := range s {
		if s[i] == c {
			return i
		}
	}
	return -1
}

func TestInstants(t *testing.T) {
	for _, s := range []string{"1970-01-01T00:00:00.000Z", "2024-02-29T23:59:59.999Z", "2026-11-10T00:00:01.000Z",
		"2100-03-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z"} {
		if ms, ok := parseInstant(s); !ok || formatInstant(ms) != s {
			t.Errorf("%s is read as %s", s, formatInstant(ms))
		}
	}
	for _, s := range []string{"2026-02-29T00:00:00.000Z", "2026-11-10T24:00:00.000Z", "2026-11-10T00:00:60.000Z",
		"2026-11-10T00:00:00Z", "2026-11-10t00:00:00.000z", "2026-1-10T00:00:00.0000Z", "2026-00-10T00:00:00.000Z"} {
		if _, ok := parseInstant(s); ok {
			t.Errorf("%s is taken for an instant", s)
		}
	}
}
