import { utf8Length } from "../ledger/codec.ts";
import { ENTRY_BYTES_MAX, type EntryBody } from "../ledger/entries.ts";
import { laneKey, tierRank } from "../ledger/price-card.ts";
import { list } from "../ledger/schema.ts";
import {
  type AgentSettings,
  type ConfigChange,
  configChange,
  type PriceSettings,
  policySettings,
  priceSettings,
} from "../ledger/workspace-config.ts";
import type { Answer, ConfigureCommand } from "./commands.ts";
import { refusal } from "./refusal.ts";
import type { WorkspaceState } from "./state.ts";
import type { TurnContext } from "./turn.ts";

export type ConfigureDecision =
  | { readonly kind: "entries"; readonly bodies: readonly EntryBody[] }
  | { readonly kind: "answer"; readonly answer: Answer };

/** Bytes that an entry needs beside what it carries, with room to spare. */
const ENVELOPE_BYTES_MAX = 2_048;
const changePart = list(configChange);

/** Stages that are open at once: a stage that nobody commits is dropped at the next commit. */
const OPEN_STAGES_MAX = 8;

/**
 * Decides a configure: stages changes, or commits a stage so that all of it counts at once. Refused
 * whole, with every mistake, when anything in it is wrong.
 */
export function decideConfigure(
  state: WorkspaceState,
  command: ConfigureCommand,
  context: TurnContext,
): ConfigureDecision {
  if (command.stage === state.lastStage) {
    return { kind: "answer", answer: { kind: "configured", seq: state.configSeq } };
  }
  if (command.base_seq !== state.configSeq) {
    const message = `Workspace ${state.ws} is at config ${state.configSeq}, and this change was made against ${command.base_seq}. Load it again and re-apply.`;
    return {
      kind: "answer",
      answer: refusal("version-conflict", message, { seq: state.configSeq }),
    };
  }
  const problems = [
    ...(command.commit
      ? problemsOfCommit(state, command, context)
      : problemsOfStage(state, command)),
    ...problemsOfSize(command),
  ];
  if (problems.length > 0) {
    const frozen = problems.every((problem) => problem.startsWith(LANE_FROZEN));
    const message = `Nothing was applied to workspace ${state.ws}: ${problems.length} mistake(s).`;
    const code = frozen ? "lane-frozen" : "bad-request";
    return { kind: "answer", answer: refusal(code, message, { problems }) };
  }
  return { kind: "entries", bodies: bodiesOf(command) };
}

/** The entries of one command, in the order in which they count; the commit stands last. */
function bodiesOf(command: ConfigureCommand): EntryBody[] {
  const { by, stage, base_seq, changes } = command;
  const bodies: EntryBody[] = [];
  const parts = command.commit ? changes.slice(0, -1) : changes;
  for (const part of parts) {
    bodies.push({ base_seq, by, changes: part, commit: false, kind: "configure", stage });
  }
  if (command.price !== undefined) bodies.push({ by, kind: "price", price: command.price });
  if (command.policy !== undefined) bodies.push({ by, kind: "policy", policy: command.policy });
  if (command.commit) {
    const last = changes.at(-1) ?? [];
    bodies.push({ base_seq, by, changes: last, commit: true, kind: "configure", stage });
  }
  return bodies;
}

function problemsOfStage(state: WorkspaceState, command: ConfigureCommand): string[] {
  const problems: string[] = [];
  if (command.policy !== undefined || command.price !== undefined) {
    problems.push("commit: policy and prices travel with the command that commits");
  }
  if (command.changes.every((part) => part.length === 0)) problems.push("changes: there are none");
  if (!state.staged.has(command.stage) && state.staged.size >= OPEN_STAGES_MAX) {
    problems.push(`stage: ${OPEN_STAGES_MAX} stages are open already; commit one of them first`);
  }
  return problems;
}

/** Every entry has a largest size, and what does not fit one must not get as far as the journal. */
function problemsOfSize(command: ConfigureCommand): string[] {
  const problems: string[] = [];
  const check = (what: string, json: string) => {
    if (utf8Length(json) + ENVELOPE_BYTES_MAX <= ENTRY_BYTES_MAX) return;
    problems.push(
      `${what}: is too long for one entry of ${ENTRY_BYTES_MAX} bytes; make it smaller`,
    );
  };
  const { changes, policy, price } = command;
  changes.forEach((part, i) => check(`changes[${i}]`, changePart.write(part)));
  if (policy !== undefined) check("policy", policySettings.write(policy));
  if (price !== undefined) check("price", priceSettings.write(price));
  return problems;
}

const LANE_FROZEN = "lane of agent ";

