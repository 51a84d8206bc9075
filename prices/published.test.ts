/**
 * Goal: the package's floats become the very prices that vendors publish, and nothing is under-priced.
 * Method: prices written down by hand, with where from; made-up models for what must be refused; every
 * model's cost held against the package's own calculation, which is independent of ours.
 */
import { calcPrice, type ModelInfo } from "@pydantic/genai-prices";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { costOfUsage } from "../ledger/cost.ts";
import type { ExactCost } from "../ledger/money.ts";
import { type Unit, usageOf } from "../ledger/usage.ts";
import {
  PRICED_PROVIDERS,
  PRICES_AS_OF,
  type PublishedModel,
  PublishedPriceError,
  readModel,
  readPublished,
} from "./published.ts";
import { cardBands } from "./rates.ts";

const published = readPublished();

function model(provider: string, id: string): PublishedModel {
  const found = published.models.find((price) => price.provider === provider && price.model === id);
  if (found === undefined) throw new Error(`${provider}/${id} is not published`);
  return found;
}

/** Rates of one band in dollars per million tokens, for reading. */
function usd(provider: string, id: string, band = 0): { [U in Unit]?: number } {
  const rates = model(provider, id).bands[band]?.rates ?? {};
  const entries = Object.entries(rates).map(([unit, pico]) => [
    unit,
    Number(pico) / (unit === "web_search" ? 1e9 : 1e6),
  ]);
  return Object.fromEntries(entries) as { [U in Unit]?: number };
}

describe("spot checks", () => {
  // https://platform.claude.com/docs/en/about-claude/pricing and the models' own pages, read 2026-11-22;
  // Opus 5.5's cache from https://github.com/TheKrush/PromptFuel/releases/tag/v1.0.21, same day.
  test.each([
    ["claude-haiku-4-5", 1, 1.25, 2, 0.1, 5],
    ["claude-sonnet-4-6", 3, 3.75, 6, 0.3, 15],
    ["claude-sonnet-5", 2, 2.5, 4, 0.2, 10],
    ["claude-opus-4-1", 15, 18.75, 30, 1.5, 75],
    ["claude-opus-4-8", 5, 6.25, 10, 0.5, 25],
    ["claude-opus-5-5", 4, 5, 8, 0.2, 20],
    ["claude-fable-5-1", 10, 12.5, 20, 0.25, 50],
  ])("read: %s as Anthropic publishes it", (id, input, write5m, write1h, read, output) => {
    expect(usd("anthropic", id)).toEqual({
      cache_read: read,
      cache_write_1h: write1h,
      cache_write_5m: write5m,
      input,
      output,
      web_search: 10,
    });
  });

  // gpt-5.6-luna, gpt-6-sol and gpt-6-luna from https://developers.openai.com/api/docs/models/…, read
  // 2026-11-22. The older ones are list prices of years; no page of the vendor's was read for them again.
  test.each([
    ["gpt-4o", 2.5, 1.25, 10],
    ["gpt-4o-mini", 0.15, 0.075, 0.6],
    ["gpt-4.1", 2, 0.5, 8],
    ["gpt-5", 1.25, 0.125, 10],
    ["gpt-5-mini", 0.25, 0.025, 2],
    ["gpt-5-nano", 0.05, 0.005, 0.4],
    ["gpt-5.6-luna", 0.2, 0.02, 1.2],
    ["gpt-6-sol", 2, 0.2, 10],
    ["gpt-6-luna", 0.1, 0.01, 0.5],
  ])("read: %s as OpenAI publishes it", (id, input, read, output) => {
    expect(usd("openai", id)).toMatchObject({ cache_read: read, input, output });
  });

  test("read: the regional price of Bedrock is ten percent over the global one, its gap filled", () => {
    expect(usd("aws", "regional.anthropic.claude-sonnet-4-5-20250929-v1:0")).toEqual({
      cache_read: 0.33,
      cache_write_1h: 6.6,
      cache_write_5m: 4.125,
      input: 3.3,
      output: 16.5,
    });
  });
});

