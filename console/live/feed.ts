/**
 * One workspace as it is watched: a timeline fed by live entries, with holes filled from Postgres and the
 * head asked for every second, so that also an entry behind which nothing follows is noticed. Shared by
 * all sockets that watch the workspace.
 */
import { entrySchema } from "../../ledger/entries.ts";
import { parseJson } from "../../ledger/schema.ts";
import { type Fact, factOf, unreadableFact } from "./fact.ts";
import { type Frame, nextFrame } from "./frame.ts";
import { Timeline } from "./timeline.ts";

/** Where a feed gets entries from. The process plugs in NATS and Postgres. */
export interface FeedSources {
  /** Follows live entries. @returns what ends it */
  follow(ws: string, listener: LiveListener): () => void;
  /** Sequence of the last entry that can be looked up; undefined for an unknown workspace. @throws */
  head(ws: string): Promise<bigint | undefined>;
  /** Entries in order, as far as they can be looked up. @throws */
  lines(ws: string, from: bigint, to: bigint): Promise<readonly StoredLine[]>;
  warn(message: string, fields: Readonly<Record<string, unknown>>): void;
}

export interface StoredLine {
  readonly seq: bigint;
  readonly line: string;
}

export interface LiveListener {
  entry(line: string): void;
  ready(): void;
  lost(reason: string): void;
}

/** Something that watches a feed: told when there may be something to send. */
export interface Watcher {
  /** @returns true when more waits than it could take now. */
  pump(): boolean;
}

/** What a watcher is to send next. */
export type Next =
  | { readonly kind: "frame"; readonly frame: Frame }
  | { readonly kind: "gap"; readonly from: bigint; readonly to: bigint; readonly reason: GapReason }
  | { readonly kind: "nothing" };
type GapReason = "too-far" | "unavailable";

export type Behind = "postgres-unavailable" | "nats-unavailable";

/** Frames of one socket come at most this often, in ms. */
export const FRAME_MS = 100;
/** Facts kept for pages that come back, some 15 MB; the most that is replayed over a socket. */
export const FACTS_KEPT = 30_000;
export const REPLAY_MAX = 20_000;
const HEAD_MS = 1_000;
/** An entry that is only late is given so long before a hole is filled, in ms. */
const GRACE_MS = 50;
/** Postgres answers and does not have it: after so long it is given up, in ms. */
const GIVE_UP_MS = 15_000;
const RETRY_MS = 500;
/** Entries per read: some 2 MB. */
const PAGE = 1_000n;
/** How long the live consumer may take before the head is read without it, in ms. */
const FIRST_READY_MS = 1_500;

export class Feed {
  readonly ws: string;
  readonly #sources: FeedSources;
  readonly #timeline = new Timeline(FACTS_KEPT);
  readonly #watchers = new Set<Watcher>();
  readonly #unfollow: () => void;
  readonly #begun = Promise.withResolvers<void>();
  readonly #headTimer: NodeJS.Timeout;
  /** Frames of this tick by place and agent: sockets in step share them. */
  readonly #frames = new Map<string, Frame | undefined>();
  /** Reads of Postgres wait for each other. */
  #reading: Promise<unknown> = Promise.resolve();
  #fillTimer: NodeJS.Timeout | undefined;
  #filling = false;
  #tickTimer: NodeJS.Timeout | undefined;
  #tickedAt = 0;
  #live = false;
  #postgresAway = false;
  #holeSince: number | undefined;
  #stopped = false;

  constructor(ws: string, sources: FeedSources) {
    this.ws = ws;
    this.#sources = sources;
    const ready = Promise.withResolvers<void>();
    this.#unfollow = sources.follow(ws, {
      entry: (line) => this.#take(line),
      ready: () => {
        this.#live = true;
        ready.resolve();
        // What was published while nobody listened is in Postgres.
        if (this.#timeline.begun) void this.#askHead();
      },
      lost: (reason) => {
        if (this.#live) sources.warn("live entries are interrupted", { ws, reason });
        this.#live = false;
      },
    });
    this.#headTimer = setInterval(() => void this.#askHead(), HEAD_MS);
    void this.#begin(ready.promise);
  }

  get head(): bigint {
    return this.#timeline.head;
  }

  /** The last entry that is known to exist, here already or not. */
  get known(): bigint {
    return this.#timeline.known;
  }

