import { assert } from "./assert.ts";
import type { Modality, Unit } from "./usage.ts";

/** Tiers of a lane, lightest first. */
export const TIERS = ["S", "M", "L", "XL"] as const;
export type Tier = (typeof TIERS)[number];

/** 0 for S up to 3 for XL: heavier is greater. */
export function tierRank(tier: Tier): number {
  return TIERS.indexOf(tier);
}

/** `pico_usd` per `per` units. Per one token, a pico-USD is a micro-USD per million tokens. */
export interface UnitPrice {
  readonly pico_usd: bigint;
  /** At least 1. 1 but for prices that do not divide, such as $/GPU-hour per 3,600 seconds. */
  readonly per: bigint;
}

/**
 * Prices in force from a prompt length on. The rates of the greatest `from_input` reached apply to
 * the whole request.
 */
export interface RateBand {
  /** Prompt tokens (all input units together) from which this band applies. "0" for the first. */
  readonly from_input: bigint;
  readonly units: { readonly [U in Unit]?: UnitPrice };
}

/** One model at one provider: its prices and the limits that bound a call. */
export interface ModelPrice {
  readonly provider: string;
  readonly model: string;
  /** Longest prompt plus output, in tokens. */
  readonly window: bigint;
  /** Largest output of one choice, thinking included, in tokens. */
  readonly output_max: bigint;
  readonly modalities: readonly Modality[];
  /** Ascending by `from_input`; the first starts at 0. */
  readonly bands: readonly RateBand[];
}

/** The API that a lane's provider speaks. A call is forwarded only over the same one. */
export const APIS = ["anthropic", "azure", "bedrock", "google", "openai"] as const;
export type Api = (typeof APIS)[number];

/** A tier of a lane: the model it names and the other names a client may use for it. */
export interface LaneTier {
  readonly tier: Tier;
  readonly model: string;
  readonly aliases: readonly string[];
}

/** Model family + provider + region, with the model of each tier. */
export interface Lane {
  readonly api: Api;
  readonly family: string;
  readonly provider: string;
  readonly region: string;
  /** Provider id under which the models' prices stand. */
  readonly prices: string;
  /** Lightest first; a tier may be missing. */
  readonly tiers: readonly LaneTier[];
}

/** `provider/family/region`: how agents name their lane. */
export function laneKey(lane: { provider: string; family: string; region: string }): string {
  return `${lane.provider}/${lane.family}/${lane.region}`;
}

/** `provider/model`: the key of a model price. */
export function modelKey(provider: string, model: string): string {
  return `${provider}/${model}`;
}

/**
 * The band that prices a prompt of so many tokens.
 * @throws InvariantError when the bands do not start at 0.
 */
export function bandFor(price: ModelPrice, promptTokens: bigint): RateBand {
  let chosen: RateBand | undefined;
  for (const band of price.bands) if (band.from_input <= promptTokens) chosen = band;
  assert(chosen !== undefined, () => `${price.provider}/${price.model} has no band from 0`);
  return chosen;
}
