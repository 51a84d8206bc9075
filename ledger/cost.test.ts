/**
 * Goal: the one place that prices a usage is exact, and a hold covers whatever its bound allows.
 * Method: random price cards (bands, `per` other than 1, holes) and random usages inside random bounds,
 * against a sum in plain fractions; a table of limits.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { InvariantError } from "./assert.ts";
import { boundTokens, costOfUsage, isWithinBound, worstCaseCost } from "./cost.ts";
import { holdAmount, settleAmount } from "./money.ts";
import {
  bandFor,
  laneKey,
  type ModelPrice,
  modelKey,
  type RateBand,
  TIERS,
  tierRank,
  type UnitPrice,
} from "./price-card.ts";
import { UNITS, type Unit, type Usage, type UsageBound, usageOf } from "./usage.ts";

const anyPrice: fc.Arbitrary<UnitPrice> = fc.record({
  per: fc.oneof(fc.constant(1n), fc.constantFrom(7n, 60n, 1_000n, 3_600n)),
  pico_usd: fc.bigInt({ max: 10n ** 10n, min: 0n }),
});
const allUnits = fc.record(Object.fromEntries(UNITS.map((unit) => [unit, anyPrice])));

function anyModel(units: fc.Arbitrary<RateBand["units"]>): fc.Arbitrary<ModelPrice> {
  return fc
    .record({
      bands: fc.array(units, { maxLength: 4, minLength: 1 }),
      output_max: fc.bigInt({ max: 100_000n, min: 1n }),
      steps: fc.array(fc.bigInt({ max: 200_000n, min: 1n }), { maxLength: 3, minLength: 3 }),
      window: fc.bigInt({ max: 1_000_000n, min: 1n }),
    })
    .map(({ bands, output_max, steps, window }) => ({
      bands: bands.map((band, i) => ({
        from_input: steps.slice(0, i).reduce((a, b) => a + b, 0n),
        units: band,
      })),
      modalities: ["text"],
      model: "m",
      output_max,
      provider: "p",
      window,
    }));
}

const anyBound: fc.Arbitrary<UsageBound> = fc
  .record({
    cache_write: fc.subarray(["1h", "5m"] as const),
    choices: fc.bigInt({ max: 4n, min: 1n }),
    counted: fc.boolean(),
    hidden_input: fc.boolean(),
    input: fc.bigInt({ max: 1_500_000n, min: 0n }),
    iterations: fc.bigInt({ max: 3n, min: 1n }),
    output: fc.option(fc.bigInt({ max: 200_000n, min: 0n }), { nil: undefined }),
    web_search: fc.bigInt({ max: 5n, min: 0n }),
  })
  .map(({ output, ...rest }) => ({
    ...rest,
    modalities: ["text"],
    ...(output === undefined ? {} : { output }),
  }));

/** A share of a whole, in parts of 1,000. */
const share = fc.bigInt({ max: 1_000n, min: 0n });
const shares = fc.tuple(share, share, share, share, share, share);

/** A usage that this bound allows on this model. */
function usageWithin(
  price: ModelPrice,
  bound: UsageBound,
  [all, read, write5, write1, out, searches]: readonly bigint[],
): Usage {
  const part = (of: bigint, by: bigint | undefined) => (of * (by ?? 0n)) / 1_000n;
  const tokens = boundTokens(price, bound);
  const prompt = part(tokens.input, all);
  const cache_read = part(prompt, read);
  const may = (kind: "1h" | "5m") => bound.cache_write.includes(kind);
  const cache_write_5m = may("5m") ? part(prompt - cache_read, write5) : 0n;
  const cache_write_1h = may("1h") ? part(prompt - cache_read - cache_write_5m, write1) : 0n;
  return usageOf({
    cache_read,
    cache_write_1h,
    cache_write_5m,
    input: prompt - cache_read - cache_write_5m - cache_write_1h,
    output: part(tokens.output, out),
    web_search: part(bound.web_search, searches),
  });
}

