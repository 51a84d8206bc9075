/**
 * Goal: a page sees every throttle and hold once and every total exactly, whatever happens below it: live
 * entries that are lost, doubled or come late, NATS and Postgres that go away and come back, sockets
 * that break and pages that do not read. Method: real entries of a real actor; feeds and sockets as
 * they run, over sources that fail as a random plan says, in fake time.
 */
import fc from "fast-check";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { agent, bound, usd, World } from "../../actors/testing/world.ts";
import type { Entry } from "../../ledger/entries.ts";
import { Told } from "../testing/facts.ts";
import type { ServerMessage } from "../wire.ts";
import { factOf } from "./fact.ts";
import type { LiveListener } from "./feed.ts";
import { Feeds } from "./feeds.ts";
import { type BrowserSocket, LiveSocket } from "./live-socket.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A ledger with decisions of each outcome, settles and voids. */
function makeEntries(calls: number): readonly { readonly line: string; readonly entry: Entry }[] {
  const world = new World({
    ws: "acme",
    caps: { month: usd("40.00") },
    agents: {
      bot: agent({ caps: { run: usd("0.20") } }),
      other: agent({ caps: { month: usd("1.00"), run: usd("0.10") } }),
    },
  });
  for (let call = 0; call < calls; call++) {
    world.now += 250;
    const decided = world.authorize({
      agent: call % 3 === 0 ? "other" : "bot",
      authorization: world.id(),
      usage_bound: bound(BigInt((call * 977) % 9_000) + 1n, 400n),
      run: `run-${Math.floor(call / 12)}`,
    });
    if (decided.state !== "open") continue;
    const { authorization } = decided;
    if (call % 5 === 4) world.send({ authorization, kind: "void", reason: "gone" });
    else
      world.settle(authorization, { usage: { input: BigInt((call * 31) % 5_000), output: 400n } });
  }
  return world.entries.map(({ entry, line }) => ({ entry, line }));
}

const ENTRIES = makeEntries(260);
const FACTS = ENTRIES.map(({ entry }) => factOf(entry));

test("entries: hold enough of each outcome to prove something", () => {
  const outcomes = FACTS.map(({ row }) => row?.outcome);
  for (const outcome of ["admit", "throttle", "hold"] as const) {
    expect(outcomes.filter((one) => one === outcome).length, outcome).toBeGreaterThan(15);
  }
});

/** NATS and Postgres as far as a feed knows them. */
class Below {
  /** So many entries are in Postgres. */
  stored: number;
  postgresAway = false;
  #listener: LiveListener | undefined;
  #natsAway = false;

  constructor(stored: number) {
    this.stored = stored;
  }

