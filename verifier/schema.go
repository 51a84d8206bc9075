package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
)

// The fields of the kinds of entries and of the objects in them, as the page's tables list them.
// Whether a field must be there in this very entry is checked where its condition is known.

var (
	tierName    = oneOf("S", "M", "L", "XL")
	ceilingName = oneOf("S", "M", "L", "XL", "shed")
	cellName    = oneOf("S", "M", "L", "shed")
	apiName     = oneOf("anthropic", "azure", "bedrock", "google", "openai")
	priority    = oneOf("P0", "P1", "P2", "P3")
	modality    = oneOf("image", "pdf", "text")
	onExpiry    = oneOf("capture", "release")

	ref   = object(must("hash", hash), must("seq", amount))
	leg   = object(must("cap", text), must("held", amount), must("period", text), must("settled", signedAmount))
	legIn = object(must("cap", text), must("held", amount), may("limit", amount), may("pace", count),
		must("period", text), must("settled", signedAmount))
	period   = object(must("end", instant), must("key", text), must("start", instant))
	laneName = object(must("family", text), must("provider", text), must("region", text))

	usage = object(may("cache_read", positive), may("cache_write_1h", positive), may("cache_write_5m", positive),
		may("input", positive), may("output", positive), may("web_search", positive))
	usageBound = object(must("cache_write", listOf(oneOf("1h", "5m"))), must("choices", count),
		must("counted", boolean), must("hidden_input", boolean), must("input", count), must("iterations", count),
		must("modalities", listOf(modality)), may("output", count), must("web_search", count))
	quoteObject = object(may("amount", amount), must("model", text), may("pico", picoText),
		may("skip", oneOf("above-preferred", "below-floor", "modality", "not-allowed", "unpriced", "window")),
		must("tier", tierName))
	failingObject = object(must("cap", text), must("period", text), must("shortfall", amount))
	grant         = object(must("api", apiName), must("model", text), must("provider", text), must("tier", tierName))
	paceObject    = object(must("cap", text), must("value", count))
	policyRule    = object(must("file", text), must("line", integer), must("source", text))

	ruleObject = object(must("file", text), must("if", condition), must("line", integer), must("source", text),
		must("then", consequence))
	row = object(may("P0", cellName), may("P1", cellName), may("P2", cellName), may("P3", cellName),
		must("pace_from", count))
	policyObject = object(must("rebalancing", listOf(row)), must("rules", listOf(ruleObject)))

	periodCaps      = object(may("month", amount), may("year", amount))
	agentCaps       = object(may("month", amount), may("run", amount), may("year", amount))
	groupObject     = object(must("caps", periodCaps), may("title", text))
	workspaceObject = object(must("caps", periodCaps), must("currency", oneOf("USD")), must("expiry_ms", integer),
		must("time_zone", text), may("title", text))
	agentObject = object(must("caps", agentCaps), may("cost_center", name), must("frozen", boolean),
		must("lane", laneName), must("on_expiry", onExpiry), must("on_overage", oneOf("freeze", "none")),
		must("priority", priority), must("rules", listOf(ruleObject)), may("team", name),
		must("tiers", risingTiers), may("title", text))
	keyObject = object(may("agent", name), must("created_at", text), must("hash", hash), must("revoked", boolean),
		may("title", text))
	providerObject = object(may("base_url", text), may("credential", text))
	logKeyObject   = object(must("public_key", publicKey), must("state", oneOf("active", "retired")))

	unitPriceObject = object(must("per", positive), must("pico_usd", count))
	bandUnits       = object(may("cache_read", unitPriceObject), may("cache_write_1h", unitPriceObject),
		may("cache_write_5m", unitPriceObject), may("input", unitPriceObject), may("output", unitPriceObject),
		may("web_search", unitPriceObject))
	bandObject = object(must("from_input", count), must("units", bandUnits))
	modelPrice = object(must("bands", listOf(bandObject)), must("modalities", listOf(modality)), must("model", text),
		must("output_max", count), must("provider", text), must("window", count))
	tierPrice = object(must("aliases", listOf(text)), must("model", text), must("tier", tierName))
	lanePrice = object(must("api", apiName), must("family", text), must("prices", text), must("provider", text),
		must("region", text), must("tiers", listOf(tierPrice)))
	priceObject = object(must("card", hash), must("lanes", listOf(lanePrice)), must("models", listOf(modelPrice)))
)

