import type { Bucket } from "../bus/bucket.ts";

/** What a key says, with its note. */
export interface KeptValue {
  readonly value: string;
  readonly note?: string;
}

/**
 * One key of a bucket that runs out unless its worker says it again, and that is nobody else's to write.
 * Writes are one at a time, in the order they were asked for: one that was late would else undo a later.
 */
export class KeptKey {
  readonly #bucket: Bucket;
  readonly #key: string;
  readonly #ttlSeconds: number;
  #revision = 0;
  #standing = false;
  #last: Promise<unknown> = Promise.resolve();

  constructor(bucket: Bucket, key: string, ttlSeconds: number) {
    this.#bucket = bucket;
    this.#key = key;
    this.#ttlSeconds = ttlSeconds;
  }

  /** True while it may stand: it was written and not dropped since. */
  get standing(): boolean {
    return this.#standing;
  }

  /**
   * Writes the key and has it last its time from now.
   * @returns what stood there instead of our last write, if that was something else.
   * @throws BucketFault or a timeout: the next one makes up for it.
   */
  put(what: KeptValue): Promise<KeptValue | undefined> {
    return this.#inTurn(() => this.#put(what));
  }

  /** Deletes the key. @throws BucketFault or a timeout: then it runs out by itself. */
  drop(): Promise<void> {
    return this.#inTurn(async () => {
      if (!this.#standing) return;
      this.#standing = false;
      const gone = await this.#bucket.write(this.#key, undefined, this.#revision);
      if (gone !== undefined) return;
      // An earlier write landed whose answer did not come.
      const { value, revision } = await this.#bucket.read(this.#key);
      if (value !== undefined) await this.#bucket.write(this.#key, undefined, revision);
    });
  }

  async #put({ value, note }: KeptValue): Promise<KeptValue | undefined> {
    const options = { ttlSeconds: this.#ttlSeconds, ...(note === undefined ? {} : { note }) };
    this.#standing = true;
    const written = await this.#bucket.write(this.#key, value, this.#revision, options);
    if (written !== undefined) {
      this.#revision = written;
      return undefined;
    }
    // It ran out, or an earlier write landed whose answer did not come, or somebody else's stands there.
    const found = await this.#bucket.read(this.#key);
    this.#revision =
      (await this.#bucket.write(this.#key, value, found.revision, options)) ?? found.revision;
    if (found.value === undefined) return undefined;
    return { value: found.value, ...(found.note === undefined ? {} : { note: found.note }) };
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work, work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}
