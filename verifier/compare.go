package main

import "strconv"

// compare checks that the entry says what was decided again, and gives the first difference.
func (c *call) compare() *fault {
	held, grantTier, grantModel, grantProvider, grantAPI := "0", "", "", "", ""
	if c.granted != nil {
		held = strconv.FormatInt(c.granted.amount, 10)
		grantTier, grantModel = c.granted.tier.String(), c.granted.model
		grantProvider, grantAPI = c.lane.provider, c.lane.api
	}
	pace := ""
	if c.pace != nil {
		pace = c.pace.String()
	}
	blocked := ""
	if c.moneyRefused && c.blockedByHolds {
		blocked = "holds"
	}
	var rule, none node
	if decided := c.policyRule(); decided != nil {
		rule = *decided
	}
	part := func(object, field string) string {
		if n := c.get(object); n != nil {
			return n.str(field)
		}
		return none.str(field)
	}
	// Outcome and reason come first: they tell people most.
	for _, f := range [...]struct{ name, stated, decided string }{
		{"outcome", c.str("outcome"), c.outcome},
		{"rule", c.str("rule"), c.rule},
		{"reason", c.str("reason"), c.reason},
		{"held", c.str("held"), held},
		{"grant.tier", part("grant", "tier"), grantTier},
		{"grant.model", part("grant", "model"), grantModel},
		{"grant.provider", part("grant", "provider"), grantProvider},
		{"grant.api", part("grant", "api"), grantAPI},
		{"pace.cap", part("pace", "cap"), c.paceCap},
		{"pace.value", part("pace", "value"), pace},
		{"preferred", c.str("preferred"), c.preferred.String()},
		{"ceiling", c.str("ceiling"), c.ceiling.String()},
		{"floor", c.str("floor"), c.verdict.floor.String()},
		{"blocked_by", c.str("blocked_by"), blocked},
		{"policy_rule.file", part("policy_rule", "file"), rule.str("file")},
		{"policy_rule.line", part("policy_rule", "line"), rule.str("line")},
		{"policy_rule.source", part("policy_rule", "source"), rule.str("source")},
	} {
		if f.stated != f.decided {
			return undecided(c.entry, "its %s is %q, and decided again %q", f.name, f.stated, f.decided)
		}
	}
	if c.has("failing") != c.moneyRefused {
		return undecided(c.entry, "failing is there for refusals for money and only for them")
	}
	if c.has("grant") != (c.granted != nil) || c.has("policy_rule") != (c.policyRule() != nil) {
		return undecided(c.entry, "its grant or policy_rule is there without need, or is not there")
	}
	if f := c.compareFailing(); f != nil {
		return f
	}
	return c.compareQuotes()
}

func (c *call) compareFailing() *fault {
	stated := c.list("failing")
	if len(stated) != len(c.failing) {
		return undecided(c.entry, "it lists %d failing caps, and there are %d", len(stated), len(c.failing))
	}
	for i, short := range c.failing {
		if stated[i].str("cap") != short.leg.cap || stated[i].str("period") != short.leg.period ||
			stated[i].amount("shortfall") != short.by {
			return undecided(c.entry, "its failing cap %d is not %s in %s by %d", i+1, short.leg.cap,
				short.leg.period, short.by)
		}
	}
	return nil
}

func (c *call) compareQuotes() *fault {
	stated := c.list("tiers")
	if len(stated) != len(c.quotes) {
		return undecided(c.entry, "it quotes %d tiers, and there are %d", len(stated), len(c.quotes))
	}
	for i := range c.quotes {
		q, n := &c.quotes[i], &stated[i]
		cost, pico := "", ""
		if q.priced {
			cost, pico = strconv.FormatInt(q.amount, 10), q.pico.String()
		}
		switch {
		case n.str("tier") != q.tier.String() || n.str("model") != q.model:
			return undecided(c.entry, "its quote %d is not for %s, %s", i+1, q.tier, q.model)
		case n.str("amount") != cost:
			return undecided(c.entry, "tier %s costs %q at most, and it states %q", q.tier, cost, n.str("amount"))
		case n.str("skip") != q.skip:
			return undecided(c.entry, "tier %s has the skip %q, and it states %q", q.tier, q.skip, n.str("skip"))
		case !sameFraction(n.str("pico"), pico):
			return undecided(c.entry, "tier %s costs %q pico-USD, and it states %q", q.tier, pico, n.str("pico"))
		}
	}
	return nil
}

// sameFraction compares two fractions as numbers; the empty text stands for none.
func sameFraction(a, b string) bool {
	if a == b || a == "" || b == "" {
		return a == b
	}
	f, ok := parseFraction(a)
	g, okToo := parseFraction(b)
	return ok && okToo && f.compare(g) == 0
}
