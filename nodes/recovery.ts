import { hash } from "node:crypto";

import { decodeSnapshot } from "../actors/snapshot.ts";
import {
  beginTerm,
  createWorkspace,
  replayEntry,
  type WorkspaceState,
} from "../actors/workspace.ts";
import { InvariantError } from "../ledger/assert.ts";
import { decodeOwnEntry } from "../ledger/codec.ts";
import { blockHash, decodeBlock, NO_BLOCK_HASH } from "./block.ts";
import { type Claim, type Journal, JournalBroken, type JournalMessage } from "./journal.ts";
import type { Log } from "./log.ts";
import type {
  Clock,
  RecordStore,
  ShardPosition,
  SnapshotStore,
  StreamSeq,
  WorkspaceSnapshot,
} from "./ports.ts";
import { SnapshotUnreadable } from "./snapshots.ts";

export interface RecoveryPorts {
  readonly journal: Journal;
  readonly snapshots: SnapshotStore;
  readonly records: RecordStore;
  readonly clock: Clock;
  readonly log: Log;
  /** False once the shard is to be another's: a long replay then ends early. */
  readonly isWanted?: () => boolean;
}

/** The shard is no longer wanted here. Nothing was decided. */
export class RecoveryCancelled extends Error {
  override readonly name = "RecoveryCancelled";
  readonly code = "recovery-cancelled";
  readonly outcome = "none";
}

export interface ShardPlace {
  readonly shard: number;
  readonly era: number;
  /** How many shards workspaces are hashed into. */
  readonly shards: number;
  /** The worker that owns the shard. */
  readonly owner: string;
}

/** Everything a new term starts from. */
export interface Recovered {
  readonly claim: Claim;
  /** The monotonic clock when the claim's stamp had been read, ms. */
  readonly claimedAt: number;
  readonly workspaces: Map<string, WorkspaceState>;
  /** Workspaces whose own entries contradict each other, and why. The others go on. */
  readonly halted: Map<string, string>;
  /** Workspaces that have entries behind the snapshot. */
  readonly dirty: Set<string>;
  readonly tail: StreamSeq;
  /** Hash of the last block; 64 zeros when there is none. */
  readonly lastBlock: string;
  readonly replayed: number;
}

/** A shard whose journal is folded already, so that taking it over has little left to read. */
export interface PreparedShard {
  /** Entries that were folded so far. */
  readonly replayed: number;
  /** Folds what came since. @throws what {@link prepareShard} throws. */
  catchUp(): Promise<void>;
  /**
   * Claims the shard and folds the journal up to the claim. To be called once.
   * @throws what {@link recoverShard} throws.
   */
  takeOver(): Promise<Recovered>;
}

/**
 * Takes a shard over: what is known of it, the claim, the journal up to the claim.
 *
 * Snapshot and durable position are read before the claim, so with Postgres away nothing is claimed
 * and the takeover waits. They only grow, so a journal that ends before them has lost messages.
 *
 * @throws JournalBroken when journal, snapshot and projection disagree: the shard must halt.
 * @throws ClaimLost, ReplayStalled, RecoveryCancelled and faults of Postgres or NATS: it may be tried again.
 */
export async function recoverShard(place: ShardPlace, ports: RecoveryPorts): Promise<Recovered> {
  const prepared = new Preparation(place, ports, await loadSnapshot(place, ports));
  return await prepared.takeOver();
}

/**
 * Reads what is known of a shard and folds its journal up to the present end, without a claim: the
 * owner there is goes on deciding.
 * @throws JournalBroken, ReplayStalled, RecoveryCancelled and faults of Postgres or NATS.
 */
export async function prepareShard(
  place: ShardPlace,
  ports: RecoveryPorts,
): Promise<PreparedShard> {
  const prepared = new Preparation(place, ports, await loadSnapshot(place, ports));
  await prepared.catchUp();
  return prepared;
}

class Preparation implements PreparedShard {
  readonly #place: ShardPlace;
  readonly #ports: RecoveryPorts;
  readonly #replay: Replay;
  /** What Postgres knew of the journal when this began. */
  readonly #known: StreamSeq;
  #reached: StreamSeq;

  constructor(place: ShardPlace, ports: RecoveryPorts, snapshot: LoadedSnapshot | undefined) {
    this.#place = place;
    this.#ports = ports;
    this.#known = snapshot?.position.seq ?? 0;
    this.#replay = new Replay(place, snapshot, ports.log);
    this.#reached = this.#replay.from;
  }

  get replayed(): number {
    return this.#replay.entries;
  }

  async catchUp(): Promise<void> {
    const end = await this.#ports.journal.end();
    this.#assertKnown(end, this.#known, "ends at");
    await this.#foldTo(end);
  }

