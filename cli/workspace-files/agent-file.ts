import { PRIORITIES, type Priority } from "../../ledger/caps.ts";
import type { PolicyRule } from "../../ledger/policy.ts";
import { TIERS, type Tier, tierRank } from "../../ledger/price-card.ts";
import type { AgentSettings } from "../../ledger/workspace-config.ts";
import {
  documentOf,
  dollars,
  type Field,
  fieldsOf,
  listOf,
  matching,
  notice,
  oneOf,
  type Placed,
  placed,
  type Reader,
  type Reading,
  report,
  trueOrFalse,
} from "./fields.ts";
import { agentRules } from "./read-rules.ts";
import { capHints, name, title, warnWhenAbove } from "./workspace-file.ts";

/** The lane an agent names, and the tiers it may use of it. */
export interface AgentLane {
  readonly provider: Placed<string>;
  readonly family: Placed<string>;
  readonly region: Placed<string>;
  /** Lightest first; absent means all of the lane's. */
  readonly tiers: Placed<readonly Tier[]> | undefined;
}

/** What `agents/NAME.yaml` says; what needs other files is still to be checked. */
export interface AgentFile {
  readonly id: Placed<string> | undefined;
  readonly title: string | undefined;
  readonly costCenter: Placed<string> | undefined;
  readonly team: Placed<string> | undefined;
  readonly lane: Placed<AgentLane> | undefined;
  readonly priority: Priority | undefined;
  readonly caps: AgentSettings["caps"];
  readonly rules: readonly PolicyRule[];
  /** Absent when the file does not say. */
  readonly frozen: boolean | undefined;
  readonly onExpiry: AgentSettings["on_expiry"];
  readonly onOverage: AgentSettings["on_overage"];
  readonly document: Field;
}

/** A part of a lane's name: it also stands in entries and in URLs. */
export const laneWord: Reader<string> = matching(
  /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/,
  "a name of letters, digits, . _ and -, at most 64 long",
);

const agentCaps: Reader<AgentSettings["caps"]> = (field) => {
  const caps = fieldsOf(
    field,
    { per_run: dollars, monthly: dollars, yearly: dollars },
    { what: "an agent's caps", hints: { ...capHints, run: "is spelled per_run" } },
  );
  if (caps === undefined) return undefined;
  const { per_run: run, monthly: month, yearly: year } = caps;
  warnWhenAbove(field, ["per_run", run], ["monthly", month]);
  warnWhenAbove(field, ["monthly", month], ["yearly", year]);
  if (month === undefined) warnWhenAbove(field, ["per_run", run], ["yearly", year]);
  return {
    ...(month === undefined ? {} : { month }),
    ...(run === undefined ? {} : { run }),
    ...(year === undefined ? {} : { year }),
  };
};

/** Tiers, each once, in order of weight whatever the order in the file. */
const tiers: Reader<readonly Tier[]> = (field) => {
  const named = listOf(placed(oneOf(TIERS)), "tiers", TIERS.length)(field);
  if (named === undefined) return undefined;
  if (field.node.kind === "list" && field.node.items.length === 0) {
    return report(field, "an agent without a tier can call nothing: name one, or leave tiers out");
  }
  const seen = new Set<Tier>();
  for (const { value, field: place } of named) {
    if (seen.has(value)) report(place, `${value} stands here twice`);
    seen.add(value);
  }
  return [...seen].sort((a, b) => tierRank(a) - tierRank(b));
};

const lane: Reader<AgentLane> = (field) => {
  const word = placed(laneWord);
  const read = fieldsOf(
    field,
    { provider: word, family: word, region: word, tiers: placed(tiers) },
    {
      what: "a lane",
      required: ["provider", "family", "region"],
      hints: { model: "a lane names tiers; their models stand in the lane catalogue (lanes.yaml)" },
      notInForce: ["route_to"],
    },
  );
  if (read === undefined) return undefined;
  const { provider, family, region } = read;
  if (provider === undefined || family === undefined || region === undefined) return undefined;
  return { provider, family, region, tiers: read.tiers };
};

const AGENT_RULES = {
  what: "an agent",
  required: ["agent", "lane", "priority"],
  notInForce: ["fail_open", "route_to", "quota", "quotas", "alerts"],
  hints: {
    name: "the agent's name is spelled agent: NAME; a name for people is a title",
    id: "the agent's name is spelled agent: NAME",
    cost_centre: "is spelled cost_center",
    tiers: "tiers stand under lane",
    per_run: "stands under caps",
    monthly: "stands under caps",
    yearly: "stands under caps",
    rebalancing: "stands in workspace.yaml",
  },
} as const;

/** Reads `agents/NAME.yaml`. */
export function readAgentFile(reading: Reading): AgentFile {
  const document = documentOf(reading);
  const file = fieldsOf(
    document,
    {
      agent: placed(name),
      title,
      cost_center: placed(name),
      team: placed(name),
      priority: oneOf(PRIORITIES),
      caps: agentCaps,
      lane: placed(lane),
      rules: agentRules,
      frozen: trueOrFalse,
      on_expiry: oneOf(["capture", "release"]),
      on_overage: oneOf(["freeze", "none"]),
    },
    AGENT_RULES,
  );
  if (file?.agent !== undefined && file.caps === undefined) {
    notice(document, `${file.agent.value} has no caps of its own: only those around it limit it`);
  }
  return {
    id: file?.agent,
    title: file?.title,
    costCenter: file?.cost_center,
    team: file?.team,
    lane: file?.lane,
    priority: file?.priority,
    caps: file?.caps ?? {},
    rules: file?.rules ?? [],
    frozen: file?.frozen,
    onExpiry: file?.on_expiry ?? "release",
    onOverage: file?.on_overage ?? "none",
    document,
  };
}
