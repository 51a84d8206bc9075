import type pg from "pg";

/** Runs queries that see the same moment of the projection. */
export async function inOneSnapshot<T>(
  pool: pg.Pool,
  run: (client: pg.PoolClient) => Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    await client.query("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY");
    const result = await run(client);
    await client.query("COMMIT");
    return result;
  } catch (error) {
    broken = error instanceof Error ? error : new Error(String(error));
    throw error;
  } finally {
    // A connection that failed in a transaction is closed, not handed to the next.
    client.release(broken);
  }
}

/** Where the head of a workspace's ledger stands. */
export interface HeadRow {
  readonly seq: bigint;
  readonly at: Date;
}

/** The head of a workspace; undefined for one without entries. */
export async function readHead(
  client: pg.Pool | pg.PoolClient,
  ws: string,
): Promise<HeadRow | undefined> {
  const found = await client.query<{ seq: string; at: Date }>({
    name: "workspace-head",
    text: "SELECT seq, at FROM workspaces WHERE ws = $1",
    values: [ws],
  });
  const row = found.rows[0];
  return row === undefined ? undefined : { seq: BigInt(row.seq), at: row.at };
}

/**
 * The first entry at or after a moment; one behind the head when there is none. Ledger time never goes
 * back, so it is searched for by halves: some 25 look-ups in the primary key, and no index by time.
 */
export async function firstSeqAt(
  client: pg.PoolClient,
  ws: string,
  head: bigint,
  at: Date,
): Promise<bigint> {
  const found = await client.query<{ lo: string }>({
    name: "first-seq-at",
    text: `WITH RECURSIVE search (lo, hi, step) AS (
        SELECT 1::bigint, $3::bigint, 0
      UNION ALL
        SELECT CASE WHEN e.at < $2 THEN (lo + hi) / 2 + 1 ELSE lo END,
               CASE WHEN e.at < $2 THEN hi ELSE (lo + hi) / 2 END,
               step + 1
          FROM search JOIN entries e ON e.ws = $1 AND e.seq = (lo + hi) / 2
         WHERE lo < hi
      )
      SELECT lo FROM search ORDER BY step DESC LIMIT 1`,
    values: [ws, at, String(head + 1n)],
  });
  return BigInt(found.rows[0]?.lo ?? "1");
}

/** When an entry was decided; undefined when it is not there. */
export async function timeOf(
  client: pg.PoolClient,
  ws: string,
  seq: bigint,
): Promise<Date | undefined> {
  const found = await client.query<{ at: Date }>(
    "SELECT at FROM entries WHERE ws = $1 AND seq = $2",
    [ws, String(seq)],
  );
  return found.rows[0]?.at;
}
