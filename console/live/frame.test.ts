/**
 * Goal: frames count every entry once, show every refusal while a page can keep up, and say what they
 * leave out. Method: random ledgers cut into random stretches, added up again; and overload by hand.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { factAt, ledgers, Told } from "../testing/facts.ts";
import type { Fact } from "./fact.ts";
import { FRAME_ROWS_MAX, nextFrame, WAITING_ROWS_MAX } from "./frame.ts";

/** Tells a page of a ledger that grows by so many entries a frame. */
function tell(ledger: readonly Fact[], steps: readonly number[], agent?: string): Told {
  const told = new Told(0n);
  let after = 0;
  let arrived = 0;
  const step = (more: number) => {
    arrived = Math.min(ledger.length, arrived + more);
    const facts = ledger.slice(after, arrived);
    const from = told.at + 1n;
    const frame = nextFrame({ ws: "acme", from, facts, agent, now: 0 });
    if (frame === undefined) return false;
    after = Number(frame.to);
    if (frame.concerns) told.frame(frame.message);
    return true;
  };
  for (const more of steps) step(more);
  for (let more = true; more; ) more = step(ledger.length);
  return told;
}

test("frames: totals, agents, seconds and rows come to the ledger, and every refusal is shown", () => {
  fc.assert(
    fc.property(
      ledgers(400),
      fc.array(fc.nat(120), { maxLength: 12 }),
      fc.option(fc.constantFrom("bot", "other", "nobody"), { nil: undefined }),
      (ledger, steps, agent) => {
        const told = tell(ledger, steps, agent);
        expect(told.problems(ledger, agent)).toEqual([]);
        const due = ledger.filter(
          (fact) =>
            fact.row !== undefined &&
            fact.row.outcome !== "admit" &&
            (agent === undefined || fact.agent === agent),
        );
        expect(told.refusals).toEqual(due.map(({ seq }) => String(seq)));
      },
    ),
  );
});

test("rows: refusals go before admits, and what is left out is said", () => {
  const facts = Array.from({ length: 100 }, (_, i) =>
    factAt(i + 1, i % 4 === 0 ? "hold" : "admit"),
  );
  const frame = nextFrame({ ws: "acme", from: 1n, facts, now: 0 });
  const rows = frame?.message.rows ?? [];
  expect(rows).toHaveLength(FRAME_ROWS_MAX);
  expect(rows.filter(({ outcome }) => outcome === "hold")).toHaveLength(25);
  expect(frame?.message.omitted).toEqual({ admit: 50, throttle: 0, hold: 0 });
  expect(frame?.message.totals).toMatchObject({ admit: 75, hold: 25, throttle: 0 });
});

test("rows: with more refusals than fit, a frame ends before the next one, and the rest follows", () => {
  const facts = Array.from({ length: 120 }, (_, i) => factAt(i + 1, "hold"));
  const first = nextFrame({ ws: "acme", from: 1n, facts, now: 0 });
  expect(first?.to).toBe(50n);
  const told = tell(facts, [120]);
  expect(told.frames.map(({ rows }) => rows.length)).toEqual([50, 50, 20]);
  expect(told.frames.every(({ omitted }) => omitted.hold === 0)).toBe(true);
});

test("rows: a page that is too far behind is told the latest, the totals, and how many it misses", () => {
  const count = WAITING_ROWS_MAX + 10;
  const facts = Array.from({ length: count }, (_, i) => factAt(i + 1, "hold"));
  const frame = nextFrame({ ws: "acme", from: 1n, facts, now: 0 });
  expect(frame?.to).toBe(BigInt(count));
  expect(frame?.message.totals.hold).toBe(count);
  expect(frame?.message.omitted.hold).toBe(count - FRAME_ROWS_MAX);
  expect(frame?.message.rows.at(-1)?.seq).toBe(String(count));
});

test("month: is as the last entry that moved it left it, whichever agent is watched", () => {
  const facts = [factAt(1, "admit", "bot"), factAt(2, "settle", "other"), factAt(3, "takeover")];
  const frame = nextFrame({ ws: "acme", from: 1n, facts, agent: "bot", now: 0 });
  expect(frame?.message.month).toEqual({
    period: "2026-11@UTC",
    settled_nano: "2",
    held_nano: "4",
  });
});
