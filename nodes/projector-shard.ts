/**
 * The projection of one shard:
 *
 *   opening    the position is read from the tables and looked up in the journal
 *   following  blocks come in, are verified and gathered into the batch that is written next
 *   halted     journal and tables disagree: nothing more is read, what was verified is still written
 *   released   another node owns the shard
 *
 * It opens again whenever its position was moved by somebody else.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { StoredMsg } from "@nats-io/jetstream";

import { utf8 } from "../bus/codec.ts";
import { PostgresUnavailable } from "../readmodel/connect.ts";
import { NO_BLOCK_HASH } from "./block.ts";
import type { DurableHead } from "./checkpoints/keeper.ts";
import type { ProjectionStore } from "./postgres/projection-store.ts";
import { Batch, type Position, type ProjectedHead } from "./projector-batch.ts";
import type { ProjectorLog } from "./projector-log.ts";
import { followJournal, type Source, verifyPosition } from "./projector-source.ts";
import { ProjectionFault, projectBlock, projectClaim } from "./projector-verify.ts";

const START: Position = { streamSeq: 0, blockHash: NO_BLOCK_HASH, epoch: 0n };
/** Pause before a shard whose position another projector moved is read again, in ms. */
const OVERTAKEN_MS = 1_000;
const RETRY_MS = 500;

/** What a shard needs of the projector around it. */
export interface ShardHost {
  readonly store: ProjectionStore;
  readonly onLog: (line: ProjectorLog) => void;
  /** Something can be written. */
  arrived(): void;
  /** The tables are further than what is durable of them. */
  undurable(): void;
  /** Resolves when more may be gathered. */
  room(): Promise<void>;
}

export class ShardProjection {
  readonly shard: number;
  readonly #source: Source;
  readonly #host: ShardHost;
  readonly #released = new AbortController();
  /** Ends the present round of opening and following. */
  #round = new AbortController();
  #pauseMs = 0;
  #heads = new Map<string, ProjectedHead>();
  #pending: Batch;
  #halted: string | undefined;
  #troubled = false;
  /** Heads of workspaces as they are in the tables, that were not called durable yet. */
  #moved = new Map<string, DurableHead>();
  /** As far as the tables are known to be. */
  written = START;
  durable = 0;

  constructor(source: Source, host: ShardHost) {
    this.shard = source.shard;
    this.#source = source;
    this.#host = host;
    this.#pending = new Batch(source.shard, START);
    void this.#run();
  }

  /** Why it stands still, when it does. */
  get halted(): string | undefined {
    return this.#halted;
  }

  /** What the next transaction would write. */
  get pending(): Batch {
    return this.#pending;
  }

  /** Takes what is to be written; the next block starts another batch behind it. */
  take(): Batch | undefined {
    const batch = this.#pending;
    if (batch.isEmpty) return undefined;
    this.#pending = new Batch(this.shard, batch.to);
    return batch;
  }

  /** The tables are at the end of `batch` now. */
  wrote(batch: Batch): void {
    this.written = batch.to;
    for (const [ws, { seq, hash }] of batch.heads) {
      this.#moved.set(ws, { seq, hash, fromJournal: true });
    }
  }

  /** Takes the heads that were moved since the last time. */
  takeMoved(): Map<string, DurableHead> {
    const moved = this.#moved;
    this.#moved = new Map();
    return moved;
  }

  /** Puts heads back that could not be made durable. */
  returnMoved(moved: ReadonlyMap<string, DurableHead>): void {
    this.#moved = new Map([...moved, ...this.#moved]);
  }

