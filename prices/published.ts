import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type ConditionalPrice, findProvider, type ModelInfo } from "@pydantic/genai-prices";
import { assert } from "../ledger/assert.ts";
import type { Unit } from "../ledger/usage.ts";
import { picoPerSearch, picoPerToken } from "./decimal.ts";
import { dearestOf, type FilledBand, fillBands, isClaude } from "./rates.ts";

/** The package that published prices come from, and the one version that was checked. */
export const PRICE_PACKAGE = { name: "@pydantic/genai-prices", version: "0.1.8" } as const;

/**
 * The day whose prices are in force. It is a constant and not the clock, so that every process makes
 * the same card. A price scheduled for later counts already where it is dearer: see `scheduled`.
 */
export const PRICES_AS_OF = "2026-11-22";

/** Providers whose models are taken over. */
export const PRICED_PROVIDERS = ["anthropic", "aws", "azure", "google", "openai"] as const;

/** One model's published prices in integers, gaps filled. */
export interface PublishedModel {
  readonly provider: string;
  readonly model: string;
  /** Other ids that the package prices the same, spelled out in full: dated snapshots, mostly. */
  readonly names: readonly string[];
  /** Context window in tokens, where the package has it. */
  readonly window?: bigint;
  readonly bands: readonly FilledBand[];
  /** Day since which these prices are in force, where the package dates them. */
  readonly since?: string;
  /** Days after {@link PRICES_AS_OF} on which a price changes; the dearest is in force until then. */
  readonly scheduled: readonly string[];
}

/** A model that cannot be priced, and why: a call to it is refused as `unpriced`. */
export interface LeftOut {
  readonly provider: string;
  readonly model: string;
  readonly why: string;
}

/** What the package publishes, as far as it can be metered. */
export interface Published {
  readonly version: string;
  readonly models: readonly PublishedModel[];
  readonly leftOut: readonly LeftOut[];
}

/** A price of the package that is not what it must be: the data changed shape under a pinned version. */
export class PublishedPriceError extends Error {
  override readonly name = "PublishedPriceError";
  readonly code = "published-price";
  readonly outcome = "none";
}

/** The package's price keys and the units they price. `_mtok` is per 10^6 tokens, `_kcount` per 10^3. */
const UNIT_OF_KEY: ReadonlyMap<string, Unit> = new Map([
  ["input_mtok", "input"],
  ["output_mtok", "output"],
  ["cache_read_mtok", "cache_read"],
  // The package prices 5 minutes by the undivided key: its own fallback, dist/index.js, read 2026-11-22.
  ["cache_write_mtok", "cache_write_5m"],
  ["cache_write_5m_mtok", "cache_write_5m"],
  ["cache_write_1h_mtok", "cache_write_1h"],
  ["web_searches_kcount", "web_search"],
]);

/**
 * Prices that no call we forward can cause: audio is no modality of ours (ledger/usage.ts), so a
 * request with audio is refused, and file search belongs to routes that are not metered.
 */
const CANNOT_OCCUR = new Set([
  "cache_audio_read_mtok",
  "input_audio_mtok",
  "storage_searches_kcount",
]);

/** Models that hear, speak, draw, embed or search by themselves: a token of theirs is not a text token. */
const NOT_TEXT =
  /audio|realtime|-live|live-|-tts|transcribe|whisper|image|embed|moderation|sonic|voxtral|omni|search-preview|deep-research/;

/** Comments by which the package itself doubts a price. */
const UNVERIFIED = /imported from openrouter|seen on openrouter|i can't find anything/i;

type PriceMap = ConditionalPrice["prices"];

/** The text of a float as the package wrote it: the shortest that reads back as the same number. */
function pico(where: string, key: string, price: number): bigint {
  const text = String(price);
  const exact = key.endsWith("_kcount") ? picoPerSearch(text) : picoPerToken(text);
  if (exact === undefined) {
    throw new PublishedPriceError(`${where}: ${key} = ${text} is no whole number of pico-USD`);
  }
  return exact;
}

/**
 * Turns one price list into bands. A tier of the package applies to the whole request once the prompt
 * is *greater* than its `start` (function `de` of dist/index.js, read 2026-11-22), so a band starts one
 * token later: 200,000 is "over 200K" from 200,001, and the 271,999 of gpt-5.4 is "from 272,000".
 */
function bandsOf(where: string, prices: PriceMap): readonly FilledBand[] {
  const starts = new Set<number>([-1]);
  for (const price of Object.values(prices)) {
    if (typeof price === "object") for (const tier of price.tiers) starts.add(tier.start);
  }
  return [...starts].map((start) => {
    const rates: { [U in Unit]?: bigint } = {};
    for (const [key, price] of Object.entries(prices)) {
      const unit = UNIT_OF_KEY.get(key);
      if (unit === undefined || price === undefined) continue;
      let chosen = typeof price === "number" ? price : price.base;
      let reached = -1;
      for (const tier of typeof price === "number" ? [] : price.tiers) {
        if (tier.start > start || tier.start < reached) continue;
        chosen = tier.price;
        reached = tier.start;
      }
      rates[unit] = pico(where, key, chosen);
    }
    return { from_input: BigInt(start + 1), rates };
  });
}

