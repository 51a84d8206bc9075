import type { NatsConnection } from "@nats-io/nats-core";

import type { PlacementMember } from "../actors/placement.ts";
import { Bucket, type BucketWatch } from "../bus/bucket.ts";
import { MEMBERS_BUCKET } from "../bus/subjects.ts";
import { integer, object, parseJson, text } from "../ledger/schema.ts";

const memberValue = object({
  node: text(128),
  /** Share of the shards, relative to other workers. */
  weight: integer(1, 1_000),
});

/** The key of a worker: its id with what a key may not hold made plain. */
function memberKey(id: string): string {
  return id.replaceAll(/[^A-Za-z0-9_-]/g, "-");
}

/**
 * Who is alive: each worker keeps a key that runs out unless it is renewed, and watches the others'.
 * It decides only who tries to own what.
 */
export class Members {
  readonly #bucket: Bucket;
  readonly #watch: BucketWatch;
  readonly #ttlSeconds: number;
  readonly #key: string;
  readonly #value: string;
  readonly #self: PlacementMember;
  readonly #alive = new Map<string, PlacementMember>();
  readonly #changed: () => void;
  #timer: NodeJS.Timeout | undefined;
  #revision = 0;
  #complete = false;
  #left = false;

  constructor(
    nc: NatsConnection,
    self: { readonly id: string; readonly node: string; readonly weight: number },
    ttlSeconds: number,
    changed: () => void,
  ) {
    this.#bucket = new Bucket(nc, MEMBERS_BUCKET);
    this.#ttlSeconds = ttlSeconds;
    this.#key = memberKey(self.id);
    this.#value = memberValue.write({ node: self.node, weight: self.weight });
    this.#self = { id: this.#key, weight: self.weight };
    this.#changed = changed;
    this.#watch = this.#bucket.watch({
      changed: ({ key, value }) => this.#learn(key, value),
      complete: (keys) => {
        for (const id of [...this.#alive.keys()]) if (!keys.has(id)) this.#alive.delete(id);
        this.#complete = true;
        this.#changed();
      },
    });
  }

  /** This worker's id as the others know it. */
  get id(): string {
    return this.#key;
  }

  /** The live workers, this one included; `undefined` before they are all known. */
  get alive(): readonly PlacementMember[] | undefined {
    if (!this.#complete) return undefined;
    // A key of our own that ran out, say over a restart of the server, is being written again.
    return [...new Map(this.#alive).set(this.#key, this.#self).values()];
  }

  /** Makes this worker known and keeps it so. @throws when NATS does not answer. */
  async join(): Promise<void> {
    await this.#beat();
    const everyMs = (this.#ttlSeconds * 1_000) / 4;
    this.#timer = setInterval(() => {
      // A beat that is missed is made up for by the next; after four the others think it gone.
      this.#beat().catch(() => undefined);
    }, everyMs);
  }

  /** Has the others take over what this worker owns. */
  async leave(): Promise<void> {
    this.#left = true;
    clearInterval(this.#timer);
    const standing = await this.#bucket.read(this.#key);
    if (standing.value !== undefined) {
      await this.#bucket.write(this.#key, undefined, standing.revision);
    }
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#watch.stop();
  }

  async #beat(): Promise<void> {
    const ttlSeconds = this.#ttlSeconds;
    let revision = await this.#bucket.write(this.#key, this.#value, this.#revision, { ttlSeconds });
    if (revision === undefined) {
      // The key ran out, or an earlier beat landed whose answer did not come.
      const standing = await this.#bucket.read(this.#key);
      if (this.#left) return;
      revision = await this.#bucket.write(this.#key, this.#value, standing.revision, {
        ttlSeconds,
      });
    }
    this.#revision = revision ?? 0;
  }

  #learn(key: string, value: string | undefined): void {
    const parsed = value === undefined ? undefined : parseJson(memberValue, value);
    const known = this.#alive.get(key);
    if (parsed?.ok !== true) this.#alive.delete(key);
    else this.#alive.set(key, { id: key, weight: parsed.value.weight });
    if (this.#complete && known?.weight !== this.#alive.get(key)?.weight) this.#changed();
  }
}
