import { hash } from "node:crypto";
import type pg from "pg";

import { SNAPSHOT_VERSION } from "../actors/snapshot.ts";
import { isUnavailable, openPool, withPostgres } from "../readmodel/connect.ts";
import type { ShardPosition, SnapshotStore, WorkspaceSnapshot } from "./ports.ts";

/**
 * A snapshot cannot be used: another version wrote it, or it is not what was written. The journal
 * rebuilds the state from its start, so removing the shard's snapshots is always a way out.
 */
export class SnapshotUnreadable extends Error {
  override readonly name = "SnapshotUnreadable";
  readonly code = "snapshot-unreadable";
  readonly outcome = "none";
}

export interface PostgresSnapshots extends SnapshotStore {
  close(): Promise<void>;
}

/** Loading a shard may read some hundred MB; saving is short. ms */
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
    load: (shard, era) =>
      withPostgres("load snapshots", "none", () =>
        transaction(pool, READ, (client) => load(client, shard, era)),
      ),
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
  readonly state: Buffer;
  readonly content_hash: string;
}

async function load(
  client: pg.PoolClient,
  shard: number,
  era: number,
): ReturnType<SnapshotStore["load"]> {
  const positions = await client.query<PositionRow>(
    `SELECT stream_seq, block_hash, epoch, at FROM snapshot_positions
      WHERE shard = $1 AND era = $2`,
    [shard, era],
  );
  const row = positions.rows[0];
  if (row === undefined) return undefined;
  const snapshots = await client.query<SnapshotRow>(
    `SELECT ws, version, seq, hash, next_expiry_ms, state, content_hash FROM snapshots
      WHERE shard = $1 AND era = $2 ORDER BY ws`,
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
  return { position, workspaces: snapshots.rows.map((found) => readSnapshot(found, shard)) };
}

function readSnapshot(row: SnapshotRow, shard: number): WorkspaceSnapshot {
  const wayOut =
    `or remove this shard's ("DELETE FROM snapshots WHERE shard = ${shard}" and the same of ` +
    "snapshot_positions): the journal rebuilds them";
  if (row.version !== SNAPSHOT_VERSION) {
    throw new SnapshotUnreadable(
      `the snapshot of workspace ${row.ws} is of version ${row.version}, and this Tarmac reads ` +
        `${SNAPSHOT_VERSION}: start the version that wrote it, ${wayOut}`,
    );
  }
  const snapshot = {
    ws: row.ws,
    seq: BigInt(row.seq),
    hash: row.hash,
    nextExpiryAt: row.next_expiry_ms === null ? undefined : Number(row.next_expiry_ms),
    state: row.state.toString("utf8"),
  };
  if (contentHash(snapshot) !== row.content_hash) {
    throw new SnapshotUnreadable(
      `the snapshot of workspace ${row.ws} at entry ${row.seq} is not what was written (its ` +
        `content hash differs): check this Postgres and its disk, ${wayOut}`,
    );
  }
  return snapshot;
}

/** SHA-256 over everything a row says, hex. */
function contentHash(snapshot: WorkspaceSnapshot): string {
  const { ws, seq, nextExpiryAt, state } = snapshot;
  const facts = [SNAPSHOT_VERSION, ws, seq, snapshot.hash, nextExpiryAt ?? "none"].join("\n");
  return hash("sha256", `${facts}\n${state}`);
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
  for (const snapshot of changed) {
    // One by one: a state may be megabytes, and as a parameter of its own it goes as bytes.
    await client.query({
      name: "put-snapshot",
      text: `INSERT INTO snapshots (shard, era, ws, version, seq, hash, next_expiry_ms, state,
          content_hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        ON CONFLICT (shard, era, ws) DO UPDATE SET
          version = excluded.version, seq = excluded.seq, hash = excluded.hash,
          next_expiry_ms = excluded.next_expiry_ms, state = excluded.state,
          content_hash = excluded.content_hash`,
      values: [
        position.shard,
        position.era,
        snapshot.ws,
        SNAPSHOT_VERSION,
        String(snapshot.seq),
        snapshot.hash,
        snapshot.nextExpiryAt ?? null,
        Buffer.from(snapshot.state, "utf8"),
        contentHash(snapshot),
      ],
    });
  }
  return "saved";
}