describe("worst case", () => {
  test("worst case: covers every usage within the bound, also after rounding", () => {
    fc.assert(
      fc.property(anyModel(allUnits), anyBound, shares, (price, bound, parts) => {
        const usage = usageWithin(price, bound, parts);
        expect(isWithinBound(price, bound, usage)).toBe(true);
        const held = worstCaseCost(price, bound);
        const spent = costOfUsage(price, usage);
        if ("unpriced" in held || "unpriced" in spent) throw new Error("a full card has no holes");
        expect(held.numerator * spent.denominator >= spent.numerator * held.denominator).toBe(true);
        expect(holdAmount(held) >= settleAmount(spent)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  const flat = (units: { readonly [U in Unit]?: bigint }, window = 1_000n): ModelPrice => ({
    bands: [{ from_input: 0n, units: prices(units) }],
    modalities: ["text"],
    model: "m",
    output_max: 100n,
    provider: "p",
    window,
  });
  const base: UsageBound = {
    cache_write: [],
    choices: 1n,
    counted: false,
    hidden_input: false,
    input: 200n,
    iterations: 1n,
    modalities: ["text"],
    web_search: 0n,
  };
  const all = {
    input: 10n,
    output: 100n,
    cache_write_5m: 12n,
    cache_write_1h: 20n,
    cache_read: 1n,
  };

  test.each<[string, Partial<UsageBound>, bigint]>([
    ["plain input and the largest output", {}, 200n * 10n + 100n * 100n],
    ["an output below the largest", { output: 7n }, 2_000n + 700n],
    ["an output above the largest", { output: 700n }, 2_000n + 10_000n],
    ["every choice's output", { choices: 3n, output: 7n }, 2_000n + 2_100n],
    ["a five-minute write", { cache_write: ["5m"], output: 0n }, 2_400n],
    ["the dearer of two writes", { cache_write: ["1h", "5m"], output: 0n }, 4_000n],
    ["the whole window for what is hidden", { hidden_input: true, output: 0n }, 10_000n],
    ["the whole window for what is longer", { input: 5_000n, output: 0n }, 10_000n],
    ["exactly the window", { input: 1_000n, output: 0n }, 10_000n],
    ["the window in each of its rounds", { iterations: 3n, output: 1n }, 30_000n + 300n],
  ])("worst case: %s", (_, change, numerator) => {
    expect(worstCaseCost(flat(all), { ...base, ...change })).toEqual({
      denominator: 1n,
      numerator,
    });
  });

  test("worst case: searches are in it, and unpriced ones refuse the bound", () => {
    const searching = { ...base, output: 0n, web_search: 3n };
    expect(worstCaseCost(flat({ ...all, web_search: 9n }), searching)).toMatchObject({
      numerator: 2_027n,
    });
    expect(worstCaseCost(flat(all), searching)).toEqual({ unpriced: "web_search" });
  });

  test("worst case: a write that has no price refuses the bound, a read without one does not", () => {
    const { cache_write_1h: _, ...noHour } = all;
    expect(worstCaseCost(flat(noHour), { ...base, cache_write: ["1h"] })).toEqual({
      unpriced: "cache_write_1h",
    });
    const { cache_read: __, ...noRead } = all;
    expect(worstCaseCost(flat(noRead), { ...base, output: 0n })).toMatchObject({
      numerator: 2_000n,
    });
    expect(worstCaseCost(flat({ output: 1n }), base)).toEqual({ unpriced: "input" });
  });

  test("worst case: prices are compared across their `per`", () => {
    const price = flat(all);
    const units = {
      input: { per: 1n, pico_usd: 10n },
      cache_write_5m: { per: 100n, pico_usd: 999n },
      output: { per: 1n, pico_usd: 0n },
    };
    const model = { ...price, bands: [{ from_input: 0n, units }] };
    // 9.99 a token is less than 10, though 999 is the greater number.
    expect(worstCaseCost(model, { ...base, cache_write: ["5m"] })).toMatchObject({
      numerator: 2_000n,
    });
  });

  test("worst case: looks at every band that the prompt can reach, and at no other", () => {
    const price = (band: bigint) => prices({ input: band, output: 0n });
    const model = {
      ...flat(all),
      bands: [
        { from_input: 0n, units: price(9n) },
        { from_input: 100n, units: price(2n) },
        { from_input: 201n, units: price(50n) },
      ],
    };
    expect(worstCaseCost(model, base)).toMatchObject({ numerator: 200n * 9n });
    expect(worstCaseCost(model, { ...base, input: 201n })).toMatchObject({ numerator: 201n * 50n });
  });

  test("worst case: a card without a band from 0 is a fault", () => {
    const model = { ...flat(all), bands: [{ from_input: 500n, units: prices(all) }] };
    expect(() => worstCaseCost(model, base)).toThrow(InvariantError);
    expect(() => bandFor(model, 1n)).toThrow("p/m has no band from 0");
  });

  test("bound: what exceeds it in any way is not within", () => {
    const model = flat(all);
    const within = (usage: Usage, change: Partial<UsageBound> = {}) =>
      isWithinBound(model, { ...base, ...change }, usage);
    expect(within({ input: 200n, output: 100n })).toBe(true);
    expect(within({ cache_read: 1n, input: 200n })).toBe(false);
    expect(within({ output: 101n })).toBe(false);
    expect(within({ web_search: 1n })).toBe(false);
    expect(within({ cache_write_5m: 1n })).toBe(false);
    expect(within({ cache_write_1h: 1n }, { cache_write: ["5m"] })).toBe(false);
    expect(within({ cache_write_1h: 1n }, { cache_write: ["1h"] })).toBe(true);
  });
});

function prices(units: { readonly [U in Unit]?: bigint }): RateBand["units"] {
  return Object.fromEntries(
    Object.entries(units).map(([unit, pico_usd]) => [unit, { per: 1n, pico_usd }]),
  );
}

describe("cost of a usage", () => {
  const counts = fc.record(
    Object.fromEntries(UNITS.map((unit) => [unit, fc.bigInt({ max: 10n ** 6n, min: 0n })])),
    { requiredKeys: [] },
  );

  test("cost: is the exact sum of counts at the rates of the whole prompt's band", () => {
    fc.assert(
      fc.property(anyModel(allUnits), counts, (price, given) => {
        const usage = usageOf(given as Usage);
        const cost = costOfUsage(price, usage);
        if ("unpriced" in cost) throw new Error("a full card has no holes");
        const prompt =
          (usage.input ?? 0n) +
          (usage.cache_read ?? 0n) +
          (usage.cache_write_5m ?? 0n) +
          (usage.cache_write_1h ?? 0n);
        const band = price.bands.findLast(({ from_input }) => from_input <= prompt) as RateBand;
        // Over the product of all `per`s, which every denominator divides.
        const whole = UNITS.reduce((all, unit) => all * (band.units[unit]?.per ?? 1n), 1n);
        let sum = 0n;
        for (const unit of UNITS) {
          const rate = band.units[unit] as UnitPrice;
          sum += ((usage[unit] ?? 0n) * rate.pico_usd * whole) / rate.per;
        }
        expect(cost.numerator * whole).toBe(sum * cost.denominator);
      }),
      { numRuns: 300 },
    );
  });

  test("cost: a used unit without a price has none, an unused one costs nothing (R6)", () => {
    fc.assert(
      fc.property(fc.subarray([...UNITS]), fc.subarray([...UNITS]), (priced, used) => {
        const rates = prices(Object.fromEntries(priced.map((unit) => [unit, 1n])));
        const model: ModelPrice = {
          bands: [{ from_input: 0n, units: rates }],
          modalities: [],
          model: "m",
          output_max: 1n,
          provider: "p",
          window: 1n,
        };
        const cost = costOfUsage(model, Object.fromEntries(used.map((unit) => [unit, 1n])));
        const missing = UNITS.filter((unit) => used.includes(unit) && !priced.includes(unit));
        if (missing.length === 0) {
          expect(cost).toEqual({ denominator: 1n, numerator: BigInt(used.length) });
        } else expect(cost).toEqual({ unpriced: missing[0] });
      }),
    );
  });

  test("cost: a band's rates apply to the whole request from its very first token on", () => {
    const model: ModelPrice = {
      bands: [
        { from_input: 0n, units: prices({ cache_read: 1n, input: 1n }) },
        { from_input: 200n, units: prices({ cache_read: 2n, input: 2n }) },
      ],
      modalities: [],
      model: "m",
      output_max: 1n,
      provider: "p",
      window: 1_000n,
    };
    expect(costOfUsage(model, { cache_read: 99n, input: 100n })).toMatchObject({ numerator: 199n });
    expect(costOfUsage(model, { cache_read: 100n, input: 100n })).toMatchObject({
      numerator: 400n,
    });
  });

  test("cost: a negative count is a fault", () => {
    const model: ModelPrice = {
      bands: [{ from_input: 0n, units: prices({ input: 1n }) }],
      modalities: [],
      model: "m",
      output_max: 1n,
      provider: "p",
      window: 1n,
    };
    expect(() => costOfUsage(model, { output: -1n })).toThrow("negative");
  });
});

test("tier: heavier is greater; keys name lane and model", () => {
  expect(TIERS.map(tierRank)).toEqual([0, 1, 2, 3]);
  expect(laneKey({ family: "claude", provider: "aws", region: "us" })).toBe("aws/claude/us");
  expect(modelKey("aws", "m")).toBe("aws/m");
});
