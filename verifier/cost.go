package main

import "math/big"

// promptUnits are the four in the prompt.
var promptUnits = [...]int{inputUnit, cacheRead, cacheWrite5m, cacheWrite1h}

// costOf prices a usage on a lane. It gives false where the model is not known or has no price for
// it, or it costs above $1,000,000.
func (p *prices) costOf(name lane, model string, usage *node) (fraction, bool) {
	l := p.lanes[name]
	if t := l.tierFor(model); t != nil {
		model = t.model
	}
	m := p.model(l, model)
	if m == nil {
		return fraction{}, false
	}
	var counts [unitCount]*big.Int
	for u, unit := range unitNames {
		if usage.has(unit) {
			counts[u] = bigOf(usage.str(unit))
		}
	}
	prompt := new(big.Int)
	for _, u := range promptUnits {
		if counts[u] != nil {
			prompt.Add(prompt, counts[u])
		}
	}
	b := &m.bands[0]
	for i := range m.bands {
		if m.bands[i].from.Cmp(prompt) <= 0 {
			b = &m.bands[i]
		}
	}
	cost := whole(0)
	for u, count := range counts {
		if count == nil {
			continue
		}
		if b.units[u] == nil {
			return fraction{}, false
		}
		cost = cost.plus(b.units[u].times(count))
	}
	return cost, !cost.tooDear()
}

// A bound is what a call can use at most. output is nil where the call asked for no limit.
type bound struct {
	input, output, choices, iterations, searches *big.Int
	hidden, counted                              bool
	writes                                       []int
	modalities                                   []string
}

func readBound(n *node) *bound {
	b := &bound{input: bigOf(n.str("input")), choices: bigOf(n.str("choices")), iterations: bigOf(n.str("iterations")),
		searches: bigOf(n.str("web_search")), hidden: n.yes("hidden_input"), counted: n.yes("counted")}
	if n.has("output") {
		b.output = bigOf(n.str("output"))
	}
	for i := range n.list("cache_write") {
		if n.list("cache_write")[i].text == "1h" {
			b.writes = append(b.writes, cacheWrite1h)
		} else {
			b.writes = append(b.writes, cacheWrite5m)
		}
	}
	for i := range n.list("modalities") {
		b.modalities = append(b.modalities, n.list("modalities")[i].text)
	}
	return b
}

// worstCase gives what a call within the bound can cost at most on a model, and false where it has no
// price for it.
func (m *pricedModel) worstCase(b *bound) (fraction, bool) {
	prompt := b.input
	if b.hidden || b.iterations.Cmp(one) > 0 || b.input.Cmp(m.window) > 0 {
		prompt = m.window
	}
	prompt = new(big.Int).Mul(prompt, b.iterations)
	output := m.outputMax
	if b.output != nil && b.output.Cmp(output) < 0 {
		output = b.output
	}
	output = new(big.Int).Mul(output, b.choices)
	output.Mul(output, b.iterations)

	worst := whole(0)
	for i := range m.bands {
		if m.bands[i].from.Cmp(prompt) > 0 {
			continue
		}
		cost, priced := m.bands[i].worst(b, prompt, output)
		if !priced {
			return fraction{}, false
		}
		if cost.compare(worst) > 0 {
			worst = cost
		}
	}
	return worst, !worst.tooDear()
}

func (b *band) worst(bound *bound, prompt, output *big.Int) (fraction, bool) {
	dearest := b.units[inputUnit]
	if dearest == nil {
		return fraction{}, false
	}
	for _, u := range append([]int{cacheRead}, bound.writes...) {
		price := b.units[u]
		if price == nil && u != cacheRead {
			return fraction{}, false
		}
		if price != nil && price.compare(*dearest) > 0 {
			dearest = price
		}
	}
	cost := dearest.times(prompt)
	for _, used := range [...]struct {
		unit  int
		count *big.Int
	}{{outputUnit, output}, {webSearch, bound.searches}} {
		price := b.units[used.unit]
		if used.count.Sign() == 0 {
			continue
		}
		if price == nil {
			return fraction{}, false
		}
		cost = cost.plus(price.times(used.count))
	}
	return cost, true
}
