package main

import (
	"fmt"
	"strings"
	"testing"
)

// Goal: whoever swaps, removes, doubles, puts in, changes, cuts or adds lines is found out by code and
// seq. Method: each fault is made at every place in the vectors, under a checkpoint over what they were.

func TestChainSwapped(t *testing.T) {
	lines := vectorLines(t)
	for i := 0; i+1 < len(lines); i++ {
		faulty := append([]string(nil), lines...)
		faulty[i], faulty[i+1] = faulty[i+1], faulty[i]
		expect(t, fmt.Sprintf("BAD entry %d: swapped: ", i+1), faulty, lines)
	}
}

func TestChainRemoved(t *testing.T) {
	lines := vectorLines(t)
	for i := 0; i+1 < len(lines); i++ {
		for count := 1; count < 4 && i+count < len(lines); count += 2 {
			faulty := append(append([]string(nil), lines[:i]...), lines[i+count:]...)
			expect(t, fmt.Sprintf("BAD entry %d: removed: ", i+1), faulty, lines)
		}
	}
}

func TestChainDoubled(t *testing.T) {
	lines := vectorLines(t)
	for i := range lines {
		faulty := append(append([]string(nil), lines[:i+1]...), lines[i:]...)
		expect(t, fmt.Sprintf("BAD entry %d: doubled: ", i+1), faulty, lines)
	}
}

func TestChainInserted(t *testing.T) {
	lines := vectorLines(t)
	for i := range lines {
		// Another entry i+1, good in itself, before the one that belongs there.
		other := replace(`"salt":"`, `"salt":"f`)(lines[i])
		other = other[:strings.Index(other, `"salt":"`)+40] + other[strings.Index(other, `"salt":"`)+41:]
		faulty := append(append(append([]string(nil), lines[:i]...), other), lines[i:]...)
		expect(t, fmt.Sprintf("BAD entry %d: inserted: ", i+1), faulty, lines)
	}
	for i := 2; i < len(lines); i++ {
		// An entry from further up.
		faulty := append(append(append([]string(nil), lines[:i]...), lines[i/2-1]), lines[i:]...)
		if readLine(lines[i/2-1]).seq == int64(i) {
			continue
		}
		expect(t, fmt.Sprintf("BAD entry %d: inserted: ", i/2), faulty, lines)
	}
}

func TestChainChangedAnyByte(t *testing.T) {
	lines := vectorLines(t)
	k := newTestKey(t, testOrigin, 1)
	signed := k.checkpointOf(t, lines)
	for i := 0; i < len(lines); i++ {
		for place := i % 37; place < len(lines[i]); place += 797 {
			bytes := []byte(lines[i])
			bytes[place] ^= 1
			faulty := append([]string(nil), lines...)
			faulty[i] = string(bytes)
			got := told(t, export(t, faulty, signed, nil), "--vkey", k.vkey)
			if i == len(lines)-1 {
				if !strings.HasPrefix(got, "BAD ") {
					t.Errorf("entry %d, byte %d: %s", i+1, place, got)
				}
				continue
			}
			if want := fmt.Sprintf("BAD entry %d: changed: ", i+1); !strings.HasPrefix(got, want) &&
				!strings.HasPrefix(got, "BAD checkpoint: note: ") && !inSeq(lines[i], place) {
				t.Errorf("entry %d, byte %d: %s", i+1, place, got)
			}
		}
	}
}

// inSeq tells whether a byte is in the value of seq: there the page names the fault by the new seq.
func inSeq(line string, place int) bool {
	at := strings.Index(line, `"seq":"`+fmt.Sprint(readLine(line).seq)+`"`) + len(`"seq":"`)
	return place >= at && place < at+2
}

func TestChainCut(t *testing.T) {
	lines := vectorLines(t)
	for i := range lines {
		expect(t, fmt.Sprintf("BAD entry %d: truncated: ", i+1), lines[:i], lines)
	}
	// A line that ends too early is none, and nothing follows it.
	dir := export(t, nil, newTestKey(t, testOrigin, 1).checkpointOf(t, lines), nil)
	write(t, dir+"/ledger.jsonl", strings.Join(lines[:20], "\n"))
	if got := told(t, dir, "--vkey", newTestKey(t, testOrigin, 1).vkey); !strings.HasPrefix(got, "BAD entry 20: format: ") {
		t.Error(got)
	}
}

func TestChainSurplus(t *testing.T) {
	lines := vectorLines(t)
	for i := 1; i < len(lines); i++ {
		expect(t, fmt.Sprintf("BAD entry %d: surplus: ", i+1), lines, lines[:i])
	}
}

func TestChainFormat(t *testing.T) {
	lines := vectorLines(t)
	last := len(lines) - 1
	for name, change := range map[string]func(string) string{
		"white space":    replace(`"base_seq":"65"`, `"base_seq": "65"`),
		"order":          replace(`"base_seq":"65","by":"cli:operator"`, `"by":"cli:operator","base_seq":"65"`),
		"doubled field":  replace(`"base_seq":"65"`, `"base_seq":"65","base_seq":"65"`),
		"unknown field":  replace(`"base_seq":"65"`, `"base_seq":"65","bogus":"1"`),
		"missing field":  replace(`"base_seq":"65",`, ``),
		"null":           replace(`"v":1`, `"v":null`),
		"version":        replace(`"v":1`, `"v":2`),
		"fraction":       replace(`"v":1`, `"v":1.0`),
		"escape":         replace(`cli:operator`, `cli:operato\u0072`),
		"slash":          replace(`cli:operator`, `cli:operato\/r`),
		"leading zero":   replace(`"base_seq":"65"`, `"base_seq":"065"`),
		"number as text": replace(`"v":1`, `"v":"1"`),
		"upper case":     replace(`"salt":"0000000000000000000000000000004c"`, `"salt":"0000000000000000000000000000004C"`),
		"no such day":    replace(`"at":"2026-11-10`, `"at":"2026-11-31`),
		"no millisecond": replace(`02:03.000Z","base`, `02:03Z","base`),
		"no kind":        replace(`"kind":"configure"`, `"kind":"confirm"`),
		"behind it":      func(s string) string { return s + " " },
		"half pair":      replace(`cli:operator`, "cli:\xed\xa0\x80"),
		"nothing":        func(string) string { return "" },
		"log key id":     replace(`"id":"21fe31dfa154a261"`, `"id":"21fe31dfa154a262"`),
		"goes back":      replace(`"at":"2026-11-10T00:02:03`, `"at":"2026-11-10T00:02:01`),
		"epoch back":     replace(`"epoch":"2"`, `"epoch":"1"`),
		"epoch raised":   replace(`"epoch":"2"`, `"epoch":"3"`),
		"workspace":      replace(`"ws":"acme"`, `"ws":"acmf"`),
	} {
		faulty := append([]string(nil), lines...)
		if faulty[last] = change(lines[last]); faulty[last] == lines[last] {
			t.Fatalf("%s changes nothing", name)
		}
		k := newTestKey(t, testOrigin, 1)
		got := told(t, export(t, faulty, k.checkpointOf(t, faulty), nil), "--vkey", k.vkey)
		if want := "BAD entry 77: format: "; !strings.HasPrefix(got, want) {
			t.Errorf("%s: want %s, got %s", name, want, got)
		}
	}
}
