import { createHash, hash } from "node:crypto";
import type pg from "pg";

import { decodeSnapshot } from "../actors/snapshot.ts";
import { isUnavailable, openPool, withPostgres } from "../readmodel/connect.ts";
import type {
  LoadedState,
  ShardPosition,
  SnapshotHead,
  SnapshotIndex,
  SnapshotStore,
  WorkspaceSnapshot,
} from "./ports.ts";

/**
 * Version of a row, and of what its content hash covers. Rows of version 1 do not say config_seq; the
 * state in them is of the same version.
 */
const ROW_VERSION = 2;

/**
 * A snapshot cannot be used: another version wrote it, or it is not what was written. The journal
 * rebuilds the state from its start, so removing the shard's snapshots is always a way out.
 */
export class SnapshotUnreadable extends Error {
  override readonly name = "SnapshotUnreadable";
  readonly code = "snapshot-unreadable";
  readonly outcome = "none";
}

/** A snapshot and the projection tell two stories of one workspace. */
export class SnapshotDisagrees extends Error {
  override readonly name = "SnapshotDisagrees";
  readonly code = "snapshot-disagrees";
  readonly outcome = "none";
}

export interface PostgresSnapshots extends SnapshotStore {
  close(): Promise<void>;
}

/** A state of a busy workspace may have a hundred MB; most statements are short. ms */
const STATEMENT_MS = 30_000;
/** One per shard that is loaded or saved at once, and no more than Postgres can spare. */
const CONNECTIONS_MAX = 4;

/** Opens the snapshots in a database; Postgres may be away until one is needed. */
export function openSnapshots(postgresUrl: string): PostgresSnapshots {
  const pool = openPool(postgresUrl, {
    name: "tarmac snapshots",
    max: CONNECTIONS_MAX,
    statementTimeoutMs: STATEMENT_MS,
  });
  return {
    index: (shard, era) =>
      withPostgres("read the index of snapshots", "none", () =>
        transaction(pool, READ, (client) => index(client, shard, era)),
      ),
    states: (shard, era, names) =>
      withPostgres("load snapshots", "none", () => states(pool, shard, era, names)),
    // When its end was not heard, the same save again is answered "saved" whether it landed or not.
    save: (position, changed) =>
      withPostgres("save snapshots", "unknown", () =>
        transaction(pool, WRITE, (client) => save(client, position, changed)),
      ),
    close: () => pool.end(),
  };
}

const READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/** A snapshot that a crash of Postgres loses is only an older place to replay from. */
const WRITE = "BEGIN; SET LOCAL synchronous_commit = off";

async function transaction<T extends string | object | undefined>(
  pool: pg.Pool,
  begin: string,
  work: (client: pg.PoolClient) => Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    await client.query(begin);
    const result = await work(client);
    await client.query(result === "stale" ? "ROLLBACK" : "COMMIT");
    return result;
  } catch (fault) {
    if (isUnavailable(fault)) broken = fault as Error;
    else await client.query("ROLLBACK");
    throw fault;
  } finally {
    // A connection with a fault on it leaves the pool.
    client.release(broken);
  }
}

interface PositionRow {
  readonly stream_seq: string;
  readonly block_hash: string;
  readonly epoch: string;
  readonly at: Date;
}

interface SnapshotRow {
  readonly ws: string;
  readonly version: number;
  readonly seq: string;
  readonly hash: string;
  readonly next_expiry_ms: string | null;
  readonly config_seq: string | null;
  /** In an index only for rows of version 1. */
  readonly state: Buffer | null;
  readonly content_hash: string;
  /** Hash of the entry at `seq` as the projection has it; absent while it is being rebuilt. */
  readonly projected?: string | null;
}

async function index(
  client: pg.PoolClient,
  shard: number,
  era: number,
): Promise<SnapshotIndex | undefined> {
  const positions = await client.query<PositionRow>(
    `SELECT stream_seq, block_hash, epoch, at FROM snapshot_positions
      WHERE shard = $1 AND era = $2`,
    [shard, era],
  );
  const row = positions.rows[0];
  if (row === undefined) return undefined;
  const snapshots = await client.query<SnapshotRow>(
    `SELECT ws, version, seq, hash, next_expiry_ms, config_seq, content_hash,
        CASE WHEN version = 1 THEN state END AS state
      FROM snapshots WHERE shard = $1 AND era = $2 ORDER BY ws`,
    [shard, era],
  );
  const position = {
    shard,
    era,
    seq: Number(row.stream_seq),
    blockHash: row.block_hash,
    epoch: BigInt(row.epoch),
    at: row.at.getTime(),
  };
  return { position, workspaces: snapshots.rows.map((found) => readHead(found, shard)) };
}

async function states(
  pool: pg.Pool,
  shard: number,
  era: number,
  names: readonly string[],
): Promise<readonly LoadedState[]> {
  const found = await pool.query<SnapshotRow>({
    name: "load-snapshots",
    text: `SELECT s.ws, s.version, s.seq, s.hash, s.next_expiry_ms, s.config_seq, s.state,
        s.content_hash, encode(e.hash, 'hex') AS projected
      FROM snapshots s LEFT JOIN entries e ON e.ws = s.ws AND e.seq = s.seq
      WHERE s.shard = $1 AND s.era = $2 AND s.ws = ANY($3)`,
    values: [shard, era, names],
  });
  return found.rows.map((row) => {
    const { ws } = row;
    try {
      return { ws, snapshot: readSnapshot(row, shard) };
    } catch (fault) {
      return { ws, fault: fault as Error };
    }
  });
}

function wayOut(shard: number): string {
  return (
    `or remove this shard's ("DELETE FROM snapshots WHERE shard = ${shard}" and the same of ` +
    "snapshot_positions): the journal rebuilds them"
  );
}

