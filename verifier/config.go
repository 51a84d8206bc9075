package main

import (
	"fmt"
	"strconv"
	"strings"
)

// limits are the caps of a scope; nil where there is no limit.
type limits struct{ run, month, year *int64 }

func readLimits(n *node) limits {
	limit := func(name string) *int64 {
		if !n.has(name) {
			return nil
		}
		value := n.amount(name)
		return &value
	}
	return limits{limit("run"), limit("month"), limit("year")}
}

func (l limits) of(kind string) *int64 {
	switch kind {
	case "run":
		return l.run
	case "month":
		return l.month
	}
	return l.year
}

// An agent is what a commit says of it.
type agent struct {
	value            *node
	caps             limits
	costCenter, team string
	frozen           bool
	lane             lane
	onExpiry         string
	freezes          bool
	priority         string
	rules            []rule
	tiers            map[tier]bool
}

func readAgent(n *node) *agent {
	a := &agent{value: n, caps: readLimits(n.get("caps")), costCenter: n.str("cost_center"), team: n.str("team"),
		frozen: n.yes("frozen"), lane: laneOf(n.get("lane")), onExpiry: n.str("on_expiry"),
		freezes: n.str("on_overage") == "freeze", priority: n.str("priority"), rules: readRules(n.list("rules")),
		tiers: map[tier]bool{}}
	for i := range n.list("tiers") {
		a.tiers[tierOf(n.list("tiers")[i].text)] = true
	}
	return a
}

// A settings holds what the commits, rules and prices so far put in force.
type settings struct {
	made     bool
	caps     limits
	expiryMs int64
	calendar *calendar
	agents   map[string]*agent
	// groups are cost centres and teams by cost_center:<name> and team:<name>.
	groups map[string]limits
	staged map[string][]*node
	// commits are the entries that committed.
	commits map[int64]bool

	commitSeq, policySeq, priceSeq int64
	rules                          []rule
	table                          []tableRow
	prices                         map[int64]*prices
	// commitDue is the policy or price entry whose commit has not come yet.
	commitDue int64
	// freezeDue is the settle after which the agent freezeAgent is to be frozen, 0 for none.
	freezeDue   int64
	freezeAgent string
}

func newSettings() *settings {
	return &settings{agents: map[string]*agent{}, groups: map[string]limits{}, staged: map[string][]*node{}, commits: map[int64]bool{},
		table: builtInTable, prices: map[int64]*prices{}}
}

// step takes in one entry and checks what the page says of configuration.
func (s *settings) step(e *entry) *fault {
	if due := s.freezeDue; due != 0 && !(e.kind == "configure" && e.str("by") == "tarmac:overage") {
		return undecided(e, "the agent %s is to be frozen for the overage of entry %d", s.freezeAgent, due)
	}
	switch e.kind {
	case "configure":
		return s.configure(e)
	case "policy":
		s.policySeq, s.commitDue = e.seq, e.seq
		s.rules, s.table = readRules(e.get("policy").list("rules")), readTable(e.get("policy").list("rebalancing"))
		return nil
	case "price":
		p, f := readPrices(e)
		s.priceSeq, s.commitDue = e.seq, e.seq
		s.prices[e.seq] = p
		return f
	case "takeover":
		return nil
	}
	if !s.made {
		return undecided(e, "the workspace is not made yet")
	}
	if e.kind == "authorize" && s.commitDue != 0 {
		return undecided(e, "entry %d and its commit have a decision between them", s.commitDue)
	}
	return nil
}

func (s *settings) configure(e *entry) *fault {
	stage, base := strings.Clone(e.str("stage")), e.amount("base_seq")
	if e.str("by") == "tarmac:overage" {
		if f := s.freeze(e); f != nil {
			return f
		}
	}
	if base != 0 && !s.commits[base] {
		return undecided(e, "its base_seq is %d, which is no commit before it", base)
	}
	for i := range e.list("changes") {
		s.staged[stage] = append(s.staged[stage], &e.list("changes")[i])
	}
	if !e.yes("commit") {
		return nil
	}
	if base != s.commitSeq {
		return undecided(e, "its base_seq is %d, and the commit before it is entry %d", base, s.commitSeq)
	}
	for _, change := range s.staged[stage] {
		if f := s.change(e, change); f != nil {
			return f
		}
	}
	if !s.made {
		return undecided(e, "the first commit does not make the workspace")
	}
	s.commits[e.seq] = true
	s.commitSeq, s.commitDue, s.staged = e.seq, 0, map[string][]*node{}
	return nil
}

