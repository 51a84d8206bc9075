package main

import "strings"

// runAge is how long after its last entry a run's counter ends when it holds nothing: 35 days.
const runAge = 35 * dayMs

// A balance is what a counter shows.
type balance struct{ settled, held int64 }

// A counter is a cap in a period.
type counter struct {
	cap, period string
	balance
	// lastAt is when the last entry named it; moved tells whether one did.
	lastAt int64
	moved  bool
	// run is set on a run's counter, ownRun where the run is a single authorization.
	run, ownRun bool
	// opening is set where the balance comes from opening.json: whether a run has ended is not known there.
	opening bool
}

// A book holds every counter of the ledger.
type book struct{ counters map[string]*counter }

func newBook() *book { return &book{counters: map[string]*counter{}} }

// counter gives the counter of that cap and period, a new one at zero where there was none.
func (b *book) counter(cap, period string) *counter {
	key := cap + "\n" + period
	c := b.counters[key]
	if c == nil {
		key = strings.Clone(key)
		c = &counter{cap: key[:len(cap)], period: key[len(cap)+1:], run: strings.HasSuffix(cap, "/run")}
		b.counters[key] = c
	}
	return c
}

// before gives a counter's balance as the entry finds it: zero where the run has ended by then.
func (c *counter) before(e *entry) balance {
	if c.run && !c.ownRun && c.moved && c.held == 0 && e.at-c.lastAt >= runAge {
		return balance{}
	}
	return c.balance
}

// believes tells whether the spend that the leg states is taken as it is: the counter of a call without
// a run may be dropped after 35 days and brought back.
func (c *counter) believes(e *entry) bool {
	return c.ownRun && c.moved && e.at-c.lastAt >= runAge
}

// move moves every leg by the same two amounts, checks that the entry states what comes out, and
// gives the balances that stood before.
func (b *book) move(e *entry, legs []*counter, held, settled int64) ([]balance, *fault) {
	stated := e.list("legs")
	if len(stated) != len(legs) {
		return nil, offBalance(e, "it has %d legs, its authorization %d", len(stated), len(legs))
	}
	found := make([]balance, len(legs))
	for i, c := range legs {
		leg := &stated[i]
		if leg.str("cap") != c.cap || leg.str("period") != c.period {
			return nil, offBalance(e, "leg %d is %s in %s, of its authorization %s in %s", i+1,
				leg.str("cap"), leg.str("period"), c.cap, c.period)
		}
		was := c.before(e)
		if c.believes(e) {
			was.settled = leg.amount("settled") - settled
		}
		if c.opening && c.run && !c.moved && was.held == 0 && leg.amount("settled") == settled {
			was.settled = 0
		}
		nowHeld, fits := sum(was.held, held)
		nowSettled, fitsToo := sum(was.settled, settled)
		switch {
		case !fits || !fitsToo:
			return nil, offBalance(e, "the balance of %s in %s leaves the range of amounts", c.cap, c.period)
		case nowHeld < 0:
			return nil, offBalance(e, "%s in %s would hold %d", c.cap, c.period, nowHeld)
		case leg.amount("held") != nowHeld:
			return nil, offBalance(e, "%s in %s holds %d after it, and it states %d", c.cap, c.period,
				nowHeld, leg.amount("held"))
		case leg.amount("settled") != nowSettled:
			return nil, offBalance(e, "%s in %s has spent %d after it, and it states %d", c.cap, c.period,
				nowSettled, leg.amount("settled"))
		}
		found[i] = was
		c.balance = balance{nowSettled, nowHeld}
		c.lastAt, c.moved = e.at, true
	}
	return found, nil
}

// withinCaps checks that an authorize that was let through stays under every limit that it states.
func withinCaps(e *entry) *fault {
	for i := range e.list("legs") {
		leg := &e.list("legs")[i]
		if !leg.has("limit") {
			continue
		}
		used, fits := sum(leg.amount("settled"), leg.amount("held"))
		if !fits || used > leg.amount("limit") {
			return offBalance(e, "it goes over the cap %s in %s: %d spent and held, limit %s",
				leg.str("cap"), leg.str("period"), used, leg.str("limit"))
		}
	}
	return nil
}

// scopesOf names whose caps count for a call, in the order of the legs. Cost centre and team are
// empty where the agent has none.
func scopesOf(agent, costCenter, team, ws string) []string {
	scopes := []string{"agent:" + agent}
	if costCenter != "" {
		scopes = append(scopes, "cost_center:"+costCenter)
	}
	if team != "" {
		scopes = append(scopes, "team:"+team)
	}
	return append(scopes, "workspace:"+ws)
}

// openLegs finds the counters of an authorize, and checks that they are those that its agent, run,
// month and year have, in their order.
func (b *book) openLegs(e *entry) ([]*counter, *fault) {
	legs := e.list("legs")
	var costCenter, team string
	for i := range legs {
		if cap := legs[i].str("cap"); strings.HasSuffix(cap, "/month") {
			if id := strings.TrimPrefix(cap, "cost_center:"); id != cap {
				costCenter = strings.TrimSuffix(id, "/month")
			}
			if id := strings.TrimPrefix(cap, "team:"); id != cap {
				team = strings.TrimSuffix(id, "/month")
			}
		}
	}
	type place struct{ cap, period string }
	due := []place{{"agent:" + e.str("agent") + "/run", e.str("run")}}
	for _, kind := range [...]string{"month", "year"} {
		for _, scope := range scopesOf(e.str("agent"), costCenter, team, e.ws) {
			due = append(due, place{scope + "/" + kind, e.get(kind).str("key")})
		}
	}
	if len(legs) != len(due) {
		return nil, offBalance(e, "it has %d legs, and %d are due", len(legs), len(due))
	}
	counters := make([]*counter, len(due))
	for i, p := range due {
		if legs[i].str("cap") != p.cap || legs[i].str("period") != p.period {
			return nil, offBalance(e, "leg %d is %s in %s, and %s in %s is due", i+1,
				legs[i].str("cap"), legs[i].str("period"), p.cap, p.period)
		}
		counters[i] = b.counter(p.cap, p.period)
	}
	counters[0].ownRun = e.str("run") == e.str("authorization")
	return counters, nil
}
