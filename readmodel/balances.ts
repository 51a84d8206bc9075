import type pg from "pg";

import { type NanoUsd, nanoUsd } from "../ledger/money.ts";

/** One counter: a cap in one period or run, as the last entry that moved it says. */
export interface BalanceRow {
  readonly cap: string;
  readonly period: string;
  readonly settled: NanoUsd;
  readonly held: NanoUsd;
  /** As of the last decision; absent where nothing limits. */
  readonly limit: NanoUsd | undefined;
  /** Basis points, as of the last decision. */
  readonly pace: bigint | undefined;
  readonly seq: bigint;
  readonly at: Date;
}

export interface BalanceFilter {
  /** A period key: `2026-11@Europe/Berlin`. Every period unless given. */
  readonly period?: string;
  /** A cap id: `agent:support-triage/month`. */
  readonly cap?: string;
}

interface StoredBalance {
  readonly cap: string;
  readonly period: string;
  readonly settled_nano: string;
  readonly held_nano: string;
  readonly limit_nano: string | null;
  readonly pace: string | null;
  readonly seq: string;
  readonly at: Date;
}

/** The counters of a workspace by cap and period. Runs of a single call have none beside their receipt. */
export async function readBalances(
  pool: pg.Pool,
  ws: string,
  filter: BalanceFilter,
): Promise<readonly BalanceRow[]> {
  const found = await pool.query<StoredBalance>(
    `SELECT cap, period, settled_nano, held_nano, limit_nano, pace, seq, at FROM balances
      WHERE ws = $1 AND ($2::text IS NULL OR period = $2) AND ($3::text IS NULL OR cap = $3)
      ORDER BY cap, period`,
    [ws, filter.period ?? null, filter.cap ?? null],
  );
  return found.rows.map((row) => ({
    cap: row.cap,
    period: row.period,
    settled: nanoUsd(BigInt(row.settled_nano)),
    held: nanoUsd(BigInt(row.held_nano)),
    limit: row.limit_nano === null ? undefined : nanoUsd(BigInt(row.limit_nano)),
    pace: row.pace === null ? undefined : BigInt(row.pace),
    seq: BigInt(row.seq),
    at: row.at,
  }));
}