func (s *settings) change(e *entry, change *node) *fault {
	id, value := change.str("id"), change.get("value")
	switch item := change.str("item"); item {
	case "workspace":
		if id != e.ws || value == nil {
			return undecided(e, "the workspace is not called %s or is to be removed", id)
		}
		return s.workspace(e, value)
	case "agent":
		if value == nil {
			delete(s.agents, id)
			return nil
		}
		a := readAgent(value)
		if was := s.agents[id]; was != nil && was.lane != a.lane {
			return undecided(e, "the lane of the agent %s is changed", id)
		}
		s.agents[id] = a
	case "cost_center", "team":
		if value == nil {
			delete(s.groups, item+":"+id)
			return nil
		}
		s.groups[item+":"+id] = readLimits(value.get("caps"))
	}
	return nil
}

func (s *settings) workspace(e *entry, value *node) *fault {
	expiry, err := strconv.ParseInt(value.str("expiry_ms"), 10, 64)
	if err != nil {
		return undecided(e, "its expiry_ms is not a number")
	}
	zone := value.str("time_zone")
	if s.made && s.calendar.zone != zone {
		return undecided(e, "the time zone is changed from %s to %s", s.calendar.zone, zone)
	}
	if !s.made {
		if s.calendar, err = newCalendar(zone); err != nil {
			return undecided(e, "%v", err)
		}
	}
	s.made, s.expiryMs, s.caps = true, expiry, readLimits(value.get("caps"))
	return nil
}

// settled notes whether a settle brought its authorization's spend above the amount first held, after
// which an agent that freezes is to be frozen.
func (s *settings) settled(e *entry, a *authorization) {
	before := a.spent - e.amount("amount")
	if agent := s.agents[a.agent]; agent != nil && agent.freezes && !agent.frozen &&
		before <= a.first && a.spent > a.first {
		s.freezeDue, s.freezeAgent = e.seq, a.agent
	}
}

// freeze checks a commit of tarmac:overage: it follows a settle and changes only that its agent is frozen.
func (s *settings) freeze(e *entry) *fault {
	if s.freezeDue == 0 {
		return undecided(e, "no overage before it freezes an agent")
	}
	if due := fmt.Sprintf("overage-%d", s.freezeDue); e.str("stage") != due || !e.yes("commit") {
		return undecided(e, "it is not the commit of the stage %s", due)
	}
	changes := e.list("changes")
	was := s.agents[s.freezeAgent]
	if len(changes) != 1 || changes[0].str("item") != "agent" || changes[0].str("id") != s.freezeAgent ||
		!changes[0].has("value") || !changes[0].get("value").yes("frozen") ||
		!sameValue(was.value, changes[0].get("value")) {
		return undecided(e, "it does not just freeze the agent %s", s.freezeAgent)
	}
	s.freezeDue, s.freezeAgent = 0, ""
	return nil
}

func sameValue(was, is *node) bool { return sameNode(was, is, "frozen") }

// limitOf gives the limit of a cap id such as team:care/month, nil for none.
func (s *settings) limitOf(cap string) *int64 {
	slash := strings.LastIndexByte(cap, '/')
	scope, kind := cap[:slash], cap[slash+1:]
	if strings.HasPrefix(scope, "agent:") {
		if a := s.agents[scope[len("agent:"):]]; a != nil {
			return a.caps.of(kind)
		}
		return nil
	}
	if strings.HasPrefix(scope, "workspace:") {
		return s.caps.of(kind)
	}
	return s.groups[scope].of(kind)
}
