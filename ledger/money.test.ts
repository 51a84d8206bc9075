/**
 * Goal: no nano-dollar is made or lost when amounts are read, written, rounded or added.
 * Method: round trips and bounds over random int64 amounts; rounding against exact fractions and a table.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { InvariantError } from "./assert.ts";
import {
  addUsd,
  type ExactCost,
  formatExactCost,
  formatUsd,
  holdAmount,
  INT64_MAX,
  INT64_MIN,
  isCallCost,
  isInt64,
  leastUsd,
  NANO_PER_CENT,
  NANO_PER_USD,
  nanoUsd,
  parseUsd,
  settleAmount,
  subtractUsd,
} from "./money.ts";

const anyAmount = fc.bigInt({ max: INT64_MAX, min: INT64_MIN }).map(nanoUsd);
const anyCost: fc.Arbitrary<ExactCost> = fc.record({
  denominator: fc.oneof(fc.constant(1n), fc.bigInt({ max: 7_200n, min: 1n })),
  numerator: fc.bigInt({ max: 10n ** 20n, min: 0n }),
});

describe("text", () => {
  test("parse: reads back every amount that format writes", () => {
    fc.assert(
      fc.property(anyAmount, (amount) => {
        const written = formatUsd(amount);
        expect(written).toMatch(/^-?\d+\.\d{2,9}$/);
        expect(parseUsd(written)).toBe(amount);
      }),
    );
  });

  test.each([
    [0n, "0.00"],
    [1n, "0.000000001"],
    [-1n, "-0.000000001"],
    [NANO_PER_CENT, "0.01"],
    [12_500_000_000n, "12.50"],
    [12_345_678_900n, "12.3456789"],
    [INT64_MAX, "9223372036.854775807"],
    [INT64_MIN, "-9223372036.854775808"],
  ])("format: %d nano-USD is %s", (amount, written) => {
    expect(formatUsd(nanoUsd(amount))).toBe(written);
  });

  test.each([
    ["$60,000", 60_000n * NANO_PER_USD],
    ["$5.00", 5n * NANO_PER_USD],
    [" 0.000000001 ", 1n],
    ["-$1.5", -1_500_000_000n],
    ["1,234,567.89", 1_234_567_890_000_000n],
    ["9223372036.854775807", INT64_MAX],
  ])("parse: reads %s", (written, amount) => {
    expect(parseUsd(written)).toBe(amount);
  });

  test.each([
    "",
    "$",
    "5.",
    ".5",
    "1e3",
    "1,00",
    "1,0000",
    "10,00.00",
    "0.0000000001",
    "$-5",
    "--5",
    "5 USD",
    "٥",
    "9223372036.854775808",
    "-9223372036.854775809",
  ])("parse: refuses %j", (written) => {
    expect(parseUsd(written)).toBeUndefined();
  });
});

describe("rounding", () => {
  test("hold: rounds up, by less than one nano-dollar", () => {
    fc.assert(
      fc.property(anyCost, (cost) => {
        const divisor = cost.denominator * 1_000n;
        const excess = holdAmount(cost) * divisor - cost.numerator;
        expect(excess >= 0n && excess < divisor).toBe(true);
      }),
    );
  });

  test("settle: is the nearest amount, and the even one of two that are as near", () => {
    fc.assert(
      fc.property(anyCost, (cost) => {
        const divisor = cost.denominator * 1_000n;
        const rounded = settleAmount(cost);
        const error = rounded * divisor - cost.numerator;
        const twice = 2n * (error < 0n ? -error : error);
        expect(twice <= divisor).toBe(true);
        if (twice === divisor) expect(rounded % 2n).toBe(0n);
      }),
    );
  });

  test.each([
    [0n, 0n, 0n],
    [1n, 0n, 1n],
    [499n, 0n, 1n],
    [500n, 0n, 1n],
    [501n, 1n, 1n],
    [999n, 1n, 1n],
    [1_000n, 1n, 1n],
    [1_500n, 2n, 2n],
    [2_500n, 2n, 3n],
    [2_501n, 3n, 3n],
    [3_500n, 4n, 4n],
  ])("round: %d pico-USD settles at %d and holds at %d", (numerator, settled, held) => {
    expect(settleAmount({ denominator: 1n, numerator })).toBe(settled);
    expect(holdAmount({ denominator: 1n, numerator })).toBe(held);
  });

  test("round: a price per 3,600 seconds rounds once, at the end", () => {
    // $2 an hour for 5,399 s: 2.99944… dollars.
    const cost = { denominator: 3_600n, numerator: 5_399n * 2n * 10n ** 12n };
    expect(settleAmount(cost)).toBe(2_999_444_444n);
    expect(holdAmount(cost)).toBe(2_999_444_445n);
    expect(formatExactCost(cost)).toBe("10798000000000000/3600");
    expect(formatExactCost({ denominator: 1n, numerator: 7n })).toBe("7");
  });

  test("round: a hold is never less than the settle of the same cost", () => {
    fc.assert(
      fc.property(anyCost, (cost) => {
        expect(holdAmount(cost) >= settleAmount(cost)).toBe(true);
      }),
    );
  });

  test.each([
    { denominator: 1n, numerator: -1n },
    { denominator: 0n, numerator: 1n },
  ])("round: a negative cost or an empty denominator is a fault: %o", (cost) => {
    expect(() => holdAmount(cost)).toThrow(InvariantError);
    expect(() => settleAmount(cost)).toThrow(InvariantError);
  });
});

describe("range", () => {
  test("add and subtract: stay inside int64 or fault", () => {
    fc.assert(
      fc.property(anyAmount, anyAmount, (a, b) => {
        if (isInt64(a + b)) expect(addUsd(a, b)).toBe(a + b);
        else expect(() => addUsd(a, b)).toThrow("int64");
        if (isInt64(a - b)) expect(subtractUsd(a, b)).toBe(a - b);
        else expect(() => subtractUsd(a, b)).toThrow("int64");
        expect(leastUsd(a, b)).toBe(a < b ? a : b);
      }),
    );
    expect(() => addUsd(nanoUsd(INT64_MAX), nanoUsd(1n))).toThrow(InvariantError);
    expect(() => subtractUsd(nanoUsd(INT64_MIN), nanoUsd(1n))).toThrow(InvariantError);
  });

  test("call: costs up to a million dollars, and no more", () => {
    const million = 1_000_000n * 10n ** 12n;
    expect(isCallCost({ denominator: 1n, numerator: million })).toBe(true);
    expect(isCallCost({ denominator: 1n, numerator: million + 1n })).toBe(false);
    expect(isCallCost({ denominator: 60n, numerator: 60n * million })).toBe(true);
    expect(isCallCost({ denominator: 60n, numerator: 60n * million + 1n })).toBe(false);
  });
});
