/**
 * Goal: usage is counted in disjoint buckets that add up.
 * Method: random counts, summed by hand.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { InvariantError } from "./assert.ts";
import { addUsage, INPUT_UNITS, inputTokens, isUnit, UNITS, type Usage, usageOf } from "./usage.ts";

const count = fc.bigInt({ max: 10n ** 9n, min: 0n });
const anyUsage = fc
  .record(Object.fromEntries(UNITS.map((unit) => [unit, count])), { requiredKeys: [] })
  .map((counts) => usageOf(counts as Usage));

test("usage: stands in canonical order and leaves zeros out", () => {
  expect(Object.keys(usageOf({ web_search: 1n, output: 0n, input: 3n, cache_read: 2n }))).toEqual([
    "cache_read",
    "input",
    "web_search",
  ]);
  expect(usageOf({ input: undefined })).toEqual({});
  expect([...UNITS]).toEqual([...UNITS].sort());
});

test("usage: a negative count is a fault", () => {
  expect(() => usageOf({ input: -1n })).toThrow(InvariantError);
});

test("add: sums bucket by bucket", () => {
  fc.assert(
    fc.property(anyUsage, anyUsage, (a, b) => {
      const sum = addUsage(a, b);
      for (const unit of UNITS) expect(sum[unit] ?? 0n).toBe((a[unit] ?? 0n) + (b[unit] ?? 0n));
      expect(inputTokens(sum)).toBe(inputTokens(a) + inputTokens(b));
    }),
  );
});

test("prompt: is read, written and plain input together, without output and searches", () => {
  expect(
    inputTokens({
      cache_read: 1n,
      cache_write_1h: 10n,
      cache_write_5m: 100n,
      input: 1_000n,
      output: 10_000n,
      web_search: 100_000n,
    }),
  ).toBe(1_111n);
  expect(inputTokens({})).toBe(0n);
  expect(INPUT_UNITS.every(isUnit)).toBe(true);
  expect(isUnit("tokens")).toBe(false);
});