function readHead(row: SnapshotRow, shard: number): SnapshotHead {
  if (row.version !== ROW_VERSION && row.version !== 1) {
    throw new SnapshotUnreadable(
      `the snapshot of workspace ${row.ws} is of version ${row.version}, and this Tarmac reads ` +
        `1 to ${ROW_VERSION}: start the version that wrote it, ${wayOut(shard)}`,
    );
  }
  // What was written before the column was there is read whole.
  const configSeq =
    row.version === 1
      ? decodeSnapshot((row.state ?? Buffer.alloc(0)).toString("utf8")).configSeq
      : BigInt(row.config_seq ?? "0");
  return {
    ws: row.ws,
    seq: BigInt(row.seq),
    hash: row.hash,
    nextExpiryAt: row.next_expiry_ms === null ? undefined : Number(row.next_expiry_ms),
    configSeq,
  };
}

function readSnapshot(row: SnapshotRow, shard: number): WorkspaceSnapshot {
  const snapshot = { ...readHead(row, shard), state: row.state ?? Buffer.alloc(0) };
  if (contentHash(snapshot, row.version) !== row.content_hash) {
    throw new SnapshotUnreadable(
      `the snapshot of workspace ${row.ws} at entry ${row.seq} is not what was written (its ` +
        `content hash differs): check this Postgres and its disk, ${wayOut(shard)}`,
    );
  }
  if (row.projected != null && row.projected !== row.hash) {
    throw new SnapshotDisagrees(
      `the snapshot of workspace ${row.ws} stands on entry ${row.seq} with hash ${row.hash}, and ` +
        `the projection has ${row.projected} there. Compare both with the journal (tarmac verify), ` +
        wayOut(shard),
    );
  }
  return snapshot;
}

/** SHA-256 over everything a row says, hex. */
function contentHash(snapshot: WorkspaceSnapshot, version: number): string {
  const { ws, seq, nextExpiryAt, configSeq, state } = snapshot;
  const facts = [version, ws, seq, snapshot.hash, nextExpiryAt ?? "none"].join("\n");
  if (version === 1) return createHash("sha256").update(`${facts}\n`).update(state).digest("hex");
  const stateHash = snapshot.stateHash ?? hash("sha256", state);
  return hash("sha256", `${facts}\n${configSeq}\n${stateHash}`);
}

async function save(
  client: pg.PoolClient,
  position: ShardPosition,
  changed: readonly WorkspaceSnapshot[],
): Promise<"saved" | "stale"> {
  // The same position again is the same state: this makes a save whose end was not heard repeatable.
  const moved = await client.query(
    `INSERT INTO snapshot_positions AS p (shard, era, stream_seq, block_hash, epoch, at)
      VALUES ($1, $2, $3, $4, $5, $6)
      ON CONFLICT (shard, era) DO UPDATE SET
        stream_seq = excluded.stream_seq, block_hash = excluded.block_hash,
        epoch = excluded.epoch, at = excluded.at
        WHERE p.epoch <= excluded.epoch AND (p.stream_seq < excluded.stream_seq
          OR (p.stream_seq = excluded.stream_seq AND p.block_hash = excluded.block_hash))`,
    [
      position.shard,
      position.era,
      position.seq,
      position.blockHash,
      String(position.epoch),
      new Date(position.at).toISOString(),
    ],
  );
  if (moved.rowCount === 0) return "stale";
  for (const group of groupsOf(changed)) await put(client, position, group);
  return "saved";
}

/** Bytes of states that one statement carries, and how many rows. */
const GROUP_BYTES = 1024 * 1024;
const GROUP_ROWS = 256;

/** Small states share a statement; a large one, of megabytes perhaps, goes alone. */
function* groupsOf(changed: readonly WorkspaceSnapshot[]): Generator<readonly WorkspaceSnapshot[]> {
  let group: WorkspaceSnapshot[] = [];
  let bytes = 0;
  for (const snapshot of changed) {
    const full = group.length === GROUP_ROWS || bytes + snapshot.state.length > GROUP_BYTES;
    if (full && group.length > 0) {
      yield group;
      group = [];
      bytes = 0;
    }
    group.push(snapshot);
    bytes += snapshot.state.length;
  }
  if (group.length > 0) yield group;
}

const COLUMNS = 7;

async function put(
  client: pg.PoolClient,
  position: ShardPosition,
  group: readonly WorkspaceSnapshot[],
): Promise<void> {
  const rows: string[] = [];
  // As a parameter of its own a state goes as bytes.
  const values: (string | number | Uint8Array | null)[] = [
    position.shard,
    position.era,
    ROW_VERSION,
  ];
  for (const snapshot of group) {
    const n = values.length;
    const places = Array.from({ length: COLUMNS }, (_, i) => `$${n + 1 + i}`);
    rows.push(`($1, $2, $3, ${places.join(", ")})`);
    values.push(
      snapshot.ws,
      String(snapshot.seq),
      snapshot.hash,
      snapshot.nextExpiryAt ?? null,
      String(snapshot.configSeq),
      snapshot.state,
      contentHash(snapshot, ROW_VERSION),
    );
  }
  await client.query(
    `INSERT INTO snapshots (shard, era, version, ws, seq, hash, next_expiry_ms, config_seq, state,
        content_hash) VALUES ${rows.join(", ")}
      ON CONFLICT (shard, era, ws) DO UPDATE SET
        version = excluded.version, seq = excluded.seq, hash = excluded.hash,
        next_expiry_ms = excluded.next_expiry_ms, config_seq = excluded.config_seq,
        state = excluded.state, content_hash = excluded.content_hash`,
    values,
  );
}
