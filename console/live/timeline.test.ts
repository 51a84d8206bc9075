/**
 * Goal: whatever is lost, doubled or comes in another order, a timeline hands on every entry once and in
 * order, and a hole that cannot be filled is named. Method: random deliveries against the list itself.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { factAt, ledgers } from "../testing/facts.ts";
import type { Fact } from "./fact.ts";
import { Timeline } from "./timeline.ts";

function seqs(facts: readonly Fact[]): bigint[] {
  return facts.map(({ seq }) => seq);
}

function factsAfter(timeline: Timeline, after: bigint): readonly Fact[] {
  const following = timeline.following(after);
  if (following.kind !== "facts") throw new Error(`not facts: ${following.kind}`);
  return following.facts;
}

test("take: any order, with losses that are filled, comes out as the ledger", () => {
  fc.assert(
    fc.property(
      ledgers(60),
      fc.array(fc.nat(), { maxLength: 200 }),
      fc.nat(60),
      (ledger, deliveries, start) => {
        const timeline = new Timeline(1_000);
        const head = BigInt(Math.min(start, ledger.length));
        const deliver = (one: number) => {
          const fact = ledger[one % ledger.length];
          if (fact !== undefined) timeline.take(fact);
        };
        // Some come before it is known where to begin.
        const early = deliveries.slice(0, 10);
        for (const one of early) deliver(one);
        timeline.begin(head);
        for (const one of deliveries.slice(10)) {
          deliver(one);
          const expected = seqs(ledger).filter((seq) => seq > head && seq <= timeline.head);
          expect(seqs(factsAfter(timeline, head))).toEqual(expected);
        }
        timeline.know(BigInt(ledger.length));
        for (let hole = timeline.missing(); hole !== undefined; hole = timeline.missing()) {
          const { from, to } = hole;
          expect(from).toBe(timeline.head + 1n);
          for (const fact of ledger) if (fact.seq >= from && fact.seq <= to) timeline.take(fact);
        }
        expect(timeline.head).toBe(BigInt(ledger.length));
        expect(factsAfter(timeline, head)).toEqual(ledger.slice(Number(head)));
      },
    ),
  );
});

test("missing: names the hole up to the next entry that is here", () => {
  const timeline = new Timeline(100);
  timeline.begin(4n);
  expect(timeline.missing()).toBeUndefined();
  timeline.take(factAt(8, "admit"));
  timeline.take(factAt(12, "admit"));
  expect(timeline.missing()).toEqual({ from: 5n, to: 7n });
  timeline.take(factAt(5, "admit"));
  expect(timeline.missing()).toEqual({ from: 6n, to: 7n });
  timeline.take(factAt(7, "admit"));
  timeline.take(factAt(6, "admit"));
  expect(timeline.missing()).toEqual({ from: 9n, to: 11n });
});

test("giveUp: a hole is told as one, and what comes late for it is dropped", () => {
  const timeline = new Timeline(100);
  timeline.begin(0n);
  timeline.take(factAt(1, "admit"));
  timeline.take(factAt(5, "hold"));
  timeline.giveUp(4n);
  expect(timeline.head).toBe(5n);
  timeline.take(factAt(3, "hold"));
  expect(seqs(factsAfter(timeline, 0n))).toEqual([1n]);
  expect(timeline.following(1n)).toEqual({ kind: "hole", hole: { from: 2n, to: 4n } });
  expect(timeline.following(2n)).toEqual({ kind: "hole", hole: { from: 3n, to: 4n } });
  expect(seqs(factsAfter(timeline, 4n))).toEqual([5n]);
});

test("prepend: joins what reaches the first entry without a hole, and refuses the rest", () => {
  const timeline = new Timeline(100);
  timeline.begin(10n);
  timeline.take(factAt(11, "admit"));
  expect(timeline.following(7n)).toEqual({ kind: "forgotten", first: 11n });
  expect(timeline.prepend([factAt(8, "admit"), factAt(10, "admit")])).toBe(false);
  expect(timeline.prepend([factAt(9, "admit")])).toBe(false);
  expect(timeline.prepend([8, 9, 10].map((seq) => factAt(seq, "admit")))).toBe(true);
  expect(seqs(factsAfter(timeline, 7n))).toEqual([8n, 9n, 10n, 11n]);
});

test("keep: what is older is forgotten, and what waits beyond a hole is bounded", () => {
  const timeline = new Timeline(20);
  timeline.begin(0n);
  for (let seq = 1; seq <= 100; seq++) timeline.take(factAt(seq, "admit"));
  expect(timeline.head).toBe(100n);
  expect(Number(timeline.head - timeline.first)).toBeLessThan(26);
  expect(timeline.following(50n).kind).toBe("forgotten");
  for (let seq = 102; seq <= 1_000; seq++) timeline.take(factAt(seq, "admit"));
  timeline.take(factAt(101, "admit"));
  // The rest of them has to be read again.
  expect(timeline.head).toBe(121n);
  expect(timeline.missing()).toEqual({ from: 122n, to: 1_000n });
});
