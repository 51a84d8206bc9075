import type { Lane, ModelPrice, Tier } from "../../ledger/price-card.ts";
import type { UsageBound } from "../../ledger/usage.ts";
import type { PriceSettings } from "../../ledger/workspace-config.ts";

/** Prices by tier: $1, $2, $4 and $8 a million tokens in, five times that out. */
export function modelPrice(tier: Tier, perMillion: bigint): ModelPrice {
  const price = (pico: bigint) => ({ per: 1n, pico_usd: pico });
  return {
    bands: [
      {
        from_input: 0n,
        units: {
          cache_read: price(perMillion * 100_000n),
          cache_write_1h: price(perMillion * 2_000_000n),
          cache_write_5m: price(perMillion * 1_250_000n),
          input: price(perMillion * 1_000_000n),
          output: price(perMillion * 5_000_000n),
          web_search: price(10_000_000_000n),
        },
      },
    ],
    modalities: ["image", "text"],
    model: `model-${tier.toLowerCase()}`,
    output_max: 8_000n,
    provider: "acme",
    window: 200_000n,
  };
}

const TIER_PRICES = [
  ["S", 1n],
  ["M", 2n],
  ["L", 4n],
  ["XL", 8n],
] as const;

export const LANE: Lane = {
  api: "anthropic",
  family: "acme",
  prices: "acme",
  provider: "acme",
  region: "global",
  tiers: TIER_PRICES.map(([tier]) => ({
    aliases: [`alias-${tier.toLowerCase()}`],
    model: `model-${tier.toLowerCase()}`,
    tier,
  })),
};

export const PRICES: PriceSettings = {
  card: "ab".repeat(32),
  lanes: [LANE],
  models: TIER_PRICES.map(([tier, perMillion]) => modelPrice(tier, perMillion)),
};

/** A bound of so many tokens in and out: at tier S, $1 a million in and $5 out. */
export function bound(input: bigint, output: bigint): UsageBound {
  return {
    cache_write: [],
    choices: 1n,
    counted: false,
    hidden_input: false,
    input,
    iterations: 1n,
    modalities: ["text"],
    output,
    web_search: 0n,
  };
}
