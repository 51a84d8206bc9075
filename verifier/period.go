package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// A rangeProof shows that lines are the leaves from first to before end of a tree of that size.
type rangeProof struct {
	first, end, size int64
	left, right      []tlog.Hash
}

// readRangeProof reads a range proof; it has exactly the hashes that its numbers call for.
func readRangeProof(content string) (*rangeProof, error) {
	lines := strings.Split(content, "\n")
	if lines[len(lines)-1] != "" {
		return nil, errors.New("it does not end with a line feed")
	}
	numbers := strings.Split(lines[0], " ")
	lines = lines[:len(lines)-1]
	if len(numbers) != 4 || numbers[0] != "range" {
		return nil, errors.New("its first line is not range <first> <end> <size>")
	}
	var read [3]int64
	for i, s := range numbers[1:] {
		if !isDecimal(s, false) || !fitsInt64(s) {
			return nil, fmt.Errorf("%q is not a number", s)
		}
		read[i] = number(s)
	}
	p := &rangeProof{first: read[0], end: read[1], size: read[2]}
	if p.first > p.end || p.end > p.size {
		return nil, errors.New("its numbers do not rise")
	}
	left, right := len(stretches(0, p.first)), len(stretches(p.end, p.size))
	if len(lines) != 1+left+1+right || lines[1+left] != "" {
		return nil, fmt.Errorf("it does not have %d hashes, an empty line and %d hashes", left, right)
	}
	for i, s := range lines[1:] {
		if i == left {
			continue
		}
		h, ok := readHash(s)
		if !ok {
			return nil, fmt.Errorf("%q is not the base64 of a SHA-256", s)
		}
		if i < left {
			p.left = append(p.left, h)
		} else {
			p.right = append(p.right, h)
		}
	}
	return p, nil
}

// An opening says how things stood before the first line of a period.
type opening struct {
	WS       string `json:"ws"`
	Period   string `json:"period"`
	From     string `json:"from"`
	To       string `json:"to"`
	FirstSeq string `json:"first_seq"`
	Prev     string `json:"prev"`
	Counters []struct {
		Cap     string `json:"cap"`
		Period  string `json:"period"`
		Settled string `json:"settled"`
		Held    string `json:"held"`
	} `json:"counters"`
	Open []struct {
		Authorization string `json:"authorization"`
		Held          string `json:"held"`
	} `json:"open"`
}

// A periodExport is what an export of a month or year has besides the lines.
type periodExport struct {
	proof   *rangeProof
	opening *opening
	bounds  *span
}

// readPeriod reads range proof and opening; nil where the export is of the whole ledger.
func readPeriod(dir string, top *checkpoint) (*periodExport, *fault, error) {
	proof, err := os.ReadFile(filepath.Join(dir, "range-proof"))
	stated, errToo := os.ReadFile(filepath.Join(dir, "opening.json"))
	if errors.Is(err, fs.ErrNotExist) && errors.Is(errToo, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil || errToo != nil {
		return nil, nil, fmt.Errorf("range-proof and opening.json come together: %v, %v", err, errToo)
	}
	p := &periodExport{opening: &opening{}}
	if p.proof, err = readRangeProof(string(proof)); err != nil {
		return nil, checkpointFault("range", "range-proof: %v", err), nil
	}
	decoder := json.NewDecoder(bytes.NewReader(stated))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(p.opening); err != nil {
		return nil, checkpointFault("range", "opening.json: %v", err), nil
	}
	if problem := p.fits(top); problem != "" {
		return nil, checkpointFault("range", "%s", problem), nil
	}
	return p, nil, nil
}

// fits tells what in opening.json or the proof does not go with the checkpoint or with itself.
func (p *periodExport) fits(top *checkpoint) string {
	o := p.opening
	from, okFrom := parseInstant(o.From)
	to, okTo := parseInstant(o.To)
	due, err := periodOf(o.Period)
	switch {
	case p.proof.size != top.size:
		return fmt.Sprintf("range-proof is of %d entries, the checkpoint of %d", p.proof.size, top.size)
	case o.WS != top.workspace:
		return "opening.json is of another workspace than the checkpoint"
	case err != nil:
		return "opening.json: " + err.Error()
	case !okFrom || !okTo || from != due.start || to != due.end:
		return fmt.Sprintf("opening.json: %s goes from %s to %s", o.Period, formatInstant(due.start), formatInstant(due.end))
	case !isDecimal(o.FirstSeq, false) || o.FirstSeq != strconv.FormatInt(p.proof.first+1, 10):
		return "opening.json and range-proof do not begin at the same entry"
	case !isHex(o.Prev, 64) || p.proof.first == 0 && o.Prev != zeros:
		return "opening.json: its prev is not the hash before the first line"
	}
	for _, c := range o.Counters {
		if !isDecimal(c.Settled, true) || !fitsInt64(c.Settled) || !isDecimal(c.Held, false) || !fitsInt64(c.Held) {
			return fmt.Sprintf("opening.json: the balance of %s in %s is not two amounts", c.Cap, c.Period)
		}
	}
	for _, a := range o.Open {
		if !isAuthorizationID(a.Authorization) || !isDecimal(a.Held, false) || !fitsInt64(a.Held) {
			return fmt.Sprintf("opening.json: %s with %s is not an open authorization", a.Authorization, a.Held)
		}
	}
	p.bounds = due
	return ""
}

// periodOf reads a period key such as 2026-11@Europe/Berlin or 2026@UTC.
func periodOf(key string) (*span, error) {
	at := strings.IndexByte(key, '@')
	if at != 4 && at != 7 || !isDigitsOnly(key[:4]) {
		return nil, fmt.Errorf("%q is not a month or year", key)
	}
	c, err := newCalendar(key[at+1:])
	if err != nil {
		return nil, err
	}
	year, _ := strconv.Atoi(key[:4])
	if at == 4 {
		return c.yearSpan(year), nil
	}
	month, err := strconv.Atoi(key[5:7])
	if err != nil || key[4] != '-' || month < 1 || month > 12 {
		return nil, fmt.Errorf("%q is not a month or year", key)
	}
	return c.monthSpan(year, month), nil
}

func isDigitsOnly(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// begin puts a verifier where the period begins: behind the leaves before it, with the opening balances.
func (p *periodExport) begin(v *verifier) {
	v.deciding, v.bounds = false, p.bounds
	v.chain.n, v.chain.head, v.chain.partial = p.proof.first, p.opening.Prev, p.proof.first > 0
	for i, leaves := range stretches(0, p.proof.first) {
		v.tree.push(subtree{leaves, p.proof.left[i]})
	}
	v.life.early = map[string]int64{}
	for _, a := range p.opening.Open {
		v.life.early[a.Authorization] = number(a.Held)
	}
	for _, c := range p.opening.Counters {
		known := v.life.counter(c.Cap, c.Period)
		known.settled, known.held, known.opening = number(c.Settled), number(c.Held), true
		known.ownRun = known.run && isAuthorizationID(c.Period)
	}
}

// finish compares the lines with the range proof.
func (p *periodExport) finish(v *verifier, top *checkpoint) *fault {
	if v.chain.n != p.proof.end {
		return checkpointFault("range", "the lines end with entry %d, and range-proof with %d", v.chain.n, p.proof.end)
	}
	for i, leaves := range stretches(p.proof.end, p.proof.size) {
		v.tree.push(subtree{leaves, p.proof.right[i]})
	}
	if v.tree.root() != top.root {
		return checkpointFault("range", "lines and range-proof lead to the root %s, not to %s", v.tree.root(), top.root)
	}
	return nil
}
