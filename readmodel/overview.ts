import type pg from "pg";

import { capId } from "../ledger/caps.ts";
import { firstSeqAt, inOneSnapshot, readHead, timeOf } from "./one-snapshot.ts";

/** What is counted: equal steps, the last of which holds `end`. */
export interface OverviewWindow {
  /** ms since 1970. */
  readonly start: number;
  readonly stepMs: number;
  readonly steps: number;
  /** The period key of the current month in the workspace's zone. */
  readonly month: string;
}

export interface OverviewStep {
  readonly step: number;
  readonly admit: number;
  readonly throttle: number;
  readonly hold: number;
  readonly held: bigint;
  readonly settled: bigint;
}

export interface OverviewRow {
  /** The last entry that is counted. */
  readonly head: bigint;
  /** Steps in which there was anything. */
  readonly steps: readonly OverviewStep[];
  /** Steps before this lack entries, because there are more than can be counted at once. */
  readonly completeFrom: Date | undefined;
  readonly month: { readonly settled: bigint; readonly held: bigint };
  readonly openHolds: number;
  readonly agents: number;
}

/** So many entries are read for one overview, some 300 MB of pages; beyond them it says so. */
const ENTRIES_MAX = 200_000n;
/** A hold that is open lies among so many entries before the head. */
const OPEN_WITHIN = 300_000n;
/**
 * `agent` and `amount` are the first fields of what moves money after its decision, and both are ASCII:
 * at most 106 bytes with all that stands around them.
 */
const HEAD_BYTES = 120;

/** Counts the entries of a window by steps; undefined for a workspace without entries. */
export function readOverview(
  pool: pg.Pool,
  ws: string,
  window: OverviewWindow,
): Promise<OverviewRow | undefined> {
  return inOneSnapshot(pool, async (client) => {
    const head = await readHead(client, ws);
    if (head === undefined) return undefined;
    const since = await firstSeqAt(client, ws, head.seq, new Date(window.start));
    const floor = head.seq - ENTRIES_MAX + 1n;
    const from = since > floor ? since : floor;
    const steps = new Map<number, OverviewStep>();
    const agents = await addDecisions(client, ws, window, from, head.seq, steps);
    await addSpend(client, ws, window, from, head.seq, steps);
    return {
      head: head.seq,
      steps: [...steps.values()].sort((a, b) => a.step - b.step),
      completeFrom: from === since ? undefined : await timeOf(client, ws, from),
      month: await monthOf(client, ws, window.month),
      openHolds: await openHolds(client, ws, head.seq),
      agents,
    };
  });
}

function stepOf(steps: Map<number, OverviewStep>, step: number): OverviewStep {
  const found = steps.get(step);
  return found ?? { step, admit: 0, throttle: 0, hold: 0, held: 0n, settled: 0n };
}

/** An entry that came while the window was asked for belongs to its last step: everything is counted. */
function within(step: number, count: number): number {
  return Math.min(Math.max(step, 0), count - 1);
}

/** Decisions by step and outcome. @returns how many agents made them */
async function addDecisions(
  client: pg.PoolClient,
  ws: string,
  { start, stepMs, steps: count }: OverviewWindow,
  from: bigint,
  to: bigint,
  steps: Map<number, OverviewStep>,
): Promise<number> {
  const found = await client.query<{
    step: number;
    outcome: "admit" | "throttle" | "hold";
    agent: string;
    n: string;
    held: string;
  }>(
    `SELECT floor((extract(epoch FROM at) * 1000 - $4) / $5)::int AS step, outcome, agent,
            count(*) AS n, sum(held_nano)::text AS held
       FROM receipts
      WHERE ws = $1 AND opened_seq BETWEEN $2 AND $3
      GROUP BY 1, 2, 3`,
    [ws, String(from), String(to), start, stepMs],
  );
  const agents = new Set<string>();
  for (const { agent, held, n, outcome, step: counted } of found.rows) {
    const step = within(counted, count);
    agents.add(agent);
    const before = stepOf(steps, step);
    const after = { ...before, held: before.held + BigInt(held) };
    after[outcome] += Number(n);
    steps.set(step, after);
  }
  return agents.size;
}

/** What was spent, by step: settles, captures and adjustments. */
async function addSpend(
  client: pg.PoolClient,
  ws: string,
  { start, stepMs, steps: count }: OverviewWindow,
  from: bigint,
  to: bigint,
  steps: Map<number, OverviewStep>,
): Promise<void> {
  const found = await client.query<{ step: number; settled: string }>(
    `SELECT floor((extract(epoch FROM at) * 1000 - $4) / $5)::int AS step,
            sum(substring(convert_from(substring(line FROM 1 FOR ${HEAD_BYTES}), 'UTF8')
                          FROM '"amount":"(-?[0-9]+)"')::bigint)::text AS settled
       FROM entries
      WHERE ws = $1 AND seq BETWEEN $2 AND $3
        AND (kind IN ('settle', 'adjust')
             OR kind = 'expire' AND position('"on_expiry":"capture"'::bytea IN line) > 0)
      GROUP BY 1`,
    [ws, String(from), String(to), start, stepMs],
  );
  for (const { settled, step: counted } of found.rows) {
    const step = within(counted, count);
    const before = stepOf(steps, step);
    steps.set(step, { ...before, settled: before.settled + BigInt(settled) });
  }
}

async function monthOf(client: pg.PoolClient, ws: string, period: string) {
  const found = await client.query<{ settled_nano: string; held_nano: string }>(
    "SELECT settled_nano, held_nano FROM balances WHERE ws = $1 AND cap = $2 AND period = $3",
    [ws, capId("workspace", ws, "month"), period],
  );
  const row = found.rows[0];
  return { settled: BigInt(row?.settled_nano ?? "0"), held: BigInt(row?.held_nano ?? "0") };
}

async function openHolds(client: pg.PoolClient, ws: string, head: bigint): Promise<number> {
  const found = await client.query<{ n: string }>(
    `SELECT count(*) AS n FROM receipts
      WHERE ws = $1 AND opened_seq > $2 AND state = 'open'`,
    [ws, String(head - OPEN_WITHIN)],
  );
  return Number(found.rows[0]?.n ?? "0");
}