var kinds = map[string]check{
	"authorize": entryOf(must("agent", name), may("attributes", attributes), must("authorization", authID),
		may("blocked_by", oneOf("holds")), may("ceiling", ceilingName), must("config_seq", amount),
		must("expires_at", instant), may("failing", listOf(failingObject)), may("floor", tierName),
		may("grant", grant), must("held", amount), may("idempotency", hash), must("key", keyID),
		must("lane", laneName), must("legs", listOf(legIn)), must("model", text), must("month", period),
		must("outcome", oneOf("admit", "throttle", "hold")), may("pace", paceObject), must("payload_hash", hash),
		may("policy_rule", policyRule), must("policy_seq", amount), may("preferred", tierName),
		must("price_card", hash), must("price_seq", amount), must("priority", priority),
		must("reason", oneOf("frozen", "policy", "tool-quota", "model-not-in-lane", "unpriced", "no-eligible-tier",
			"per-run-cap", "monthly-cap", "yearly-cap", "priority-rebalance", "per-run-tier-down", "heaviest-fit")),
		must("rule", oneOf("00", "01", "02", "03", "04", "05")), must("run", text),
		must("tiers", listOf(quoteObject)), may("tool", text), must("usage_bound", usageBound), must("year", period)),
	"settle": entryOf(must("agent", name), must("amount", amount), must("authorization", authID),
		must("basis", oneOf("assumed", "measured")), may("cost_now", amount), must("final", boolean),
		must("late", boolean), must("legs", listOf(leg)), may("model", text), must("opened", ref),
		must("overage", amount), must("part", text), may("pico", picoText), must("price_card", hash),
		must("run", text), may("tier", tierName), may("unpriced", boolean), may("usage", usage)),
	"release": entryOf(must("agent", name), must("amount", amount), must("authorization", authID),
		must("legs", listOf(leg)), must("opened", ref), must("run", text)),
	"expire": entryOf(must("agent", name), must("amount", amount), must("authorization", authID),
		must("due_at", instant), must("legs", listOf(leg)), must("on_expiry", onExpiry), must("opened", ref),
		must("run", text)),
	"void": entryOf(may("agent", name), must("amount", amount), must("authorization", authID),
		must("legs", listOf(leg)), may("opened", ref), must("reason", text), may("run", text)),
	"adjust": entryOf(must("agent", name), must("amount", signedAmount), must("authorization", authID),
		must("by", text), must("corrects", ref), must("legs", listOf(leg)), may("model", text),
		must("opened", ref), may("part", text), may("pico", picoText), must("reason", text), must("run", text),
		may("usage", usage)),
	"configure": entryOf(must("base_seq", amount), must("by", text), must("changes", listOf(changeObject)),
		must("commit", boolean), must("stage", text)),
	"policy":   entryOf(must("by", text), must("policy", policyObject)),
	"price":    entryOf(must("by", text), must("price", priceObject)),
	"takeover": entryOf(must("claim_seq", amount), must("holds_until", instant), must("owner", text)),
}

// entryOf joins the fields of a kind with those of the envelope, in the order of their names.
func entryOf(own ...field) check {
	envelope := []field{must("at", instant), must("epoch", amount), must("kind", text), must("prev", hash),
		must("recorded_at", instant), must("salt", salt), must("seq", amount), must("v", integer), must("ws", name)}
	var all []field
	for len(own) > 0 || len(envelope) > 0 {
		if len(own) == 0 || len(envelope) > 0 && envelope[0].name < own[0].name {
			all, envelope = append(all, envelope[0]), envelope[1:]
		} else {
			all, own = append(all, own[0]), own[1:]
		}
	}
	return object(all...)
}

func risingTiers(n *node) error {
	if err := listOf(tierName)(n); err != nil {
		return err
	}
	for i := 1; i < len(n.kids); i++ {
		if tierOf(n.kids[i-1].text) >= tierOf(n.kids[i].text) {
			return want("a list of tiers, lightest first")
		}
	}
	return nil
}

// changeObject is an item of configuration; what its value is hangs on the item.
func changeObject(n *node) error {
	values := map[string]check{"agent": agentObject, "cost_center": groupObject, "key": keyObject,
		"log_key": logKeyObject, "provider": providerObject, "team": groupObject, "workspace": workspaceObject}
	value, known := values[n.str("item")]
	if !known {
		return want("a change of an agent, cost_center, key, log_key, provider, team or workspace")
	}
	id := name
	switch n.str("item") {
	case "key":
		id = keyID
	case "log_key":
		id = logKeyID
	}
	if err := object(must("id", id), must("item", text), may("value", value))(n); err != nil {
		return err
	}
	if n.str("item") == "log_key" && n.has("value") {
		public, _ := base64.StdEncoding.DecodeString(n.get("value").str("public_key"))
		if sum := sha256.Sum256(public); hex.EncodeToString(sum[:8]) != n.str("id") {
			return want("a log key under the first 8 bytes of its SHA-256")
		}
	}
	return nil
}

// condition checks what stands in a rule's if, conditions within conditions too.
func condition(n *node) error {
	if n.kind != objectNode {
		return want("an object")
	}
	switch {
	case n.has("all"):
		return object(must("all", listOf(condition)))(n)
	case n.has("any"):
		return object(must("any", listOf(condition)))(n)
	case n.has("not"):
		return object(must("not", condition))(n)
	}
	values := map[string]check{"pace": signed, "remaining": signed, "tier": tierName, "priority": priority}
	value, known := values[n.str("field")]
	if !known {
		return want("a condition on pace, remaining, tier or priority, or all, any or not of conditions")
	}
	return object(must("field", text), must("is", oneOf("<", "<=", "=", "!=", ">", ">=")), must("value", value))(n)
}

func consequence(n *node) error {
	switch {
	case n.kind != objectNode:
		return want("an object")
	case n.str("do") == "floor":
		return object(must("do", text), must("tier", tierName))(n)
	case n.str("do") == "ceiling":
		return object(must("do", text), must("tier", ceilingName))(n)
	}
	return object(must("do", oneOf("floor", "ceiling", "hold")))(n)
}

// checkEntry tells what is wrong with the fields of a line that is canonical JSON.
func checkEntry(n *node) error {
	kind := n.str("kind")
	fields, known := kinds[kind]
	if !known {
		return fmt.Errorf("its kind %q is not one of this format", kind)
	}
	if err := fields(n); err != nil {
		return fmt.Errorf("%s: %w", kind, err)
	}
	if n.str("v") != "1" {
		return fmt.Errorf("it is of version %s of the format, and this reads version 1", n.str("v"))
	}
	return nil
}
