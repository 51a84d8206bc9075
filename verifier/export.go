package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"

	"golang.org/x/mod/sumdb/tlog"
)

// A result is what a verification comes to: no fault, or the first.
type result struct {
	fault      *fault
	entries    int64
	root       tlog.Hash
	notChecked []string
	// proved says what a receipt proves; empty for an export.
	proved string
}

// A request is what the caller asked for.
type request struct {
	path  string
	vkeys []string
	since []string
	// progress is called now and then with the number of entries so far.
	progress func(entries int64)
}

// noVouch is said where the keys come with what they sign.
const noVouch = "who the keys are: those in vkey came with the export, and nobody vouches for them"

// knownKeys gives the keys that count: those of the caller, or those in a file beside what is checked.
func (q *request) knownKeys(beside string, r *result) (keys, *fault, error) {
	if len(q.vkeys) > 0 {
		known, err := readKeys(q.vkeys)
		return known, nil, err
	}
	found, err := keyLines(beside)
	if err != nil {
		return nil, nil, fmt.Errorf("no key is given with --vkey, and there is none to read: %w", err)
	}
	r.notChecked = append(r.notChecked, noVouch)
	known, err := readKeys(found)
	if err != nil {
		return nil, checkpointFault("unknown-key", "in the file vkey: %v", err), nil
	}
	return known, nil, nil
}

// An earlier is a checkpoint from before, with the root that the lines have at its size.
type earlier struct {
	*checkpoint
	file    string
	reached bool
	found   tlog.Hash
}

// verifyExport checks an export. An error means that it could not be read; what is wrong in it is a fault.
func verifyExport(q *request) (*result, error) {
	r := &result{}
	known, f, err := q.knownKeys(filepath.Join(q.path, "vkey"), r)
	if f != nil || err != nil {
		r.fault = f
		return r, err
	}
	signed, err := os.ReadFile(filepath.Join(q.path, "checkpoint"))
	if err != nil {
		return nil, err
	}
	top, f := known.open(signed, "the checkpoint")
	if f == nil {
		f, err = nameOtherWorkspace(filepath.Join(q.path, "ledger.jsonl"), top)
	}
	var since []*earlier
	if f == nil && err == nil {
		since, f, err = q.readSince(known, top)
	}
	if f != nil || err != nil {
		r.fault = f
		return r, err
	}
	v := newVerifier(top.size)
	var p *periodExport
	if p, f, err = readPeriod(q.path, top); f != nil || err != nil {
		r.fault = f
		return r, err
	}
	if p != nil {
		p.begin(v)
	}
	f, err = q.checkLines(v, since)
	if f == nil && err == nil {
		f = finish(v, p, top, since)
	}
	r.fault, r.entries, r.root = f, v.chain.n, top.root
	if p != nil {
		r.entries = v.chain.n - (p.proof.first)
	}
	r.notChecked = append(r.notChecked, v.remains(since)...)
	return r, err
}

// nameOtherWorkspace tells whether the checkpoint is of another workspace than the first line.
func nameOtherWorkspace(path string, top *checkpoint) (*fault, error) {
	lines, err := readLines(path)
	if err != nil {
		return nil, err
	}
	defer lines.close()
	first, err := lines.next()
	if err == nil && first != nil && first.entry != nil && first.entry.ws != top.workspace {
		return checkpointFault("note", "its origin is %s, and the lines are of the workspace %s", top.origin,
			first.entry.ws), nil
	}
	return nil, err
}

// readSince opens the earlier checkpoints, the smallest first.
func (q *request) readSince(known keys, top *checkpoint) ([]*earlier, *fault, error) {
	var since []*earlier
	for _, file := range q.since {
		signed, err := os.ReadFile(file)
		if err != nil {
			return nil, nil, err
		}
		c, f := known.open(signed, "the earlier checkpoint "+file)
		switch {
		case f != nil:
			return nil, f, nil
		case c.origin != top.origin:
			return nil, checkpointFault("note", "the earlier checkpoint %s is of %s, not of %s", file, c.origin, top.origin), nil
		case c.size > top.size:
			return nil, checkpointFault("cut-back", "it covers %d entries, and the earlier %s covered %d", top.size, file, c.size), nil
		}
		since = append(since, &earlier{checkpoint: c, file: file})
	}
	sort.SliceStable(since, func(i, j int) bool { return since[i].size < since[j].size })
	return since, nil, nil
}

// checkLines checks all lines, each with a look at the one after it.
func (q *request) checkLines(v *verifier, since []*earlier) (*fault, error) {
	lines, err := readLines(filepath.Join(q.path, "ledger.jsonl"))
	if err != nil {
		return nil, err
	}
	defer lines.close()
	v.noteRoots(since)
	x, err := lines.next()
	for x != nil && err == nil {
		var after *line
		if after, err = lines.next(); err != nil {
			break
		}
		if f := v.check(x, after); f != nil {
			return f, nil
		}
		v.noteRoots(since)
		if v.chain.n%256 == 0 && q.progress != nil {
			q.progress(v.chain.n)
		}
		x = after
	}
	return nil, err
}

// noteRoots keeps the root where the lines have reached the size of an earlier checkpoint.
func (v *verifier) noteRoots(since []*earlier) {
	for _, e := range since {
		if !e.reached && e.size == v.chain.n && (v.bounds == nil || v.tree.size == v.chain.n) {
			e.reached, e.found = true, v.tree.root()
		}
	}
}

// finish compares what the lines come to with what is signed.
func finish(v *verifier, p *periodExport, top *checkpoint, since []*earlier) *fault {
	if p != nil {
		if f := p.finish(v, top); f != nil {
			return f
		}
	} else if v.chain.n < top.size {
		return entryFault(v.chain.n+1, "truncated", "the lines end, and the checkpoint covers %d entries", top.size)
	}
	for _, e := range since {
		if e.reached && e.found != e.root {
			return checkpointFault("forked", "the root over the first %d entries is %s, and %s has %s", e.size,
				e.found, e.file, e.root)
		}
	}
	if p == nil && v.tree.root() != top.root {
		return checkpointFault("rewritten", "every line is sound, and their root is %s, not %s", v.tree.root(), top.root)
	}
	return nil
}

// remains lists what these checks leave open.
func (v *verifier) remains(since []*earlier) []string {
	left := v.open
	if v.deciding {
		left = append(left, "what is a fact in the ledger: usage as reported, bounds, that holds expired unrenewed, "+
			"who was let in, payload_hash and idempotency, time")
	} else {
		left = append(left, "decisions, prices, costs and configuration: to decide again, all entries from the first are needed")
	}
	for _, e := range since {
		if !e.reached {
			left = append(left, fmt.Sprintf("that the earlier checkpoint %s, of size %d, is of the same history: "+
				"the lines do not reach it", e.file, e.size))
		}
	}
	return left
}
