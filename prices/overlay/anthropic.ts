import type { LimitsRow, NameRow, PriceRow } from "../overlay.ts";

const READ = "2026-11-22";
/** The vendor keeps the same page in many languages; each row names the one that was read. */
const DOCS = "https://platform.claude.com/docs";

/**
 * Images: "all current Claude models support text and image input" (models/overview). PDF: "all active
 * models support PDF processing" (https://platform.claude.com/docs/en/build-with-claude/pdf-support).
 * Both read 2026-11-22. Models that are not active any more keep to text.
 */
const ACTIVE = ["image", "pdf", "text"] as const;
const TEXT = ["text"] as const;

/** Windows and largest outputs. "128K" and "64K" are 128,000 and 64,000 in the vendor's own API. */
export const ANTHROPIC_LIMITS: readonly LimitsRow[] = [
  {
    models: ["claude-fable-5", "claude-fable-5-1"],
    window: 1_000_000,
    output_max: 128_000,
    modalities: ACTIVE,
    source: `${DOCS}/en/models/fable-5/overview.md; comparison in ${DOCS}/en/models/haiku-5-5/overview`,
    read: READ,
  },
  {
    models: ["claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"],
    window: 1_000_000,
    output_max: 128_000,
    modalities: ACTIVE,
    source: `${DOCS}/en/models/haiku-5-5/overview (comparison)`,
    read: READ,
  },
  {
    models: ["claude-opus-5"],
    window: 1_000_000,
    output_max: 128_000,
    modalities: ACTIVE,
    source: `${DOCS}/about-claude/models/whats-new-opus-5`,
    read: READ,
  },
  {
    models: ["claude-sonnet-5"],
    window: 1_000_000,
    output_max: 128_000,
    modalities: ACTIVE,
    source: `${DOCS}/zh-CN/models/sonnet-5/overview`,
    read: READ,
  },
  {
    models: ["claude-opus-4-6", "claude-opus-4-7", "claude-opus-4-8", "claude-sonnet-4-6"],
    window: 1_000_000,
    output_max: 128_000,
    modalities: ACTIVE,
    source:
      `${DOCS}/en/models/opus-4-6/overview.md and ${DOCS}/pt-BR/models/sonnet-4-6/overview.md; for 4.7 and 4.8 ` +
      "https://github.com/Effect-TS/effect/releases/tag/@effect%2Fai-anthropic@4.0.0-beta.106",
    read: READ,
  },
  {
    models: ["claude-opus-4-5"],
    window: 200_000,
    output_max: 64_000,
    modalities: ACTIVE,
    source: `${DOCS}/pt-BR/models/opus-4-5/overview.md`,
    read: READ,
  },
  {
    models: ["claude-sonnet-4-5"],
    window: 200_000,
    output_max: 64_000,
    modalities: ACTIVE,
    source: `${DOCS}/zh-CN/models/sonnet-4-5/overview.md`,
    read: READ,
  },
  {
    models: ["claude-haiku-4-5"],
    window: 200_000,
    output_max: 64_000,
    modalities: ACTIVE,
    source: `${DOCS}/models/overview`,
    read: READ,
  },
  {
    // Retired at Anthropic, but sold by others: no page of the vendor's gives an output any more, so
    // it is the window. Third parties say 32,000 and 64,000.
    models: [
      "claude-4-opus",
      "claude-4-sonnet",
      "claude-opus-4",
      "claude-opus-4-0",
      "claude-opus-4-1",
      "claude-sonnet-4",
      "claude-sonnet-4-0",
    ],
    window: 200_000,
    modalities: TEXT,
    source: `${DOCS}/models/overview (absent); window from @pydantic/genai-prices 0.1.8`,
    read: READ,
  },
];

/** Models newer than the price package, with every price as the vendor gives it. */
export const ANTHROPIC_PRICES: readonly PriceRow[] = [
  {
    provider: "anthropic",
    model: "claude-haiku-5-5",
    since: "2026-10-07",
    // "Up to 100,000" and "over 100,000" prompt tokens: the dearer rates begin at 100,001.
    bands: [
      {
        from_input: 0,
        usd: {
          cache_read: "0.01",
          cache_write_1h: "0.20",
          cache_write_5m: "0.125",
          input: "0.10",
          output: "0.50",
          web_search: "10",
        },
      },
      {
        from_input: 100_001,
        usd: {
          cache_read: "0.05",
          // Filled by the vendor's own rule, twice the input: the page was read as far as 5 minutes.
          cache_write_1h: "1.00",
          cache_write_5m: "0.625",
          input: "0.50",
          output: "2.50",
          web_search: "10",
        },
      },
    ],
    source:
      `${DOCS}/zh-CN/models/haiku-5-5/overview; cache reads from ` +
      "https://apidog.com/blog/how-to-use-claude-haiku-5-5-api/; web search as for every model of " +
      "Anthropic's in @pydantic/genai-prices 0.1.8",
    read: READ,
  },
  {
    provider: "anthropic",
    model: "claude-sonnet-5-5",
    bands: [
      {
        from_input: 0,
        usd: {
          cache_read: "0.20",
          cache_write_1h: "4",
          cache_write_5m: "2.50",
          input: "2",
          output: "10",
          web_search: "10",
        },
      },
    ],
    source:
      `${DOCS}/zh-CN/models/sonnet-5-5/overview; web search as for every model of Anthropic's in ` +
      "@pydantic/genai-prices 0.1.8",
    read: READ,
  },
];

const SDK = "@anthropic-ai/sdk 1.12.0 resources/messages/messages.d.ts, type Model";

/** Dated ids that the vendor's SDK lists beside the alias. */
export const ANTHROPIC_NAMES: readonly NameRow[] = [
  ["claude-haiku-4-5-20251001", "claude-haiku-4-5"],
  ["claude-opus-4-5-20251101", "claude-opus-4-5"],
  ["claude-sonnet-4-5-20250929", "claude-sonnet-4-5"],
].map(([model = "", same_as = ""]) => ({
  provider: "anthropic",
  model,
  same_as,
  source: SDK,
  read: READ,
}));
