import { type Lane, laneKey, type Tier } from "../../ledger/price-card.ts";
import type { AgentSettings, ConfigChange } from "../../ledger/workspace-config.ts";
import type { AgentFile, AgentLane } from "./agent-file.ts";
import { didYouMean } from "./did-you-mean.ts";
import { notice, type Placed, report } from "./fields.ts";
import type { LaneName } from "./lanes-file.ts";
import { placeOf } from "./source-file.ts";

/** What an agent may refer to. */
export interface AgentContext {
  /** The lanes in force: the catalogue with the overrides of `lanes.yaml`. */
  readonly lanes: readonly Lane[];
  /** Declared in `workspace.yaml` of the set, or in force already. */
  readonly costCenters: ReadonlySet<string>;
  readonly teams: ReadonlySet<string>;
  /**
   * `workspace.yaml` of the set has a `cost_centers`, so one that it lacks is a misspelling. Else a
   * cost centre comes about when an agent first names it.
   */
  readonly costCentersAreListed: boolean;
  /** Agents that are frozen now: by an operator, or after an overage. */
  readonly frozenAgents: ReadonlySet<string>;
  /** The file that declares groups has mistakes in its names: what refers to them cannot be judged. */
  readonly groupsAreDoubtful: boolean;
  /** The same of lanes. */
  isDoubtfulLane(lane: LaneName): boolean;
}

/** Says which word of a lane's name is the first that no lane has. */
function reportUnknownLane(lane: AgentLane, lanes: readonly Lane[]): undefined {
  const { provider, family, region } = lane;
  const ofProvider = lanes.filter((known) => known.provider === provider.value);
  if (ofProvider.length === 0) {
    return reportWord(provider, "no lane has the provider", names(lanes, "provider"));
  }
  const ofFamily = ofProvider.filter((known) => known.family === family.value);
  if (ofFamily.length === 0) {
    return reportWord(family, `${provider.value} has no family`, names(ofProvider, "family"));
  }
  const what = `${provider.value}/${family.value} has no region`;
  return reportWord(region, what, names(ofFamily, "region"));
}

function names(lanes: readonly Lane[], word: "provider" | "family" | "region"): readonly string[] {
  return [...new Set(lanes.map((lane) => lane[word]))].sort();
}

function reportWord(word: Placed<string>, what: string, known: readonly string[]): undefined {
  const hint = didYouMean(word.value, known) || `; there are ${known.join(", ")}`;
  return report(word.field, `${what} ${word.value}${hint} (lanes.yaml can add a lane)`);
}

/** The tiers of the agent's lane that it may use. */
function checkedTiers(lane: AgentLane, context: AgentContext): readonly Tier[] | undefined {
  const { provider, family, region, tiers } = lane;
  const name = { provider: provider.value, family: family.value, region: region.value };
  const key = laneKey(name);
  if (context.isDoubtfulLane(name)) return undefined;
  const known = context.lanes.find((candidate) => laneKey(candidate) === key);
  if (known === undefined) return reportUnknownLane(lane, context.lanes);
  const all = known.tiers.map(({ tier }) => tier);
  if (tiers === undefined) return all;
  for (const tier of tiers.value) {
    if (!all.includes(tier)) {
      report(tiers.field, `${key} has no tier ${tier}; it has ${all.join(", ")}`);
    }
  }
  return tiers.value;
}

function checkTeam(team: Placed<string> | undefined, context: AgentContext): void {
  if (team === undefined || context.groupsAreDoubtful || context.teams.has(team.value)) return;
  const hint = didYouMean(team.value, context.teams) || ": add it under teams in workspace.yaml";
  report(team.field, `there is no team ${team.value}${hint}`);
}

/** A cost centre that comes about because an agent names it; `undefined` when there is nothing to do. */
function impliedCostCenter(
  named: Placed<string> | undefined,
  context: AgentContext,
): ConfigChange | undefined {
  if (named === undefined || context.groupsAreDoubtful) return undefined;
  const { value, field } = named;
  if (context.costCenters.has(value)) return undefined;
  const hint = didYouMean(value, context.costCenters);
  if (context.costCentersAreListed) {
    const what = hint || ": add it under cost_centers in workspace.yaml";
    return report(field, `there is no cost centre ${value}${what}`);
  }
  notice(field, `the cost centre ${value} is not declared: it is made, without caps${hint}`);
  return { id: value, item: "cost_center", value: { caps: {} } };
}

/** A file that does not say leaves a freeze in place: only `frozen: false` lifts it. */
function staysFrozen(file: AgentFile, context: AgentContext): boolean {
  if (file.frozen !== undefined) return file.frozen;
  const { id } = file;
  if (id === undefined || !context.frozenAgents.has(id.value)) return false;
  notice(id.field, `agent ${id.value} is frozen and stays so; frozen: false lifts it`);
  return true;
}

/** What one agent's file changes: the agent, and maybe its cost centre. */
export interface AgentChanges {
  readonly agent: ConfigChange | undefined;
  readonly costCenter: ConfigChange | undefined;
}

/** Checks an agent against what else there is, and makes its change. */
export function agentChanges(file: AgentFile, context: AgentContext): AgentChanges {
  const costCenter = impliedCostCenter(file.costCenter, context);
  checkTeam(file.team, context);
  const tiers = file.lane === undefined ? undefined : checkedTiers(file.lane.value, context);
  if (file.id === undefined || file.lane === undefined || tiers === undefined) {
    return { agent: undefined, costCenter };
  }
  if (file.priority === undefined) return { agent: undefined, costCenter };
  const { provider, family, region } = file.lane.value;
  const value: AgentSettings = {
    caps: file.caps,
    frozen: staysFrozen(file, context),
    lane: { family: family.value, provider: provider.value, region: region.value },
    on_expiry: file.onExpiry,
    on_overage: file.onOverage,
    priority: file.priority,
    rules: file.rules,
    tiers,
    ...(file.costCenter === undefined ? {} : { cost_center: file.costCenter.value }),
    ...(file.team === undefined ? {} : { team: file.team.value }),
    ...(file.title === undefined ? {} : { title: file.title }),
  };
  return { agent: { id: file.id.value, item: "agent", value }, costCenter };
}

/** Reports every agent that two files describe, at the second. */
export function checkAgentNames(files: readonly AgentFile[]): void {
  const seen = new Map<string, Placed<string>>();
  for (const { id } of files) {
    if (id === undefined) continue;
    const first = seen.get(id.value);
    if (first === undefined) {
      seen.set(id.value, id);
      continue;
    }
    const place = placeOf(first.field.reading.source, first.field.node.start);
    const where = `${place.file}:${place.line}`;
    report(id.field, `the agent ${id.value} is also in ${where}: one file describes one agent`);
  }
}
