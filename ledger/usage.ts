import { assert } from "./assert.ts";

/**
 * Units that a price or a usage can name. Buckets are disjoint: their costs add up to the bill.
 * `output` contains thinking; `input` is what was neither read from nor written to a cache.
 */
export const UNITS = [
  "cache_read",
  "cache_write_1h",
  "cache_write_5m",
  "input",
  "output",
  "web_search",
] as const;

/** One priced unit: tokens, but for `web_search`, which counts searches. */
export type Unit = (typeof UNITS)[number];

/** Units that together make the prompt: long-context rates are chosen by their sum. */
export const INPUT_UNITS: readonly Unit[] = [
  "cache_read",
  "cache_write_1h",
  "cache_write_5m",
  "input",
];

/** Counts by unit. A unit that is missing counts zero; keys stand in canonical (sorted) order. */
export type Usage = { readonly [U in Unit]?: bigint };

/** True for a name of {@link UNITS}. */
export function isUnit(name: string): name is Unit {
  return (UNITS as readonly string[]).includes(name);
}

/** Puts counts into canonical order and leaves zeros out. @throws InvariantError when one is negative. */
export function usageOf(counts: { readonly [U in Unit]?: bigint | undefined }): Usage {
  const usage: { [U in Unit]?: bigint } = {};
  for (const unit of UNITS) {
    const count = counts[unit];
    if (count === undefined || count === 0n) continue;
    assert(count > 0n, () => `usage of ${unit} is negative: ${count}`);
    usage[unit] = count;
  }
  return usage;
}

/** Tokens of the whole prompt, cached or not. */
export function inputTokens(usage: Usage): bigint {
  let sum = 0n;
  for (const unit of INPUT_UNITS) sum += usage[unit] ?? 0n;
  return sum;
}

/** Adds two usages bucket by bucket. */
export function addUsage(a: Usage, b: Usage): Usage {
  const counts: { [U in Unit]?: bigint } = {};
  for (const unit of UNITS) counts[unit] = (a[unit] ?? 0n) + (b[unit] ?? 0n);
  return usageOf(counts);
}

/**
 * What a call can use at most, in units that all tiers share; each tier's own limits (window,
 * largest output) are applied when it is priced.
 */
export interface UsageBound {
  /** Prompt tokens at most. Ignored when `hidden_input`: then it is the tier's whole window. */
  readonly input: bigint;
  /** Part of the prompt stands behind a server-side id and cannot be seen. */
  readonly hidden_input: boolean;
  /** Cache writes that the request can cause: the prompt is priced at the dearest of them. */
  readonly cache_write: readonly ("1h" | "5m")[];
  /** Output tokens of one choice at most; absent is the model's largest output. */
  readonly output?: bigint;
  /** Choices asked for (`n`); output is multiplied by it. At least 1. */
  readonly choices: bigint;
  /**
   * Times the provider itself may run the model over the growing prompt (server tools). At least 1;
   * above 1 every run is priced at the tier's whole window.
   */
  readonly iterations: bigint;
  /** Server-tool uses at most, for their fees. */
  readonly web_search: bigint;
  /** `input` was counted by a tokenizer and not bounded by bytes: a shorter window cannot take it. */
  readonly counted: boolean;
  /** What the request contains; a tier that does not take it is not eligible. Sorted. */
  readonly modalities: readonly Modality[];
}

/** Kinds of content that a model may or may not take. */
export const MODALITIES = ["image", "pdf", "text"] as const;
export type Modality = (typeof MODALITIES)[number];
