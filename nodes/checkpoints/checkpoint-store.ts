import type pg from "pg";

import { openPool, withPostgres } from "../../readmodel/connect.ts";
import { sha256 } from "../../readmodel/node-crypto.ts";
import type { LogPiece, LogPoint } from "./extend-log.ts";
import { firstLineOf, startOf } from "./extend-log.ts";
import type { StoredLine } from "./follow-lines.ts";
import { edgeOf, type FullTile, TILE_WIDTH } from "./growing-tree.ts";
import { LogFault } from "./log-fault.ts";

const STATEMENT_MS = 15_000;
const HASH_BYTES = 32;
/** Where the last hash of a tile begins, in bytes; SQL counts from 1. */
const LAST_HASH_AT = (TILE_WIDTH - 1) * HASH_BYTES + 1;

/** What Postgres knows of one log. */
export interface StoredLog {
  readonly ws: string;
  /** The head of the workspace's chain, as the projector wrote it. */
  readonly head: { readonly seq: bigint; readonly hash: string };
  /** The newest checkpoint; size 0 where there is none. */
  readonly last: LogPoint;
  /** Whether that one has its note. */
  readonly isSigned: boolean;
}

/** A log that has grown and may be signed once it is written down. */
export interface GrownLog {
  readonly ws: string;
  readonly follows: bigint;
  readonly point: LogPoint;
  readonly tiles: readonly FullTile[];
}

/** A note that was signed over a checkpoint that is written down. */
export interface NewNote {
  readonly ws: string;
  readonly size: bigint;
  readonly note: string;
  /** The newest first. */
  readonly vkeys: readonly string[];
}

/** Where the line of an entry is said to stand in the journal. */
export interface JournalPlace {
  readonly shard: number;
  readonly era: number;
  readonly streamSeq: number;
}

/** Tiles and checkpoints in Postgres, over one connection. Every method throws PostgresUnavailable. */
export class CheckpointStore {
  readonly #pool: pg.Pool;

