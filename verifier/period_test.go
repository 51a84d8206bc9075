package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// Goal: an export of a period is checked as far as the page says, and what does not fit is found. Method:
// exports of the vectors' month are made here, whole and from some entry on, with the page's recipe for
// range proofs; then one thing in them is changed at a time.

// rangeProofOf makes a range proof over lines.
func rangeProofOf(lines []string, first, end int64) string {
	s := fmt.Sprintf("range %d %d %d\n", first, end, len(lines))
	hashes := func(from, to int64) {
		for _, size := range stretches(from, to) {
			s += treeOf(lines[from:from+size]).root().String() + "\n"
			from += size
		}
	}
	hashes(0, first)
	s += "\n"
	hashes(end, int64(len(lines)))
	return s
}

// openingOf makes the opening balances before line first+1, from a verifier of the whole ledger.
func openingOf(t *testing.T, lines []string, first int64) *opening {
	t.Helper()
	v := newVerifier(-1)
	for i, raw := range lines[:first] {
		if f := v.check(readLine(raw), readLine(lines[i+1])); f != nil {
			t.Fatal(f)
		}
	}
	o := map[string]interface{}{"ws": "acme", "period": "2026-11@UTC", "from": "2026-11-01T00:00:00.000Z",
		"to": "2026-12-01T00:00:00.000Z", "first_seq": fmt.Sprint(first + 1), "prev": v.chain.head}
	counters, open := []map[string]string{}, []map[string]string{}
	for _, c := range v.life.counters {
		counters = append(counters, map[string]string{"cap": c.cap, "period": c.period,
			"settled": fmt.Sprint(c.settled), "held": fmt.Sprint(c.held)})
	}
	for id, a := range v.life.calls {
		if a.held > 0 {
			open = append(open, map[string]string{"authorization": id, "held": fmt.Sprint(a.held)})
		}
	}
	o["counters"], o["open"] = counters, open
	made := &opening{}
	content, _ := json.Marshal(o)
	if err := json.Unmarshal(content, made); err != nil {
		t.Fatal(err)
	}
	return made
}

func (o *opening) written(t *testing.T) string {
	t.Helper()
	content, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// periodExportOf exports the lines from first to before end as a period.
func periodExportOf(t *testing.T, k testKey, lines []string, first, end int64, change func(files map[string]string)) string {
	t.Helper()
	files := map[string]string{"range-proof": rangeProofOf(lines, first, end),
		"opening.json": openingOf(t, lines, first).written(t), "vkey": k.vkey + "\n"}
	if change != nil {
		change(files)
	}
	return export(t, lines[first:end], k.checkpointOf(t, lines), files)
}

func TestPeriodFromEveryEntry(t *testing.T) {
	lines := vectorLines(t)
	k := newTestKey(t, testOrigin, 1)
	for first := int64(0); first < 77; first++ {
		for _, end := range []int64{first, (first + 78) / 2, 77} {
			if end < 77 && first < end && readLine(lines[end]).entry.kind == "release" ||
				first > 0 && first < 77 && readLine(lines[first]).entry.kind == "release" {
				continue // A settle and its release are of one moment, so no period divides them.
			}
			got := told(t, periodExportOf(t, k, lines, first, end, nil))
			if !strings.HasPrefix(got, fmt.Sprintf("OK %d entries, root ", end-first)) {
				t.Errorf("%d to %d: %s", first, end, got)
			}
			if !strings.Contains(got, "not checked: decisions") {
				t.Errorf("it does not say what is not checked: %s", got)
			}
		}
	}
}

func TestPeriodFaults(t *testing.T) {
	lines := vectorLines(t)
	k := newTestKey(t, testOrigin, 1)
	edit := func(file, old, new string) func(map[string]string) {
		return func(files map[string]string) {
			changed := strings.Replace(files[file], old, new, 1)
			if changed == files[file] {
				t.Fatalf("%s to %s changes nothing in %s", old, new, file)
			}
			files[file] = changed
		}
	}
	for name, c := range map[string]struct {
		want   string
		change func(files map[string]string)
	}{
		"first":         {"BAD checkpoint: range: ", edit("range-proof", "range 34", "range 33")},
		"end":           {"BAD checkpoint: range: ", edit("range-proof", "range 34 44", "range 34 45")},
		"size":          {"BAD checkpoint: range: ", edit("range-proof", " 77\n", " 78\n")},
		"a hash":        {"BAD checkpoint: range: ", edit("range-proof", "P0EDACOP3eyW", "P0EDACOP3eyX")},
		"text":          {"BAD checkpoint: range: ", edit("range-proof", "range", "Range")},
		"workspace":     {"BAD checkpoint: range: ", edit("opening.json", `"ws":"acme"`, `"ws":"acne"`)},
		"period":        {"BAD checkpoint: range: ", edit("opening.json", `"period":"2026-11@UTC"`, `"period":"2026-10@UTC"`)},
		"from":          {"BAD checkpoint: range: ", edit("opening.json", `"from":"2026-11-01`, `"from":"2026-11-02`)},
		"first_seq":     {"BAD checkpoint: range: ", edit("opening.json", `"first_seq":"35"`, `"first_seq":"36"`)},
		"unknown field": {"BAD checkpoint: range: ", edit("opening.json", `"first_seq"`, `"more":1,"first_seq"`)},
		"prev":          {"BAD entry 35: changed: ", edit("opening.json", `"prev":"de1b`, `"prev":"de1c`)},
		"a balance":     {"BAD entry 35: balance: ", edit("opening.json", `"settled":"66680000"`, `"settled":"66680001"`)},
		"of a year": {"BAD entry 35: balance: ", edit("opening.json", `"cap":"workspace:acme/year","period":"2026@UTC","settled":"`,
			`"cap":"workspace:acme/year","period":"2026@UTC","settled":"1`)},
	} {
		expectSaid(t, name, c.want, told(t, periodExportOf(t, k, lines, 34, 44, c.change)))
	}
	forged := rewrite(t, lines, 37, replace(`"amount":"12000000"`, `"amount":"11999999"`))
	files := map[string]string{"range-proof": rangeProofOf(forged, 34, 44), "vkey": k.vkey,
		"opening.json": openingOf(t, lines, 34).written(t)}
	expectSaid(t, "movement", "BAD entry 37: balance: ", told(t, export(t, forged[34:44], k.checkpointOf(t, forged), files)))
	cut := periodExportOf(t, k, lines, 34, 44, nil)
	write(t, cut+"/ledger.jsonl", strings.Join(lines[34:43], "\n")+"\n")
	expectSaid(t, "cut", "BAD checkpoint: range: ", told(t, cut))
	write(t, cut+"/ledger.jsonl", strings.Join(lines[35:44], "\n")+"\n")
	expectSaid(t, "first line missing", "BAD entry 35: removed: ", told(t, cut))
	earlier := export(t, nil, "", nil) + "/checkpoint"
	write(t, earlier, k.checkpointOf(t, lines[:40]))
	expectSaid(t, "since", "OK 10 entries", told(t, periodExportOf(t, k, lines, 34, 44, nil), "--since", earlier))
	write(t, earlier, k.sign(t, testOrigin+"\n40\n"+treeOf(lines[:41]).root().String()+"\n"))
	expectSaid(t, "forked", "BAD checkpoint: forked: ", told(t, periodExportOf(t, k, lines, 34, 44, nil), "--since", earlier))
}
