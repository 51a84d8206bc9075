/**
 * The lease of one shard: who should try to own it. It is liveness only. A lease outlived by a paused
 * owner harms nobody, since who may write is decided by the fence in the journal.
 *
 *   free → held (compare-and-set with a time to live) → held (renewed) → free (released, or ran out)
 *
 * Renewed from the event loop that executes commands: a worker that is stuck loses its shards.
 */
import type { NatsConnection } from "@nats-io/nats-core";

import { Bucket } from "../bus/bucket.ts";
import { decodeLease, encodeLease, type LeaseValue } from "../bus/membership.ts";
import { LEASES_BUCKET } from "../bus/subjects.ts";

/** A lease on one NATS server lasts 3 s; in a cluster 10 s, longer than its own elections of 4 to 9 s. */
export function leaseSeconds(nc: NatsConnection): number {
  // A connection that is away cannot tell: the longer one errs on no side but that of patience.
  return nc.info !== undefined && nc.info.cluster === undefined ? 3 : 10;
}

/** Who takes it: one run of one worker. */
export interface LeaseHolder {
  readonly owner: string;
  /** Key of the worker among the members. */
  readonly member: string;
}

/** One shard's lease as one worker sees it. */
export class Lease {
  readonly #bucket: Bucket;
  readonly #key: string;
  readonly #holder: LeaseHolder;
  readonly #ttlSeconds: number;
  #says: Pick<LeaseValue, "epoch" | "phase"> = { epoch: undefined, phase: undefined };
  /** Revision of our own last write; `undefined` while it is not ours. */
  #revision: number | undefined;
  /**
   * Writes are one at a time. A renewal under way while the lease is released would find it gone and take
   * it again, for nobody.
   */
  #last: Promise<unknown> = Promise.resolve();

  constructor(nc: NatsConnection, key: string, holder: LeaseHolder, ttlSeconds: number) {
    this.#bucket = new Bucket(nc, LEASES_BUCKET);
    this.#key = key;
    this.#holder = holder;
    this.#ttlSeconds = ttlSeconds;
  }

  /** How long it lasts without being renewed, in ms. */
  get lastsMs(): number {
    return this.#ttlSeconds * 1_000;
  }

  /** What the next writes tell of the shard to who looks at it. */
  say(says: Pick<LeaseValue, "epoch" | "phase">): void {
    this.#says = says;
  }

  /**
   * Takes the lease if it is free, or ours from before. `freeAt` is the revision at which it was seen to be
   * free, which saves a look at it.
   * @returns false when another worker has it. @throws when NATS does not answer.
   */
  acquire(freeAt?: number): Promise<boolean> {
    return this.#inTurn(async () => {
      if (freeAt !== undefined && (await this.#write(freeAt))) return true;
      return await this.#acquire();
    });
  }

  /**
   * Makes the lease last its time again.
   * @returns false when it is lost to another. @throws when NATS does not answer: it may be renewed or
   * not, and is worth another try until it would have run out.
   */
  renew(): Promise<boolean> {
    return this.#inTurn(() => this.#renew());
  }

  /** Frees the lease at once. @throws when NATS does not answer: then it runs out by itself. */
  release(): Promise<void> {
    return this.#inTurn(async () => {
      const revision = this.#revision;
      this.#revision = undefined;
      if (revision === undefined) return;
      if ((await this.#bucket.write(this.#key, undefined, revision)) !== undefined) return;
      // A renewal may have landed whose answer did not come.
      const standing = await this.#bucket.read(this.#key);
      if (this.#isOurs(standing.value)) {
        await this.#bucket.write(this.#key, undefined, standing.revision);
      }
    });
  }

  async #acquire(): Promise<boolean> {
    const standing = await this.#bucket.read(this.#key);
    const isFree = standing.value === undefined || this.#isOurs(standing.value);
    if (isFree && (await this.#write(standing.revision))) return true;
    this.#revision = undefined;
    return false;
  }

  async #renew(): Promise<boolean> {
    if (this.#revision === undefined) return false;
    if (await this.#write(this.#revision)) return true;
    // Lost, or ran out unnoticed, or an earlier renewal landed whose answer did not come.
    return await this.#acquire();
  }

  #isOurs(value: string | undefined): boolean {
    return value !== undefined && decodeLease(value).owner === this.#holder.owner;
  }

  async #write(revision: number): Promise<boolean> {
    const ttlSeconds = this.#ttlSeconds;
    const value = encodeLease({ ...this.#holder, ...this.#says });
    // One that throws may have landed: the revision before it is kept, and the next one finds out.
    const written = await this.#bucket.write(this.#key, value, revision, { ttlSeconds });
    if (written !== undefined) this.#revision = written;
    return written !== undefined;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work, work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}
