package main

import "strings"

type state byte

const (
	open state = iota
	refused
	settled
	expired
	voided
)

func (s state) String() string {
	return [...]string{"open", "refused", "settled", "expired", "voided"}[s]
}

// A reference names an entry by its place and hash.
type reference struct {
	seq  int64
	hash string
}

func (r reference) is(n *node) bool {
	return n != nil && n.amount("seq") == r.seq && n.str("hash") == r.hash
}

// An authorization is what a ledger tells of one call so far.
type authorization struct {
	opened     reference
	agent, run string
	legs       []*counter
	state      state
	// first is the amount first held, held what is left of it, spent what all its entries moved into
	// spend, measured what its parts with a measure cost, corrected the sum of operators' corrections.
	first, held, spent, measured, corrected int64
	// parts are the keys of settles and of corrections with a measure, corrections those of operators.
	parts, corrections map[string]bool
	// taken are the entries that took the hold as spent without a measure.
	taken     []reference
	captured  bool
	priceSeq  int64
	lane      lane
	expiresAt int64
	// unknown is set where the opening entry is not among the lines, as in a period.
	unknown bool
}

// A life follows all authorizations and moves the counters by their entries.
type life struct {
	book
	calls map[string]*authorization
	// releaseDue is the authorization whose final settle left something in its hold.
	releaseDue *authorization
	// early gives what authorizations from before the first line still hold; nil in a whole ledger.
	early map[string]int64
	names map[string]string
}

func newLife() *life {
	return &life{book: *newBook(), calls: map[string]*authorization{}, names: map[string]string{}}
}

// shared gives one copy of a text that many authorizations have, which keeps no line in memory.
func (l *life) shared(s string) string {
	if kept, ok := l.names[s]; ok {
		return kept
	}
	kept := strings.Clone(s)
	l.names[kept] = kept
	return kept
}

// step moves by one entry. It gives the authorization and the balances before, where there are any.
func (l *life) step(e *entry) (*authorization, []balance, *fault) {
	if due := l.releaseDue; due != nil {
		if e.kind != "release" || l.calls[e.str("authorization")] != due {
			return nil, nil, offBalance(e, "the release of what entry %d's final settle left is due", due.opened.seq)
		}
	}
	switch e.kind {
	case "authorize":
		return l.authorize(e)
	case "settle", "release", "expire", "adjust", "void":
		return l.follow(e)
	}
	return nil, nil, nil
}

func (l *life) authorize(e *entry) (*authorization, []balance, *fault) {
	id := e.str("authorization")
	if l.calls[id] != nil {
		return nil, nil, offBalance(e, "the authorization %s is not new", id)
	}
	legs, f := l.openLegs(e)
	if f != nil {
		return nil, nil, f
	}
	a := &authorization{opened: reference{e.seq, e.hash}, agent: l.shared(e.str("agent")),
		run: legs[0].period, legs: legs, held: e.amount("held")}
	a.first = a.held
	a.expiresAt, _ = parseInstant(e.str("expires_at"))
	if e.str("outcome") == "hold" {
		a.state = refused
		if a.held != 0 {
			return nil, nil, offBalance(e, "it is refused and holds %d", a.held)
		}
	}
	before, f := l.move(e, legs, a.held, 0)
	if f == nil && a.state != refused {
		f = withinCaps(e)
	}
	l.calls[strings.Clone(id)] = a
	return a, before, f
}

// follow handles an entry that names an authorization from before.
func (l *life) follow(e *entry) (*authorization, []balance, *fault) {
	id := e.str("authorization")
	a := l.calls[id]
	if a == nil && l.early != nil && e.has("opened") {
		a = l.remember(e)
	}
	if e.kind == "void" && !e.has("opened") {
		return nil, nil, l.shut(e, a)
	}
	if a == nil {
		return nil, nil, offBalance(e, "the authorization %s was never opened", id)
	}
	if a.legs == nil || a.state == refused && e.kind != "adjust" && e.kind != "settle" {
		return nil, nil, offBalance(e, "the authorization %s is %s", id, a.state)
	}
	if !a.opened.is(e.get("opened")) {
		return nil, nil, offBalance(e, "its opened is not entry %d with its hash", a.opened.seq)
	}
	if e.str("agent") != a.agent || e.str("run") != a.run {
		return nil, nil, offBalance(e, "its agent or run is not that of its authorization")
	}
	var f *fault
	var before []balance
	switch e.kind {
	case "settle":
		before, f = l.settle(e, a)
	case "release":
		before, f = l.release(e, a)
	case "expire", "void":
		before, f = l.end(e, a)
	case "adjust":
		before, f = l.adjust(e, a)
	}
	return a, before, f
}

// shut keeps an id that was never authorized from ever being.
func (l *life) shut(e *entry, a *authorization) *fault {
	switch {
	case a != nil:
		return offBalance(e, "it has no opening entry, and its authorization has one or is shut already")
	case e.amount("amount") != 0 || len(e.list("legs")) > 0 || e.has("agent") || e.has("run"):
		return offBalance(e, "it voids an unknown id and still has an amount, legs, an agent or a run")
	}
	l.calls[strings.Clone(e.str("authorization"))] = &authorization{state: voided}
	return nil
}

