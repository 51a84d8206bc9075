import { SnapshotUnreadable as StateUnreadable } from "../actors/snapshot.ts";
import { beginTerm, type WorkspaceState } from "../actors/workspace.ts";
import { type Claim, type Journal, JournalBroken, type JournalMessage } from "./journal.ts";
import type { Log } from "./log.ts";
import type {
  Clock,
  RecordStore,
  SnapshotHead,
  SnapshotIndex,
  SnapshotStore,
  StreamSeq,
} from "./ports.ts";
import { Replay } from "./replay.ts";
import { SnapshotUnreadable } from "./snapshots.ts";

export interface RecoveryPorts {
  readonly journal: Journal;
  readonly snapshots: SnapshotStore;
  readonly records: RecordStore;
  readonly clock: Clock;
  readonly log: Log;
  /** False once the shard is to be another's: a long replay then ends early. */
  readonly isWanted?: () => boolean;
  /** Bytes of entries that may wait for states to be loaded; 32 MiB unless given. */
  readonly aheadBytesMax?: number;
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
  /** Actors in memory: those that have entries behind the snapshot. */
  readonly workspaces: Map<string, WorkspaceState>;
  /** Actors that rest in Postgres, as the snapshot has them. */
  readonly resting: Map<string, SnapshotHead>;
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
  const prepared = new Preparation(place, ports, await readIndex(place, ports));
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
  const prepared = new Preparation(place, ports, await readIndex(place, ports));
  await prepared.catchUp();
  return prepared;
}

/** States that are asked for at once. */
const LOAD_ROWS = 100;

/** Thrown into a replay to have it stop before the message at hand; it goes on from there. */
class ReplayPaused extends Error {}

class Preparation implements PreparedShard {
  readonly #place: ShardPlace;
  readonly #ports: RecoveryPorts;
  #replay: Replay;
  /** What the snapshot knew of the journal when this began. */
  readonly #known: StreamSeq;
  #reached: StreamSeq;

  constructor(place: ShardPlace, ports: RecoveryPorts, index: SnapshotIndex | undefined) {
    this.#place = place;
    this.#ports = ports;
    this.#known = index?.position.seq ?? 0;
    this.#replay = new Replay(place, index, ports.log, ports.aheadBytesMax);
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
    const { residents, resting, halted, dirty, lastBlock, entries } = this.#replay;
    for (const state of residents.values()) beginTerm(state, claim.at);
    return {
      claim,
      claimedAt,
      workspaces: residents,
      resting,
      halted,
      dirty,
      lastBlock,
      tail: claim.seq,
      replayed: entries,
    };
  }

  async #foldTo(end: StreamSeq): Promise<void> {
    try {
      await this.#foldOverSnapshot(end);
    } catch (error) {
      if (!(error instanceof SnapshotUnreadable || error instanceof StateUnreadable)) throw error;
      // The journal has all that a snapshot has, so one that cannot be read only makes replay longer.
      sayUnreadable(this.#place, this.#ports, error);
      this.#replay = new Replay(this.#place, undefined, this.#ports.log);
      this.#reached = 0;
      await this.#foldOverSnapshot(end);
    }
  }

  async #foldOverSnapshot(end: StreamSeq): Promise<void> {
    while (this.#reached < end) {
      try {
        await this.#ports.journal.replay(this.#reached, end, (message) => this.#take(message));
      } catch (error) {
        if (!(error instanceof ReplayPaused)) throw error;
      }
      await this.#loadWanted();
    }
  }

  #take(message: JournalMessage): void {
    if (this.#replay.isFull()) throw new ReplayPaused();
    if (this.#ports.isWanted?.() === false) {
      throw new RecoveryCancelled(`shard ${this.#place.shard} is given up`);
    }
    this.#replay.take(message);
    this.#reached = message.seq;
  }

  async #loadWanted(): Promise<void> {
    const { shard, era } = this.#place;
    const { wanted } = this.#replay;
    for (let i = 0; i < wanted.length; i += LOAD_ROWS) {
      const names = wanted.slice(i, i + LOAD_ROWS);
      const loaded = await this.#ports.snapshots.states(shard, era, names);
      for (const state of loaded) this.#replay.load(state);
      const gone = names.find((ws) => !loaded.some((state) => state.ws === ws));
      if (gone !== undefined) this.#replay.missing(gone);
    }
  }

  /** A journal only grows: one that ends before what is known of it has lost messages. */
  #assertKnown(end: StreamSeq, known: StreamSeq, found: string): void {
    if (end >= known) return;
    throw new JournalBroken(
      `the journal of shard ${this.#place.shard} went back: it ${found} ${end}, and message ` +
        `${known} was read from it before or is in Postgres. Restore the journal; nothing is decided until then`,
    );
  }
}

async function readIndex(
  place: ShardPlace,
  ports: RecoveryPorts,
): Promise<SnapshotIndex | undefined> {
  try {
    return await ports.snapshots.index(place.shard, place.era);
  } catch (error) {
    if (!(error instanceof SnapshotUnreadable || error instanceof StateUnreadable)) throw error;
    sayUnreadable(place, ports, error);
    return undefined;
  }
}

function sayUnreadable({ shard }: ShardPlace, ports: RecoveryPorts, error: Error): void {
  ports.log.alarm("snapshot cannot be read, so the whole journal is replayed", { shard, error });
}
