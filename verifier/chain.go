package main

import "strings"

// A chain knows where in a ledger the next line belongs: after which line, when and in which term.
type chain struct {
	n          int64
	head       string
	headBefore string
	last       string
	ws         string
	at         int64
	epoch      int64
	begun      bool
	// partial is set for a period, whose first line is not the ledger's first.
	partial bool
	// size is that of the checkpoint, or -1 where there is none.
	size int64
}

var zeros = strings.Repeat("0", 64)

func newChain(size int64) *chain { return &chain{head: zeros, headBefore: zeros, size: size} }

// place tells whether line x is the one that is due. next is the line after it, nil at the end:
// the lines around a wrong one tell what was done.
func (c *chain) place(x, next *line) *fault {
	due := c.n + 1
	if x.entry == nil {
		if next != nil && next.seq == due+1 {
			return entryFault(due, "changed", "the line in its place is not an entry: %v", x.wrong)
		}
		return entryFault(due, "format", "the line is not an entry: %v", x.wrong)
	}
	switch seq := x.seq; {
	case seq != due && next != nil && next.seq == due+1:
		return entryFault(due, "changed", "it says that it is entry %d, and entry %d follows", seq, next.seq)
	case seq == due+1 && next != nil && next.seq == due:
		return entryFault(due, "swapped", "entry %d stands before it", due+1)
	case seq > due:
		return entryFault(due, "removed", "entry %d stands where it is due", seq)
	case seq < due && x.raw == c.last:
		return entryFault(seq, "doubled", "the same line stands twice")
	case seq == c.n && c.n > 0 && x.prev == c.headBefore:
		return entryFault(seq, "inserted", "another entry %d follows that belongs there too", seq)
	case seq < due:
		return entryFault(seq, "inserted", "it stands where entry %d is due", due)
	}
	if c.size >= 0 && due > c.size {
		return entryFault(due, "surplus", "the checkpoint covers %d entries", c.size)
	}
	if x.prev != c.head {
		if c.n > 0 && c.begun && next != nil && next.prev == x.hash {
			return entryFault(c.n, "changed", "entry %d names another hash of it", due)
		}
		return entryFault(due, "changed", "its prev is not the hash of the entry before")
	}
	return c.envelope(x.entry)
}

// envelope checks what entries have in common with those before them.
func (c *chain) envelope(e *entry) *fault {
	if c.ws != "" && e.ws != c.ws {
		return entryFault(e.seq, "format", "its ws is %s, that of the ledger %s", e.ws, c.ws)
	}
	if !c.begun {
		if e.kind == "takeover" && !c.partial {
			return entryFault(e.seq, "format", "a ledger does not begin with a takeover")
		}
		return nil
	}
	switch {
	case e.at < c.at:
		return entryFault(e.seq, "format", "its at goes back")
	case e.epoch < c.epoch:
		return entryFault(e.seq, "format", "its epoch goes back from %d to %d", c.epoch, e.epoch)
	case e.epoch > c.epoch && e.kind != "takeover":
		return entryFault(e.seq, "format", "its epoch is raised from %d to %d by no takeover", c.epoch, e.epoch)
	case e.epoch == c.epoch && e.kind == "takeover":
		return entryFault(e.seq, "format", "a takeover is not the first entry of its epoch")
	}
	return nil
}

// accept takes a line as the last so far.
func (c *chain) accept(x *line) {
	c.n, c.headBefore, c.head, c.last = c.n+1, c.head, x.hash, x.raw
	c.ws, c.at, c.epoch, c.begun = x.entry.ws, x.entry.at, x.entry.epoch, true
}

// retold turns a fault of what a line says into changed where the next line names another hash than
// the line has: then its bytes were changed after it was written.
func retold(f *fault, x, next *line) *fault {
	if f == nil || f.checkpoint || f.seq != x.seq || next == nil || !isHex(next.prev, 64) || next.prev == x.hash {
		return f
	}
	if f.code == "balance" || f.code == "decision" || f.code == "format" {
		return entryFault(f.seq, "changed", "%s; and the next line names another hash of it", f.what)
	}
	return f
}
