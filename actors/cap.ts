import { type CapKind, capId, type Scope } from "../ledger/caps.ts";
import type { Leg } from "../ledger/entries.ts";
import { addUsd, type NanoUsd, subtractUsd, ZERO_USD } from "../ledger/money.ts";
import type { PeriodBounds, Periods } from "../ledger/periods.ts";
import type { AgentSettings } from "../ledger/workspace-config.ts";
import type { Counter } from "./counters.ts";
import { readCounter, type WorkspaceState } from "./state.ts";

/** 100 % in basis points. */
const FULL_PACE = 10_000n;

/** A cap as one call meets it: its counter, its limit if it has one, and its period. */
export interface CapView {
  readonly counter: Counter;
  readonly limit: NanoUsd | undefined;
  /** Absent for run caps, which have no pace. */
  readonly bounds: PeriodBounds | undefined;
}

/** What a cap still has: limit − settled − held; may be below zero. `undefined` without a limit. */
export function remaining(cap: CapView): NanoUsd | undefined {
  if (cap.limit === undefined) return undefined;
  return subtractUsd(cap.limit, addUsd(cap.counter.settled, cap.counter.held));
}

/** R1 on one cap: `settled + held + amount ≤ limit`. */
export function fits(cap: CapView, amount: NanoUsd): boolean {
  const left = remaining(cap);
  return left === undefined || amount <= left;
}

/**
 * How fast a cap is used against time, in basis points (ledger rules §4): committed share over elapsed
 * share, where elapsed counts as at least a tenth of the period. A limit of 0 counts as full.
 */
export function paceOf(cap: CapView, now: number): bigint | undefined {
  if (cap.limit === undefined || cap.bounds === undefined) return undefined;
  if (cap.limit === 0n) return FULL_PACE;
  const committed = cap.counter.settled + cap.counter.held;
  if (committed <= 0n) return 0n;
  const length = BigInt(cap.bounds.end - cap.bounds.start);
  const elapsed = BigInt(now - cap.bounds.start);
  const tenth = length / 10n;
  const divisor = elapsed > tenth ? elapsed : tenth;
  return (committed * FULL_PACE * length) / (cap.limit * divisor);
}

/** What applies to every call of one agent in one month. */
export interface PeriodCaps {
  readonly month: string;
  readonly year: string;
  /** The id of its run cap. */
  readonly runCap: string;
  readonly views: readonly CapView[];
}

/**
 * Every cap that applies to a call of this agent in this run: the run first, then months, then years,
 * each from the narrowest scope to the widest. Refusals name the first that fails in this order.
 */
export function capsOf(
  state: WorkspaceState,
  agentName: string,
  agent: AgentSettings,
  run: string,
  periods: Periods,
  now: number,
): CapView[] {
  let known = state.periodCaps.get(agentName);
  if (known?.month !== periods.month.key || known.year !== periods.year.key) {
    known = periodCaps(state, agentName, agent, periods, now);
    // A counter that no entry has moved yet is not the one that the next call reads.
    const stand = known.views.every(({ counter }) => state.counters.get(counter) === counter);
    if (stand) state.periodCaps.set(agentName, known);
  }
  const counter = readCounter(state, { cap: known.runCap, period: run }, now);
  return [{ counter, limit: agent.caps.run, bounds: undefined }, ...known.views];
}

function periodCaps(
  state: WorkspaceState,
  agentName: string,
  agent: AgentSettings,
  periods: Periods,
  now: number,
): PeriodCaps {
  const views: CapView[] = [];
  const { cost_center: costCenter, team } = agent;
  for (const period of ["month", "year"] as const) {
    const bounds = periods[period];
    const add = (scope: Scope, name: string, caps: Limits | undefined) => {
      const cap = capId(scope, name, period);
      const counter = readCounter(state, { cap, period: bounds.key }, now);
      views.push({ counter, limit: caps?.[period], bounds });
    };
    add("agent", agentName, agent.caps);
    if (costCenter !== undefined) {
      add("cost_center", costCenter, state.config.costCenters.get(costCenter)?.caps);
    }
    if (team !== undefined) add("team", team, state.config.teams.get(team)?.caps);
    add("workspace", state.ws, state.config.settings?.caps);
  }
  const runCap = capId("agent", agentName, "run");
  return { month: periods.month.key, year: periods.year.key, runCap, views };
}

interface Limits {
  readonly month?: NanoUsd;
  readonly year?: NanoUsd;
}

/** The greatest pace over the caps of a call, and the cap that has it. The first of equals wins. */
export function governingPace(
  caps: readonly CapView[],
  now: number,
): { readonly cap: string; readonly value: bigint } | undefined {
  let governing: { cap: string; value: bigint } | undefined;
  for (const cap of caps) {
    const value = paceOf(cap, now);
    if (value === undefined) continue;
    if (governing === undefined || value > governing.value) {
      governing = { cap: cap.counter.cap, value };
    }
  }
  return governing;
}

/** The least remaining over the capped legs, and whose it is; `undefined` when nothing limits. */
export function leastRemaining(
  caps: readonly CapView[],
): { readonly cap: string; readonly value: NanoUsd } | undefined {
  let least: { cap: string; value: NanoUsd } | undefined;
  for (const cap of caps) {
    const left = remaining(cap);
    if (left === undefined) continue;
    if (least === undefined || left < least.value) least = { cap: cap.counter.cap, value: left };
  }
  return least;
}

/** What every leg of an entry moves by: held and settled, in nano-USD, either may be negative. */
export interface Movement {
  readonly held: NanoUsd;
  readonly settled: NanoUsd;
}

/** The legs of an entry over a call's caps, with balances after the movement. */
export function legsAfter(caps: readonly CapView[], movement: Movement, now: number): Leg[] {
  return caps.map((cap) => {
    const pace = paceOf(cap, now);
    return {
      ...legOf(cap.counter, movement),
      ...(cap.limit === undefined ? {} : { limit: cap.limit }),
      ...(pace === undefined ? {} : { pace }),
    };
  });
}

/** One counter's leg with its balance after the movement. */
export function legOf(counter: Counter, movement: Movement): Leg {
  return {
    cap: counter.cap,
    held: addUsd(counter.held, movement.held),
    period: counter.period,
    settled: addUsd(counter.settled, movement.settled),
  };
}

/** The refusal reason of a cap that does not fit. */
export function reasonOf(kind: CapKind): "per-run-cap" | "monthly-cap" | "yearly-cap" {
  if (kind === "run") return "per-run-cap";
  return kind === "month" ? "monthly-cap" : "yearly-cap";
}

/** By how much an amount misses a cap; nothing where it fits. */
export function shortfall(cap: CapView, amount: NanoUsd): NanoUsd {
  const left = remaining(cap);
  return left === undefined || amount <= left ? ZERO_USD : subtractUsd(amount, left);
}
