import type { NatsConnection } from "@nats-io/nats-core";

import { Bucket, type BucketEntry, type BucketWatch } from "../bus/bucket.ts";
import {
  decodeLease,
  decodeMark,
  leaseKey,
  markKey,
  parseLeasesKey,
  type ShardMark,
} from "../bus/membership.ts";
import { LEASES_BUCKET } from "../bus/subjects.ts";

/** A lease as it was last seen. */
export interface SeenLease {
  /** Who has it; `undefined` when it is free. */
  readonly owner: string | undefined;
  readonly revision: number;
}

/**
 * All leases and marks as one worker sees them, told by a watch as they change. What it says may be late:
 * the compare-and-set that follows is what counts.
 */
export class LeaseTable {
  readonly #watch: BucketWatch;
  readonly #leases = new Map<string, SeenLease>();
  readonly #ready = new Map<string, ShardMark>();
  readonly #era: number;
  readonly #changed: (shard: number) => void;
  #complete = false;

  /** `changed` hears of a shard whose lease was freed or changed hands, or that somebody is ready for. */
  constructor(nc: NatsConnection, era: number, changed: (shard: number) => void) {
    this.#era = era;
    this.#changed = changed;
    this.#watch = new Bucket(nc, LEASES_BUCKET).watch({
      changed: (entry) => this.#learn(entry),
      complete: (keys) => {
        this.#complete = true;
        const held = [...this.#leases].filter(([, { owner }]) => owner !== undefined);
        for (const key of [...held.map(([each]) => each), ...this.#ready.keys()]) {
          if (!keys.has(key)) this.#forget(key);
        }
      },
    });
  }

  /** `undefined` before the leases are all known. */
  lease(shard: number): SeenLease | undefined {
    if (!this.#complete) return undefined;
    return this.#leases.get(leaseKey(shard, this.#era)) ?? { owner: undefined, revision: 0 };
  }

  /** The member that has folded the shard's journal and waits for its lease. */
  ready(shard: number): string | undefined {
    return this.#ready.get(markKey("ready", shard, this.#era))?.member;
  }

  stop(): void {
    this.#watch.stop();
  }

  #learn({ key, value, revision }: BucketEntry): void {
    const place = parseLeasesKey(key);
    if (place === undefined || place.era !== this.#era) return;
    if (place.kind === "ready") {
      const mark = value === undefined ? undefined : decodeMark(value);
      const before = this.#ready.get(key)?.member;
      if (mark === undefined) this.#ready.delete(key);
      else this.#ready.set(key, mark);
      if (before !== mark?.member) this.#changed(place.shard);
    } else if (place.kind === "lease") {
      const owner = value === undefined ? undefined : decodeLease(value).owner;
      const before = this.#leases.get(key)?.owner;
      this.#leases.set(key, { owner, revision });
      if (before !== owner) this.#changed(place.shard);
    }
  }

  /** The watch was set up anew and does not tell what was deleted meanwhile. */
  #forget(key: string): void {
    this.#leases.delete(key);
    this.#ready.delete(key);
    const place = parseLeasesKey(key);
    if (place !== undefined) this.#changed(place.shard);
  }
}
