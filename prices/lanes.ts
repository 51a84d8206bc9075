import {
  type Api,
  type Lane,
  type LaneTier,
  laneKey,
  TIERS,
  type Tier,
} from "../ledger/price-card.ts";
import type { Source } from "./overlay.ts";

/** A lane of the catalogue: each tier's model id, then its other names. */
interface LaneRow extends Source {
  readonly api: Api;
  readonly family: string;
  readonly provider: string;
  readonly region: string;
  /** Provider id of the price package under which the models are priced. */
  readonly prices: string;
  readonly tiers: { readonly [T in Tier]?: readonly [model: string, ...aliases: string[]] };
}

const READ = "2026-11-22";

/** Sizes of one family, and the vendor's most capable model above them. */
const GPT_TIERS: LaneRow["tiers"] = {
  S: ["gpt-5.6-luna"],
  M: ["gpt-5.6-terra"],
  L: ["gpt-5.6-sol", "gpt-5.6"],
  XL: ["gpt-6-astra"],
};

/**
 * The built-in lanes. A tier is dearer than the one below it at any usage that both can take, so a
 * step down never costs more; `lanes.test.ts` holds that. Where a vendor's newer model is cheaper than
 * its elder of the same size, the steps are kept and the newer one is left to `lanes.yaml`.
 */
const CATALOGUE: readonly LaneRow[] = [
  {
    api: "anthropic",
    family: "claude",
    provider: "anthropic",
    region: "global",
    prices: "anthropic",
    tiers: {
      S: ["claude-haiku-4-5", "claude-haiku-4-5-20251001"],
      M: ["claude-sonnet-5"],
      L: ["claude-opus-5-5"],
      XL: ["claude-fable-5-1"],
    },
    source: "@anthropic-ai/sdk 1.12.0 resources/messages/messages.d.ts, type Model",
    read: READ,
  },
  {
    // Bedrock's ids of the regional price list; Fable 5.1 is regional in us-east-1 only.
    api: "bedrock",
    family: "claude",
    provider: "anthropic-bedrock",
    region: "us-east-1",
    prices: "aws",
    tiers: {
      S: [
        "regional.anthropic.claude-haiku-4-5-20251001-v1:0",
        "anthropic.claude-haiku-4-5-20251001-v1:0",
        "claude-haiku-4-5",
        "us.anthropic.claude-haiku-4-5-20251001-v1:0",
      ],
      M: [
        "regional.anthropic.claude-sonnet-5-v1:0",
        "anthropic.claude-sonnet-5",
        "claude-sonnet-5",
        "us.anthropic.claude-sonnet-5",
      ],
      L: [
        "regional.anthropic.claude-opus-5-5",
        "anthropic.claude-opus-5-5",
        "claude-opus-5-5",
        "us.anthropic.claude-opus-5-5",
      ],
      XL: [
        "regional.anthropic.claude-fable-5-1-v1:0",
        "anthropic.claude-fable-5-1",
        "claude-fable-5-1",
        "us.anthropic.claude-fable-5-1-v1:0",
      ],
    },
    source: "@pydantic/genai-prices 0.1.8, match rules of provider aws",
    read: READ,
  },
  {
    // The price package prices Azure's global deployments as OpenAI's own models (its
    // `fallback_model_providers`). A deployment's name is the operator's: `lanes.yaml` lists it as alias.
    api: "azure",
    family: "gpt",
    provider: "azure",
    region: "global",
    prices: "openai",
    tiers: GPT_TIERS,
    source: "@pydantic/genai-prices 0.1.8, provider azure",
    read: READ,
  },
  {
    api: "google",
    family: "gemini",
    provider: "google",
    region: "global",
    prices: "google",
    tiers: {
      S: ["gemini-3.5-flash-lite"],
      M: ["gemini-3.8-flash"],
      L: ["gemini-3.1-pro-preview"],
    },
    source: "the pages named in overlay/google.ts",
    read: READ,
  },
  {
    api: "openai",
    family: "gpt",
    provider: "openai",
    region: "global",
    prices: "openai",
    tiers: GPT_TIERS,
    source:
      "openai 6.49.0 resources/shared.d.ts, type ChatModel; gpt-6-astra from the price package",
    read: READ,
  },
];

/** Compares by code unit: the order of keys in every card, on every machine. */
export function byText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** Sorts lanes by their key and each one's tiers from light to heavy, aliases by name. */
export function inCardOrder(lanes: readonly Lane[]): readonly Lane[] {
  return lanes
    .map((lane) => ({
      ...lane,
      tiers: [...lane.tiers]
        .sort((a, b) => TIERS.indexOf(a.tier) - TIERS.indexOf(b.tier))
        .map((tier) => ({ ...tier, aliases: [...new Set(tier.aliases)].sort(byText) })),
    }))
    .sort((a, b) => byText(laneKey(a), laneKey(b)));
}

/** The built-in lanes as they stand in a card. */
export function builtInLanes(): readonly Lane[] {
  const lanes = CATALOGUE.map(({ tiers: named, source: _source, read: _read, ...lane }) => {
    const tiers: LaneTier[] = [];
    for (const tier of TIERS) {
      const names = named[tier];
      if (names === undefined) continue;
      const [model, ...aliases] = names;
      tiers.push({ aliases, model, tier });
    }
    return { ...lane, tiers };
  });
  return inCardOrder(lanes);
}

/** The tier that a client means by a model's id or by one of its other names. */
export function tierNamed(lane: Lane, name: string): LaneTier | undefined {
  return lane.tiers.find((tier) => tier.model === name || tier.aliases.includes(name));
}
