package main

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// A receipt is a proof that one line is in a log.
type receipt struct {
	line   string
	index  int64
	path   tlog.RecordProof
	signed string
}

// readReceipt reads a file of c2sp.org/tlog-proof@v1.
func readReceipt(content string) (*receipt, error) {
	end := strings.Index(content, "\n\n")
	if end < 0 {
		return nil, fmt.Errorf("no empty line ends its path")
	}
	lines := strings.Split(content[:end], "\n")
	if lines[0] != "c2sp.org/tlog-proof@v1" {
		return nil, fmt.Errorf("its first line is not c2sp.org/tlog-proof@v1")
	}
	if len(lines) < 3 || !strings.HasPrefix(lines[1], "extra ") || !strings.HasPrefix(lines[2], "index ") {
		return nil, fmt.Errorf("its lines of extra and index are not there")
	}
	extra := strings.TrimPrefix(lines[1], "extra ")
	entry, err := base64.StdEncoding.DecodeString(extra)
	if err != nil || base64.StdEncoding.EncodeToString(entry) != extra {
		return nil, fmt.Errorf("its extra is not base64 in canonical form")
	}
	index := strings.TrimPrefix(lines[2], "index ")
	if !isDecimal(index, false) || !fitsInt64(index) {
		return nil, fmt.Errorf("its index is not a number")
	}
	r := &receipt{line: string(entry), index: number(index), signed: content[end+2:]}
	for _, s := range lines[3:] {
		h, ok := readHash(s)
		if !ok {
			return nil, fmt.Errorf("%q in its path is not the base64 of a SHA-256", s)
		}
		r.path = append(r.path, h)
	}
	return r, nil
}

// verifyReceipt checks a receipt proof.
func verifyReceipt(q *request) (*result, error) {
	r := &result{}
	content, err := os.ReadFile(q.path)
	if err != nil {
		return nil, err
	}
	known, f, err := q.knownKeys(filepath.Join(filepath.Dir(q.path), "vkey"), r)
	if f != nil || err != nil {
		r.fault = f
		return r, err
	}
	proof, err := readReceipt(string(content))
	if err != nil {
		r.fault = checkpointFault("proof", "%v", err)
		return r, nil
	}
	top, f := known.open([]byte(proof.signed), "the checkpoint")
	if f == nil {
		f = proof.check(top, r)
	}
	if r.fault = f; f == nil {
		r.root, r.entries = top.root, top.size
	}
	r.notChecked = append(r.notChecked, "all but that this entry is in the log: its chain, balances and decision need the ledger")
	return r, nil
}

func (p *receipt) check(top *checkpoint, r *result) *fault {
	l := readLine(p.line)
	if p.index >= top.size {
		return checkpointFault("proof", "its index is %d, and the checkpoint covers %d entries", p.index, top.size)
	}
	if err := tlog.CheckRecord(p.path, top.size, top.root, p.index, l.leaf); err != nil {
		return checkpointFault("proof", "its path does not lead to the checkpoint's root")
	}
	switch e := l.entry; {
	case e == nil:
		return entryFault(p.index+1, "format", "the line is not an entry: %v", l.wrong)
	case e.ws != top.workspace:
		return checkpointFault("note", "its origin is %s, and the line is of the workspace %s", top.origin, e.ws)
	case e.seq != p.index+1:
		return checkpointFault("proof", "its line is entry %d, and its index is that of entry %d", e.seq, p.index+1)
	}
	r.proved = fmt.Sprintf("entry %d of %s is in it: %s", l.entry.seq, l.entry.ws, l.entry.kind)
	if id := l.entry.str("authorization"); id != "" {
		r.proved += " of " + id
	}
	return nil
}