  get behind(): Behind | undefined {
    if (this.#postgresAway) return "postgres-unavailable";
    return this.#live ? undefined : "nats-unavailable";
  }

  get watched(): boolean {
    return this.#watchers.size > 0;
  }

  /** Settles once the place to begin at is known. */
  whenBegun(): Promise<void> {
    return this.#begun.promise;
  }

  /** False when Postgres says that there is no such entry yet; true also while it cannot be asked. */
  async exists(seq: bigint): Promise<boolean> {
    await this.#askHead();
    return this.#postgresAway || this.known >= seq;
  }

  watch(watcher: Watcher): void {
    this.#watchers.add(watcher);
  }

  unwatch(watcher: Watcher): void {
    this.#watchers.delete(watcher);
  }

  /** Has watchers asked soon for what they can send. */
  tickSoon(): void {
    if (this.#tickTimer !== undefined || this.#stopped) return;
    const wait = Math.max(0, this.#tickedAt + FRAME_MS - performance.now());
    this.#tickTimer = setTimeout(() => this.#tick(), wait);
  }

  /**
   * Brings back what follows `after`, as far as it is replayed at all. What lies further back is told as
   * a gap by {@link next}.
   */
  async reachBack(after: bigint): Promise<void> {
    await this.whenBegun();
    await this.#oneRead(async () => {
      if (this.#timeline.head - after > BigInt(REPLAY_MAX)) return;
      for (;;) {
        const { first } = this.#timeline;
        if (after + 1n >= first || this.#stopped) return;
        const from = first - PAGE > after ? first - PAGE : after + 1n;
        const lines = await this.#sources.lines(this.ws, from, first - 1n);
        if (!this.#timeline.prepend(lines.map((stored) => this.#stored(stored)))) return;
        if (lines.length === 0) return;
      }
    });
  }

  /** What a watcher at `after`, to whom everything up to `sent` was told, is to send. */
  next(after: bigint, sent: bigint, agent: string | undefined): Next {
    const following = this.#timeline.following(after);
    if (following.kind === "forgotten") {
      return { kind: "gap", from: sent + 1n, to: following.first - 1n, reason: "too-far" };
    }
    if (following.kind === "hole") {
      return { kind: "gap", from: sent + 1n, to: following.hole.to, reason: "unavailable" };
    }
    const key = `${after}/${sent}/${agent ?? ""}`;
    let frame = this.#frames.get(key);
    if (frame === undefined) {
      const { facts } = following;
      frame = nextFrame({ ws: this.ws, from: sent + 1n, facts, agent, now: Date.now() });
      this.#frames.set(key, frame);
    }
    return frame === undefined ? { kind: "nothing" } : { kind: "frame", frame };
  }

  /** Ends it for good. */
  stop(): void {
    this.#stopped = true;
    clearInterval(this.#headTimer);
    clearTimeout(this.#fillTimer);
    clearTimeout(this.#tickTimer);
    this.#unfollow();
  }

  /**
   * Listens first and reads the head then: what the head does not include is published later than
   * that, and so is heard.
   */
  async #begin(ready: Promise<void>): Promise<void> {
    await Promise.race([ready, pause(FIRST_READY_MS)]);
    while (!this.#stopped) {
      const head = await this.#guarded(() => this.#sources.head(this.ws));
      if (head !== "away") {
        this.#timeline.begin(head ?? 0n);
        break;
      }
      await pause(RETRY_MS);
    }
    this.#begun.resolve();
    this.tickSoon();
    this.#fillSoon(GRACE_MS);
  }

  #take(line: string): void {
    const parsed = parseJson(entrySchema, line);
    // What cannot be read leaves a hole, which Postgres fills.
    if (!parsed.ok || parsed.value.ws !== this.ws) return;
    this.#timeline.take(factOf(parsed.value));
    this.tickSoon();
    if (this.#timeline.missing() !== undefined) this.#fillSoon(GRACE_MS);
  }

  #stored({ line, seq }: StoredLine): Fact {
    const parsed = parseJson(entrySchema, line);
    if (parsed.ok) return factOf(parsed.value);
    this.#sources.warn("an entry in Postgres cannot be read; it is counted as nothing", {
      ws: this.ws,
      seq: String(seq),
      problems: parsed.problems,
    });
    return unreadableFact(seq);
  }

  async #askHead(): Promise<void> {
    if (!this.#timeline.begun || this.#stopped) return;
    const head = await this.#guarded(() => this.#sources.head(this.ws));
    if (head === "away" || head === undefined) return;
    this.#timeline.know(head);
    if (this.#timeline.missing() !== undefined) this.#fillSoon(GRACE_MS);
  }

  #fillSoon(ms: number): void {
    if (this.#fillTimer !== undefined || this.#filling || this.#stopped) return;
    this.#fillTimer = setTimeout(() => {
      this.#fillTimer = undefined;
      this.#filling = true;
      void this.#oneRead(() => this.#fill()).then((again) => {
        this.#filling = false;
        if (this.#timeline.missing() === undefined) this.#holeSince = undefined;
        else this.#fillSoon(again === "at once" ? 0 : RETRY_MS);
      });
    }, ms);
  }

  /** Fills the first hole by a page from Postgres, or gives it up. */
  async #fill(): Promise<"at once" | "later"> {
    const hole = this.#timeline.missing();
    if (hole === undefined || this.#stopped) return "at once";
    this.#holeSince ??= performance.now();
    const to = hole.to - hole.from >= PAGE ? hole.from + PAGE - 1n : hole.to;
    const lines = await this.#guarded(() => this.#sources.lines(this.ws, hole.from, to));
    if (lines === "away") {
      // As long as Postgres is away nothing is given up: it has what is missing.
      this.#holeSince = undefined;
      return "later";
    }
    for (const stored of lines) this.#timeline.take(this.#stored(stored));
    if (this.#timeline.head >= hole.from) {
      this.#holeSince = undefined;
      this.tickSoon();
      return "at once";
    }
    if (performance.now() - this.#holeSince < GIVE_UP_MS) return "later";
    this.#sources.warn("entries cannot be found and are given up", {
      ws: this.ws,
      from: String(hole.from),
      to: String(hole.to),
    });
    this.#timeline.giveUp(hole.to);
    this.tickSoon();
    return "at once";
  }

  #tick(): void {
    this.#tickTimer = undefined;
    this.#tickedAt = performance.now();
    this.#frames.clear();
    let more = false;
    for (const watcher of this.#watchers) more = watcher.pump() || more;
    this.#frames.clear();
    if (more) this.tickSoon();
  }

  #oneRead<T>(read: () => Promise<T>): Promise<T> {
    const result = this.#reading.then(read);
    this.#reading = result.catch(() => undefined);
    return result;
  }

  async #guarded<T>(read: () => Promise<T>): Promise<T | "away"> {
    try {
      const result = await read();
      this.#postgresAway = false;
      return result;
    } catch (error) {
      if (!this.#postgresAway) {
        this.#sources.warn("Postgres cannot be read", { ws: this.ws, cause: String(error) });
      }
      this.#postgresAway = true;
      return "away";
    }
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
