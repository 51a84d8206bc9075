/**
 * Goal: contract prices replace or derive exactly, rounded up once, and every mistake is told.
 * Method: rates as the file's reader hands them over; discounts held against exact arithmetic.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Lane, LaneTier, UnitPrice } from "../ledger/price-card.ts";
import { UNITS } from "../ledger/usage.ts";
import { buildPriceCard, findLane, findModel, type PriceCard } from "./card.ts";
import { applyPriceFiles, applyRates, type ContractRate } from "./contract-rates.ts";
import type { Overridden } from "./overrides.ts";

const card = buildPriceCard();
const source = "contract 2026-17";

function per(pico_usd: bigint): UnitPrice {
  return { per: 1n, pico_usd };
}

function rate(provider: string, model: string, rest: Partial<ContractRate>): ContractRate {
  return { model, provider, source, ...rest };
}

function good(result: Overridden): PriceCard {
  if (!result.ok) throw new Error(told(result).join("\n"));
  return result.card;
}

function told(result: Overridden): readonly string[] {
  return result.ok
    ? []
    : result.problems.map(({ path, message }) => `${path.join(".")}: ${message}`);
}

function pico(of: PriceCard, provider: string, model: string, band = 0) {
  const units = findModel(of, provider, model)?.bands[band]?.units ?? {};
  return Object.fromEntries(Object.entries(units).map(([unit, price]) => [unit, price.pico_usd]));
}

describe("fixed prices", () => {
  test("apply: replace what they name, in every band, and nothing else", () => {
    const units = { input: per(2_250_000n), output: per(13_500_000n) };
    const next = good(applyRates(card, [rate("openai", "gpt-5.4", { units })]));
    for (const band of [0, 1]) {
      expect(pico(next, "openai", "gpt-5.4", band)).toEqual({
        ...pico(card, "openai", "gpt-5.4", band),
        input: 2_250_000n,
        output: 13_500_000n,
      });
    }
    expect(pico(next, "openai", "gpt-5.5")).toEqual(pico(card, "openai", "gpt-5.5"));
    expect(next.hash).not.toBe(card.hash);
  });

  test("apply: the contract stands in the card", () => {
    const next = good(
      applyRates(card, [rate("openai", "*", { discount_ppm: 1n, from: "2026-11-01" })]),
    );
    expect(next.contracts).toEqual([
      { from: "2026-11-01", model: "*", provider: "openai", source },
    ]);
    expect(card.contracts).toEqual([]);
  });
});

describe("discounts", () => {
  test("apply: one holds for every model of its provider, but for those named", () => {
    const next = good(
      applyRates(card, [
        rate("anthropic", "*", { discount_ppm: 100_000n }),
        rate("anthropic", "claude-opus-5-5", { discount_ppm: 200_000n }),
      ]),
    );
    expect(pico(next, "anthropic", "claude-sonnet-5")["input"]).toBe(1_800_000n);
    expect(pico(next, "anthropic", "claude-opus-5-5")["input"]).toBe(3_200_000n);
    expect(pico(next, "openai", "gpt-4o")).toEqual(pico(card, "openai", "gpt-4o"));
  });

  test("apply: a negative one is a surcharge", () => {
    const next = good(applyRates(card, [rate("openai", "*", { discount_ppm: -100_000n })]));
    expect(pico(next, "openai", "gpt-4o")["input"]).toBe(2_750_000n);
  });

  test("apply: a derived price is the least whole pico that is not below the exact one", () => {
    fc.assert(
      fc.property(fc.bigInt({ max: 999_999n, min: 1n }), (ppm) => {
        const next = good(applyRates(card, [rate("openai", "gpt-5-nano", { discount_ppm: ppm })]));
        const before = pico(card, "openai", "gpt-5-nano");
        const after = pico(next, "openai", "gpt-5-nano");
        for (const unit of UNITS) {
          const [from, to] = [before[unit] ?? 0n, after[unit] ?? 0n];
          const exact = from * (1_000_000n - ppm);
          expect(to * 1_000_000n >= exact && (to - 1n) * 1_000_000n < exact).toBe(true);
        }
      }),
      { numRuns: 25 },
    );
  });
});

describe("mistakes", () => {
  test("apply: tells all of them at once, each with its field", () => {
    const result = applyRates(card, [
      rate("nobody", "*", { discount_ppm: 5n }),
      rate("openai", "gpt-4o", {}),
      rate("openai", "gpt-99", { units: { input: per(1n) } }),
      rate("openai", "gpt-98", { units: { input: per(1n), output: per(1n) } }),
      rate("openai", "*", { units: { input: per(1n) } }),
      rate("openai", "gpt-5", { units: { output: per(0n) } }),
      rate("aws", "*", { discount_ppm: 1_000_000n }),
      rate("google", "*", { discount_ppm: 5n }),
      rate("google", "*", { discount_ppm: 5n }),
    ]);
    expect(told(result)).toEqual([
      "0.provider: nobody has no priced models",
      "1: changes nothing: give a discount or prices",
      "2.model: gpt-99 is not in the price card at openai: give its input and output prices",
      "3.model: gpt-98 is not in the price card at openai: give its window in lanes.yaml",
      "4: has prices for every model: name the model they are for",
      "5: has a price of 0 for output, which counts as no price",
      "6: takes off everything: a price of 0 counts as no price, and the calls would be refused",
      "8: google/* is listed twice",
    ]);
  });

  test("apply: input below a cache read would let a settle outgrow its hold", () => {
    const result = applyRates(card, [
      rate("openai", "gpt-4o", { units: { input: per(1_000_000n) } }),
    ]);
    expect(told(result)).toEqual([
      "0.input: leaves a cache read dearer than input: give prices for both",
    ]);
  });
});

describe("both files", () => {
  const lane: Lane = {
    api: "openai",
    family: "own",
    prices: "openai",
    provider: "openai",
    region: "cellar",
    tiers: [{ aliases: [], model: "own-1", tier: "S" } satisfies LaneTier],
  };
  const limits = [{ model: "own-1", tier: "S", window: 100_000n }] as const;
  const own = rate("openai", "own-1", { units: { input: per(2n), output: per(8n) } });

  test("apply: a lane can name a model that only a contract prices", () => {
    const laid = applyPriceFiles(card, { lanes: [{ lane, limits }], rates: [own] });
    if (!laid.ok) throw new Error(JSON.stringify(laid.problems));
    expect(findLane(laid.card, lane)?.tiers).toEqual(lane.tiers);
    expect(findModel(laid.card, "openai", "own-1")).toMatchObject({
      modalities: ["text"],
      output_max: 100_000n,
      window: 100_000n,
    });
    expect(pico(laid.card, "openai", "own-1")["cache_write_1h"]).toBe(2n);
  });

  test("apply: mistakes say which file they are in", () => {
    const laid = applyPriceFiles(card, {
      lanes: [{ lane, limits }],
      rates: [rate("openai", "gpt-4o", {})],
    });
    expect(laid.ok ? [] : laid.problems.map(({ file, path }) => [file, ...path])).toEqual([
      ["lanes", 0, "tiers", "S", "model"],
      ["rates", 0],
    ]);
  });

  test("apply: no files change nothing", () => {
    const laid = applyPriceFiles(card, {});
    expect(laid.ok && laid.card.hash).toBe(card.hash);
  });
});