/** Everything that is wrong with the workspace as it would be after the commit. */
function problemsOfCommit(
  state: WorkspaceState,
  command: ConfigureCommand,
  context: TurnContext,
): string[] {
  const problems: string[] = [];
  const changes = [...(state.staged.get(command.stage) ?? []), ...command.changes.flat()];
  const after = {
    agents: new Map(state.config.agents),
    costCenters: new Set(state.config.costCenters.keys()),
    teams: new Set(state.config.teams.keys()),
  };
  let settings = state.config.settings;
  for (const change of changes) {
    switch (change.item) {
      case "workspace":
        problems.push(...problemsOfWorkspace(state, change, context));
        settings = change.value ?? settings;
        break;
      case "agent":
        if (change.value === undefined) after.agents.delete(change.id);
        else {
          problems.push(...problemsOfLane(state, change.id, change.value));
          after.agents.set(change.id, change.value);
        }
        break;
      case "cost_center":
        if (change.value === undefined) after.costCenters.delete(change.id);
        else after.costCenters.add(change.id);
        break;
      case "team":
        if (change.value === undefined) after.teams.delete(change.id);
        else after.teams.add(change.id);
        break;
      case "key":
      case "log_key":
      case "provider":
        break;
    }
  }
  if (settings === undefined) {
    problems.push("workspace: a new workspace begins with its settings (workspace.yaml)");
  }
  const prices = command.price ?? state.prices.get(state.priceSeq)?.settings;
  for (const [id, agent] of after.agents) {
    if (agent.cost_center !== undefined && !after.costCenters.has(agent.cost_center)) {
      problems.push(`agent ${id}: cost centre "${agent.cost_center}" does not exist`);
    }
    if (agent.team !== undefined && !after.teams.has(agent.team)) {
      problems.push(`agent ${id}: team "${agent.team}" does not exist`);
    }
    problems.push(...problemsOfTiers(prices, id, agent));
  }
  for (const change of changes) {
    if (change.item !== "key" || change.value?.agent === undefined) continue;
    if (!after.agents.has(change.value.agent)) {
      problems.push(`key ${change.id}: agent "${change.value.agent}" does not exist`);
    }
  }
  return problems;
}

/** Zone and currency are fixed when a workspace is made. */
function problemsOfWorkspace(
  state: WorkspaceState,
  change: Extract<ConfigChange, { item: "workspace" }>,
  context: TurnContext,
): string[] {
  const problems: string[] = [];
  if (change.id !== state.ws)
    problems.push(`workspace: is named ${change.id} but sent to ${state.ws}`);
  if (change.value === undefined) return [...problems, "workspace: cannot be removed"];
  const zone = state.config.settings?.time_zone;
  if (zone === undefined) {
    problems.push(...problemsOfZone(change.value.time_zone, context));
  } else if (change.value.time_zone !== zone) {
    problems.push(`workspace: time_zone is fixed at ${zone} since the workspace was made`);
  }
  return problems;
}

/** A zone that the edge has no data for would stop every later decision. */
function problemsOfZone(zone: string, context: TurnContext): string[] {
  try {
    context.periodsAt(zone, context.now);
    return [];
  } catch {
    return [`workspace: time_zone "${zone}" is not known here; write one like Europe/Berlin`];
  }
}

/** R6b: a lane is frozen once an agent has it; a new lane is a new agent. */
function problemsOfLane(state: WorkspaceState, id: string, agent: AgentSettings): string[] {
  const known = state.config.agents.get(id);
  if (known === undefined || laneKey(known.lane) === laneKey(agent.lane)) return [];
  return [
    `${LANE_FROZEN}${id} is frozen at ${laneKey(known.lane)}; ${laneKey(agent.lane)} needs a new agent`,
  ];
}

function problemsOfTiers(
  prices: PriceSettings | undefined,
  id: string,
  agent: AgentSettings,
): string[] {
  const key = laneKey(agent.lane);
  const lane = prices?.lanes.find((candidate) => laneKey(candidate) === key);
  if (lane === undefined) return [`agent ${id}: lane ${key} is not in the price card sent`];
  const missing = agent.tiers.filter((tier) => !lane.tiers.some((known) => known.tier === tier));
  const problems = missing.map((tier) => `agent ${id}: lane ${key} has no tier ${tier}`);
  if (agent.tiers.length === 0) problems.push(`agent ${id}: tiers: there are none`);
  const ordered = agent.tiers.every(
    (tier, i) => i === 0 || tierRank(agent.tiers[i - 1] as typeof tier) < tierRank(tier),
  );
  if (!ordered) problems.push(`agent ${id}: tiers must stand lightest first, each once`);
  return problems;
}

/** Puts committed changes into force. */
export function applyChanges(state: WorkspaceState, changes: readonly ConfigChange[]): void {
  const { config } = state;
  const put = <T>(map: Map<string, T>, id: string, value: T | undefined) => {
    if (value === undefined) map.delete(id);
    else map.set(id, value);
  };
  for (const change of changes) {
    switch (change.item) {
      case "workspace":
        config.settings = change.value ?? config.settings;
        break;
      case "agent":
        put(config.agents, change.id, change.value);
        break;
      case "cost_center":
        put(config.costCenters, change.id, change.value);
        break;
      case "key":
        put(config.keys, change.id, change.value);
        break;
      case "log_key":
        // Nothing is decided by it: it is written down for those who check the log.
        break;
      case "provider":
        put(config.providers, change.id, change.value);
        break;
      case "team":
        put(config.teams, change.id, change.value);
        break;
    }
  }
}
