package main

import (
	"fmt"
	"strconv"
)

// checkSpend makes the decisions of a settle, an expire and an adjust again. The life of the
// authorization has taken the entry in already.
func (v *verifier) checkSpend(e *entry, a *authorization) *fault {
	switch e.kind {
	case "settle":
		v.settings.settled(e, a)
		return v.checkSettle(e, a)
	case "expire":
		return v.checkExpire(e, a)
	case "adjust":
		return v.checkAdjust(e, a)
	}
	return nil
}

func (v *verifier) checkSettle(e *entry, a *authorization) *fault {
	p := v.settings.prices[a.priceSeq]
	model := e.str("model")
	cost, priced := fraction{}, false
	if e.has("usage") && e.has("model") {
		cost, priced = p.costOf(a.lane, model, e.get("usage"))
	}
	tier := ""
	if t := p.lanes[a.lane].tierFor(model); t != nil && e.has("model") {
		tier = t.tier.String()
	}
	basis, pico, unpriced := "assumed", "", e.has("usage") && !priced
	if priced {
		basis, pico = "measured", cost.String()
	}
	switch {
	case e.str("price_card") != p.card:
		return undecided(e, "its price_card is not that of entry %d", p.seq)
	case e.str("basis") != basis:
		return undecided(e, "its basis is %s, by its usage and prices it is %s", e.str("basis"), basis)
	case e.has("unpriced") != unpriced || e.has("unpriced") && !e.yes("unpriced"):
		return undecided(e, "its usage is unpriced or it is not, and unpriced says otherwise")
	case e.str("tier") != tier:
		return undecided(e, "its tier is %q, and its model is of tier %q", e.str("tier"), tier)
	case !sameFraction(e.str("pico"), pico):
		return undecided(e, "it costs %q pico-USD, and it states %q", pico, e.str("pico"))
	case priced && e.amount("amount") != cost.nanoHalfEven():
		return undecided(e, "it costs %d, and it states %s", cost.nanoHalfEven(), e.str("amount"))
	case priced && a.captured && e.yes("final"):
		return undecided(e, "its hold was captured, so a measure of it comes as an adjust")
	}
	return v.checkCostNow(e, a, priced)
}

// checkCostNow checks what the same usage costs at the price entry in force, where that is another one.
func (v *verifier) checkCostNow(e *entry, a *authorization, measured bool) *fault {
	due := ""
	if now := v.settings.prices[v.settings.priceSeq]; measured && now.seq != a.priceSeq {
		if cost, priced := now.costOf(a.lane, e.str("model"), e.get("usage")); priced {
			due = strconv.FormatInt(cost.nanoHalfEven(), 10)
		}
	}
	if e.str("cost_now") != due {
		return undecided(e, "its usage costs %q at the prices in force, and it states %q", due, e.str("cost_now"))
	}
	return nil
}

func (v *verifier) checkExpire(e *entry, a *authorization) *fault {
	due, _ := parseInstant(e.str("due_at"))
	setting := "release"
	if agent := v.settings.agents[a.agent]; agent != nil {
		setting = agent.onExpiry
	}
	switch {
	case e.str("on_expiry") != setting:
		return undecided(e, "its on_expiry is %s, and its agent's setting is %s", e.str("on_expiry"), setting)
	case due > e.at:
		return undecided(e, "it comes before it is due")
	case due < a.expiresAt:
		return undecided(e, "it was due before its authorization's expires_at, and renewals only lengthen a hold")
	case a.opened.seq < v.claimedAt && e.at < v.holdsUntil:
		return undecided(e, "it ends a hold from before the claim before %s", formatInstant(v.holdsUntil))
	case v.decidedAt == e.at && v.decidedIn == e.epoch:
		return undecided(e, "it comes behind a decision of the same moment, before which it was due")
	}
	return nil
}

func (v *verifier) checkAdjust(e *entry, a *authorization) *fault {
	if !e.has("usage") {
		switch {
		case !a.opened.is(e.get("corrects")):
			return undecided(e, "it has no usage, and corrects is not its opening entry")
		case e.has("model") || e.has("pico"):
			return undecided(e, "it has no usage, and still a model or a pico")
		}
		return nil
	}
	corrected := false
	for _, taken := range a.taken {
		corrected = corrected || taken.is(e.get("corrects"))
	}
	switch {
	case !corrected:
		return undecided(e, "corrects is not an entry that took the hold of its authorization as spent")
	case e.str("by") != "settle":
		return undecided(e, "it is by %s, and a measure comes by settle", e.str("by"))
	case !e.has("model") || !e.has("pico"):
		return undecided(e, "it has usage, and no model or no pico")
	}
	cost, priced := v.settings.prices[a.priceSeq].costOf(a.lane, e.str("model"), e.get("usage"))
	if !priced {
		return undecided(e, "its usage has no price, so nothing is measured")
	}
	if !sameFraction(e.str("pico"), cost.String()) {
		return undecided(e, "its usage costs %s pico-USD, and it states %s", cost, e.str("pico"))
	}
	// The page leaves open whether an operator's corrections count among what was corrected before:
	// both readings are taken where there were any.
	measured := cost.nanoHalfEven()
	spentBefore := a.spent - e.amount("amount")
	due := measured - (spentBefore - a.measured)
	other := measured - (spentBefore - a.measured - a.corrected)
	if e.amount("amount") != due && e.amount("amount") != other {
		return undecided(e, "its amount is due to be %d, and it states %s", due, e.str("amount"))
	}
	if due != other {
		v.notChecked(fmt.Sprintf("how a measure and an operator's correction go together (entry %d)", e.seq))
	}
	a.measured += measured
	return nil
}
