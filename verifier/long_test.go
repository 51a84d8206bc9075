package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Goal: long ledgers are verified fast, and run counters end when the page says. Method: entries are
// written here after the pattern of entries 8 and 9 of the vectors, with balances and paces of their own.

// A writer writes calls of the agent bot behind the first three entries of the vectors.
type writer struct {
	lines []string
	at    int64
	calls int
	// spent is by the key of a period or by run.
	spent       map[string]int64
	open, close string
	calendar    *calendar
}

const (
	runLimit    = 60000000000000
	monthLimit  = 600000000000000
	centerLimit = 5000000000000000
	yearLimit   = 20000000000000000
)

func newWriter(t testing.TB, at string) *writer {
	t.Helper()
	lines := vectorLines(t)
	founding := rewrite(t, lines[:9], 3, func(line string) string {
		return strings.NewReplacer(`"month":"600000000","run":"60000000","year":"20000000000"`,
			fmt.Sprintf(`"month":"%d","run":"%d","year":"%d"`, monthLimit, runLimit, yearLimit),
			`"month":"5000000000"`, fmt.Sprintf(`"month":"%d"`, centerLimit)).Replace(line)
	})
	w := &writer{lines: founding[:3], spent: map[string]int64{}, open: lines[7], close: lines[8]}
	w.calendar, _ = newCalendar("UTC")
	w.at, _ = parseInstant(at)
	return w
}

func (w *writer) head() string { return readLine(w.lines[len(w.lines)-1]).hash }

// legs writes the nine legs of bot after an entry; an authorize states limits and paces too.
func (w *writer) legs(run string, held int64, authorize bool) string {
	var out strings.Builder
	add := func(cap, period string, limit int64, p *span) {
		fmt.Fprintf(&out, `{"cap":"%s","held":"%d",`, cap, held)
		if authorize && limit > 0 {
			fmt.Fprintf(&out, `"limit":"%d",`, limit)
			if p != nil {
				fmt.Fprintf(&out, `"pace":"%s",`, paceOf(balance{w.spent[period], 0}, limit, w.at, p))
			}
		}
		fmt.Fprintf(&out, `"period":"%s","settled":"%d"},`, period, w.spent[period])
	}
	month, year := w.calendar.monthOf(w.at), w.calendar.yearOf(w.at)
	add("agent:bot/run", run, runLimit, nil)
	add("agent:bot/month", month.key, monthLimit, month)
	add("cost_center:support/month", month.key, centerLimit, month)
	add("team:care/month", month.key, 0, month)
	add("workspace:acme/month", month.key, 0, month)
	add("agent:bot/year", year.key, yearLimit, year)
	add("cost_center:support/year", year.key, 0, year)
	add("team:care/year", year.key, 0, year)
	add("workspace:acme/year", year.key, 0, year)
	return "[" + strings.TrimSuffix(out.String(), ",") + "]"
}

// put writes an entry after a template: with these legs, and with one text of each pair for the other.
func (w *writer) put(template, legs string, pairs ...string) {
	at := strings.Index(template, `"legs":[`)
	end := at + strings.Index(template[at:], `],"model"`)
	line := template[:at] + `"legs":` + legs + template[end+1:]
	was := readLine(template)
	pairs = append(pairs, `"prev":"`+was.prev, `"prev":"`+w.head(),
		fmt.Sprintf(`"seq":"%d","t`, was.seq), fmt.Sprintf(`"seq":"%d","t`, len(w.lines)+1),
		`"at":"`+formatInstant(was.entry.at), `"at":"`+formatInstant(w.at))
	w.lines = append(w.lines, strings.NewReplacer(pairs...).Replace(line))
}

func (s *span) written() string {
	return fmt.Sprintf(`{"end":"%s","key":"%s","start":"%s"}`, formatInstant(s.end), s.key, formatInstant(s.start))
}

// call writes an authorize and the settle that closes it. Without a run the call is one of its own.
func (w *writer) call(run string) {
	const was, amount = `auth_01a1c2c1-33a0-7020-a020-202020202020`, 24000000
	w.calls++
	id := fmt.Sprintf("auth_01a1c2c1-33a0-7020-a020-%012x", w.calls)
	if run == "" {
		run = id
	}
	month, year := w.calendar.monthOf(w.at), w.calendar.yearOf(w.at)
	pace := paceOf(balance{w.spent[month.key], 0}, monthLimit, w.at, month).String()
	w.put(w.open, w.legs(run, amount, true), `"run":"`+was, `"run":"`+run, was, id,
		`"expires_at":"2026-11-10T00:00:34.000Z"`, `"expires_at":"`+formatInstant(w.at+30000)+`"`,
		`"value":"1882"`, `"value":"`+pace+`"`,
		`{"end":"2026-12-01T00:00:00.000Z","key":"2026-11@UTC","start":"2026-11-01T00:00:00.000Z"}`, month.written(),
		`{"end":"2027-01-01T00:00:00.000Z","key":"2026@UTC","start":"2026-01-01T00:00:00.000Z"}`, year.written())
	opened := fmt.Sprintf(`"opened":{"hash":"%s","seq":"%d"}`, w.head(), len(w.lines))
	for _, period := range []string{run, month.key, year.key} {
		w.spent[period] += amount
	}
	w.put(w.close, w.legs(run, 0, false), `"run":"`+was, `"run":"`+run, was, id,
		`"opened":{"hash":"`+readLine(w.open).hash+`","seq":"8"}`, opened)
}

// said verifies lines under a checkpoint over them.
func said(t testing.TB, lines []string) string {
	t.Helper()
	k := newTestKey(t, testOrigin, 1)
	return told(t, export(t, lines, k.checkpointOf(t, lines), nil), "--vkey", k.vkey)
}

func TestRunCounterEnds(t *testing.T) {
	for _, c := range []struct {
		after int64
		ends  bool
		want  string
	}{
		{35 * dayMs, true, "OK 7 "},
		{35*dayMs - 1, false, "OK 7 "},
		{35 * dayMs, false, "BAD entry 6: balance: "},
		{35*dayMs - 1, true, "BAD entry 6: balance: "},
	} {
		w := newWriter(t, "2026-11-10T00:01:00.000Z")
		w.call("job")
		w.at += c.after
		if c.ends {
			w.spent["job"] = 0
		}
		w.call("job")
		if got := said(t, w.lines); !strings.HasPrefix(got, c.want) {
			t.Errorf("after %d ms: want %s, got %s", c.after, c.want, got)
		}
	}
}

func TestLongLedger(t *testing.T) {
	w := newWriter(t, "2026-12-31T23:58:00.000Z")
	for i := 0; i < 300; i++ {
		w.at += 700
		w.call([]string{"", "job-1", "job-2"}[i%3])
	}
	if got := said(t, w.lines); !strings.HasPrefix(got, "OK 603 entries") {
		t.Error(got)
	}
}

func BenchmarkVerify(b *testing.B) {
	w := newWriter(b, "2026-11-10T00:01:00.000Z")
	for len(w.lines) < 20000 {
		w.at += 70
		w.call("")
	}
	k := newTestKey(b, testOrigin, 1)
	dir := export(b, w.lines, k.checkpointOf(b, w.lines), nil)
	b.ResetTimer()
	began := time.Now()
	for i := 0; i < b.N; i++ {
		if got := told(b, dir, "--vkey", k.vkey); !strings.HasPrefix(got, "OK ") {
			b.Fatal(got)
		}
	}
	b.ReportMetric(float64(len(w.lines)*b.N)/time.Since(began).Seconds(), "entries/s")
}