  async takeOver(): Promise<Recovered> {
    const { shard, era, owner } = this.#place;
    const { journal, records, clock } = this.#ports;
    const durable = await records.durablePosition(shard, era);
    const claim = await journal.claim(owner);
    const claimedAt = clock.monotonicMs();
    const known = Math.max(this.#known, durable, this.#reached);
    this.#assertKnown(claim.seq - 1, known, "gave a new message the number behind");
    await this.#foldTo(claim.seq);
    const { workspaces, halted, dirty, lastBlock, entries } = this.#replay;
    for (const state of workspaces.values()) beginTerm(state, claim.at);
    return {
      claim,
      claimedAt,
      workspaces,
      halted,
      dirty,
      lastBlock,
      tail: claim.seq,
      replayed: entries,
    };
  }

  async #foldTo(end: StreamSeq): Promise<void> {
    const { shard } = this.#place;
    await this.#ports.journal.replay(this.#reached, end, (message) => {
      if (this.#ports.isWanted?.() === false) {
        throw new RecoveryCancelled(`shard ${shard} is given up`);
      }
      this.#replay.take(message);
      this.#reached = message.seq;
    });
  }

  /** A journal only grows: one that ends before what Postgres has of it has lost messages. */
  #assertKnown(end: StreamSeq, known: StreamSeq, found: string): void {
    if (end >= known) return;
    throw new JournalBroken(
      `the journal of shard ${this.#place.shard} went back: it ${found} ${end}, and message ` +
        `${known} is already in Postgres. Restore the journal; nothing is decided until then`,
    );
  }
}

/** The journal has all that a snapshot has, so one that cannot be read only makes replay longer. */
async function loadSnapshot(
  place: ShardPlace,
  ports: RecoveryPorts,
): Promise<LoadedSnapshot | undefined> {
  try {
    return await ports.snapshots.load(place.shard, place.era);
  } catch (error) {
    if (!(error instanceof SnapshotUnreadable)) throw error;
    ports.log.alarm("snapshot cannot be read, so the whole journal is replayed", {
      shard: place.shard,
      error,
    });
    return undefined;
  }
}

interface LoadedSnapshot {
  readonly position: ShardPosition;
  readonly workspaces: readonly WorkspaceSnapshot[];
}

/** Folds a journal over a snapshot. */
class Replay {
  readonly workspaces = new Map<string, WorkspaceState>();
  readonly halted = new Map<string, string>();
  readonly dirty = new Set<string>();
  readonly #place: ShardPlace;
  readonly #log: Log;
  /** The block that the snapshot was cut at is read again, to see that it is still the same. */
  #check: ShardPosition | undefined;
  #epoch = 0n;
  lastBlock = NO_BLOCK_HASH;
  entries = 0;

  constructor(place: ShardPlace, snapshot: LoadedSnapshot | undefined, log: Log) {
    this.#place = place;
    this.#log = log;
    if (snapshot === undefined) return;
    try {
      for (const stored of snapshot.workspaces) this.#load(stored);
      this.#check = snapshot.position;
    } catch (error) {
      if (error instanceof JournalBroken) throw error;
      log.alarm("snapshot cannot be used, so the whole journal is replayed", {
        shard: place.shard,
        error,
      });
      this.workspaces.clear();
    }
  }

  /** Replay starts behind this sequence. */
  get from(): StreamSeq {
    return this.#check === undefined ? 0 : this.#check.seq - 1;
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

  #load(stored: WorkspaceSnapshot): void {
    const state = decodeSnapshot(stored.state);
    if (state.head.seq !== stored.seq || state.head.hash !== stored.hash) {
      throw this.#broken(`the snapshot of ${stored.ws} is not the one its row names`);
    }
    this.workspaces.set(stored.ws, state);
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
    for (const line of lines) this.#foldLine(line, seq);
  }

  #foldLine(line: string, seq: StreamSeq): void {
    const entry = decodeOwnEntry(line);
    if (this.halted.has(entry.ws)) return;
    let state = this.workspaces.get(entry.ws);
    if (state === undefined) {
      state = createWorkspace(entry.ws);
      this.workspaces.set(entry.ws, state);
    }
    const sealed = { entry, line, hash: hash("sha256", line) };
    // A snapshot is cut actor by actor, so one may be ahead of the position it was saved with.
    if (entry.seq <= state.head.seq) {
      if (entry.seq === state.head.seq && sealed.hash !== state.head.hash) {
        throw this.#broken(`entry ${entry.seq} of ${entry.ws} is not the one its snapshot has`);
      }
      return;
    }
    try {
      replayEntry(state, sealed);
    } catch (error) {
      if (!(error instanceof InvariantError)) throw error;
      this.halted.set(entry.ws, `in block ${seq}: ${error.message}`);
      this.workspaces.delete(entry.ws);
      return;
    }
    this.entries += 1;
    this.dirty.add(entry.ws);
  }

  #broken(what: string): JournalBroken {
    const { shard } = this.#place;
    this.#log.alarm("journal and snapshot disagree", { shard, what });
    return new JournalBroken(`shard ${shard} halts: ${what}`);
  }
}
