/** Compares the projection with the state that the same entries come to. */
import pg from "pg";

import { PRICES, type World } from "../../../actors/testing/world.ts";
import {
  agentSettings,
  groupSettings,
  keySettings,
  policySettings,
  priceSettings,
  workspaceSettings,
} from "../../../ledger/workspace-config.ts";
import type { TestLedger } from "./test-ledger.ts";

/** Everything that differs; empty when the tables say what the entries say. */
export async function differences(url: string, ledgers: readonly TestLedger[]): Promise<string[]> {
  const pool = new pg.Pool({ connectionString: url, max: 2 });
  try {
    const found: string[] = [];
    for (const { worlds } of ledgers) {
      for (const world of worlds) found.push(...(await differencesOf(pool, world)));
    }
    const total = await pool.query<{ n: string }>("SELECT count(*) AS n FROM entries");
    const expected = ledgers.reduce((sum, ledger) => sum + ledger.size, 0);
    if (Number(total.rows[0]?.n) !== expected) {
      found.push(`entries: ${total.rows[0]?.n} where ${expected} were appended`);
    }
    return found;
  } finally {
    await pool.end();
  }
}

async function differencesOf(pool: pg.Pool, world: World): Promise<string[]> {
  const { ws, head } = world.state;
  const heads = await pool.query<{ seq: string; hash: string }>(
    "SELECT seq, hash FROM workspaces WHERE ws = $1",
    [ws],
  );
  return [
    ...compare(`${ws} head`, heads.rows[0], { seq: String(head.seq), hash: head.hash }),
    ...(await entryDifferences(pool, world)),
    ...(await receiptDifferences(pool, world)),
    ...(await balanceDifferences(pool, world)),
    ...(await configDifferences(pool, world)),
  ];
}

async function entryDifferences(pool: pg.Pool, world: World): Promise<string[]> {
  const rows = await pool.query<{ seq: string; line: Buffer; hash: Buffer; at: Date }>(
    "SELECT seq, line, hash, at FROM entries WHERE ws = $1 ORDER BY seq",
    [world.state.ws],
  );
  const differ: string[] = [];
  if (rows.rows.length !== world.entries.length) {
    differ.push(`${world.state.ws}: ${rows.rows.length} entries of ${world.entries.length}`);
  }
  for (const [index, { entry, line, hash }] of world.entries.entries()) {
    const row = rows.rows[index];
    const told = row && {
      seq: row.seq,
      line: row.line.toString("utf8"),
      hash: row.hash.toString("hex"),
      at: row.at.getTime(),
    };
    differ.push(
      ...compare(`${world.state.ws} entry ${entry.seq}`, told, {
        seq: String(entry.seq),
        line,
        hash,
        at: entry.at,
      }),
    );
  }
  return differ;
}

async function receiptDifferences(pool: pg.Pool, world: World): Promise<string[]> {
  const rows = await pool.query<Record<string, unknown>>(
    `SELECT authorization_id, state, outcome, rule, reason, agent, run, granted_model, tier,
        open_nano, settled_nano, opened_seq, closed_seq FROM receipts WHERE ws = $1`,
    [world.state.ws],
  );
  const found = new Map(rows.rows.map((row) => [String(row["authorization_id"]), row]));
  const differ = [...world.state.authorizations.values()].flatMap((record) => {
    const { decided, opened } = record;
    return compare(record.authorization, found.get(record.authorization), {
      authorization_id: record.authorization,
      state: record.state,
      outcome: decided?.outcome ?? null,
      rule: decided?.rule ?? null,
      reason: decided?.reason ?? null,
      agent: opened === undefined ? null : record.agent,
      run: opened === undefined ? null : record.run,
      granted_model: decided?.grant?.model ?? null,
      tier: decided?.grant?.tier ?? null,
      open_nano: String(record.held),
      settled_nano: String(record.settled),
      opened_seq: opened === undefined ? null : String(opened.seq),
      closed_seq: record.closedSeq === 0n ? null : String(record.closedSeq),
    });
  });
  if (found.size !== world.state.authorizations.size) {
    differ.push(`${found.size} receipts of ${world.state.authorizations.size}`);
  }
  // What was set aside has gone somewhere: it is open still, spent within the hold, or given back.
  const leaks = await pool.query<{ authorization_id: string }>(
    `SELECT authorization_id FROM receipts WHERE ws = $1 AND state IN ('settled', 'voided')
      AND open_nano <> 0`,
    [world.state.ws],
  );
  return [
    ...differ,
    ...leaks.rows.map((row) => `${row.authorization_id} is closed and holds money`),
  ];
}

async function balanceDifferences(pool: pg.Pool, world: World): Promise<string[]> {
  const rows = await pool.query<{
    cap: string;
    period: string;
    settled_nano: string;
    held_nano: string;
  }>("SELECT cap, period, settled_nano, held_nano FROM balances WHERE ws = $1", [world.state.ws]);
  const told = Object.fromEntries(
    rows.rows.map((row) => [`${row.cap}|${row.period}`, `${row.settled_nano}/${row.held_nano}`]),
  );
  const counted = Object.fromEntries(
    [...world.state.counters.values()]
      .filter(({ kind, period }) => kind !== "run" || !period.startsWith("auth_"))
      .map(({ cap, period, settled, held }) => [`${cap}|${period}`, `${settled}/${held}`]),
  );
  return compare(`${world.state.ws} balances`, told, counted);
}

async function configDifferences(pool: pg.Pool, world: World): Promise<string[]> {
  const rows = await pool.query<{ item: string; id: string; value: string }>(
    "SELECT item, id, value FROM config_items WHERE ws = $1",
    [world.state.ws],
  );
  const { config, policy, policySeq, ws } = world.state;
  const expected = Object.fromEntries([
    ...Array.from(config.agents, ([id, value]) => [`agent/${id}`, agentSettings.write(value)]),
    ...Array.from(config.costCenters, ([id, value]) => [
      `cost_center/${id}`,
      groupSettings.write(value),
    ]),
    ...Array.from(config.keys, ([id, value]) => [`key/${id}`, keySettings.write(value)]),
    ...Array.from(config.teams, ([id, value]) => [`team/${id}`, groupSettings.write(value)]),
    ...(policySeq > 0n ? [[`policy/${ws}`, policySettings.write(policy)]] : []),
    [`price/${ws}`, priceSettings.write(PRICES)],
    ...(config.settings === undefined
      ? []
      : [[`workspace/${ws}`, workspaceSettings.write(config.settings)]]),
  ]) as Record<string, string>;
  const told = Object.fromEntries(rows.rows.map(({ item, id, value }) => [`${item}/${id}`, value]));
  return compare(`${ws} configuration`, told, expected);
}

function compare(what: string, actual: unknown, expected: unknown): string[] {
  const sorted = (value: unknown) =>
    JSON.stringify(value, (_, part: unknown) =>
      typeof part === "object" && part !== null && !Array.isArray(part)
        ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
        : part,
    );
  const [is, due] = [sorted(actual), sorted(expected)];
  return is === due ? [] : [`${what}: is ${is} where ${due} is due`];
}
