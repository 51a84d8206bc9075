import { hash } from "node:crypto";

import { decodeSnapshot } from "../actors/snapshot.ts";
import { createWorkspace, replayEntry, type WorkspaceState } from "../actors/workspace.ts";
import { InvariantError } from "../ledger/assert.ts";
import type { SealedEntry } from "../ledger/chain.ts";
import { decodeOwnEntry } from "../ledger/codec.ts";
import { blockHash, decodeBlock, NO_BLOCK_HASH } from "./block.ts";
import { JournalBroken, type JournalMessage } from "./journal.ts";
import type { Log } from "./log.ts";
import type {
  LoadedState,
  ShardPosition,
  SnapshotHead,
  SnapshotIndex,
  StreamSeq,
  WorkspaceSnapshot,
} from "./ports.ts";
import type { ShardPlace } from "./recovery.ts";
import { SnapshotDisagrees } from "./snapshots.ts";

/** Entries that wait for the states they follow: bytes of lines at most before those are loaded. */
const AHEAD_BYTES_MAX = 32 * 1024 ** 2;

/**
 * Folds a journal over the index of a snapshot. Actors without an entry behind the snapshot stay where
 * they are; entries of the others are kept until their states are loaded.
 */
export class Replay {
  readonly residents = new Map<string, WorkspaceState>();
  /** Actors that are as their snapshot has them. */
  readonly resting = new Map<string, SnapshotHead>();
  readonly halted = new Map<string, string>();
  readonly dirty = new Set<string>();
  /** Entries of actors whose states are not loaded yet. */
  readonly #ahead = new Map<string, SealedEntry[]>();
  #aheadBytes = 0;
  readonly #aheadBytesMax: number;
  readonly #place: ShardPlace;
  readonly #log: Log;
  /** The block that the snapshot was cut at is read again, to see that it is still the same. */
  #check: ShardPosition | undefined;
  #epoch = 0n;
  lastBlock = NO_BLOCK_HASH;
  entries = 0;

  constructor(
    place: ShardPlace,
    index: SnapshotIndex | undefined,
    log: Log,
    aheadBytesMax = AHEAD_BYTES_MAX,
  ) {
    this.#place = place;
    this.#log = log;
    this.#aheadBytesMax = aheadBytesMax;
    if (index === undefined) return;
    for (const head of index.workspaces) this.resting.set(head.ws, head);
    this.#check = index.position;
  }

  /** Replay starts behind this sequence. */
  get from(): StreamSeq {
    return this.#check === undefined ? 0 : this.#check.seq - 1;
  }

