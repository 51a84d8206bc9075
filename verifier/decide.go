package main

import (
	"math/big"
	"strconv"
)

// A call is an authorize as it is decided again: what it read, and what follows from it.
type call struct {
	*entry
	s      *settings
	agent  *agent
	prices *prices
	lane   *pricedLane
	bound  *bound
	legs   []legBefore

	pace                         *big.Int
	paceCap                      string
	tableCeiling, ceiling        tier
	preferred                    tier
	verdict                      verdict
	quotes                       []quote
	outcome, rule, reason        string
	granted                      *quote
	failing                      []shortfall
	blockedByHolds, moneyRefused bool
}

// A legBefore is a leg as the call finds it.
type legBefore struct {
	cap, period, kind string
	balance
	limit *int64
	pace  *big.Int
}

// decide decides an authorize again and compares. before holds the balances of its legs.
func (s *settings) decide(e *entry, before []balance) *fault {
	c := &call{entry: e, s: s, agent: s.agents[e.str("agent")], prices: s.prices[s.priceSeq],
		bound: readBound(e.get("usage_bound"))}
	if f := c.inForce(); f != nil {
		return f
	}
	month, year := s.calendar.monthOf(e.at), s.calendar.yearOf(e.at)
	if f := c.readLegs(before, month, year); f != nil {
		return f
	}
	c.lane = c.prices.lanes[c.agent.lane]
	c.prefer()
	c.judge()
	c.quote()
	c.cascade()
	return c.compare()
}

// inForce checks that the entry names the configuration, rules and prices in force.
func (c *call) inForce() *fault {
	s := c.s
	switch {
	case c.amount("config_seq") != s.commitSeq:
		return undecided(c.entry, "its config_seq is not %d", s.commitSeq)
	case c.amount("policy_seq") != s.policySeq:
		return undecided(c.entry, "its policy_seq is not %d", s.policySeq)
	case c.amount("price_seq") != s.priceSeq:
		return undecided(c.entry, "its price_seq is not %d", s.priceSeq)
	case c.prices == nil:
		return undecided(c.entry, "no price entry stands before it")
	case c.str("price_card") != c.prices.card:
		return undecided(c.entry, "its price_card is not that of entry %d", s.priceSeq)
	case c.agent == nil:
		return undecided(c.entry, "there is no agent %s", c.str("agent"))
	case c.str("priority") != c.agent.priority:
		return undecided(c.entry, "the priority of its agent is %s", c.agent.priority)
	case laneOf(c.get("lane")) != c.agent.lane:
		return undecided(c.entry, "its lane is not that of its agent")
	case c.str("expires_at") != formatInstant(c.at+s.expiryMs):
		return undecided(c.entry, "its expires_at is not %s", formatInstant(c.at+s.expiryMs))
	}
	return nil
}

// readLegs checks periods, limits and paces of the legs, and finds the governing pace.
func (c *call) readLegs(before []balance, month, year *span) *fault {
	for _, p := range [...]struct {
		name string
		span *span
	}{{"month", month}, {"year", year}} {
		n := c.get(p.name)
		if n.str("key") != p.span.key || n.str("start") != formatInstant(p.span.start) ||
			n.str("end") != formatInstant(p.span.end) {
			return undecided(c.entry, "its %s is not %s from %s to %s", p.name, p.span.key,
				formatInstant(p.span.start), formatInstant(p.span.end))
		}
	}
	scopes := scopesOf(c.str("agent"), c.agent.costCenter, c.agent.team, c.ws)
	stated := c.list("legs")
	if len(stated) != 1+2*len(scopes) {
		return undecided(c.entry, "it has %d legs, and its agent has %d", len(stated), 1+2*len(scopes))
	}
	c.legs = make([]legBefore, len(stated))
	for i := range stated {
		leg := &c.legs[i]
		leg.kind, leg.cap = "run", scopes[0]+"/run"
		var p *span
		if i > 0 {
			leg.kind, p = "month", month
			if i > len(scopes) {
				leg.kind, p = "year", year
			}
			leg.cap = scopes[(i-1)%len(scopes)] + "/" + leg.kind
		}
		if stated[i].str("cap") != leg.cap {
			return undecided(c.entry, "leg %d is not %s", i+1, leg.cap)
		}
		leg.period, leg.balance, leg.limit = stated[i].str("period"), before[i], c.s.limitOf(leg.cap)
		if p != nil && leg.limit != nil {
			leg.pace = paceOf(leg.balance, *leg.limit, c.at, p)
		}
		if f := c.sameLeg(&stated[i], leg); f != nil {
			return f
		}
		if leg.pace != nil && (c.pace == nil || leg.pace.Cmp(c.pace) > 0) {
			c.pace, c.paceCap = leg.pace, leg.cap
		}
	}
	return nil
}

