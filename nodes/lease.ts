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
import { LEASES_BUCKET } from "../bus/subjects.ts";

/** A lease on one NATS server lasts 3 s; in a cluster 10 s, longer than its own elections of 4 to 9 s. */
export function leaseSeconds(nc: NatsConnection): number {
  // A connection that is away cannot tell: the longer one errs on no side but that of patience.
  return nc.info !== undefined && nc.info.cluster === undefined ? 3 : 10;
}

/** The key of a shard's lease. */
export function leaseKey(shard: number, era: number): string {
  return `${shard}.${era}`;
}

/** One shard's lease as one worker sees it. */
export class Lease {
  readonly #bucket: Bucket;
  readonly #key: string;
  readonly #owner: string;
  readonly #ttlSeconds: number;
  /** Revision of our own last write; `undefined` while it is not ours. */
  #revision: number | undefined;

  constructor(nc: NatsConnection, key: string, owner: string, ttlSeconds: number) {
    this.#bucket = new Bucket(nc, LEASES_BUCKET);
    this.#key = key;
    this.#owner = owner;
    this.#ttlSeconds = ttlSeconds;
  }

  /** How long it lasts without being renewed, in ms. */
  get lastsMs(): number {
    return this.#ttlSeconds * 1_000;
  }

  /**
   * Takes the lease if it is free, or ours from before.
   * @returns false when another worker has it. @throws when NATS does not answer.
   */
  async acquire(): Promise<boolean> {
    const standing = await this.#bucket.read(this.#key);
    if (standing.value !== undefined && standing.value !== this.#owner) return false;
    return await this.#write(standing.revision);
  }

  /**
   * Makes the lease last its time again.
   * @returns false when it is lost to another. @throws when NATS does not answer: it may be renewed or
   * not, and is worth another try until it would have run out.
   */
  async renew(): Promise<boolean> {
    if (this.#revision === undefined) return false;
    if (await this.#write(this.#revision)) return true;
    // Lost, or ran out unnoticed, or an earlier renewal landed whose answer did not come.
    this.#revision = undefined;
    return await this.acquire();
  }

  /** Frees the lease at once. @throws when NATS does not answer: then it runs out by itself. */
  async release(): Promise<void> {
    const revision = this.#revision;
    this.#revision = undefined;
    if (revision !== undefined) await this.#bucket.write(this.#key, undefined, revision);
  }

  async #write(revision: number): Promise<boolean> {
    const ttlSeconds = this.#ttlSeconds;
    this.#revision = await this.#bucket.write(this.#key, this.#owner, revision, { ttlSeconds });
    return this.#revision !== undefined;
  }
}
