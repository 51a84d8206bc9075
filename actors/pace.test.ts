/**
 * Goal: pace is what ledger rules §4 says, to the basis point, and the greatest governs.
 * Method: the formula by hand in a table, its edges (limit 0, the first tenth, no cap), and fractions.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type CapView, governingPace, leastRemaining, paceOf, shortfall } from "./cap.ts";
import { nanoUsd } from "./testing/world.ts";

const DAY = 86_400_000;
const MONTH = { end: 30 * DAY, key: "m", start: 0 };

function view(limit: bigint | undefined, settled: bigint, held = 0n, bounds = MONTH): CapView {
  return {
    bounds,
    counter: {
      cap: "c",
      held: nanoUsd(held),
      kind: "month",
      lastAt: 0,
      period: "m",
      settled: nanoUsd(settled),
    },
    limit: limit === undefined ? undefined : nanoUsd(limit),
  };
}

describe("pace", () => {
  test.each<[string, CapView, number, bigint | undefined]>([
    ["half used at half time", view(100n, 50n), 15 * DAY, 10_000n],
    ["holds count as used", view(100n, 20n, 30n), 15 * DAY, 10_000n],
    ["half used at the end", view(100n, 50n), 30 * DAY, 5_000n],
    ["a tenth used on day one counts against a tenth of the month", view(100n, 10n), DAY, 10_000n],
    ["the first millisecond counts as a tenth too", view(100n, 1n), 0, 1_000n],
    ["the tenth ends after three days", view(100n, 10n), 3 * DAY, 10_000n],
    ["and then time counts", view(100n, 10n), 6 * DAY, 5_000n],
    ["all used at half time", view(100n, 100n), 15 * DAY, 20_000n],
    ["above the cap", view(100n, 150n), 30 * DAY, 15_000n],
    ["a fraction is cut off", view(3n, 1n), 30 * DAY, 3_333n],
    ["nothing used", view(100n, 0n), 15 * DAY, 0n],
    ["corrected below zero", view(100n, -5n), 15 * DAY, 0n],
    ["a limit of 0 counts as full", view(0n, 0n), 15 * DAY, 10_000n],
    ["a limit of 0 counts as full, also used", view(0n, 77n), 0, 10_000n],
    ["no limit has none", view(undefined, 50n), 15 * DAY, undefined],
    ["a run has none", { ...view(100n, 50n), bounds: undefined }, 15 * DAY, undefined],
    [
      "amounts beyond 2^53 are exact",
      view(9_000_000_000_000_000_001n, 4_500_000_000_000_000_000n),
      15 * DAY,
      9_999n,
    ],
  ])("pace: %s", (_, cap, now, expected) => {
    expect(paceOf(cap, now)).toBe(expected);
  });

  test("pace: is the floor of committed share over elapsed share", () => {
    const inputs = fc.record({
      held: fc.bigInt({ max: 10n ** 15n, min: 0n }),
      limit: fc.bigInt({ max: 10n ** 15n, min: 1n }),
      now: fc.nat({ max: 30 * DAY }),
      settled: fc.bigInt({ max: 10n ** 15n, min: 0n }),
      start: fc.nat({ max: 1_000_000 }),
    });
    fc.assert(
      fc.property(inputs, ({ limit, settled, held, now, start }) => {
        const bounds = { end: start + 30 * DAY, key: "m", start };
        const pace = paceOf(view(limit, settled, held, bounds), start + now) as bigint;
        const elapsed = BigInt(Math.max(now, 3 * DAY));
        const exact = (settled + held) * 10_000n * BigInt(30 * DAY);
        expect(pace * limit * elapsed <= exact && exact < (pace + 1n) * limit * elapsed).toBe(true);
      }),
    );
  });

  test("pace: the greatest governs, and the first of equals is named", () => {
    const named = (cap: string, given: CapView) => ({
      ...given,
      counter: { ...given.counter, cap },
    });
    const now = 15 * DAY;
    const caps = [
      named("run", { ...view(1n, 1n), bounds: undefined }),
      named("a", view(100n, 10n)),
      named("b", view(100n, 40n)),
      named("c", view(100n, 40n)),
      named("d", view(undefined, 999n)),
    ];
    expect(governingPace(caps, now)).toEqual({ cap: "b", value: 8_000n });
    expect(governingPace(caps.slice(4), now)).toBeUndefined();
    expect(leastRemaining(caps)).toEqual({ cap: "run", value: 0n });
    expect(leastRemaining(caps.slice(1))).toEqual({ cap: "b", value: 60n });
    expect(leastRemaining(caps.slice(4))).toBeUndefined();
  });
});

test("shortfall: is what an amount misses a cap by, also below zero (R5)", () => {
  expect(shortfall(view(100n, 90n), nanoUsd(10n))).toBe(0n);
  expect(shortfall(view(100n, 90n), nanoUsd(11n))).toBe(1n);
  expect(shortfall(view(100n, 150n), nanoUsd(1n))).toBe(51n);
  expect(shortfall(view(undefined, 150n), nanoUsd(1n))).toBe(0n);
});
