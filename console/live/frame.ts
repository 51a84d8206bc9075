/**
 * Frames: what a stretch of entries comes to, small enough for a page to draw ten times a second. Every
 * entry is counted; decisions are shown as rows as far as there is room, refusals first. Pure.
 */
import type { DecisionRow, FrameMessage, Outcome } from "../wire.ts";
import type { Fact, MonthBalance } from "./fact.ts";

export const FRAME_ROWS_MAX = 50;
/**
 * A page is told of every throttle and hold, frame by frame, while no more than this many wait: 20 frames,
 * so 2 s. Beyond that it would only fall further behind, so the rest is counted and left out.
 */
export const WAITING_ROWS_MAX = 1_000;

export interface FrameRequest {
  readonly ws: string;
  /** First sequence of the frame: behind the last one that was sent. */
  readonly from: bigint;
  /** What follows, in order and without a hole. */
  readonly facts: readonly Fact[];
  readonly agent?: string | undefined;
  readonly now: number;
}

export interface Frame {
  readonly message: FrameMessage;
  readonly to: bigint;
  /** False where nothing of the stretch concerns the agent that is asked for. */
  readonly concerns: boolean;
}

/** The next frame of the facts, or of as many of them as its rows can tell of. @returns undefined for none */
export function nextFrame(request: FrameRequest): Frame | undefined {
  const facts = stretchOf(request);
  const last = facts.at(-1);
  if (last === undefined) return undefined;
  const matching = facts.filter((fact) => matches(fact, request.agent));
  const totals = { ...emptyFlow(), settle: 0, expire: 0, void: 0 };
  const agents = new Map<string, Flow>();
  const seconds = new Map<number, Flow>();
  let month: MonthBalance | undefined;
  for (const fact of facts) month = fact.month ?? month;
  for (const fact of matching) {
    addTo(totals, fact);
    if (fact.kind === "settle" || fact.kind === "expire" || fact.kind === "void") {
      totals[fact.kind] += 1;
    }
    if (!movesFlow(fact)) continue;
    if (fact.agent !== undefined) addTo(entryOf(agents, fact.agent), fact);
    addTo(entryOf(seconds, Math.floor(fact.at / 1_000) * 1_000), fact);
  }
  const { omitted, rows } = chooseRows(matching);
  const message: FrameMessage = {
    type: "frame",
    ws: request.ws,
    at: new Date(request.now).toISOString(),
    from_seq: String(request.from),
    to_seq: String(last.seq),
    rows,
    omitted,
    totals: {
      ...flowText(totals),
      settle: totals.settle,
      expire: totals.expire,
      void: totals.void,
    },
    agents: [...agents]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([agent, flow]) => ({ agent, ...flowText(flow) })),
    seconds: [...seconds]
      .sort(([a], [b]) => a - b)
      .map(([at, flow]) => ({ at: new Date(at).toISOString(), ...flowText(flow) })),
    ...(month === undefined
      ? {}
      : {
          month: {
            period: month.period,
            settled_nano: String(month.settled),
            held_nano: String(month.held),
          },
        }),
  };
  return { message, to: last.seq, concerns: matching.length > 0 || request.agent === undefined };
}

/** All facts, or those before the refusal that has no room any more. */
function stretchOf({ agent, facts }: FrameRequest): readonly Fact[] {
  let refusals = 0;
  let end: number | undefined;
  for (const [index, fact] of facts.entries()) {
    if (!isRefusal(fact) || !matches(fact, agent)) continue;
    refusals += 1;
    if (refusals === FRAME_ROWS_MAX + 1) end = index;
    if (refusals > WAITING_ROWS_MAX) return facts;
  }
  return end === undefined ? facts : facts.slice(0, end);
}

/** The latest refusals, then the latest admits, as many as there is room for; in order. */
function chooseRows(facts: readonly Fact[]): {
  readonly rows: readonly DecisionRow[];
  readonly omitted: Readonly<Record<Outcome, number>>;
} {
  const decisions = facts.filter(({ row }) => row !== undefined);
  const refusals = decisions.filter(isRefusal).slice(-FRAME_ROWS_MAX);
  const room = FRAME_ROWS_MAX - refusals.length;
  const admits = decisions.filter((fact) => !isRefusal(fact)).slice(-room);
  const shown = new Set([...refusals, ...(room === 0 ? [] : admits)]);
  const omitted = { admit: 0, throttle: 0, hold: 0 };
  const rows: DecisionRow[] = [];
  for (const fact of decisions) {
    if (fact.row === undefined) continue;
    if (shown.has(fact)) rows.push(fact.row);
    else omitted[fact.row.outcome] += 1;
  }
  return { rows, omitted };
}

interface Flow {
  admit: number;
  throttle: number;
  hold: number;
  held: bigint;
  settled: bigint;
}

function emptyFlow(): Flow {
  return { admit: 0, throttle: 0, hold: 0, held: 0n, settled: 0n };
}

function addTo(flow: Flow, fact: Fact): void {
  if (fact.row !== undefined) flow[fact.row.outcome] += 1;
  flow.held += fact.held;
  flow.settled += fact.settled;
}

function flowText(flow: Flow) {
  const { admit, hold, throttle } = flow;
  return {
    admit,
    throttle,
    hold,
    held_nano: String(flow.held),
    settled_nano: String(flow.settled),
  };
}

function entryOf<K>(flows: Map<K, Flow>, key: K): Flow {
  const flow = flows.get(key) ?? emptyFlow();
  flows.set(key, flow);
  return flow;
}

/** A decision that is not a plain admission: what a person must not miss. */
function isRefusal(fact: Fact): boolean {
  return fact.row !== undefined && fact.row.outcome !== "admit";
}

function movesFlow(fact: Fact): boolean {
  return fact.row !== undefined || fact.held !== 0n || fact.settled !== 0n;
}

function matches(fact: Fact, agent: string | undefined): boolean {
  return agent === undefined || fact.agent === agent;
}
