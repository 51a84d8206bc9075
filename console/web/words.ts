/** What the ledger's short codes mean, in words for the person who reads them. */

const REASONS: Readonly<Record<string, string>> = {
  frozen: "The agent is frozen",
  policy: "A policy rule refuses",
  "tool-quota": "The tool's quota is used up",
  "model-not-in-lane": "The model is not one of the agent's lane",
  unpriced: "No price is known, and nothing is free",
  "no-eligible-tier": "No tier of the lane can serve this request",
  "per-run-cap": "The run has less left than the cheapest tier costs",
  "monthly-cap": "A monthly cap has less left than the cheapest tier costs",
  "yearly-cap": "A yearly cap has less left than the cheapest tier costs",
  "priority-rebalance": "The caps tighten, and this priority gives way",
  "per-run-tier-down": "The run has less left than the preferred tier costs",
  "heaviest-fit": "Heaviest tier that fits every cap",
};

/** Why a decision came out as it did; an unknown reason is shown as it is. */
export function reasonInWords(reason: string): string {
  return REASONS[reason] ?? reason;
}

const RULES: Readonly<Record<string, string>> = {
  "00": "Refuses what no tier can serve or policy forbids",
  "01": "Refuses when the run cannot pay for the cheapest tier",
  "02": "Refuses when a month or year cannot pay for the cheapest tier",
  "03": "Steps down, or refuses, when the caps tighten and the priority must give way",
  "04": "Steps down when the run cannot pay for the preferred tier",
  "05": "Admits the heaviest tier that fits every cap",
};

/** What a rule of the cascade does. */
export function ruleInWords(rule: string): string {
  return RULES[rule] ?? `Rule ${rule}`;
}

const SKIPS: Readonly<Record<string, string>> = {
  "above-preferred": "heavier than asked for",
  "not-allowed": "not allowed to this agent",
  "below-floor": "below the floor that policy sets",
  unpriced: "has no price",
  modality: "does not take what the request contains",
  window: "the request is longer than its window",
};

/** Why a tier could not serve a call. */
export function skipInWords(skip: string): string {
  return SKIPS[skip] ?? skip;
}

const SCOPES: Readonly<Record<string, string>> = {
  agent: "Agent",
  cost_center: "Cost centre",
  team: "Team",
  workspace: "Workspace",
};

/** A cap id as people say it: `agent:support-triage/month` as `Agent support-triage, month`. */
export function capInWords(cap: string): string {
  const [, scope = "", name = "", period = ""] = /^([a-z_]+):(.+)\/([a-z]+)$/.exec(cap) ?? [];
  return scope === "" ? cap : `${SCOPES[scope] ?? scope} ${name}, ${period}`;
}

/** The same beside an agent's name: `month` for its own cap, `team month` for one that it shares. */
export function capInShort(cap: string, agent: string): string {
  const [, scope = "", name = "", period = ""] = /^([a-z_]+):(.+)\/([a-z]+)$/.exec(cap) ?? [];
  if (scope === "") return cap;
  if (scope === "agent" && name === agent) return period;
  return `${(SCOPES[scope] ?? scope).toLowerCase()} ${period}`;
}

const KINDS: Readonly<Record<string, string>> = {
  authorize: "Decided",
  settle: "Settled",
  release: "Released",
  expire: "Expired",
  void: "Voided",
  adjust: "Adjusted",
};

/** What an entry of an authorization's life did. */
export function kindInWords(kind: string): string {
  return KINDS[kind] ?? kind;
}