func (l *life) settle(e *entry, a *authorization) ([]balance, *fault) {
	paid, final, part := e.amount("amount"), e.yes("final"), e.str("part")
	switch {
	case a.state == settled && !a.unknown && final:
		return nil, offBalance(e, "its authorization is settled: nothing more was to come")
	case e.yes("late") != (a.state != open):
		return nil, offBalance(e, "its late is wrong: its authorization is %s", a.state)
	case a.parts[part]:
		return nil, offBalance(e, "its authorization has a part %q already", part)
	case e.amount("overage") != paid-least(paid, a.held):
		return nil, offBalance(e, "its overage is %d of %d with %d held", e.amount("overage"), paid, a.held)
	}
	if e.str("basis") == "assumed" && !a.unknown {
		if f := assumed(e, a); f != nil {
			return nil, f
		}
	}
	before, f := l.move(e, a.legs, -least(paid, a.held), paid)
	if f != nil {
		return nil, f
	}
	a.parts = with(a.parts, part)
	a.held -= least(paid, a.held)
	a.spent += paid
	if e.str("basis") == "measured" {
		a.measured += paid
	} else if final {
		a.taken = append(a.taken, reference{e.seq, e.hash})
	}
	if final {
		if a.state = settled; a.held > 0 {
			l.releaseDue = a
		}
	}
	return before, nil
}

// assumed checks the amount of a part that has no measure: what is left of the hold.
func assumed(e *entry, a *authorization) *fault {
	due := a.held
	if a.state != open {
		if due = a.first - a.spent; due < 0 {
			due = 0
		}
	}
	paid := e.amount("amount")
	if paid != due && !(paid == 0 && !e.yes("final")) {
		return offBalance(e, "it assumes %d, and %d is left of the hold", paid, due)
	}
	return nil
}

func (l *life) release(e *entry, a *authorization) ([]balance, *fault) {
	if l.releaseDue != a {
		return nil, offBalance(e, "no final settle of its authorization stands before it")
	}
	l.releaseDue = nil
	return l.giveBack(e, a, 0)
}

// end handles an expire and a void: both end an open hold.
func (l *life) end(e *entry, a *authorization) ([]balance, *fault) {
	if a.state != open {
		return nil, offBalance(e, "its authorization is %s, not open", a.state)
	}
	a.state = voided
	var spent int64
	if e.kind == "expire" {
		a.state = expired
		if e.str("on_expiry") == "capture" {
			spent = a.held
			a.captured = true
			a.taken = append(a.taken, reference{e.seq, e.hash})
		}
	}
	return l.giveBack(e, a, spent)
}

// giveBack takes all that is held off, and spends so much of it.
func (l *life) giveBack(e *entry, a *authorization, spent int64) ([]balance, *fault) {
	if e.amount("amount") != a.held {
		return nil, offBalance(e, "its amount is %d, and %d is still held", e.amount("amount"), a.held)
	}
	before, f := l.move(e, a.legs, -a.held, spent)
	a.held = 0
	a.spent += spent
	return before, f
}

func (l *life) adjust(e *entry, a *authorization) ([]balance, *fault) {
	by, part := e.amount("amount"), e.str("part")
	after, fits := sum(a.spent, by)
	if !fits {
		return nil, offBalance(e, "what its authorization has spent leaves the range of amounts")
	}
	if !e.has("usage") {
		switch {
		case !a.unknown && after < 0:
			return nil, offBalance(e, "it takes the spend of its authorization to %d", after)
		case e.has("part") && a.corrections[part]:
			return nil, offBalance(e, "its authorization has a correction %q already", part)
		}
		if e.has("part") {
			a.corrections = with(a.corrections, part)
		}
	} else {
		if e.has("part") && a.parts[part] {
			return nil, offBalance(e, "its authorization has a part %q already", part)
		}
		if e.has("part") {
			a.parts = with(a.parts, part)
		}
	}
	before, f := l.move(e, a.legs, 0, by)
	a.spent = after
	if !e.has("usage") {
		a.corrected += by
	}
	return before, f
}

func with(set map[string]bool, key string) map[string]bool {
	if set == nil {
		set = map[string]bool{}
	}
	set[strings.Clone(key)] = true
	return set
}

// remember makes an authorization from before the first line of a period out of the first entry of
// it there. What it holds is in the opening balances; what it spent before is not known.
func (l *life) remember(e *entry) *authorization {
	id := e.str("authorization")
	a := &authorization{unknown: true, state: settled, run: strings.Clone(e.str("run")),
		agent: l.shared(e.str("agent")), opened: reference{e.get("opened").amount("seq"),
			strings.Clone(e.get("opened").str("hash"))}}
	if held, ok := l.early[id]; ok {
		a.state, a.held, a.first = open, held, held
	}
	for i := range e.list("legs") {
		leg := &e.list("legs")[i]
		c := l.counter(leg.str("cap"), leg.str("period"))
		c.ownRun = c.ownRun || c.run && c.period == id
		a.legs = append(a.legs, c)
	}
	l.calls[strings.Clone(id)] = a
	return a
}
