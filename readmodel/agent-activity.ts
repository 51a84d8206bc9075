import type pg from "pg";

import { assert } from "../ledger/assert.ts";
import { capId } from "../ledger/caps.ts";
import { parseJson } from "../ledger/schema.ts";
import { type AgentSettings, agentSettings } from "../ledger/workspace-config.ts";
import { firstSeqAt, inOneSnapshot, readHead, timeOf } from "./one-snapshot.ts";

/** What a counter has counted in one period. */
export interface PeriodUse {
  readonly settled: bigint;
  readonly held: bigint;
  /** Basis points, as of the last decision. */
  readonly pace: bigint | undefined;
}

/** An agent as it is configured now, with what it does. */
export interface AgentActivity {
  readonly agent: string;
  readonly settings: AgentSettings;
  /** Of its latest decision; undefined before the first. */
  readonly run:
    | { readonly id: string; readonly settled: bigint; readonly held: bigint }
    | undefined;
  readonly lastAt: Date | undefined;
  /** Of the periods that were asked for. */
  readonly month: PeriodUse;
  readonly year: PeriodUse;
  readonly admits: number;
  readonly throttles: number;
  readonly holds: number;
}

export interface ActivityRow {
  /** Decisions are counted from here on. */
  readonly countedSince: Date;
  readonly agents: readonly AgentActivity[];
}

/** So many entries are looked at for the counts, at most. */
const ENTRIES_MAX = 600_000n;

interface Periods {
  readonly month: string;
  readonly year: string;
}

/** The agents of a workspace by name, with their decisions since a moment. */
export function readActivity(
  pool: pg.Pool,
  ws: string,
  since: Date,
  periods: Periods,
): Promise<ActivityRow> {
  return inOneSnapshot(pool, async (client) => {
    const head = (await readHead(client, ws))?.seq ?? 0n;
    const first = await firstSeqAt(client, ws, head, since);
    const floor = head - ENTRIES_MAX + 1n;
    const from = first > floor ? first : floor;
    const settings = await client.query<{ id: string; value: string }>(
      "SELECT id, value FROM config_items WHERE ws = $1 AND item = 'agent' ORDER BY id",
      [ws],
    );
    const names = settings.rows.map(({ id }) => id);
    const counts = await countDecisions(client, ws, from, head);
    const uses = await readUses(client, ws, names, periods);
    const latest = await readLatest(client, ws, names);
    return {
      countedSince: from === first ? since : ((await timeOf(client, ws, from)) ?? since),
      agents: settings.rows.map(({ id, value }) => {
        const parsed = parseJson(agentSettings, value);
        assert(parsed.ok, `the settings of agent ${id} in Postgres are not what an entry holds`);
        return {
          agent: id,
          settings: parsed.value,
          run: latest.get(id)?.run,
          lastAt: latest.get(id)?.at,
          month: uses.get(capId("agent", id, "month")) ?? UNUSED,
          year: uses.get(capId("agent", id, "year")) ?? UNUSED,
          ...(counts.get(id) ?? { admits: 0, throttles: 0, holds: 0 }),
        };
      }),
    };
  });
}

const UNUSED: PeriodUse = { settled: 0n, held: 0n, pace: undefined };

async function countDecisions(client: pg.PoolClient, ws: string, from: bigint, to: bigint) {
  const found = await client.query<Record<"agent" | "admits" | "throttles" | "holds", string>>(
    `SELECT agent, count(*) FILTER (WHERE outcome = 'admit') AS admits,
            count(*) FILTER (WHERE outcome = 'throttle') AS throttles,
            count(*) FILTER (WHERE outcome = 'hold') AS holds
       FROM receipts WHERE ws = $1 AND opened_seq BETWEEN $2 AND $3 GROUP BY agent`,
    [ws, String(from), String(to)],
  );
  return new Map(
    found.rows.map(({ admits, agent, holds, throttles }) => [
      agent,
      { admits: Number(admits), throttles: Number(throttles), holds: Number(holds) },
    ]),
  );
}

async function readUses(
  client: pg.PoolClient,
  ws: string,
  agents: readonly string[],
  { month, year }: Periods,
): Promise<ReadonlyMap<string, PeriodUse>> {
  const found = await client.query<{
    cap: string;
    settled_nano: string;
    held_nano: string;
    pace: string | null;
  }>(
    `SELECT cap, settled_nano, held_nano, pace FROM balances
      WHERE ws = $1 AND (cap = ANY($2::text[]) AND period = $3
                         OR cap = ANY($4::text[]) AND period = $5)`,
    [
      ws,
      agents.map((agent) => capId("agent", agent, "month")),
      month,
      agents.map((agent) => capId("agent", agent, "year")),
      year,
    ],
  );
  return new Map(
    found.rows.map((row) => [
      row.cap,
      {
        settled: BigInt(row.settled_nano),
        held: BigInt(row.held_nano),
        pace: row.pace === null ? undefined : BigInt(row.pace),
      },
    ]),
  );
}

/** The latest decision of each agent and the counter of its run. A run of a single call is its receipt. */
async function readLatest(client: pg.PoolClient, ws: string, agents: readonly string[]) {
  const found = await client.query<{
    agent: string;
    at: Date;
    run: string;
    settled: string;
    held: string;
  }>(
    `SELECT a.agent, r.at, r.run, coalesce(b.settled_nano, r.settled_nano) AS settled,
            coalesce(b.held_nano, r.open_nano) AS held
       FROM unnest($2::text[]) AS a (agent)
       JOIN LATERAL (SELECT at, run, settled_nano, open_nano FROM receipts
                      WHERE ws = $1 AND agent = a.agent AND opened_seq IS NOT NULL
                      ORDER BY opened_seq DESC LIMIT 1) r ON true
       LEFT JOIN balances b
         ON b.ws = $1 AND b.cap = 'agent:' || a.agent || '/run' AND b.period = r.run`,
    [ws, agents],
  );
  return new Map(
    found.rows.map(({ agent, at, held, run, settled }) => [
      agent,
      { at, run: { id: run, settled: BigInt(settled), held: BigInt(held) } },
    ]),
  );
}
