import type { LimitsRow } from "../overlay.ts";

const READ = "2026-11-22";
const MODELS = "https://ai.google.dev/gemini-api/docs/models";
const MEDIA = ["image", "pdf", "text"] as const;

/**
 * Input and output limits of Gemini are counted apart: the window here is the input limit plus the
 * output limit, so that neither is cut. The price package rounds 1,048,576 down to 1,000,000.
 */
const INPUT_LIMIT = 1_048_576;
const OUTPUT_LIMIT = 65_536;

export const GOOGLE_LIMITS: readonly LimitsRow[] = [
  ["gemini-3-pro-preview", `${MODELS}/gemini-3-pro-preview`],
  ["gemini-3.1-pro-preview", `${MODELS}/gemini-3.1-pro-preview`],
  ["gemini-3.5-flash", `${MODELS}/gemini-3.5-flash`],
  ["gemini-3.5-flash-lite", `${MODELS}/gemini-3.5-flash-lite`],
  [
    "gemini-3.8-flash",
    `${MODELS}/gemini-3.8-flash as taken over by ` +
      "https://docs.apiyi.com/en/live/2026-09/gemini-3-8-flash-official-specs.md",
  ],
].map(([model = "", source = ""]) => ({
  models: [model],
  window: INPUT_LIMIT + OUTPUT_LIMIT,
  output_max: OUTPUT_LIMIT,
  modalities: MEDIA,
  source,
  read: READ,
}));