/** Why a price list cannot be used, if so. */
function unusable(prices: PriceMap): string | undefined {
  if (prices["input_mtok"] === undefined || prices["output_mtok"] === undefined) {
    return "has no price per input and output token";
  }
  for (const [key, price] of Object.entries(prices)) {
    if (price === undefined || CANNOT_OCCUR.has(key)) continue;
    if (!UNIT_OF_KEY.has(key)) return `has a price that no unit meters (${key})`;
    const numbers =
      typeof price === "number" ? [price] : [price.base, ...price.tiers.map((t) => t.price)];
    // A published zero is a gap more often than a gift; what is free stands in the overlay, with its source.
    if (numbers.some((number) => number === 0)) return `has a price of zero (${key})`;
  }
  return undefined;
}

/** The price lists that count: the one in force, then those that begin later or at some hours only. */
function listsInForce(model: ModelInfo): {
  lists: PriceMap[];
  since?: string;
  scheduled: string[];
} {
  if (!Array.isArray(model.prices)) return { lists: [model.prices], scheduled: [] };
  let current: ConditionalPrice | undefined;
  const later: PriceMap[] = [];
  const scheduled: string[] = [];
  // The package reads the list from its end and takes the first whose condition holds.
  for (const price of model.prices) {
    const constraint = price.constraint;
    if (constraint?.type === "time_of_date") later.push(price.prices);
    else if (constraint !== undefined && constraint.start_date > PRICES_AS_OF) {
      later.push(price.prices);
      scheduled.push(constraint.start_date);
    } else current = price;
  }
  const since =
    current?.constraint?.type === "start_date" ? current.constraint.start_date : undefined;
  const lists = current === undefined ? later : [current.prices, ...later];
  return { lists, scheduled, ...(since === undefined ? {} : { since }) };
}

/** The ids that a model's match rule spells out in full. */
function namesOf(match: ModelInfo["match"]): string[] {
  if ("equals" in match) return [match.equals];
  if ("or" in match) return match.or.flatMap(namesOf);
  return [];
}

/** Reads one model, or says why it is left out. @throws PublishedPriceError when a price is not exact. */
export function readModel(provider: string, model: ModelInfo): PublishedModel | LeftOut {
  const leave = (why: string): LeftOut => ({ provider, model: model.id, why });
  if (NOT_TEXT.test(model.id)) return leave("is not billed by text tokens alone");
  if (UNVERIFIED.test(model.price_comments ?? "")) return leave("has a price its publisher doubts");
  const { lists, since, scheduled } = listsInForce(model);
  for (const list of lists) {
    const why = unusable(list);
    if (why !== undefined) return leave(why);
  }
  const where = `${provider}/${model.id}`;
  const claude = isClaude(model.id);
  return {
    provider,
    model: model.id,
    names: namesOf(model.match).filter((name) => name !== model.id && !NOT_TEXT.test(name)),
    bands: dearestOf(lists.map((list) => fillBands(bandsOf(where, list), claude))),
    scheduled,
    ...(model.context_window === undefined ? {} : { window: BigInt(model.context_window) }),
    ...(since === undefined ? {} : { since }),
  };
}

/** The version of the package that is installed: it exports no number of its own. */
function installedVersion(): string {
  const entry = import.meta.resolve(PRICE_PACKAGE.name);
  const manifest: unknown = JSON.parse(
    readFileSync(fileURLToPath(new URL("../package.json", entry)), "utf8"),
  );
  assert(
    typeof manifest === "object" && manifest !== null && "version" in manifest,
    `${PRICE_PACKAGE.name} has a package.json with a version`,
  );
  return String(manifest.version);
}

/**
 * Reads the published prices of {@link PRICED_PROVIDERS} as integers.
 * @throws PublishedPriceError when another version is installed than the one that was checked, or a
 *   price is not a whole number of pico-USD.
 */
export function readPublished(): Published {
  const version = installedVersion();
  if (version !== PRICE_PACKAGE.version) {
    throw new PublishedPriceError(
      `${PRICE_PACKAGE.name} ${version} is installed, but prices were checked against ` +
        `${PRICE_PACKAGE.version}: run \`npm ci\`, or check the new prices as docs/prices.md says`,
    );
  }
  const models: PublishedModel[] = [];
  const leftOut: LeftOut[] = [];
  for (const providerId of PRICED_PROVIDERS) {
    const provider = findProvider({ providerId });
    assert(provider !== undefined, `${PRICE_PACKAGE.name} knows ${providerId}`);
    for (const info of provider.models) {
      const read = readModel(providerId, info);
      if ("why" in read) leftOut.push(read);
      else models.push(read);
    }
  }
  return { version, models, leftOut };
}
