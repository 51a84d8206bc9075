package main

// A verifier checks the lines of a ledger one after the other.
type verifier struct {
	chain    *chain
	tree     *tree
	life     *life
	settings *settings
	// deciding is set where all entries from the first are there, so that everything can be decided again.
	deciding bool
	// claimedAt is the last takeover, holdsUntil what it says of holds from before it.
	claimedAt, holdsUntil int64
	// decidedAt and decidedIn are moment and epoch of the last authorize.
	decidedAt, decidedIn int64
	open                 []string
	// bounds are those of a period; nil in a whole ledger.
	bounds *span
}

func newVerifier(size int64) *verifier {
	return &verifier{chain: newChain(size), tree: &tree{}, life: newLife(), settings: newSettings(), deciding: true,
		decidedAt: -1}
}

// check takes the next line, with the one after it, and gives what is wrong with it.
func (v *verifier) check(x, next *line) *fault {
	if f := v.chain.place(x, next); f != nil {
		return retold(f, x, next)
	}
	if f := v.entry(x.entry); f != nil {
		return retold(f, x, next)
	}
	v.chain.accept(x)
	v.tree.add(x.leaf)
	return nil
}

func (v *verifier) entry(e *entry) *fault {
	if v.bounds != nil && !v.bounds.has(e.at) {
		return checkpointFault("range", "entry %d is not of the period %s", e.seq, v.bounds.key)
	}
	a, before, f := v.life.step(e)
	if f != nil {
		return f
	}
	if !v.deciding {
		return nil
	}
	if f := v.settings.step(e); f != nil {
		return f
	}
	switch e.kind {
	case "authorize":
		if f := v.settings.decide(e, before); f != nil {
			return f
		}
		a.priceSeq, a.lane = v.settings.priceSeq, v.settings.agents[a.agent].lane
		v.decidedAt, v.decidedIn = e.at, e.epoch
	case "takeover":
		v.claimedAt = e.seq
		v.holdsUntil, _ = parseInstant(e.str("holds_until"))
		if v.holdsUntil > e.at+30000 {
			return undecided(e, "its holds_until is more than 30 s after it")
		}
	default:
		return v.checkSpend(e, a)
	}
	return nil
}

// notChecked notes something that could not be checked, once.
func (v *verifier) notChecked(what string) {
	for _, known := range v.open {
		if known == what {
			return
		}
	}
	v.open = append(v.open, what)
}