  readonly sources = {
    follow: (_ws: string, listener: LiveListener) => {
      this.#listener = listener;
      if (!this.#natsAway) listener.ready();
      return () => (this.#listener = undefined);
    },
    head: async () => {
      await this.#answers();
      return BigInt(this.stored);
    },
    lines: async (_ws: string, from: bigint, to: bigint) => {
      await this.#answers();
      const end = Math.min(Number(to), this.stored);
      return ENTRIES.slice(Number(from) - 1, end).map(({ entry, line }) => ({
        seq: entry.seq,
        line,
      }));
    },
    warn: () => undefined,
  };

  set natsAway(away: boolean) {
    if (away === this.#natsAway) return;
    this.#natsAway = away;
    if (away) this.#listener?.lost("away");
    else this.#listener?.ready();
  }

  deliver(index: number): void {
    const line = ENTRIES[index]?.line;
    if (line !== undefined && !this.#natsAway) this.#listener?.entry(line);
  }

  async #answers(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 3));
    if (this.postgresAway) throw new Error("Postgres is away");
  }
}

/** A page that comes back with what it has whenever its socket breaks. */
class Page implements BrowserSocket {
  bufferedAmount = 0;
  readonly told: Told;
  readonly faults: unknown[] = [];
  readonly beats: ServerMessage[] = [];
  readonly #feeds: Feeds;
  readonly #agent: string | undefined;
  readonly #listeners: ((data: Buffer, isBinary: boolean) => void)[] = [];
  live: LiveSocket;
  closed: number | undefined;

  constructor(feeds: Feeds, told: Told, name?: string) {
    this.#feeds = feeds;
    this.told = told;
    this.#agent = name;
    this.live = this.#open();
  }

  #open(): LiveSocket {
    const live = new LiveSocket(this, {
      feeds: this.#feeds,
      mayWatch: (ws) => ws === "acme",
      isSignedIn: () => true,
      faultId: () => "err_1",
      warn: () => undefined,
      onEnd: () => undefined,
    });
    this.say({
      type: "subscribe",
      ws: "acme",
      after: String(this.told.at),
      ...(this.#agent === undefined ? {} : { only: { agent: this.#agent } }),
    });
    return live;
  }

  say(message: unknown): void {
    this.#listeners.at(-1)?.(Buffer.from(JSON.stringify(message)), false);
  }

  comeBack(): void {
    this.live.close(1000, "cut");
    this.live = this.#open();
  }

  send(text: string): void {
    const message = JSON.parse(text) as ServerMessage;
    try {
      if (message.type === "frame") this.told.frame(message);
      if (message.type === "gap") this.told.gap(BigInt(message.from), BigInt(message.to));
      if (message.type === "beat") this.beats.push(message);
      if (message.type === "fault") this.faults.push(message);
    } catch (error) {
      this.faults.push(error);
    }
  }

  close(code: number): void {
    this.closed = code;
  }

  terminate(): void {}

  on(event: string, listener: (data: Buffer, isBinary: boolean) => void): void {
    if (event === "message") this.#listeners.push(listener);
  }
}

const steps = fc.array(
  fc.record({
    publish: fc.nat(60),
    lose: fc.array(fc.nat(59), { maxLength: 12 }),
    double: fc.array(fc.nat(59), { maxLength: 8 }),
    backwards: fc.boolean(),
    postgresAway: fc.boolean(),
    natsAway: fc.boolean(),
    cut: fc.boolean(),
    slow: fc.boolean(),
    wait: fc.integer({ min: 1, max: 1_500 }),
  }),
  { minLength: 1, maxLength: 12 },
);

test("pages: see every refusal once and every total exactly, whatever happens below", async () => {
  await fc.assert(
    fc.asyncProperty(steps, fc.nat(200), async (plan, begun) => {
      const below = new Below(begun);
      const feeds = new Feeds(below.sources);
      const pages = [
        new Page(feeds, new Told(BigInt(begun))),
        // Comes from before what the feed begins with.
        new Page(feeds, new Told(BigInt(Math.floor(begun / 2)))),
        new Page(feeds, new Told(BigInt(begun)), "other"),
      ];
      await vi.advanceTimersByTimeAsync(100);
      for (const step of plan) {
        below.postgresAway = step.postgresAway;
        below.natsAway = step.natsAway;
        for (const page of pages) page.bufferedAmount = step.slow ? 2_000_000 : 0;
        const from = below.stored;
        below.stored = Math.min(ENTRIES.length, from + step.publish);
        const sent = Array.from({ length: below.stored - from }, (_, i) => i);
        if (step.backwards) sent.reverse();
        for (const one of sent) {
          if (!step.lose.includes(one)) below.deliver(from + one);
          if (step.double.includes(one)) below.deliver(from + one);
        }
        await vi.advanceTimersByTimeAsync(step.wait);
        if (step.cut) for (const page of pages) page.comeBack();
      }
      below.postgresAway = false;
      below.natsAway = false;
      for (const page of pages) page.bufferedAmount = 0;
      await vi.advanceTimersByTimeAsync(6_000);
      for (const [index, page] of pages.entries()) {
        const name = index === 2 ? "other" : undefined;
        expect(page.faults).toEqual([]);
        expect(page.told.gaps).toEqual([]);
        expect(page.told.problems(FACTS, name)).toEqual([]);
        const due = FACTS.filter(
          ({ agent: of, row, seq }) =>
            row !== undefined &&
            row.outcome !== "admit" &&
            seq > page.told.begun &&
            seq <= BigInt(below.stored) &&
            (name === undefined || of === name),
        );
        expect(page.told.refusals).toEqual(due.map(({ seq }) => String(seq)));
        if (name === undefined) expect(page.told.at).toBe(BigInt(below.stored));
        page.live.close(1000, "done");
      }
      feeds.stop();
    }),
    { numRuns: 60 },
  );
});

test("frames: come at most ten times a second, however fast entries come", async () => {
  const below = new Below(0);
  const feeds = new Feeds(below.sources);
  const page = new Page(feeds, new Told(0n));
  await vi.advanceTimersByTimeAsync(100);
  for (let index = 0; index < ENTRIES.length; index++) {
    below.stored = index + 1;
    below.deliver(index);
    await vi.advanceTimersByTimeAsync(3);
  }
  await vi.advanceTimersByTimeAsync(500);
  expect(page.told.at).toBe(BigInt(ENTRIES.length));
  expect(page.told.frames.length).toBeLessThanOrEqual(Math.ceil((ENTRIES.length * 3) / 100) + 3);
  feeds.stop();
});

test("slow page: is sent nothing while it does not read, then one fresh frame, and is let go at last", async () => {
  const below = new Below(0);
  const feeds = new Feeds(below.sources);
  const page = new Page(feeds, new Told(0n));
  await vi.advanceTimersByTimeAsync(100);
  page.bufferedAmount = 2_000_000;
  below.stored = 300;
  for (let index = 0; index < 300; index++) below.deliver(index);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(page.told.frames).toEqual([]);
  page.bufferedAmount = 0;
  await vi.advanceTimersByTimeAsync(3_000);
  expect(page.told.at).toBe(300n);
  expect(page.told.problems(FACTS)).toEqual([]);
  page.bufferedAmount = 2_000_000;
  below.stored = 310;
  for (let index = 300; index < 310; index++) below.deliver(index);
  await vi.advanceTimersByTimeAsync(33_000);
  expect(page.closed).toBe(4008);
  feeds.stop();
});

test("gap: what is nowhere is given up by name, and what follows goes on", async () => {
  const below = new Below(10);
  const { lines } = below.sources;
  // Postgres has lost these and answers without them.
  below.sources.lines = async (ws, from, to) =>
    (await lines(ws, from, to)).filter(({ seq }) => seq < 15n || seq > 17n);
  const feeds = new Feeds(below.sources);
  const page = new Page(feeds, new Told(10n));
  await vi.advanceTimersByTimeAsync(100);
  below.stored = 30;
  for (let index = 20; index < 30; index++) below.deliver(index);
  await vi.advanceTimersByTimeAsync(20_000);
  expect(page.told.gaps).toEqual([[15n, 17n]]);
  expect(page.told.at).toBe(30n);
  expect(page.told.problems(FACTS)).toEqual([]);
  feeds.stop();
});

test("beat: every 2 s, and says what keeps it from being up to date", async () => {
  const below = new Below(5);
  const feeds = new Feeds(below.sources);
  const page = new Page(feeds, new Told(5n));
  await vi.advanceTimersByTimeAsync(2_100);
  expect(page.beats.at(-1)).toMatchObject({ type: "beat", head: "5" });
  expect(page.beats.at(-1)).not.toHaveProperty("behind");
  below.natsAway = true;
  await vi.advanceTimersByTimeAsync(2_000);
  expect(page.beats.at(-1)).toMatchObject({ behind: "nats-unavailable" });
  below.postgresAway = true;
  await vi.advanceTimersByTimeAsync(4_000);
  expect(page.beats.at(-1)).toMatchObject({ behind: "postgres-unavailable" });
  expect(page.beats).toHaveLength(4);
  feeds.stop();
});

test("subscribe: a workspace that the session may not see, and nonsense, are refused by name", async () => {
  const feeds = new Feeds(new Below(5).sources);
  const page = new Page(feeds, new Told(5n));
  page.say({ type: "subscribe", ws: "secret" });
  page.say({ type: "subscribe", ws: "acme", after: "-1" });
  page.say("nonsense");
  await vi.advanceTimersByTimeAsync(100);
  const codes = page.faults.map((fault) => (fault as { error: { code: string } }).error.code);
  expect(codes).toEqual(["forbidden", "invalid", "invalid"]);
  for (let i = 0; i < 60; i++) page.say({ type: "ping" });
  expect(page.closed).toBe(1008);
  feeds.stop();
});