  constructor(url: string) {
    this.#pool = openPool(url, {
      name: "tarmac checkpoints",
      max: 1,
      statementTimeoutMs: STATEMENT_MS,
    });
  }

  /** What is known of each log; one that is not there is left out. */
  logs(workspaces: readonly string[]): Promise<readonly StoredLog[]> {
    return withPostgres("read checkpoints", "none", () => readLogs(this.#pool, workspaces));
  }

  /** The lines behind a checkpoint, up to `to`, and the edge of the tree before them. @throws LogFault */
  piece(log: StoredLog, to: bigint): Promise<LogPiece> {
    return withPostgres("read entries for a checkpoint", "none", () =>
      readPiece(this.#pool, log, to),
    );
  }

  /** Where an entry is said to stand in the journal. */
  place(ws: string, seq: bigint): Promise<JournalPlace | undefined> {
    return withPostgres("read where an entry stands", "none", () => readPlace(this.#pool, ws, seq));
  }

  /**
   * Writes tiles and checkpoints down, each behind the one that it follows and only there, and waits for
   * the disk. When its end is not heard, the next look at the logs tells.
   * @returns the workspaces whose checkpoint was written; another signer was faster for the others.
   * @throws LogFault when a tile that is stored already is another one: nothing was written.
   */
  add(logs: readonly GrownLog[]): Promise<ReadonlySet<string>> {
    return withPostgres("write checkpoints", "unknown", () => addAll(this.#pool, logs));
  }

  /** Adds notes to checkpoints that have none. One that is lost with Postgres is signed again. */
  sign(notes: readonly NewNote[]): Promise<void> {
    return withPostgres("write signed checkpoints", "unknown", () => addNotes(this.#pool, notes));
  }

  close(): Promise<void> {
    return this.#pool.end();
  }
}

const EMPTY: LogPoint = { root: sha256(new Uint8Array(0)), size: 0n };

async function readLogs(
  pool: pg.Pool,
  workspaces: readonly string[],
): Promise<readonly StoredLog[]> {
  const found = await pool.query<{
    ws: string;
    seq: string;
    hash: string;
    size: string | null;
    root: Buffer | null;
    is_signed: boolean;
  }>({
    name: "logs",
    text: `SELECT w.ws, w.seq, w.hash, c.size, c.root, c.note IS NOT NULL AS is_signed
      FROM unnest($1::text[]) AS p(ws) JOIN workspaces w ON w.ws = p.ws
      LEFT JOIN LATERAL (SELECT size, root, note FROM checkpoints
        WHERE ws = p.ws ORDER BY size DESC LIMIT 1) c ON true`,
    values: [workspaces],
  });
  return found.rows.map(({ ws, seq, hash, size, root, is_signed }) => ({
    ws,
    head: { seq: BigInt(seq), hash },
    last: size === null || root === null ? EMPTY : { root, size: BigInt(size) },
    isSigned: size === null || is_signed,
  }));
}

async function readPiece(pool: pg.Pool, log: StoredLog, to: bigint): Promise<LogPiece> {
  const { ws, last } = log;
  const start = startOf(last.size);
  const { edge, lastLeaf } = await readEdge(pool, ws, start);
  const found = await pool.query<{ seq: string; line: Buffer; hash: Buffer }>({
    name: "log-lines",
    text: `SELECT seq, line, hash FROM entries
      WHERE ws = $1 AND seq >= $2 AND seq <= $3 ORDER BY seq`,
    values: [ws, String(firstLineOf(last.size)), String(to)],
  });
  const lines: StoredLine[] = found.rows.map(({ seq, line, hash }) => ({
    seq: BigInt(seq),
    line,
    hash: hash.toString("hex"),
  }));
  return { ws, last, edge, lastLeaf, lines };
}

/** @throws LogFault when a tile is missing. */
async function readEdge(
  pool: pg.Pool,
  ws: string,
  start: bigint,
): Promise<{ edge: readonly Uint8Array[]; lastLeaf: Uint8Array | undefined }> {
  const stretches = edgeOf(start);
  if (stretches.length === 0) return { edge: [], lastLeaf: undefined };
  const lastTile = start / BigInt(TILE_WIDTH) - 1n;
  const found = await pool.query<{
    level: number;
    index: string;
    root: Buffer;
    last: Buffer | null;
  }>({
    name: "log-edge",
    text: `SELECT t.level, t.index, t.root, NULL AS last
      FROM unnest($2::smallint[], $3::bigint[], $4::bigint[]) AS p(level, first, until)
      JOIN tree_tiles t ON t.ws = $1 AND t.level = p.level
        AND t.index >= p.first AND t.index < p.until
      UNION ALL
      SELECT -1, index, root, substring(hashes FROM $6::int) FROM tree_tiles
        WHERE ws = $1 AND level = 0 AND index = $5`,
    values: [
      ws,
      stretches.map(({ level }) => level),
      stretches.map(({ first }) => String(first)),
      stretches.map(({ end }) => String(end)),
      String(lastTile),
      LAST_HASH_AT,
    ],
  });
  const roots = new Map(found.rows.map((row) => [`${row.level}/${row.index}`, row.root]));
  const edge = stretches.flatMap(({ level, first, end }) =>
    Array.from({ length: Number(end - first) }, (_, i) => {
      const index = first + BigInt(i);
      const root = roots.get(`${level}/${index}`);
      if (root !== undefined) return root;
      throw new LogFault(ws, start, `tile ${index} of level ${level} of its tree is missing`);
    }),
  );
  const lastLeaf = found.rows.find(({ level }) => level === -1)?.last;
  if (lastLeaf == null) {
    throw new LogFault(ws, start, `tile ${lastTile} of level 0 of its tree is missing`);
  }
  return { edge, lastLeaf };
}

async function readPlace(
  pool: pg.Pool,
  ws: string,
  seq: bigint,
): Promise<JournalPlace | undefined> {
  const found = await pool.query<{ shard: number; era: number; stream_seq: string }>(
    "SELECT shard, era, stream_seq FROM entries WHERE ws = $1 AND seq = $2",
    [ws, String(seq)],
  );
  const row = found.rows[0];
  return row && { shard: row.shard, era: row.era, streamSeq: Number(row.stream_seq) };
}

async function addAll(pool: pg.Pool, logs: readonly GrownLog[]): Promise<ReadonlySet<string>> {
  // In one order by whoever writes them, so that two signers never wait for each other.
  const sorted = [...logs].sort((a, b) => (a.ws < b.ws ? -1 : 1));
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    await client.query("BEGIN; SET LOCAL synchronous_commit = on");
    await addTiles(client, sorted);
    const added = await addCheckpoints(client, sorted);
    await client.query("COMMIT");
    return added;
  } catch (fault) {
    if (fault instanceof LogFault) await client.query("ROLLBACK");
    else broken = fault as Error;
    throw fault;
  } finally {
    // A connection with a fault on it leaves the pool, and its transaction ends undone.
    client.release(broken);
  }
}

/** @throws LogFault when a tile that is stored already is another one. */
async function addTiles(client: pg.PoolClient, logs: readonly GrownLog[]): Promise<void> {
  const tiles = logs.flatMap(({ ws, tiles: own }) => own.map((tile) => ({ ws, ...tile })));
  if (tiles.length === 0) return;
  const values = [
    tiles.map(({ ws }) => ws),
    tiles.map(({ level }) => level),
    tiles.map(({ index }) => String(index)),
    tiles.map(({ hashes }) => Buffer.from(hashes)),
    tiles.map(({ root }) => Buffer.from(root)),
  ];
  const given = `unnest($1::text[], $2::smallint[], $3::bigint[], $4::bytea[], $5::bytea[])
    AS p(ws, level, index, hashes, root)`;
  const added = await client.query(
    `INSERT INTO tree_tiles (ws, level, index, hashes, root) SELECT * FROM ${given}
      ON CONFLICT DO NOTHING`,
    values,
  );
  if (added.rowCount === tiles.length) return;
  const other = await client.query<{ ws: string; level: number; index: string }>(
    `SELECT p.ws, p.level, p.index FROM ${given}
      JOIN tree_tiles t ON t.ws = p.ws AND t.level = p.level AND t.index = p.index
      WHERE t.hashes <> p.hashes OR t.root <> p.root LIMIT 1`,
    values,
  );
  const [wrong] = other.rows;
  if (wrong === undefined) return;
  const { ws, level, index } = wrong;
  const seq = (BigInt(index) + 1n) * BigInt(TILE_WIDTH) ** BigInt(level + 1);
  throw new LogFault(ws, seq, `tile ${index} of level ${level} of its tree is another one`);
}

async function addCheckpoints(
  client: pg.PoolClient,
  logs: readonly GrownLog[],
): Promise<ReadonlySet<string>> {
  const added = await client.query<{ ws: string }>(
    `INSERT INTO checkpoints (ws, size, follows, root)
      SELECT p.ws, p.size, p.follows, p.root
        FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bytea[])
          AS p(ws, size, follows, root)
        WHERE p.follows = COALESCE((SELECT max(size) FROM checkpoints c WHERE c.ws = p.ws), 0)
      ON CONFLICT DO NOTHING RETURNING ws`,
    [
      logs.map(({ ws }) => ws),
      logs.map(({ point }) => String(point.size)),
      logs.map(({ follows }) => String(follows)),
      logs.map(({ point }) => Buffer.from(point.root)),
    ],
  );
  return new Set(added.rows.map(({ ws }) => ws));
}

async function addNotes(pool: pg.Pool, notes: readonly NewNote[]): Promise<void> {
  await pool.query(
    `UPDATE checkpoints AS c
      SET note = p.note, vkeys = string_to_array(p.vkeys, E'\\n'), signed_at = now()
      FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[]) AS p(ws, size, note, vkeys)
      WHERE c.ws = p.ws AND c.size = p.size AND c.note IS NULL`,
    [
      notes.map(({ ws }) => ws),
      notes.map(({ size }) => String(size)),
      notes.map(({ note }) => note),
      notes.map(({ vkeys }) => vkeys.join("\n")),
    ],
  );
}
