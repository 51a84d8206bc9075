package main

import "math/big"

// A lane is named by family, provider and region.
type lane struct{ family, provider, region string }

func laneOf(n *node) lane { return lane{n.str("family"), n.str("provider"), n.str("region")} }

// The units of a usage and of a price.
const (
	cacheRead = iota
	cacheWrite1h
	cacheWrite5m
	inputUnit
	outputUnit
	webSearch
	unitCount
)

var unitNames = [unitCount]string{"cache_read", "cache_write_1h", "cache_write_5m", "input", "output", "web_search"}

// A band gives what each unit costs from a size of prompt on; a unit without a price is nil.
type band struct {
	from  *big.Int
	units [unitCount]*fraction
}

type pricedModel struct {
	bands             []band
	modalities        map[string]bool
	outputMax, window *big.Int
}

type pricedTier struct {
	tier    tier
	model   string
	aliases []string
}

type pricedLane struct {
	api, provider, prices string
	tiers                 []pricedTier
}

type modelKey struct{ provider, model string }

// prices are what one price entry puts in force.
type prices struct {
	seq    int64
	card   string
	lanes  map[lane]*pricedLane
	models map[modelKey]*pricedModel
}

func readPrices(e *entry) (*prices, *fault) {
	n := e.get("price")
	p := &prices{seq: e.seq, card: n.str("card"), lanes: map[lane]*pricedLane{}, models: map[modelKey]*pricedModel{}}
	for i := range n.list("lanes") {
		from := &n.list("lanes")[i]
		to := &pricedLane{api: from.str("api"), provider: from.str("provider"), prices: from.str("prices")}
		for j := range from.list("tiers") {
			t := &from.list("tiers")[j]
			priced := pricedTier{tier: tierOf(t.str("tier")), model: t.str("model")}
			for k := range t.list("aliases") {
				priced.aliases = append(priced.aliases, t.list("aliases")[k].text)
			}
			if j > 0 && to.tiers[j-1].tier >= priced.tier {
				return nil, undecided(e, "the tiers of a lane do not stand lightest first")
			}
			to.tiers = append(to.tiers, priced)
		}
		if p.lanes[laneOf(from)] != nil {
			return nil, undecided(e, "a lane stands twice in it")
		}
		p.lanes[laneOf(from)] = to
	}
	for i := range n.list("models") {
		from := &n.list("models")[i]
		key := modelKey{from.str("provider"), from.str("model")}
		if p.models[key] != nil {
			return nil, undecided(e, "the model %s of %s stands twice in it", key.model, key.provider)
		}
		m, f := readModel(e, from)
		if f != nil {
			return nil, f
		}
		p.models[key] = m
	}
	return p, nil
}

func readModel(e *entry, n *node) (*pricedModel, *fault) {
	m := &pricedModel{modalities: map[string]bool{}, outputMax: bigOf(n.str("output_max")), window: bigOf(n.str("window"))}
	for i := range n.list("modalities") {
		m.modalities[n.list("modalities")[i].text] = true
	}
	for i := range n.list("bands") {
		from := &n.list("bands")[i]
		b := band{from: bigOf(from.str("from_input"))}
		if i == 0 && b.from.Sign() != 0 || i > 0 && m.bands[i-1].from.Cmp(b.from) >= 0 {
			return nil, undecided(e, "the bands of %s do not ascend from 0", n.str("model"))
		}
		for u, name := range unitNames {
			if price := from.get("units").get(name); price != nil {
				b.units[u] = &fraction{bigOf(price.str("pico_usd")), bigOf(price.str("per"))}
			}
		}
		m.bands = append(m.bands, b)
	}
	if len(m.bands) == 0 {
		return nil, undecided(e, "the model %s has no band", n.str("model"))
	}
	return m, nil
}

// tierFor finds the tier of a lane that has the model, by its id or an alias.
func (l *pricedLane) tierFor(model string) *pricedTier {
	if l == nil {
		return nil
	}
	for i := range l.tiers {
		if l.tiers[i].model == model {
			return &l.tiers[i]
		}
		for _, alias := range l.tiers[i].aliases {
			if alias == model {
				return &l.tiers[i]
			}
		}
	}
	return nil
}

// model gives the prices of a model on a lane, nil where there are none.
func (p *prices) model(l *pricedLane, model string) *pricedModel {
	if l == nil {
		return nil
	}
	return p.models[modelKey{l.prices, model}]
}
