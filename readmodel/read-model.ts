/**
 * What people and reports read: the projection in Postgres. It trails the journal by a fraction of a
 * second, and says nothing that is not in an entry.
 */
import type pg from "pg";

import { authorizationOf } from "../ledger/ids.ts";
import { type AgentRow, readAgents } from "./agents.ts";
import { type BalanceFilter, type BalanceRow, readBalances } from "./balances.ts";
import { openPool, withPostgres } from "./connect.ts";
import { type ReceiptFilter, type ReceiptRow, readReceipt, readRecent } from "./receipts.ts";
import { type LogView, openLogView } from "./transparency.ts";

/** One entry as it is exported and proved. */
export interface EntryLine {
  readonly seq: bigint;
  /** The canonical bytes, as text without a line end. */
  readonly line: string;
  /** SHA-256 of the line, hex. */
  readonly hash: string;
}

export interface EntryRange {
  /** First sequence wanted; 1 unless given. */
  readonly from?: bigint;
  /** Last sequence wanted; the head at the time of asking unless given. */
  readonly to?: bigint;
}

export interface WorkspaceRow {
  readonly ws: string;
  readonly shard: number;
  /** Sequence and hash of its last entry. */
  readonly seq: bigint;
  readonly hash: string;
  /** Ledger time of its last entry. */
  readonly at: Date;
}

/** An authorization with every entry it has had, in order. */
export interface ReceiptWithEntries {
  readonly receipt: ReceiptRow;
  readonly entries: readonly EntryLine[];
}

/** Reads the projection. Every method throws PostgresUnavailable when it is not there. */
export interface ReadModel {
  workspaces(): Promise<readonly WorkspaceRow[]>;
  /** The entries of a workspace in order, read a page at a time. */
  entries(ws: string, range?: EntryRange): AsyncGenerator<EntryLine, void, undefined>;
  /** One authorization by its `auth_` or `rcpt_` id; in any workspace unless one is named. */
  receipt(id: string, ws?: string): Promise<ReceiptWithEntries | undefined>;
  /** Authorizations of a workspace, the latest decision first. */
  recent(ws: string, filter?: ReceiptFilter): Promise<readonly ReceiptRow[]>;
  /** What the counters of a workspace have counted, by cap and period. */
  balances(ws: string, filter?: BalanceFilter): Promise<readonly BalanceRow[]>;
  /** The agents of a workspace as they are configured now, with what they do. */
  agents(ws: string): Promise<readonly AgentRow[]>;
  /** Checkpoints and proofs. */
  readonly log: LogView;
  close(): Promise<void>;
}

/** A report may take a while; it must not hold a connection for ever. ms */
const STATEMENT_MS = 15_000;
const CONNECTIONS_MAX = 4;
/** Entries per page: some 2 MB. */
const PAGE_ROWS = 1_000;

/** Opens the projection in a database; Postgres may be away until something is read. */
export function openReadModel(postgresUrl: string, name = "tarmac reader"): ReadModel {
  const pool = openPool(postgresUrl, {
    name,
    max: CONNECTIONS_MAX,
    statementTimeoutMs: STATEMENT_MS,
  });
  const reading = <T>(what: string, run: () => Promise<T>) =>
    withPostgres(`read ${what}`, "none", run);
  return {
    workspaces: () => reading("the workspaces", () => readWorkspaces(pool)),
    entries: (ws, range = {}) => readEntries(pool, ws, range),
    receipt: (id, ws) => reading("a receipt", () => findReceipt(pool, id, ws)),
    recent: (ws, filter = {}) => reading("decisions", () => readRecent(pool, ws, filter)),
    balances: (ws, filter = {}) => reading("balances", () => readBalances(pool, ws, filter)),
    agents: (ws) => reading("agents", () => readAgents(pool, ws)),
    log: openLogView(pool),
    close: () => pool.end(),
  };
}

async function readWorkspaces(pool: pg.Pool): Promise<readonly WorkspaceRow[]> {
  const found = await pool.query<{
    ws: string;
    shard: number;
    seq: string;
    hash: string;
    at: Date;
  }>("SELECT ws, shard, seq, hash, at FROM workspaces ORDER BY ws");
  return found.rows.map((row) => ({ ...row, seq: BigInt(row.seq) }));
}

interface LineRow {
  readonly seq: string;
  readonly line: Buffer;
  readonly hash: Buffer;
}

function entryLine(row: LineRow): EntryLine {
  return {
    seq: BigInt(row.seq),
    line: row.line.toString("utf8"),
    hash: row.hash.toString("hex"),
  };
}

/** Entries are only ever added behind the last one, so pages need no common snapshot. */
async function* readEntries(
  pool: pg.Pool,
  ws: string,
  range: EntryRange,
): AsyncGenerator<EntryLine, void, undefined> {
  const to = range.to ?? (await headOf(pool, ws));
  let next = range.from ?? 1n;
  while (next <= to) {
    const from = next;
    const page = await withPostgres("read entries", "none", () =>
      pool.query<LineRow>({
        name: "entries-page",
        text: `SELECT seq, line, hash FROM entries
          WHERE ws = $1 AND seq >= $2 AND seq <= $3 ORDER BY seq LIMIT $4`,
        values: [ws, String(from), String(to), PAGE_ROWS],
      }),
    );
    for (const row of page.rows) {
      const entry = entryLine(row);
      yield entry;
      next = entry.seq + 1n;
    }
    if (page.rows.length < PAGE_ROWS) return;
  }
}

async function headOf(pool: pg.Pool, ws: string): Promise<bigint> {
  const found = await withPostgres("read entries", "none", () =>
    pool.query<{ seq: string }>("SELECT seq FROM workspaces WHERE ws = $1", [ws]),
  );
  return BigInt(found.rows[0]?.seq ?? "0");
}

async function findReceipt(
  pool: pg.Pool,
  id: string,
  ws: string | undefined,
): Promise<ReceiptWithEntries | undefined> {
  const authorization = authorizationOf(id);
  if (authorization === undefined) return undefined;
  const receipt = await readReceipt(pool, authorization, ws);
  if (receipt === undefined) return undefined;
  const entries = await pool.query<LineRow>(
    `SELECT seq, line, hash FROM entries
      WHERE ws = $1 AND authorization_id = $2 ORDER BY seq`,
    [receipt.ws, authorization],
  );
  return { receipt, entries: entries.rows.map(entryLine) };
}
