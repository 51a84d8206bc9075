import type { NatsConnection } from "@nats-io/nats-core";

import { Bucket, type BucketEntry, type BucketWatch } from "../bus/bucket.ts";
import {
  decodeMember,
  encodeMember,
  type Member,
  type MemberAbout,
  memberKey,
} from "../bus/membership.ts";
import { MEMBERS_BUCKET } from "../bus/subjects.ts";
import { KeptKey } from "./kept-key.ts";
import type { Log } from "./log.ts";

/** A worker is given shards that another decides once it has been there for so long. ms */
const SETTLE_MS = 3_000;
/** Each time that it was lost in the last while doubles that, up to this. ms */
const SETTLE_MS_MAX = 60_000;
const LOSSES_MS = 600_000;

/** What the others see of a worker. */
export interface MemberSelf {
  readonly id: string;
  readonly node: string;
  readonly weight: number;
  readonly about: MemberAbout;
}

interface Known {
  readonly member: Member;
  /** Since when it has been there without a break, monotonic ms. */
  readonly since: number;
}

/**
 * Who is alive: each worker keeps a key that runs out unless it is renewed, and watches the others'.
 * It decides only who tries to own what.
 *
 * A worker whose own key ran out knows nothing of the others: NATS was away, or its bucket was lost, and
 * their keys ran out with it. So it goes on with those it knew for as long as two of their beats take.
 */
export class Members {
  readonly #watch: BucketWatch;
  readonly #ttlSeconds: number;
  readonly #own: KeptKey;
  readonly #self: Member;
  readonly #alive = new Map<string, Known>();
  /** Known ones that are not there any more, while it is doubtful what that means. */
  readonly #missed = new Set<string>();
  /** When each was lost without leaving, monotonic ms. */
  readonly #losses = new Map<string, number[]>();
  readonly #changed: () => void;
  readonly #log: Pick<Log, "alarm"> | undefined;
  readonly #settleMs: number;
  #timer: NodeJS.Timeout | undefined;
  #doubt: NodeJS.Timeout | undefined;
  #complete = false;
  #left = false;
  /** When our own key was last written for certain, monotonic ms. */
  #beatAt = Number.NEGATIVE_INFINITY;

  constructor(
    nc: NatsConnection,
    self: MemberSelf,
    ttlSeconds: number,
    changed: () => void,
    { log, settleMs = SETTLE_MS }: { log?: Pick<Log, "alarm">; settleMs?: number | undefined } = {},
  ) {
    const bucket = new Bucket(nc, MEMBERS_BUCKET);
    this.#ttlSeconds = ttlSeconds;
    this.#self = { ...self, id: memberKey(self.id) };
    this.#own = new KeptKey(bucket, this.#self.id, ttlSeconds);
    this.#changed = changed;
    this.#log = log;
    this.#settleMs = settleMs;
    this.#watch = bucket.watch({
      changed: (entry) => this.#learn(entry),
      complete: (keys) => this.#learnAll(keys),
    });
  }

  /** This worker's id as the others know it. */
  get id(): string {
    return this.#self.id;
  }

  /** The live workers, this one included; `undefined` before they are all known. */
  get alive(): readonly Member[] | undefined {
    if (!this.#complete) return undefined;
    const all = new Map([...this.#alive].map(([id, { member }]) => [id, member]));
    // A key of our own that ran out, say over a restart of the server, is being written again.
    if (!this.#left) all.set(this.#self.id, this.#self);
    else all.delete(this.#self.id);
    return [...all.values()];
  }

  /** Who a worker is, while it is there. */
  get(id: string): Member | undefined {
    return this.#alive.get(id)?.member;
  }

  /**
   * True when a worker has been there for long enough to be given what another decides. One that comes and
   * goes has to stay longer each time, or shards would be handed to it and lost for ever.
   */
  isSettled(id: string): boolean {
    const known = this.#alive.get(id);
    if (known === undefined) return false;
    const now = performance.now();
    const losses = (this.#losses.get(id) ?? []).filter((at) => at > now - LOSSES_MS);
    return now - known.since >= Math.min(this.#settleMs * 2 ** losses.length, SETTLE_MS_MAX);
  }

  /** Makes this worker known and keeps it so. @throws when NATS does not answer. */
  async join(): Promise<void> {
    // What stands there is of a run before this one, or of nobody.
    await this.#own.put(encodeMember(this.#self));
    this.#beatAt = performance.now();
    // A beat that is missed is made up for by the next; after four the others think it gone.
    this.#timer = setInterval(() => void this.#beat(), this.#beatMs);
  }

  /** Has the others take over what this worker owns. @throws when NATS does not answer. */
  async leave(): Promise<void> {
    this.#left = true;
    clearInterval(this.#timer);
    await this.#own.drop();
  }

  stop(): void {
    clearInterval(this.#timer);
    clearTimeout(this.#doubt);
    this.#watch.stop();
  }

  get #beatMs(): number {
    return (this.#ttlSeconds * 1_000) / 4;
  }

  async #beat(): Promise<void> {
    const startedAt = performance.now();
    try {
      const found = await this.#own.put(encodeMember(this.#self));
      this.#beatAt = startedAt;
      if (found === undefined) return;
      const { id, node, about } = this.#self;
      const other = decodeMember(id, found.value, found.note)?.about?.run;
      if (other === undefined || other === about?.run) return;
      const what = "two nodes have one name: give each its own with --name";
      this.#log?.alarm(what, { node, member: id });
    } catch {
      // NATS is away, and so is whatever could be decided about this worker.
    }
  }

  #learn({ key, value, note, ranOut }: BucketEntry): void {
    const member = value === undefined ? undefined : decodeMember(key, value, note);
    if (member !== undefined) {
      this.#missed.delete(key);
      const known = this.#alive.get(key);
      const isSame = known !== undefined && known.member.about?.run === member.about?.run;
      const since = isSame ? known.since : performance.now();
      this.#alive.set(key, { member, since });
      if (!isSame || known.member.weight !== member.weight) this.#tell();
      return;
    }
    if (!this.#alive.has(key)) return;
    if (ranOut && (key === this.#self.id || this.#isInDoubt())) this.#doubtful(key);
    else this.#lose(key, ranOut);
  }

  #learnAll(keys: ReadonlySet<string>): void {
    const missing = [...this.#alive.keys()].filter((id) => !keys.has(id));
    this.#complete = true;
    // The watch was set up anew: it does not tell what was deleted meanwhile.
    for (const id of missing) this.#doubtful(id);
    this.#changed();
  }

  /** Nothing was written for so long that every key may have run out alike. */
  #isInDoubt(): boolean {
    return this.#doubt !== undefined || performance.now() - this.#beatAt > this.#beatMs * 2;
  }

  #doubtful(id: string): void {
    this.#missed.add(id);
    this.#doubt ??= setTimeout(() => {
      this.#doubt = undefined;
      for (const each of [...this.#missed]) this.#lose(each, true);
    }, this.#beatMs * 2);
  }

  #lose(id: string, ranOut: boolean): void {
    this.#missed.delete(id);
    if (!this.#alive.delete(id)) return;
    if (ranOut && id !== this.#self.id) {
      const since = performance.now() - LOSSES_MS;
      const losses = (this.#losses.get(id) ?? []).filter((at) => at > since);
      this.#losses.set(id, [...losses, performance.now()]);
    }
    this.#tell();
  }

  #tell(): void {
    if (this.#complete) this.#changed();
  }
}
