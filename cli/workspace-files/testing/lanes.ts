import type { Lane } from "../../../ledger/price-card.ts";

/** Two lanes such as a catalogue has; the model names are made up. */
export const LANES: readonly Lane[] = [
  {
    api: "bedrock",
    family: "claude",
    provider: "anthropic-bedrock",
    region: "us-east-1",
    prices: "aws",
    tiers: [
      { tier: "S", model: "small", aliases: [] },
      { tier: "M", model: "medium", aliases: [] },
      { tier: "L", model: "large", aliases: [] },
      { tier: "XL", model: "extra", aliases: [] },
    ],
  },
  {
    api: "openai",
    family: "gpt",
    provider: "openai",
    region: "global",
    prices: "openai",
    tiers: [
      { tier: "S", model: "nano", aliases: [] },
      { tier: "L", model: "full", aliases: ["full-latest"] },
    ],
  },
];
