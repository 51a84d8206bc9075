import type { Modality, Unit } from "../ledger/usage.ts";
import { ANTHROPIC_LIMITS, ANTHROPIC_NAMES, ANTHROPIC_PRICES } from "./overlay/anthropic.ts";
import { FREE_ROUTES } from "./overlay/free.ts";
import { GOOGLE_LIMITS } from "./overlay/google.ts";
import { OPENAI_LIMITS, OPENAI_PRICES } from "./overlay/openai.ts";

/** Where a fact was read: an address or a file of a pinned package, and the day. */
export interface Source {
  readonly source: string;
  /** `YYYY-MM-DD`. */
  readonly read: string;
}

/** Limits of models: what the price package lacks. The same ones hold wherever the models are sold. */
export interface LimitsRow extends Source {
  readonly models: readonly string[];
  /** Longest prompt plus output in tokens; absent where the package's own window stands. */
  readonly window?: number;
  /**
   * Largest output in tokens. Absent where no source gives it: then it is the whole window, which
   * only makes a hold greater.
   */
  readonly output_max?: number;
  readonly modalities: readonly Modality[];
}

/** Dollars per million tokens (`web_search`: per thousand searches), in decimal. */
export type UsdRates = { readonly [U in Unit]?: string };

/** A model that the price package does not have yet. */
export interface PriceRow extends Source {
  readonly provider: string;
  readonly model: string;
  /** Day since which the price is in force, where the source says it. */
  readonly since?: string;
  readonly bands: readonly { readonly from_input: number; readonly usd: UsdRates }[];
}

/** Another id under which the same model is sold at the same price. */
export interface NameRow extends Source {
  readonly provider: string;
  readonly model: string;
  readonly same_as: string;
}

/** A route that costs nothing: it is forwarded without a hold. */
export interface FreeRoute extends Source {
  readonly api: string;
  /** Path below the API's base, as the vendor names it. */
  readonly route: string;
}

/** All rows of ours; their hash stands in every card. */
export const OVERLAY = {
  free: FREE_ROUTES,
  limits: [...ANTHROPIC_LIMITS, ...GOOGLE_LIMITS, ...OPENAI_LIMITS],
  names: ANTHROPIC_NAMES,
  prices: [...ANTHROPIC_PRICES, ...OPENAI_PRICES],
} satisfies {
  free: readonly FreeRoute[];
  limits: readonly LimitsRow[];
  names: readonly NameRow[];
  prices: readonly PriceRow[];
};

/**
 * The vendor's own name of a model that another provider sells under a longer one:
 * `regional.anthropic.claude-haiku-4-5-20251001-v1:0` is `claude-haiku-4-5`.
 */
export function vendorName(model: string): string {
  return model
    .replace(/^(?:global|regional)\./, "")
    .replace(/^(?:anthropic|openai)\./, "")
    .replace(/-v\d+:\d+$/, "")
    .replace(/(?<=^claude-.*)-20\d{6}$/, "");
}

/** The limits row of a model, by its own id or by its vendor's. */
export function limitsOf(model: string): LimitsRow | undefined {
  const rows: readonly LimitsRow[] = OVERLAY.limits;
  const name = vendorName(model);
  return (
    rows.find((row) => row.models.includes(model)) ?? rows.find((row) => row.models.includes(name))
  );
}

/** A value as JSON with sorted keys: the bytes that the overlay's hash is made of. */
export function sortedJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(sortedJson).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${fields.map(([key, part]) => `${JSON.stringify(key)}:${sortedJson(part)}`).join(",")}}`;
  }
  return JSON.stringify(value);
}
