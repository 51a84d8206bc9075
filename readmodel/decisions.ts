import type pg from "pg";

import type { EntryLine } from "./read-model.ts";

/** Which decisions are wanted, the latest first. */
export interface DecisionFilter {
  /** Only those before this entry. */
  readonly before?: bigint;
  /** Only those after this entry. */
  readonly after?: bigint;
  readonly limit: number;
  readonly outcomes?: readonly string[];
  readonly agent?: string;
  readonly rule?: string;
}

export interface DecisionLines {
  /** `authorize` entries, the latest first. */
  readonly lines: readonly EntryLine[];
  /** Where the next page begins; undefined when there is nothing more. */
  readonly nextBefore: bigint | undefined;
}

/**
 * So many entries are searched for one page: a filter that nothing matches must not read a whole ledger.
 * The page then is short or empty, and says where to go on.
 */
const STRETCH = 300_000n;

/** Decisions of a workspace, as their entries. */
export async function readDecisions(
  pool: pg.Pool,
  ws: string,
  filter: DecisionFilter,
): Promise<DecisionLines> {
  const after = filter.after ?? 0n;
  const before = filter.before ?? (await headOf(pool, ws)) + 1n;
  const floor = before - STRETCH > after ? before - STRETCH : after;
  const found = await pool.query<{ seq: string; line: Buffer; hash: Buffer }>(
    `SELECT e.seq, e.line, e.hash FROM (
        SELECT opened_seq FROM receipts
         WHERE ws = $1 AND opened_seq < $2 AND opened_seq > $3
           AND ($4::text[] IS NULL OR outcome = ANY($4))
           AND ($5::text IS NULL OR agent = $5) AND ($6::text IS NULL OR rule = $6)
         ORDER BY opened_seq DESC LIMIT $7
      ) r JOIN entries e ON e.ws = $1 AND e.seq = r.opened_seq
      ORDER BY e.seq DESC`,
    [
      ws,
      String(before),
      String(floor),
      filter.outcomes ?? null,
      filter.agent ?? null,
      filter.rule ?? null,
      filter.limit,
    ],
  );
  const lines = found.rows.map((row) => ({
    seq: BigInt(row.seq),
    line: row.line.toString("utf8"),
    hash: row.hash.toString("hex"),
  }));
  const last = lines.at(-1)?.seq;
  if (lines.length === filter.limit && last !== undefined) {
    return { lines, nextBefore: last > after + 1n ? last : undefined };
  }
  return { lines, nextBefore: floor > after ? floor + 1n : undefined };
}

async function headOf(pool: pg.Pool, ws: string): Promise<bigint> {
  const found = await pool.query<{ seq: string }>("SELECT seq FROM workspaces WHERE ws = $1", [ws]);
  return BigInt(found.rows[0]?.seq ?? "0");
}
