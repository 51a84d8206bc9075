import type pg from "pg";

import { assert } from "../ledger/assert.ts";
import { capId } from "../ledger/caps.ts";
import { type NanoUsd, nanoUsd } from "../ledger/money.ts";
import { parseJson } from "../ledger/schema.ts";
import { type AgentSettings, agentSettings } from "../ledger/workspace-config.ts";

/** What an agent's counter of one kind has counted in its latest period. */
export interface AgentUse {
  readonly period: string;
  readonly settled: NanoUsd;
  readonly held: NanoUsd;
}

/** An agent as it is configured now, with what it has used. */
export interface AgentRow {
  readonly agent: string;
  readonly settings: AgentSettings;
  /** Of the latest month and year in which it made a call; absent before its first. */
  readonly month: AgentUse | undefined;
  readonly year: AgentUse | undefined;
}

interface StoredUse {
  readonly cap: string;
  readonly period: string;
  readonly settled_nano: string;
  readonly held_nano: string;
}

/** The agents of a workspace by name. */
export async function readAgents(pool: pg.Pool, ws: string): Promise<readonly AgentRow[]> {
  const items = await pool.query<{ id: string; value: string }>(
    "SELECT id, value FROM config_items WHERE ws = $1 AND item = 'agent' ORDER BY id",
    [ws],
  );
  // Period keys begin with the year, so the latest is the greatest.
  const uses = await pool.query<StoredUse>(
    `SELECT DISTINCT ON (cap) cap, period, settled_nano, held_nano FROM balances
      WHERE ws = $1 AND cap = ANY($2::text[]) ORDER BY cap, period DESC`,
    [ws, items.rows.flatMap(({ id }) => [capId("agent", id, "month"), capId("agent", id, "year")])],
  );
  const byCap = new Map(uses.rows.map((row) => [row.cap, useOf(row)]));
  return items.rows.map(({ id, value }) => {
    const parsed = parseJson(agentSettings, value);
    assert(parsed.ok, `the settings of agent ${id} in Postgres are not what an entry holds`);
    return {
      agent: id,
      settings: parsed.value,
      month: byCap.get(capId("agent", id, "month")),
      year: byCap.get(capId("agent", id, "year")),
    };
  });
}

function useOf(row: StoredUse): AgentUse {
  return {
    period: row.period,
    settled: nanoUsd(BigInt(row.settled_nano)),
    held: nanoUsd(BigInt(row.held_nano)),
  };
}
