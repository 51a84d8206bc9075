package main

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"

	"golang.org/x/mod/sumdb/tlog"
)

// A line is one line of a ledger with all that is known of it before its place is: its hashes, and
// its entry, or why it is none.
type line struct {
	raw   string
	hash  string
	leaf  tlog.Hash
	entry *entry
	wrong error
	// seq and prev are read even where the line is no entry of this format, for the line before it;
	// seq is -1 where there is none.
	seq  int64
	prev string
}

// An entry is a line that is one by its form, with what all entries have.
type entry struct {
	*node
	kind  string
	seq   int64
	epoch int64
	at    int64
	prev  string
	ws    string
	hash  string
}

// readLine makes a line of its bytes, the line end not among them.
func readLine(raw string) *line {
	bytes := []byte(raw)
	sum := sha256.Sum256(bytes)
	l := &line{raw: raw, hash: hex.EncodeToString(sum[:]), leaf: tlog.RecordHash(bytes), seq: -1}
	n, err := parseCanonical(raw)
	if err != nil {
		l.wrong = err
		return l
	}
	if isDecimal(n.str("seq"), false) && fitsInt64(n.str("seq")) {
		l.seq = number(n.str("seq"))
	}
	l.prev = n.str("prev")
	if l.wrong = checkEntry(n); l.wrong != nil {
		return l
	}
	at, _ := parseInstant(n.str("at"))
	l.entry = &entry{node: n, kind: n.str("kind"), seq: l.seq, epoch: number(n.str("epoch")), at: at,
		prev: l.prev, ws: n.str("ws"), hash: l.hash}
	return l
}

// number reads a decimal that was checked to fit.
func number(s string) int64 {
	value, _ := strconv.ParseInt(s, 10, 64)
	return value
}

// amount gives a field that was checked to be an amount.
func (n *node) amount(name string) int64 { return number(n.str(name)) }
