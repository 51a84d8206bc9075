/**
 * The transparency log of each workspace as it is read: checkpoints that were signed, and proofs from
 * the stored tree. Nothing here can sign; what is handed out proves itself.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";

import { assert } from "../ledger/assert.ts";
import { leafHash, type Subtree, type SubtreeReader } from "../ledger/merkle.ts";
import {
  consistencyProof,
  inclusionProof,
  subtreesOfConsistency,
  subtreesOfInclusion,
  subtreesOfRange,
  verifyInclusion,
} from "../ledger/merkle-proofs.ts";
import type { RangeProof } from "../ledger/range-proof.ts";
import { parseJson } from "../ledger/schema.ts";
import { encodeTlogProof } from "../ledger/tlog-proof.ts";
import { logKeySettings } from "../ledger/workspace-config.ts";
import { withPostgres } from "./connect.ts";
import { sha256 } from "./node-crypto.ts";
import { NotInLog, readSubtrees } from "./tree-hashes.ts";

/** What was signed of a log at one size. */
export interface SignedCheckpoint {
  /** Entries. */
  readonly size: bigint;
  readonly root: Uint8Array;
  /** The signed note. */
  readonly note: string;
  /** Verifier keys of those who signed it, the newest first. */
  readonly vkeys: readonly string[];
  readonly signedAt: Date;
}

/** A key that signs, or has signed, as an entry of the workspace names it. */
export interface LogKeyRow {
  readonly id: string;
  /** Base64. */
  readonly publicKey: string;
  readonly state: "active" | "retired";
  /** The commit that made it so. */
  readonly seq: bigint;
}

/** The log of each workspace. Every method throws PostgresUnavailable when Postgres is not there. */
export interface LogView {
  /** The newest checkpoint; `undefined` while nothing is signed. */
  latestCheckpoint(ws: string): Promise<SignedCheckpoint | undefined>;
  /** The newest checkpoint once it has `size` entries; `undefined` when it has not in time. */
  checkpointAtLeast(
    ws: string,
    size: bigint,
    timeoutMs: number,
  ): Promise<SignedCheckpoint | undefined>;
  /** Audit path of the entry `seq` in the tree of `size`. @throws NotInLog */
  inclusion(ws: string, seq: bigint, size: bigint): Promise<readonly Uint8Array[]>;
  /** That the tree of `to` continues that of `from`. @throws NotInLog */
  consistency(ws: string, from: bigint, to: bigint): Promise<readonly Uint8Array[]>;
  /** That the entries `firstSeq` to `lastSeq` are in the tree of `size`. @throws NotInLog */
  range(ws: string, firstSeq: bigint, lastSeq: bigint, size: bigint): Promise<RangeProof>;
  /** Verifier keys of those who signed the newest checkpoint, the newest first. */
  vkeys(ws: string): Promise<readonly string[]>;
  /**
   * A `.tlog-proof` of the entry `seq` with its line, under the newest checkpoint; `undefined` while
   * none covers it. @throws LogBroken when the stored log does not lead to what was signed.
   */
  receiptProof(ws: string, seq: bigint): Promise<string | undefined>;
  /** Signing keys as entries of the workspace name them. */
  keys(ws: string): Promise<readonly LogKeyRow[]>;
}

/** The stored tree or line is not what was signed. */
export class LogBroken extends Error {
  override readonly name = "LogBroken";
  readonly code = "log-broken";
  readonly outcome = "none";
}

/** How often a checkpoint that is waited for is looked for, in ms; one is signed every 2 s at most. */
const POLL_MS = 200;