  /** Drops what is gathered and begins again where the tables are: somebody else has moved them. */
  reopen(): void {
    if (this.#halted !== undefined) return;
    this.#pauseMs = OVERTAKEN_MS;
    this.#pending = new Batch(this.shard, this.written);
    this.#round.abort();
  }

  /** Stops for good, until a node starts again: what the tables or the journal say cannot be right. */
  halt(streamSeq: number, reason: string): void {
    const { stream } = this.#source;
    this.#halted = `message ${streamSeq} of ${stream}: ${reason}`;
    this.#round.abort();
    this.#host.onLog({
      level: "alarm",
      shard: this.shard,
      message:
        `the projection of shard ${this.shard} is HALTED at message ${streamSeq} of ${stream}: ` +
        `${reason}. Nothing after it reaches Postgres or the live view; holds go on. Look at both: ` +
        `"nats stream get ${stream} ${streamSeq}" shows the block, "SELECT * FROM workspaces WHERE ` +
        `shard = ${this.shard}" the heads it has to follow. Restart this node when the cause is gone`,
    });
  }

  /** Halts because the tables do not take what was gathered. */
  refuse(streamSeq: number, reason: string): void {
    this.halt(streamSeq, reason);
    this.#pending = new Batch(this.shard, this.written);
  }

  release(): void {
    this.#released.abort();
    this.#round.abort();
    this.#pending = new Batch(this.shard, this.written);
  }

  async #run(): Promise<void> {
    while (!this.#released.signal.aborted && this.#halted === undefined) {
      this.#round = new AbortController();
      const { signal } = this.#round;
      try {
        if (this.#pauseMs > 0) await sleep(this.#pauseMs);
        this.#pauseMs = 0;
        await this.#open(signal);
        await this.#follow(signal);
      } catch (fault) {
        if (fault instanceof ProjectionFault) {
          this.halt(fault.streamSeq, fault.message);
          return;
        }
        this.#trouble(fault instanceof Error ? fault.message : String(fault));
        if (!(fault instanceof PostgresUnavailable)) this.#pauseMs = RETRY_MS;
        else await sleep(RETRY_MS);
      }
    }
  }

  async #open(signal: AbortSignal): Promise<void> {
    const stored = await this.#host.store.read(this.shard);
    await verifyPosition(this.#source, stored.position);
    if (signal.aborted) return;
    this.written = stored.position;
    this.durable = stored.durable;
    this.#heads = stored.heads;
    this.#pending = new Batch(this.shard, stored.position);
    for (const [ws, { seq, hash }] of stored.heads) {
      this.#moved.set(ws, { seq, hash, fromJournal: false });
    }
    if (stored.durable < stored.position.streamSeq || stored.heads.size > 0) {
      this.#host.undurable();
    }
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const after = this.#pending.to.streamSeq;
    const trouble = (what: string) => this.#trouble(what);
    for await (const message of followJournal(this.#source, after, signal, trouble)) {
      if (signal.aborted) return;
      this.#troubled = false;
      this.#project(message);
      this.#host.arrived();
      await this.#host.room();
    }
  }

  #project(message: StoredMsg): void {
    const { seq, subject, data } = message;
    if (subject.endsWith(".block")) {
      const record = { streamSeq: seq, bytes: data, storedAt: message.time.getTime() };
      projectBlock(this.#pending, this.#heads, record, this.#source);
    } else if (subject.endsWith(".fence")) {
      projectClaim(this.#pending, seq, claimedEpoch(data, seq));
    } else {
      throw new ProjectionFault(seq, `it stands on the subject ${subject}`);
    }
  }

  /** Says once what keeps it waiting; it says so again only after something has come. */
  #trouble(what: string): void {
    if (this.#troubled || this.#released.signal.aborted) return;
    this.#troubled = true;
    this.#host.onLog({
      level: "warn",
      shard: this.shard,
      message: `the projection of shard ${this.shard} waits: ${what}`,
    });
  }
}

function claimedEpoch(data: Uint8Array, seq: number): bigint {
  const text = utf8(data);
  try {
    const { epoch } = JSON.parse(text) as { readonly epoch?: unknown };
    if (typeof epoch === "string" && /^[1-9]\d{0,18}$/.test(epoch)) return BigInt(epoch);
  } catch (cause) {
    throw new ProjectionFault(seq, "it stands on the fence and is no JSON", cause);
  }
  throw new ProjectionFault(seq, "it stands on the fence and names no epoch");
}
