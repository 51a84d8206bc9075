package main

import "fmt"

// A fault is the first thing that is wrong. One in the lines names an entry; one in what is signed
// or proved names the checkpoint. The codes are those of the page's two tables.
type fault struct {
	checkpoint bool
	seq        int64
	code       string
	what       string
}

func (f *fault) Error() string {
	if f.checkpoint {
		return fmt.Sprintf("BAD checkpoint: %s: %s", f.code, f.what)
	}
	return fmt.Sprintf("BAD entry %d: %s: %s", f.seq, f.code, f.what)
}

func entryFault(seq int64, code, format string, args ...interface{}) *fault {
	return &fault{seq: seq, code: code, what: fmt.Sprintf(format, args...)}
}

func checkpointFault(code, format string, args ...interface{}) *fault {
	return &fault{checkpoint: true, code: code, what: fmt.Sprintf(format, args...)}
}

// offBalance is a fault of what Balances, The caps and The life of an authorization say.
func offBalance(e *entry, format string, args ...interface{}) *fault {
	return entryFault(e.seq, "balance", format, args...)
}

// undecided is a fault of what Deciding again says: another decision, price, amount or bound.
func undecided(e *entry, format string, args ...interface{}) *fault {
	return entryFault(e.seq, "decision", format, args...)
}
