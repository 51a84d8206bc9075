import type { LimitsRow, PriceRow } from "../overlay.ts";

const READ = "2026-11-22";
const TOKENIZER = "gpt-tokenizer 4.0.0 esm/models.gen.js";
const DOCS = "https://developers.openai.com/api/docs/models";

/**
 * Models with vision also take PDF: their text and an image of each page
 * (https://developers.openai.com/api/docs/guides/file-inputs, read 2026-11-22).
 */
const VISION = ["image", "pdf", "text"] as const;
const TEXT = ["text"] as const;

/** A row of the table below. */
function row(
  window: number,
  output_max: number,
  modalities: LimitsRow["modalities"],
  models: readonly string[],
  source = TOKENIZER,
): LimitsRow {
  return { models, window, output_max, modalities, source, read: READ };
}

/** Windows and largest outputs; `overlay.test.ts` holds them against the package they come from. */
export const OPENAI_LIMITS: readonly LimitsRow[] = [
  row(1_050_000, 128_000, VISION, ["gpt-6-sol"], `${DOCS}/gpt-6-sol.md`),
  row(
    1_050_000,
    128_000,
    VISION,
    ["gpt-6-luna"],
    "https://developers.openai.com/ja-JP/api/docs/models/gpt-6-luna",
  ),
  row(1_050_000, 128_000, VISION, ["gpt-6.2-sol"], `${DOCS}/gpt-6.2-sol.md`),
  row(
    1_050_000,
    128_000,
    VISION,
    ["gpt-6-astra"],
    "https://vercel.com/ai-gateway/models/gpt-6-astra.md, which names the vendor's page",
  ),
  row(1_050_000, 128_000, VISION, [
    "gpt-5.4",
    "gpt-5.4-pro",
    "gpt-5.5",
    "gpt-5.5-pro",
    "gpt-5.6-luna",
    "gpt-5.6-sol",
    "gpt-5.6-terra",
  ]),
  row(400_000, 128_000, VISION, [
    "gpt-5",
    "gpt-5-mini",
    "gpt-5-nano",
    "gpt-5.1",
    "gpt-5.1-codex-mini",
    "gpt-5.2",
    "gpt-5.2-pro",
    "gpt-5.3-codex",
    "gpt-5.4-mini",
    "gpt-5.4-nano",
  ]),
  row(400_000, 272_000, VISION, ["gpt-5-pro"]),
  row(1_047_576, 32_768, VISION, ["gpt-4.1", "gpt-4.1-mini", "gpt-4.1-nano"]),
  row(128_000, 16_384, VISION, ["chatgpt-4o-latest", "gpt-4o", "gpt-4o-mini"]),
  // Priced under a short id; the one that is served is gpt-5.3-chat-latest.
  row(128_000, 16_384, VISION, ["gpt-5.3"]),
  row(128_000, 4_096, VISION, ["gpt-4o-2024-05-13", "gpt-4-turbo"]),
  row(200_000, 100_000, VISION, ["o1", "o1-pro", "o3", "o3-pro", "o4-mini"]),
  row(200_000, 100_000, TEXT, ["o3-mini"]),
  row(128_000, 65_536, TEXT, ["o1-mini"]),
  row(128_000, 32_768, TEXT, ["o1-preview"]),
  row(32_768, 8_192, TEXT, ["gpt-4-32k"]),
  row(8_192, 8_192, TEXT, ["gpt-4"]),
  row(16_385, 4_096, TEXT, [
    "gpt-3.5-turbo",
    "gpt-3.5-turbo-0613",
    "gpt-3.5-turbo-1106",
    "gpt-3.5-turbo-16k",
  ]),
];

/** Models newer than the price package, with every price as the vendor gives it. */
export const OPENAI_PRICES: readonly PriceRow[] = [
  {
    provider: "openai",
    model: "gpt-6.2-sol",
    since: "2026-11-17",
    // "More than 272K input tokens": input and cache double, output 1.5 times, for the whole request.
    // `cache_write_1h` is the 12-hour write; the undivided one keeps for 30 minutes.
    bands: [
      {
        from_input: 0,
        usd: {
          cache_read: "0.10",
          cache_write_1h: "5",
          cache_write_5m: "2.50",
          input: "2",
          output: "10",
        },
      },
      {
        from_input: 272_001,
        usd: {
          cache_read: "0.20",
          cache_write_1h: "10",
          cache_write_5m: "5",
          input: "4",
          output: "15",
        },
      },
    ],
    source: `${DOCS}/gpt-6.2-sol.md; day from https://runware.ai/docs/models/openai-gpt-6-2-sol.md`,
    read: READ,
  },
];
