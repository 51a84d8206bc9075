/**
 * Goal: one card, the same everywhere; every hold on it covers every settle; what it lacks is refused.
 * Method: its bytes and hash, also from another process; fast-check over all models of all lanes.
 */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { boundTokens, costOfUsage, isWithinBound, worstCaseCost } from "../ledger/cost.ts";
import { holdAmount, settleAmount } from "../ledger/money.ts";
import { laneKey, type ModelPrice } from "../ledger/price-card.ts";
import { parseJson } from "../ledger/schema.ts";
import { type UsageBound, usageOf } from "../ledger/usage.ts";
import { priceSettings } from "../ledger/workspace-config.ts";
import {
  buildPriceCard,
  cardBytes,
  cardFor,
  findLane,
  findModel,
  isFreeRoute,
  modelsLeftOut,
  readsAreCovered,
  stampCard,
} from "./card.ts";

const card = buildPriceCard();
const CLAUDE = { family: "claude", provider: "anthropic", region: "global" } as const;
const GPT = { family: "gpt", provider: "openai", region: "global" } as const;

describe("the hash", () => {
  // A changed hash is a changed price, limit or lane: check docs/prices.md, then put the new one here.
  test("hash: is the one that was last looked at", () => {
    expect(card.hash).toBe("bb8c84a10bc4680c40f2db762d45e2cf9e557a14ca8e01c1273778404d25f926");
  });

  test("hash: another process makes the same card", () => {
    const entry = fileURLToPath(new URL("./card.ts", import.meta.url));
    const script = `import(${JSON.stringify(entry)}).then((m) => console.log(m.buildPriceCard().hash))`;
    const out = execFileSync(process.execPath, ["--input-type=module", "-e", script], {
      encoding: "utf8",
    });
    expect(out.trim()).toBe(card.hash);
  });

  test("hash: does not depend on the order of models and lanes, and does on every price", () => {
    const turned = stampCard({
      ...card,
      lanes: card.lanes.toReversed(),
      models: card.models.toReversed(),
    });
    expect(turned.hash).toBe(card.hash);
    const [first, ...rest] = card.models;
    const dearer = stampCard({
      ...card,
      models: [{ ...(first as ModelPrice), window: 1n }, ...rest],
    });
    expect(dearer.hash).not.toBe(card.hash);
  });

  test("bytes: are plain canonical JSON without floats", () => {
    const bytes = cardBytes(card);
    expect(JSON.stringify(JSON.parse(bytes))).toBe(bytes);
    expect(bytes).not.toMatch(/\d\.\d+[,}\]]/);
  });

  test("build: happens once", () => {
    expect(buildPriceCard()).toBe(card);
  });
});

describe("look-up", () => {
  test("findModel: an unknown model is unpriced, not free", () => {
    expect(findModel(card, "openai", "gpt-99")).toBeUndefined();
    expect(findModel(card, "anthropic", "gpt-4o")).toBeUndefined();
    expect(findModel(card, "openai", "whisper-1")).toBeUndefined();
  });

  test("findModel: a dated id costs what its model costs", () => {
    const dated = findModel(card, "openai", "gpt-4o-2024-08-06");
    expect(dated?.bands).toEqual(findModel(card, "openai", "gpt-4o")?.bands);
    expect(findModel(card, "anthropic", "claude-sonnet-4-5-20250929")?.output_max).toBe(64_000n);
  });

  test("findModel: what the package lacks comes from our own rows", () => {
    const haiku = findModel(card, "anthropic", "claude-haiku-4-5");
    const newer = findModel(card, "anthropic", "claude-haiku-5-5");
    expect(haiku?.bands.length).toBe(1);
    expect(newer?.bands.map((band) => [band.from_input, band.units.input?.pico_usd])).toEqual([
      [0n, 100_000n],
      [100_001n, 500_000n],
    ]);
  });

  test("models: a window is the greater of the two known, an unknown output is the window", () => {
    expect(findModel(card, "openai", "gpt-5.5")?.window).toBe(1_050_000n);
    const opus = findModel(card, "anthropic", "claude-3-opus-latest");
    expect(opus?.output_max).toBe(opus?.window);
  });

  test("models: each has bands from 0, limits above 0 and no zero price", () => {
    for (const { bands, modalities, output_max, window } of card.models) {
      expect(bands[0]?.from_input).toBe(0n);
      expect(modalities.length > 0 && window > 0n && output_max > 0n && output_max <= window).toBe(
        true,
      );
      for (const { units } of bands) {
        for (const price of Object.values(units)) expect(price.pico_usd).toBeGreaterThan(0n);
      }
    }
  });

  test("modelsLeftOut: a model without a window is named with the reason", () => {
    const left = modelsLeftOut().find(({ model }) => model === "gemini-2.5-pro");
    expect(left?.why).toMatch(/context window/);
  });

  test("isFreeRoute: counting tokens is free, and nothing else", () => {
    expect(isFreeRoute(card, "anthropic", "/v1/messages/count_tokens")).toBe(true);
    expect(isFreeRoute(card, "anthropic", "/v1/messages")).toBe(false);
    expect(isFreeRoute(card, "openai", "/v1/messages/count_tokens")).toBe(false);
  });

  test("stampCard: two prices of one model, and a read above its input, are faults", () => {
    const [first] = card.models as [ModelPrice];
    expect(() => stampCard({ ...card, models: [...card.models, first] })).toThrow(/once/);
    const units = { cache_read: { per: 1n, pico_usd: 9n }, input: { per: 1n, pico_usd: 8n } };
    const wrong = { ...first, bands: [{ from_input: 0n, units }] };
    expect(readsAreCovered(wrong)).toBe(false);
    expect(() => stampCard({ ...card, lanes: [], models: [wrong] })).toThrow(/covered/);
  });

  test("stampCard: a lane that names an unpriced model is a fault", () => {
    expect(() => stampCard({ ...card, models: [] })).toThrow(/is priced/);
  });
});

