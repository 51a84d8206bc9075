/**
 * What a shard needs of the world. The engine plugs in NATS, Postgres and the machine's clock; a
 * simulator can plug in its own and run this very code.
 */

/** Sequence of a message in a journal stream. */
export type StreamSeq = number;

/** One append is one JetStream message, a block: all its entries land or none. */
export type AppendOutcome =
  | { readonly kind: "appended"; readonly seq: StreamSeq }
  /**
   * A foreign message stands at tail + 1: this term is over. Drop all memory; a new term starts
   * with a new claim.
   */
  | { readonly kind: "conflict"; readonly seq: StreamSeq }
  /** It may have landed or not. Only the stream's own tail can tell; see {@link Journal.resolve}. */
  | { readonly kind: "unknown"; readonly cause: unknown };

/** What a look at tail + 1 said about an append whose outcome was unknown. */
export type Resolution = "ours" | "foreign" | "absent";

/** The fence that a claim set up: appends of this term name it, so an older term's cannot land. */
export interface Claim {
  readonly epoch: bigint;
  /** Sequence of the claim message itself. */
  readonly seq: StreamSeq;
  /** The server's own stamp on the claim, ms since 1970. */
  readonly at: number;
  readonly owner: string;
}

/** A message of the journal as it was read back. */
export type JournalMessage =
  | { readonly kind: "block"; readonly seq: StreamSeq; readonly bytes: Uint8Array }
  | {
      readonly kind: "claim";
      readonly seq: StreamSeq;
      readonly epoch: bigint;
      readonly at: number;
    };

/** The journal of one shard. Appends are one at a time: a pipelined chain is no fence. */
export interface Journal {
  /** Publishes `epoch + 1` on the fence subject and resolves its outcome by its nonce. */
  claim(owner: string): Promise<Claim>;
  /** Sequence of the last message there is, read through the stream's leader. */
  end(): Promise<StreamSeq>;
  /** Reads everything after `from` up to and including `until`, in order, without a gap. */
  replay(from: StreamSeq, until: StreamSeq, each: (message: JournalMessage) => void): Promise<void>;
  /** Appends one block behind `tail`, fenced by `claim`. */
  append(block: Uint8Array, tail: StreamSeq, claim: Claim): Promise<AppendOutcome>;
  /** Reads `tail + 1` through the stream's leader and says whose message stands there. */
  resolve(block: Uint8Array, tail: StreamSeq): Promise<Resolution>;
}

/** The monotonic and the wall clock of the machine, in ms. */
export interface Clock {
  monotonicMs(): number;
  wallMs(): number;
}

/** What is known of an actor without its state. */
export interface SnapshotHead {
  readonly ws: string;
  /** Its last entry. */
  readonly seq: bigint;
  readonly hash: string;
  /** Earliest expiry of an open hold, ms since 1970: idle actors need not be loaded to be timed. */
  readonly nextExpiryAt: number | undefined;
  /** The commit in force; 0 before the first. */
  readonly configSeq: bigint;
}

/** One actor's folded state at a sequence of its own chain. */
export interface WorkspaceSnapshot extends SnapshotHead {
  /** As `actors/snapshot.ts` wrote it, in UTF-8. */
  readonly state: Uint8Array;
  /** SHA-256 of the state, hex, where it was made while the state was written. */
  readonly stateHash?: string;
}

/** Where the journal stood when the actors of a shard were written down. */
export interface ShardPosition {
  readonly shard: number;
  readonly era: number;
  readonly seq: StreamSeq;
  /** SHA-256 of the block at `seq`, hex; 64 zeros when none was written yet. */
  readonly blockHash: string;
  readonly epoch: bigint;
  /** Ledger time of the cut, ms. */
  readonly at: number;
}

/** A position and all the actors of its shard. */
export interface SnapshotIndex {
  readonly position: ShardPosition;
  readonly workspaces: readonly SnapshotHead[];
}

/** An actor that was asked for, or why it cannot be used. */
export type LoadedState =
  | { readonly ws: string; readonly snapshot: WorkspaceSnapshot }
  | { readonly ws: string; readonly fault: Error };

/** Snapshots in Postgres. */
export interface SnapshotStore {
  /** The newest position of a shard and its actors without their states; nothing when never cut. */
  index(shard: number, era: number): Promise<SnapshotIndex | undefined>;
  /** The actors named, as they stand now; one that is not there is left out. */
  states(shard: number, era: number, names: readonly string[]): Promise<readonly LoadedState[]>;
  /**
   * One transaction: the actors changed and the position, by compare-and-set; `stale` when a later
   * one stands.
   */
  save(position: ShardPosition, changed: readonly WorkspaceSnapshot[]): Promise<"saved" | "stale">;
}

/** What the projection knows of authorizations that memory has forgotten. */
export interface RecordStore {
  /** The entries of one authorization, in order, as their canonical lines; empty when there are none. */
  entriesOf(ws: string, authorization: string): Promise<readonly string[]>;
  /** The authorization that a client's idempotency key belongs to. */
  byIdempotency(ws: string, idempotency: string): Promise<string | undefined>;
  /** Position up to which the projection of a shard is durable on disk. */
  durablePosition(shard: number, era: number): Promise<StreamSeq>;
}