func (c *call) sameLeg(stated *node, leg *legBefore) *fault {
	limit, pace := "", ""
	if leg.limit != nil {
		limit = strconv.FormatInt(*leg.limit, 10)
	}
	if leg.pace != nil {
		pace = leg.pace.String()
	}
	if stated.str("limit") != limit {
		return undecided(c.entry, "the limit of %s is %q, and it states %q", leg.cap, limit, stated.str("limit"))
	}
	if stated.str("pace") != pace {
		return undecided(c.entry, "the pace of %s is %q, and it states %q", leg.cap, pace, stated.str("pace"))
	}
	return nil
}

// paceOf gives how fast a counter is used up, in basis points.
func paceOf(b balance, limit, at int64, p *span) *big.Int {
	committed := new(big.Int).Add(big.NewInt(b.settled), big.NewInt(b.held))
	if limit == 0 {
		return big.NewInt(10000)
	}
	if committed.Sign() <= 0 {
		return new(big.Int)
	}
	length, elapsed := p.end-p.start, at-p.start
	if elapsed < length/10 {
		elapsed = length / 10
	}
	committed.Mul(committed, big.NewInt(10000)).Mul(committed, big.NewInt(length))
	return committed.Quo(committed, new(big.Int).Mul(big.NewInt(limit), big.NewInt(elapsed)))
}

// prefer finds the tier that is asked for: that of the model, or for auto the heaviest that the agent may use.
func (c *call) prefer() {
	c.preferred = noTier
	if c.lane == nil {
		return
	}
	if c.str("model") != "auto" {
		if t := c.lane.tierFor(c.str("model")); t != nil {
			c.preferred = t.tier
		}
		return
	}
	for _, t := range c.lane.tiers {
		if c.agent.tiers[t.tier] {
			c.preferred = t.tier
		}
	}
}

// judge finds ceiling and floor by the table and the rules.
func (c *call) judge() {
	s := situation{pace: c.pace, preferred: c.preferred, priority: c.agent.priority}
	if s.pace == nil {
		s.pace = new(big.Int)
	}
	for i := range c.legs {
		if leg := &c.legs[i]; leg.limit != nil {
			left := new(big.Int).Sub(big.NewInt(*leg.limit), big.NewInt(leg.settled))
			left.Sub(left, big.NewInt(leg.held))
			if s.remaining == nil || left.Cmp(s.remaining) < 0 {
				s.remaining = left
			}
		}
	}
	c.tableCeiling = ceilingAt(c.s.table, s.pace, c.agent.priority)
	c.verdict = s.judge(c.agent.rules, c.s.rules)
	c.ceiling = c.tableCeiling
	if c.verdict.ceiling < c.ceiling {
		c.ceiling = c.verdict.ceiling
	}
}

// A quote is what a tier would cost at most, and why it cannot serve the call.
type quote struct {
	tier   tier
	model  string
	priced bool
	pico   fraction
	amount int64
	skip   string
}

// quote prices every tier of the lane; none where the model is not of the lane.
func (c *call) quote() {
	if c.preferred == noTier {
		return
	}
	floor := c.verdict.floor
	if floor > c.preferred {
		floor = c.preferred
	}
	for _, t := range c.lane.tiers {
		q := quote{tier: t.tier, model: t.model}
		m := c.prices.model(c.lane, t.model)
		if m != nil {
			if q.pico, q.priced = m.worstCase(c.bound); q.priced {
				q.amount = q.pico.nanoUp()
			}
		}
		switch {
		case t.tier > c.preferred:
			q.skip = "above-preferred"
		case !c.agent.tiers[t.tier]:
			q.skip = "not-allowed"
		case t.tier < floor:
			q.skip = "below-floor"
		case !q.priced:
			q.skip = "unpriced"
		case !takes(m, c.bound.modalities):
			q.skip = "modality"
		case c.bound.counted && c.bound.input.Cmp(m.window) > 0:
			q.skip = "window"
		}
		c.quotes = append(c.quotes, q)
	}
}

func takes(m *pricedModel, modalities []string) bool {
	for _, modality := range modalities {
		if !m.modalities[modality] {
			return false
		}
	}
	return true
}
