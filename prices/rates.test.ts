/**
 * Goal: a gap is filled upward, and of several price lists the dearest holds at every prompt length.
 * Method: hand-made rates, and property checks over made-up lists.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { UNITS } from "../ledger/usage.ts";
import { dearestOf, type FilledBand, fillBands, fillUpward } from "./rates.ts";

describe("fillUpward", () => {
  test("fill: Claude's cache writes are 1.25 and 2 times input, a read is input", () => {
    expect(fillUpward({ input: 3_300_000n, output: 16_500_000n }, true)).toEqual({
      cache_read: 3_300_000n,
      cache_write_1h: 6_600_000n,
      cache_write_5m: 4_125_000n,
      input: 3_300_000n,
      output: 16_500_000n,
    });
  });

  test("fill: elsewhere a write costs input, and an hour no less than five minutes", () => {
    const filled = fillUpward({ cache_write_5m: 5n, input: 4n, output: 20n }, false);
    expect([filled.cache_write_5m, filled.cache_write_1h]).toEqual([5n, 5n]);
    const bare = fillUpward({ input: 4n, output: 20n }, false);
    expect([bare.cache_read, bare.cache_write_5m, bare.cache_write_1h]).toEqual([4n, 4n, 4n]);
  });

  test("fill: a derived price that does not divide is rounded up", () => {
    expect(fillUpward({ input: 1n, output: 1n }, true).cache_write_5m).toBe(2n);
  });

  test("fill: keeps what is published and never prices a search", () => {
    const published = {
      cache_read: 1n,
      cache_write_1h: 7n,
      cache_write_5m: 6n,
      input: 4n,
      output: 9n,
    };
    expect(fillUpward(published, true)).toEqual(published);
  });

  test("fill: a model without input or output is a fault", () => {
    expect(() => fillUpward({ input: 1n }, false)).toThrow(/price of input and output/);
  });
});

const bands = fc
  .uniqueArray(fc.bigInt({ min: 1n, max: 1_000n }), { maxLength: 3 })
  .chain((starts) =>
    fc.tuple(
      ...[0n, ...starts].map((from_input) =>
        fc.record({
          from_input: fc.constant(from_input),
          rates: fc.record({
            input: fc.bigInt({ min: 1n, max: 99n }),
            output: fc.bigInt({ min: 1n, max: 99n }),
          }),
        }),
      ),
    ),
  )
  .map((list) => fillBands(list as FilledBand[], false));

function rateAt(list: readonly FilledBand[], prompt: bigint, unit: (typeof UNITS)[number]) {
  return list.filter((band) => band.from_input <= prompt).at(-1)?.rates[unit];
}

test("dearestOf: at every prompt length each unit costs the greatest of the lists", () => {
  fc.assert(
    fc.property(bands, bands, fc.bigInt({ min: 0n, max: 1_200n }), (a, b, prompt) => {
      const both = dearestOf([a, b]);
      for (const unit of UNITS) {
        const [x = 0n, y = 0n] = [rateAt(a, prompt, unit), rateAt(b, prompt, unit)];
        expect(rateAt(both, prompt, unit) ?? 0n).toBe(x > y ? x : y);
      }
    }),
  );
});

test("dearestOf: a unit that one list does not price stays unpriced", () => {
  const list = (rates: object) =>
    fillBands([{ from_input: 0n, rates: { input: 1n, output: 1n, ...rates } }], false);
  expect(dearestOf([list({ web_search: 5n }), list({})])[0]?.rates.web_search).toBeUndefined();
});

test("fillBands: bands that do not begin at 0 are a fault", () => {
  expect(() => fillBands([{ from_input: 5n, rates: { input: 1n, output: 1n } }], false)).toThrow(
    /starts at 0/,
  );
});
