import type pg from "pg";

import { receiptId } from "../ledger/ids.ts";
import { type NanoUsd, nanoUsd } from "../ledger/money.ts";

/** The record of one authorization, from decision to close. */
export interface ReceiptRow {
  readonly receipt: string;
  readonly authorization: string;
  readonly ws: string;
  /** `open`, `refused`, `settled`, `expired` or `voided`. */
  readonly state: string;
  /** What was decided; absent for an id that was voided before it was authorized. */
  readonly outcome: string | undefined;
  readonly rule: string | undefined;
  readonly reason: string | undefined;
  readonly agent: string | undefined;
  readonly run: string | undefined;
  readonly keyId: string | undefined;
  readonly tool: string | undefined;
  readonly priority: string | undefined;
  /** As the client asked for it. */
  readonly model: string | undefined;
  readonly grantedModel: string | undefined;
  readonly provider: string | undefined;
  readonly tier: string | undefined;
  /** Set aside when it was opened. */
  readonly held: NanoUsd;
  /** Set aside still. */
  readonly open: NanoUsd;
  readonly settled: NanoUsd;
  readonly released: NanoUsd;
  /** What was settled above the hold. */
  readonly overage: NanoUsd;
  /** Nothing was measured: it was settled at the hold. */
  readonly assumed: boolean;
  readonly late: boolean;
  readonly openedSeq: bigint | undefined;
  readonly closedSeq: bigint | undefined;
  readonly at: Date;
  readonly closedAt: Date | undefined;
}

export interface ReceiptFilter {
  readonly agent?: string;
  /** Only decisions before this entry: the next page. */
  readonly before?: bigint;
  /** At most so many; 50 unless given. */
  readonly limit?: number;
}

interface StoredReceipt {
  readonly authorization_id: string;
  readonly ws: string;
  readonly state: string;
  readonly outcome: string | null;
  readonly rule: string | null;
  readonly reason: string | null;
  readonly agent: string | null;
  readonly run: string | null;
  readonly key_id: string | null;
  readonly tool: string | null;
  readonly priority: string | null;
  readonly model: string | null;
  readonly granted_model: string | null;
  readonly provider: string | null;
  readonly tier: string | null;
  readonly held_nano: string;
  readonly open_nano: string;
  readonly settled_nano: string;
  readonly released_nano: string;
  readonly overage_nano: string;
  readonly assumed: boolean;
  readonly late: boolean;
  readonly opened_seq: string | null;
  readonly closed_seq: string | null;
  readonly at: Date;
  readonly closed_at: Date | null;
}

const COLUMNS = `authorization_id, ws, state, outcome, rule, reason, agent, run, key_id, tool,
  priority, model, granted_model, provider, tier, held_nano, open_nano, settled_nano, released_nano,
  overage_nano, assumed, late, opened_seq, closed_seq, at, closed_at`;
const LIMIT = 50;

/** One receipt; of two workspaces that know the same id, the first by name unless one is named. */
export async function readReceipt(
  pool: pg.Pool,
  authorization: string,
  ws: string | undefined,
): Promise<ReceiptRow | undefined> {
  const found = await pool.query<StoredReceipt>(
    `SELECT ${COLUMNS} FROM receipts
      WHERE authorization_id = $1 AND ($2::text IS NULL OR ws = $2) ORDER BY ws LIMIT 1`,
    [authorization, ws ?? null],
  );
  const row = found.rows[0];
  return row === undefined ? undefined : receiptRow(row);
}

/** Authorizations that were decided, the latest first. */
export async function readRecent(
  pool: pg.Pool,
  ws: string,
  filter: ReceiptFilter,
): Promise<readonly ReceiptRow[]> {
  const found = await pool.query<StoredReceipt>(
    `SELECT ${COLUMNS} FROM receipts
      WHERE ws = $1 AND opened_seq IS NOT NULL
        AND ($2::text IS NULL OR agent = $2) AND ($3::bigint IS NULL OR opened_seq < $3)
      ORDER BY opened_seq DESC LIMIT $4`,
    [
      ws,
      filter.agent ?? null,
      filter.before === undefined ? null : String(filter.before),
      filter.limit ?? LIMIT,
    ],
  );
  return found.rows.map(receiptRow);
}

function receiptRow(row: StoredReceipt): ReceiptRow {
  const amount = (text: string) => nanoUsd(BigInt(text));
  const sequence = (text: string | null) => (text === null ? undefined : BigInt(text));
  return {
    receipt: receiptId(row.authorization_id),
    authorization: row.authorization_id,
    ws: row.ws,
    state: row.state,
    outcome: row.outcome ?? undefined,
    rule: row.rule ?? undefined,
    reason: row.reason ?? undefined,
    agent: row.agent ?? undefined,
    run: row.run ?? undefined,
    keyId: row.key_id ?? undefined,
    tool: row.tool ?? undefined,
    priority: row.priority ?? undefined,
    model: row.model ?? undefined,
    grantedModel: row.granted_model ?? undefined,
    provider: row.provider ?? undefined,
    tier: row.tier ?? undefined,
    held: amount(row.held_nano),
    open: amount(row.open_nano),
    settled: amount(row.settled_nano),
    released: amount(row.released_nano),
    overage: amount(row.overage_nano),
    assumed: row.assumed,
    late: row.late,
    openedSeq: sequence(row.opened_seq),
    closedSeq: sequence(row.closed_seq),
    at: row.at,
    closedAt: row.closed_at ?? undefined,
  };
}