describe("bands", () => {
  test("read: over 200K of Sonnet 4.5 begins at 200,001, for the whole request", () => {
    expect(model("anthropic", "claude-sonnet-4-5").bands.map((band) => band.from_input)).toEqual([
      0n,
      200_001n,
    ]);
    expect(usd("anthropic", "claude-sonnet-4-5", 1)).toMatchObject({ input: 6, output: 22.5 });
  });

  test("read: gpt-5.4 is dearer from 272,000 on, gpt-6-sol above it", () => {
    expect(model("openai", "gpt-5.4").bands.map((band) => band.from_input)).toEqual([0n, 272_000n]);
    expect(model("openai", "gpt-6-sol").bands.map((band) => band.from_input)).toEqual([
      0n,
      272_001n,
    ]);
  });

  test("read: a price that replaced a tiered one has one band, and says since when", () => {
    const opus = model("anthropic", "claude-opus-4-6");
    expect([opus.bands.length, opus.since]).toEqual([1, "2026-03-13"]);
  });
});

describe("dated prices", () => {
  test("read: a rise that is announced counts already", () => {
    const flash = model("google", "gemini-3.8-flash");
    expect(flash.scheduled).toEqual(["2027-01-01"]);
    expect(usd("google", "gemini-3.8-flash")).toMatchObject({ input: 1.5, output: 7.5 });
  });

  test("read: a fall that is announced does not count yet", () => {
    const read = readModel("openai", {
      id: "x",
      match: { equals: "x" },
      prices: [
        { prices: { input_mtok: 2, output_mtok: 8 } },
        {
          constraint: { start_date: "2099-01-01", type: "start_date" },
          prices: { input_mtok: 1, output_mtok: 4 },
        },
      ],
    });
    expect("bands" in read && read.bands[0]?.rates.input).toBe(2_000_000n);
  });

  test("read: of prices by the hour the dearest holds", () => {
    const night = { end_time: "06:00:00Z", start_time: "00:00:00Z", type: "time_of_date" } as const;
    const read = readModel("openai", {
      id: "x",
      match: { equals: "x" },
      prices: [
        { prices: { input_mtok: 2, output_mtok: 4 } },
        { constraint: night, prices: { input_mtok: 1, output_mtok: 8 } },
      ],
    });
    expect("bands" in read && read.bands[0]?.rates).toMatchObject({
      input: 2_000_000n,
      output: 8_000_000n,
    });
  });
});

describe("what is refused", () => {
  const made = (prices: ModelInfo["prices"], rest: Partial<ModelInfo> = {}) =>
    readModel("openai", { id: "x", match: { equals: "x" }, prices, ...rest });

  test.each([
    ["a price of zero", { input_mtok: 0, output_mtok: 1 }, /zero/],
    ["a cache read of zero", { cache_read_mtok: 0, input_mtok: 1, output_mtok: 1 }, /zero/],
    [
      "a tier of zero",
      { input_mtok: { base: 1, tiers: [{ price: 0, start: 9 }] }, output_mtok: 1 },
      /zero/,
    ],
    ["no output price", { input_mtok: 1 }, /no price per input and output/],
    [
      "a price per request",
      { input_mtok: 1, output_mtok: 1, requests_kcount: 5 },
      /requests_kcount/,
    ],
    ["a price per second", { audio_hours: 1, input_mtok: 1, output_mtok: 1 }, /audio_hours/],
    [
      "output in pictures",
      { input_mtok: 1, output_image_mtok: 9, output_mtok: 1 },
      /output_image_mtok/,
    ],
  ])("leave out: %s", (_, prices, why) => {
    const read = made(prices as ModelInfo["prices"]);
    expect("why" in read ? read.why : "").toMatch(why);
  });

  test("leave out: a price that the package itself doubts", () => {
    const read = made(
      { input_mtok: 1, output_mtok: 1 },
      { price_comments: "Imported from OpenRouter pricing; verify" },
    );
    expect("why" in read).toBe(true);
  });

  test("read: a price that is no whole number of pico-USD is a fault", () => {
    expect(() => made({ input_mtok: 0.1 + 0.2, output_mtok: 1 })).toThrow(PublishedPriceError);
  });

  test.each([
    "whisper-1",
    "text-embedding-3-small",
    "gpt-realtime",
    "gpt-4o-audio-preview",
    "gpt-image-1",
    "moderation",
  ])("leave out: %s", (id) => {
    expect(published.models.some((price) => price.model === id)).toBe(false);
    expect(published.leftOut.some((left) => left.model === id)).toBe(true);
  });

  test("read: every provider has models, and each has a price above zero of all token units", () => {
    expect(new Set(published.models.map((price) => price.provider))).toEqual(
      new Set(PRICED_PROVIDERS),
    );
    for (const { bands } of published.models) {
      for (const { rates } of bands) {
        for (const unit of [
          "cache_read",
          "cache_write_1h",
          "cache_write_5m",
          "input",
          "output",
        ] as const) {
          expect(rates[unit] ?? 0n).toBeGreaterThan(0n);
        }
      }
    }
  });
});