describe("cardFor", () => {
  test("cut: holds the lanes asked for and their models only, once each", () => {
    const settings = cardFor(card, [GPT, CLAUDE, GPT]);
    expect(settings.card).toBe(card.hash);
    expect(settings.lanes.map(laneKey)).toEqual(["anthropic/claude/global", "openai/gpt/global"]);
    expect(settings.models.length).toBe(8);
  });

  test("cut: is what an entry can carry, byte for byte", () => {
    const bytes = priceSettings.write(cardFor(card, card.lanes));
    const read = parseJson(priceSettings, bytes);
    expect(read.ok && priceSettings.write(read.value)).toBe(bytes);
    // An entry is at most 65,535 bytes (architecture §4); the other fields need a few hundred.
    expect(bytes.length).toBeLessThan(32_768);
  });

  test("cut: an unknown lane is a fault", () => {
    expect(findLane(card, { ...GPT, region: "mars" })).toBeUndefined();
    expect(() => cardFor(card, [{ ...GPT, region: "mars" }])).toThrow(/openai\/gpt\/mars/);
  });
});

const laneModels = card.lanes.flatMap(({ prices, tiers }) =>
  tiers.map(({ model }) => findModel(card, prices, model) as ModelPrice),
);

const anyBound: fc.Arbitrary<UsageBound> = fc
  .record({
    counted: fc.boolean(),
    cache_write: fc.subarray(["5m", "1h"] as const),
    choices: fc.bigInt({ min: 1n, max: 4n }),
    hidden_input: fc.boolean(),
    input: fc.bigInt({ min: 0n, max: 1_200_000n }),
    iterations: fc.bigInt({ min: 1n, max: 3n }),
    output: fc.option(fc.bigInt({ min: 0n, max: 200_000n }), { nil: undefined }),
    web_search: fc.bigInt({ min: 0n, max: 5n }),
  })
  .map(({ output, ...rest }) => ({
    ...rest,
    modalities: ["text"],
    ...(output === undefined ? {} : { output }),
  }));

test("worst case: covers every usage within its bound, for every model of every lane and of the card", () => {
  const share = fc.double({ max: 1, min: 0, noNaN: true });
  let within = 0;
  fc.assert(
    fc.property(
      fc.oneof(fc.constantFrom(...laneModels), fc.constantFrom(...card.models)),
      anyBound,
      fc.tuple(share, share, share, share, share),
      (price, asked, [all, a, b, c, out]) => {
        const searches = price.bands[0]?.units.web_search === undefined ? 0n : asked.web_search;
        const bound = { ...asked, web_search: searches };
        const tokens = boundTokens(price, bound);
        const part = (of: bigint, by: number) => (of * BigInt(Math.floor(by * 1e6))) / 1_000_000n;
        const prompt = part(tokens.input, all);
        const cache_read = part(prompt, a);
        const cache_write_5m = bound.cache_write.includes("5m") ? part(prompt - cache_read, b) : 0n;
        const rest = prompt - cache_read - cache_write_5m;
        const cache_write_1h = bound.cache_write.includes("1h") ? part(rest, c) : 0n;
        const input = rest - cache_write_1h;
        const output = part(tokens.output, out);
        const usage = usageOf({
          cache_read,
          cache_write_1h,
          cache_write_5m,
          input,
          output,
          web_search: searches,
        });
        expect(isWithinBound(price, bound, usage)).toBe(true);
        within++;
        const held = worstCaseCost(price, bound);
        const spent = costOfUsage(price, usage);
        if ("unpriced" in held || "unpriced" in spent)
          throw new Error(`${price.model} is unpriced`);
        expect(held.numerator * spent.denominator >= spent.numerator * held.denominator).toBe(true);
        expect(holdAmount(held) >= settleAmount(spent)).toBe(true);
      },
    ),
    { numRuns: 2_000 },
  );
  expect(within).toBe(2_000);
});
