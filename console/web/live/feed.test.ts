/**
 * Goal: nothing is shown twice, nothing is left out without a mark, and every mark can be filled.
 * Method: the frames of a made-up world, cut, repeated and lost at random, against all that it decided.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { FakeWorld } from "../../../bench/console/fake-world.ts";
import type { DecisionRow, FrameMessage } from "../../wire.ts";
import { Feed, type FeedItem, filled, type Missing, passes } from "./feed.ts";

const START = Date.UTC(2026, 10, 22, 12);

/** A world of `decisions`, cut into frames of at most `rowsMax` rows after every `every` of them. */
function framesOf(decisions: number, every: number, rowsMax = 50) {
  const world = new FakeWorld("acme", decisions * 31 + every);
  const frames: FrameMessage[] = [];
  let after = 0n;
  for (let i = 1; i <= decisions; i += 1) {
    world.decide(START + i * 10);
    if (i % every !== 0 && i !== decisions) continue;
    const frame = world.frame(after, rowsMax);
    if (frame === undefined) continue;
    frames.push(frame);
    after = BigInt(frame.to_seq);
  }
  return { all: world.decisions({ limit: "100000" }).rows.toReversed(), frames, world };
}

const shown = (items: readonly FeedItem[]) =>
  items.flatMap((item) => (item.kind === "decision" ? [item.row.seq] : []));
const marks = (items: readonly FeedItem[]) =>
  items.filter((item): item is Missing => item.kind === "missing");
const seqs = (rows: readonly DecisionRow[]) => rows.map(({ seq }) => seq);

/** The decisions among the entries of a mark, as the API would give them. */
function between(world: FakeWorld, { from, to }: Missing): DecisionRow[] {
  const after = (from - 1n).toString();
  return world.decisions({ after, before: (to + 1n).toString(), limit: "100000" }).rows;
}

test("take: shows what frames bring, once, in order", () => {
  const { all, frames } = framesOf(500, 7);
  const feed = new Feed();
  for (const frame of frames) expect(feed.take(frame)).toBe(true);
  for (const frame of frames) expect(feed.take(frame)).toBe(false);
  expect(shown(feed.items)).toEqual(seqs(all));
  expect(feed.received).toBe(500);
  expect(feed.cursor).toBe(BigInt(frames.at(-1)?.to_seq ?? 0));
});

test("take: frames that are lost, repeated or late leave marks, and filled marks leave nothing out", () => {
  const fate = fc.constantFrom("arrives", "is lost", "arrives twice");
  fc.assert(
    fc.property(
      fc.integer({ max: 40, min: 1 }),
      fc.integer({ max: 20, min: 1 }),
      fc.array(fate, { maxLength: 60, minLength: 60 }),
      (every, rowsMax, fates) => {
        const { all, frames, world } = framesOf(300, every, rowsMax);
        const feed = new Feed();
        feed.begin(0n, []);
        const last = frames.length - 1;
        for (const [i, frame] of frames.entries()) {
          const happens = i === last ? "arrives" : fates[i % fates.length];
          if (happens === "is lost") continue;
          feed.take(frame);
          if (happens === "arrives twice") feed.take(frame);
        }
        for (const mark of marks(feed.items)) feed.fill(mark, between(world, mark));
        expect(marks(feed.items)).toEqual([]);
        expect(shown(feed.items)).toEqual(seqs(all));
      },
    ),
  );
});

test("take: what is omitted is counted", () => {
  const { frames } = framesOf(400, 100, 20);
  const feed = new Feed();
  for (const frame of frames) feed.take(frame);
  expect(feed.received).toBe(400);
  const missing = marks(feed.items).reduce((sum, { count = 0 }) => sum + count, 0);
  expect(shown(feed.items).length + missing).toBe(400);
});

test("begin: goes on behind what Postgres had", () => {
  const { all, frames, world } = framesOf(200, 10);
  const head = BigInt(frames[9]?.to_seq ?? 0);
  const feed = new Feed();
  feed.begin(head, world.decisions({ before: (head + 1n).toString(), limit: "30" }).rows);
  for (const frame of frames) feed.take(frame);
  expect(shown(feed.items)).toEqual(seqs(all).slice(100 - 30));
  expect(feed.received).toBe(100);
});

test("take: keeps the latest, and says how many have left", () => {
  const { all, frames } = framesOf(900, 9);
  const feed = new Feed(100);
  for (const frame of frames) feed.take(frame);
  expect(feed.items).toHaveLength(100);
  expect(shown(feed.items)).toEqual(seqs(all).slice(-100));
  expect(feed.evicted).toBe(800);
});

test("take: a large buffer is cut now and then, and never grows beyond its slack", () => {
  const { frames } = framesOf(4_000, 40);
  const feed = new Feed(1_000);
  let most = 0;
  for (const frame of frames) {
    feed.take(frame);
    most = Math.max(most, feed.items.length);
  }
  expect(most).toBeLessThanOrEqual(1_540);
  expect(feed.items.length + feed.evicted).toBe(4_000);
});

test("skip: a hole that the server names is marked, and not twice", () => {
  const feed = new Feed();
  feed.begin(10n, []);
  feed.skip(5n, 20n);
  feed.skip(12n, 20n);
  expect(feed.items).toEqual([{ count: undefined, from: 11n, kind: "missing", to: 20n }]);
  expect(feed.cursor).toBe(20n);
});

test("fill: what could not all be loaded leaves a smaller mark", () => {
  const { all, world } = framesOf(100, 100);
  const mark: Missing = { count: undefined, from: 1n, kind: "missing", to: world.head };
  const restTo = BigInt(all[39]?.seq ?? 0);
  const items = filled([mark], mark, all.slice(40), restTo);
  expect(items[0]).toEqual({ count: undefined, from: 1n, kind: "missing", to: restTo });
  expect(shown(items)).toEqual(seqs(all.slice(40)));
  const rest = marks(items)[0] as Missing;
  expect(shown(filled(items, rest, between(world, rest)))).toEqual(seqs(all));
});

test("passes: a filter shows its own, and marks wherever its own may be missing", () => {
  const { frames } = framesOf(300, 100, 20);
  const feed = new Feed();
  for (const frame of frames) feed.take(frame);
  const under = (filter: Parameters<typeof passes>[1]) =>
    feed.items.filter((item) => passes(item, filter));
  const holds = under({ outcome: "hold" });
  expect(holds.length).toBeGreaterThan(0);
  expect(holds.every((item) => item.kind === "decision" && item.row.outcome === "hold")).toBe(true);
  expect(marks(under({ outcome: "admit" })).length).toBeGreaterThan(0);
  expect(marks(under({ agent: "bulk-embed" })).length).toBeGreaterThan(0);
});
