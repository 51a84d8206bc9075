package main

// A shortfall is by how much an amount misses a leg.
type shortfall struct {
	leg *legBefore
	by  int64
}

// misses gives what an amount lacks on a leg, and whether it lacks anything.
func (l *legBefore) misses(amount int64) (int64, bool) {
	if l.limit == nil {
		return 0, false
	}
	by, fits := sum(l.settled, l.held, amount, -*l.limit)
	return by, !fits || by > 0
}

func (c *call) fits(amount int64) bool {
	for i := range c.legs {
		if _, misses := c.legs[i].misses(amount); misses {
			return false
		}
	}
	return true
}

// heaviest gives the heaviest eligible tier up to a ceiling that fits, nil if none does.
func (c *call) heaviest(ceiling tier) *quote {
	for i := len(c.quotes) - 1; i >= 0; i-- {
		if q := &c.quotes[i]; q.skip == "" && q.tier <= ceiling && c.fits(q.amount) {
			return q
		}
	}
	return nil
}

// cheapest gives the cheapest eligible tier up to a ceiling, the lightest of equals; nil if there is none.
func (c *call) cheapest(ceiling tier) *quote {
	var found *quote
	for i := range c.quotes {
		if q := &c.quotes[i]; q.skip == "" && q.tier <= ceiling && (found == nil || q.amount < found.amount) {
			found = q
		}
	}
	return found
}

func (c *call) decideAs(outcome, rule, reason string, granted *quote) {
	c.outcome, c.rule, c.reason, c.granted = outcome, rule, reason, granted
}

// refuseForMoney lists what the cheapest tier in question misses.
func (c *call) refuseForMoney(rule, reason string, cheapest *quote) {
	c.decideAs("hold", rule, reason, nil)
	c.moneyRefused, c.blockedByHolds = true, true
	for i := range c.legs {
		leg := &c.legs[i]
		if by, misses := leg.misses(cheapest.amount); misses {
			c.failing = append(c.failing, shortfall{leg, by})
			if by > leg.held {
				c.blockedByHolds = false
			}
		}
	}
}

// cascade takes the first rule that is so.
func (c *call) cascade() {
	cheapest := c.cheapest(unlimited)
	switch {
	case c.agent.frozen:
		c.decideAs("hold", "00", "frozen", nil)
		return
	case c.preferred == noTier:
		c.decideAs("hold", "00", "model-not-in-lane", nil)
		return
	case c.verdict.holds != nil:
		c.decideAs("hold", "00", "policy", nil)
		return
	case cheapest == nil:
		reason := "no-eligible-tier"
		for i := range c.quotes {
			if c.quotes[i].skip == "unpriced" {
				reason = "unpriced"
			}
		}
		c.decideAs("hold", "00", reason, nil)
		return
	}
	if _, misses := c.legs[0].misses(cheapest.amount); misses {
		c.refuseForMoney("01", "per-run-cap", cheapest)
		return
	}
	for i := range c.legs[1:] {
		leg := &c.legs[1+i]
		if _, misses := leg.misses(cheapest.amount); misses {
			reason := "monthly-cap"
			if leg.kind == "year" {
				reason = "yearly-cap"
			}
			c.refuseForMoney("02", reason, cheapest)
			return
		}
	}
	if c.ceiling < c.preferred {
		c.rebalance()
		return
	}
	asked := c.asked()
	if _, misses := c.legs[0].misses(asked.amount); misses {
		c.decideAs("throttle", "04", "per-run-tier-down", c.heaviest(unlimited))
		return
	}
	c.decideAs("admit", "05", "heaviest-fit", c.heaviest(unlimited))
}

// rebalance is rule 03: the ceiling is below the tier that is asked for.
func (c *call) rebalance() {
	if granted := c.heaviest(c.ceiling); granted != nil {
		c.decideAs("throttle", "03", "priority-rebalance", granted)
		return
	}
	if cheapest := c.cheapest(c.ceiling); cheapest != nil {
		c.refuseForMoney("03", "priority-rebalance", cheapest)
		return
	}
	c.decideAs("hold", "03", "priority-rebalance", nil)
}

// asked gives the quote of the preferred tier, or the heaviest eligible where that one is not.
func (c *call) asked() *quote {
	for i := len(c.quotes) - 1; i >= 0; i-- {
		if c.quotes[i].skip == "" {
			return &c.quotes[i]
		}
	}
	return nil
}

// policyRule gives the rule of policy that decided, nil where none did.
func (c *call) policyRule() *node {
	switch {
	case c.reason == "policy":
		return c.verdict.holds
	case c.rule == "03" && c.verdict.ceiling < c.tableCeiling:
		return c.verdict.ceilingRule
	case c.rule == "03" && c.outcome == "hold":
		return c.verdict.floorRule
	}
	return nil
}