/** The log in a database, over a pool of connections that it may use. */
export function openLogView(pool: pg.Pool): LogView {
  const reading = <T>(what: string, run: () => Promise<T>) =>
    withPostgres(`read ${what}`, "none", run);
  const latest = (ws: string) => reading("checkpoints", () => readLatest(pool, ws));
  const tree = (ws: string, subtrees: readonly Subtree[]) =>
    reading("the log", () => readSubtrees(pool, ws, subtrees));
  const inclusion = async (ws: string, seq: bigint, size: bigint) => {
    requireWithin(ws, seq, size);
    const read = await tree(ws, subtreesOfInclusion(seq - 1n, size));
    return inclusionProof(seq - 1n, size, read, sha256);
  };
  return {
    latestCheckpoint: latest,
    checkpointAtLeast: (ws, size, timeoutMs) =>
      until(timeoutMs, async () => {
        const found = await latest(ws);
        return found !== undefined && found.size >= size ? found : undefined;
      }),
    inclusion,
    async consistency(ws, from, to) {
      if (from > to) throw new NotInLog(`a log of ${to} entries continues none of ${from}`);
      const read = await tree(ws, subtreesOfConsistency(from, to));
      return consistencyProof(from, to, read, sha256);
    },
    async range(ws, firstSeq, lastSeq, size) {
      requireWithin(ws, lastSeq, size);
      requireWithin(ws, firstSeq, lastSeq);
      const { left, right } = subtreesOfRange(firstSeq - 1n, lastSeq, size);
      const read = await tree(ws, [...left, ...right]);
      const hashes = (subtrees: readonly Subtree[]) => subtrees.map(hashBy(read));
      return { end: lastSeq, first: firstSeq - 1n, left: hashes(left), right: hashes(right), size };
    },
    async vkeys(ws) {
      return (await latest(ws))?.vkeys ?? [];
    },
    async receiptProof(ws, seq) {
      const checkpoint = await latest(ws);
      if (checkpoint === undefined || checkpoint.size < seq || seq < 1n) return undefined;
      const line = await reading("an entry", () => readLine(pool, ws, seq));
      const path = await inclusion(ws, seq, checkpoint.size);
      return provedBy(ws, seq, checkpoint, line, path);
    },
    keys: (ws) => reading("signing keys", () => readKeys(pool, ws)),
  };
}

function hashBy(read: SubtreeReader): (subtree: Subtree) => Uint8Array {
  return ({ level, index }) => read(level, index);
}

function requireWithin(ws: string, seq: bigint, size: bigint): void {
  if (seq >= 1n && seq <= size) return;
  throw new NotInLog(`entry ${seq} is not among the first ${size} of workspace ${ws}`);
}

/** What is handed out as a proof is one: a tampered table makes none. @throws LogBroken */
function provedBy(
  ws: string,
  seq: bigint,
  { size, root, note }: SignedCheckpoint,
  line: Buffer | undefined,
  path: readonly Uint8Array[],
): string {
  const index = seq - 1n;
  const leaf = line && leafHash(line, sha256);
  const fits = leaf && verifyInclusion({ index, size, leaf, path, root }, sha256);
  if (line === undefined || fits !== true) {
    throw new LogBroken(
      `entry ${seq} of workspace ${ws}, as Postgres has it, is not in the log that was signed with ` +
        `${size} entries: the table "entries" or "tree_tiles" was changed. "tarmac export" names ` +
        "the first entry that is wrong; the journal still has it",
    );
  }
  return encodeTlogProof({ checkpoint: note, extra: line, index, path });
}

async function until<T>(
  timeoutMs: number,
  look: () => Promise<T | undefined>,
): Promise<T | undefined> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const found = await look();
    const leftMs = deadline - performance.now();
    if (found !== undefined || leftMs <= 0) return found;
    await sleep(Math.min(POLL_MS, leftMs));
  }
}

async function readLatest(pool: pg.Pool, ws: string): Promise<SignedCheckpoint | undefined> {
  const found = await pool.query<{
    size: string;
    root: Buffer;
    note: string;
    vkeys: string[];
    signed_at: Date;
  }>({
    name: "latest-checkpoint",
    text: `SELECT size, root, note, vkeys, signed_at FROM checkpoints
      WHERE ws = $1 AND note IS NOT NULL ORDER BY size DESC LIMIT 1`,
    values: [ws],
  });
  const row = found.rows[0];
  if (row === undefined) return undefined;
  const { root, note, vkeys } = row;
  return { size: BigInt(row.size), root, note, vkeys, signedAt: row.signed_at };
}

async function readLine(pool: pg.Pool, ws: string, seq: bigint): Promise<Buffer | undefined> {
  const found = await pool.query<{ line: Buffer }>(
    "SELECT line FROM entries WHERE ws = $1 AND seq = $2",
    [ws, String(seq)],
  );
  return found.rows[0]?.line;
}

async function readKeys(pool: pg.Pool, ws: string): Promise<readonly LogKeyRow[]> {
  const found = await pool.query<{ id: string; value: string; seq: string }>(
    `SELECT id, value, seq FROM config_items
      WHERE ws = $1 AND item = 'log_key' ORDER BY seq DESC, id`,
    [ws],
  );
  return found.rows.map(({ id, value, seq }) => {
    const parsed = parseJson(logKeySettings, value);
    assert(parsed.ok, `the table "config_items" has no log_key at ${ws} ${id}`);
    return { id, publicKey: parsed.value.public_key, state: parsed.value.state, seq: BigInt(seq) };
  });
}