/** The package's own price for the same usage, in pico-USD, as a float. */
function theirs(price: PublishedModel, usage: { [U in Unit]?: bigint }): number {
  const count = (unit: Unit) => Number(usage[unit] ?? 0n);
  const writes = count("cache_write_5m") + count("cache_write_1h");
  const result = calcPrice(
    {
      cache_read_tokens: count("cache_read"),
      cache_write_1h_tokens: count("cache_write_1h"),
      cache_write_tokens: writes,
      input_tokens: count("input") + count("cache_read") + writes,
      output_tokens: count("output"),
    },
    price.model,
    { providerId: price.provider, timestamp: new Date(`${PRICES_AS_OF}T12:00:00Z`) },
  );
  // Another model's rule may match this id first: then there is nothing to compare with.
  if (result?.model.id !== price.model) return Number.NaN;
  return result.total_price * 1e12;
}

function toFloat(cost: ExactCost): number {
  return Number(cost.numerator) / Number(cost.denominator);
}

const count = fc.oneof(
  fc.bigInt({ min: 0n, max: 400_000n }),
  fc.constantFrom(0n, 100_000n, 199_999n, 200_000n, 200_001n, 271_999n, 272_000n, 272_001n),
);

test("cost: is never below the package's own, and equals it where it publishes every price used", () => {
  let compared = 0;
  fc.assert(
    fc.property(
      fc.constantFrom(...published.models),
      fc.record({
        cache_read: count,
        cache_write_1h: count,
        cache_write_5m: count,
        input: count,
        output: count,
      }),
      (price, counts) => {
        const usage = usageOf(counts);
        const expected = theirs(price, usage);
        if (Number.isNaN(expected)) return;
        const cost = costOfUsage(
          {
            bands: cardBands(price.bands),
            modalities: ["text"],
            model: price.model,
            output_max: 1n,
            provider: price.provider,
            window: 1n,
          },
          usage,
        );
        if ("unpriced" in cost) throw new Error(`${price.model} does not price ${cost.unpriced}`);
        compared++;
        expect(toFloat(cost)).toBeGreaterThanOrEqual(expected * (1 - 1e-9));
        // Claude 2 publishes no cache price, so ours may be above there.
        const whole = price.provider === "anthropic" && !/^claude-(2|v1)/.test(price.model);
        const most = whole ? expected * (1 + 1e-9) : Number.POSITIVE_INFINITY;
        expect(toFloat(cost)).toBeLessThanOrEqual(most);
      },
    ),
    { numRuns: 3_000 },
  );
  expect(compared).toBeGreaterThan(2_000);
});