  /** The actors whose states are to be loaded before the journal is folded to its end. */
  get wanted(): readonly string[] {
    return [...this.#ahead.keys()];
  }

  /** True when so much waits for states that they should be loaded first. */
  isFull(): boolean {
    return this.#aheadBytes > this.#aheadBytesMax;
  }

  take(message: JournalMessage): void {
    if (this.#check !== undefined) {
      this.#recheck(this.#check, message);
      return;
    }
    if (message.kind === "block") {
      this.#fold(message.bytes, message.seq);
      return;
    }
    if (message.epoch <= this.#epoch) {
      throw this.#broken(`claim ${message.seq} does not raise the epoch ${this.#epoch}`);
    }
    this.#epoch = message.epoch;
  }

  /**
   * Takes the state of one of the actors wanted and folds what waited for it.
   * @throws SnapshotUnreadable; JournalBroken when journal and snapshot disagree.
   */
  load(loaded: LoadedState): void {
    const { ws } = loaded;
    const waiting = this.#ahead.get(ws) ?? [];
    this.#ahead.delete(ws);
    if (this.#ahead.size === 0) this.#aheadBytes = 0;
    if ("fault" in loaded) {
      if (!(loaded.fault instanceof SnapshotDisagrees)) throw loaded.fault;
      this.#halt(ws, loaded.fault.message);
      return;
    }
    const state = decodeSnapshot(Buffer.from(loaded.snapshot.state).toString("utf8"));
    this.#assertSame(state, loaded.snapshot);
    this.resting.delete(ws);
    this.residents.set(ws, state);
    for (const sealed of waiting) this.#apply(state, sealed);
  }

  /** An actor of the index without a row. @throws JournalBroken */
  missing(ws: string): never {
    throw this.#broken(`the snapshot of ${ws} is gone from Postgres while it was being read`);
  }

  #assertSame(state: WorkspaceState, stored: WorkspaceSnapshot): void {
    const { ws } = stored;
    if (state.ws === ws && state.head.seq === stored.seq && state.head.hash === stored.hash) return;
    throw this.#broken(`the snapshot of ${ws} is not the one its row names`);
  }

  #recheck(position: ShardPosition, message: JournalMessage): void {
    const found = message.kind === "block" ? `hash ${blockHash(message.bytes)}` : "a claim in it";
    if (found !== `hash ${position.blockHash}`) {
      throw this.#broken(
        `message ${message.seq} has ${found}, and the snapshot was cut at a block with hash ${position.blockHash}`,
      );
    }
    this.#epoch = position.epoch;
    this.lastBlock = position.blockHash;
    this.#check = undefined;
  }

  #fold(bytes: Uint8Array, seq: StreamSeq): void {
    const { header, lines } = decodeBlock(bytes);
    if (header.shard !== this.#place.shard || header.era !== this.#place.era) {
      throw this.#broken(`block ${seq} is of shard ${header.shard}, era ${header.era}`);
    }
    if (header.epoch !== this.#epoch) {
      throw this.#broken(`block ${seq} is of epoch ${header.epoch} in the term of ${this.#epoch}`);
    }
    if (header.prev !== this.lastBlock) {
      throw this.#broken(`block ${seq} does not follow the block before it`);
    }
    this.lastBlock = blockHash(bytes);
    for (const line of lines) this.#foldLine(line);
  }

  #foldLine(line: string): void {
    const entry = decodeOwnEntry(line);
    const { ws } = entry;
    if (this.halted.has(ws)) return;
    const sealed = { entry, line, hash: hash("sha256", line) };
    const state = this.residents.get(ws);
    if (state !== undefined) {
      this.#apply(state, sealed);
      return;
    }
    const head = this.resting.get(ws);
    if (head === undefined) {
      const fresh = createWorkspace(ws);
      this.residents.set(ws, fresh);
      this.#apply(fresh, sealed);
    } else if (!this.#isBehind(head, sealed)) {
      const waiting = this.#ahead.get(ws);
      if (waiting === undefined) this.#ahead.set(ws, [sealed]);
      else waiting.push(sealed);
      this.#aheadBytes += line.length;
    }
  }

  /** A snapshot is cut actor by actor, so one may be ahead of the position it was saved with. */
  #isBehind(head: { readonly seq: bigint; readonly hash: string }, sealed: SealedEntry): boolean {
    const { entry } = sealed;
    if (entry.seq === head.seq && sealed.hash !== head.hash) {
      throw this.#broken(`entry ${entry.seq} of ${entry.ws} is not the one its snapshot has`);
    }
    return entry.seq <= head.seq;
  }

  #apply(state: WorkspaceState, sealed: SealedEntry): void {
    if (this.#isBehind(state.head, sealed)) return;
    const { ws, seq } = sealed.entry;
    try {
      replayEntry(state, sealed);
    } catch (error) {
      if (!(error instanceof InvariantError)) throw error;
      this.#halt(ws, `at entry ${seq} of the journal: ${error.message}`);
      return;
    }
    this.entries += 1;
    this.dirty.add(ws);
  }

  #halt(ws: string, reason: string): void {
    this.halted.set(ws, reason);
    this.residents.delete(ws);
    this.resting.delete(ws);
  }

  #broken(what: string): JournalBroken {
    const { shard } = this.#place;
    this.#log.alarm("journal and snapshot disagree", { shard, what });
    return new JournalBroken(`shard ${shard} halts: ${what}`);
  }
}
