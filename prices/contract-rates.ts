import { type ModelPrice, modelKey, type RateBand, type UnitPrice } from "../ledger/price-card.ts";
import { UNITS, type Unit } from "../ledger/usage.ts";
import { findModel, type PriceCard, readsAreCovered, stampCard } from "./card.ts";
import { divideUp } from "./decimal.ts";
import {
  applyLaneOverrides,
  type FieldProblem,
  type LaneOverride,
  type Overridden,
  type StatedLimits,
  statedLimits,
} from "./overrides.ts";
import { cardBands, fillBands, isClaude } from "./rates.ts";

/** A contract's price of one model, or of all models of a provider: a row of `rates.yaml`, read. */
export interface ContractRate {
  /** Provider id of a price list, as lanes name it in `prices`. */
  readonly provider: string;
  /** `*` is every model of the provider that has no row of its own. */
  readonly model: string;
  /** Off the published price, in millionths: 12.5 % is 125,000. Negative is a surcharge. */
  readonly discount_ppm?: bigint;
  /** In place of the published price of these units, at every prompt length. */
  readonly units?: { readonly [U in Unit]?: UnitPrice };
  /** Where the price was agreed; stands in the card. */
  readonly source: string;
  /** First day of the price, `YYYY-MM-DD`. */
  readonly from?: string;
}

const EVERY_MODEL = "*";
const WHOLE_PPM = 1_000_000n;

/** A price after its discount, up to the next pico: the one rounding, when the card is built. */
function discounted(price: UnitPrice, ppm: bigint): UnitPrice {
  return { per: price.per, pico_usd: divideUp(price.pico_usd * (WHOLE_PPM - ppm), WHOLE_PPM) };
}

/** One band under contract: a fixed price replaces, a discount derives what is not fixed. */
function bandUnder(band: RateBand, rate: ContractRate): RateBand {
  const units: { [U in Unit]?: UnitPrice } = {};
  for (const unit of UNITS) {
    const listed = band.units[unit];
    const fixed = rate.units?.[unit];
    if (fixed !== undefined) units[unit] = fixed;
    else if (listed !== undefined) units[unit] = discounted(listed, rate.discount_ppm ?? 0n);
  }
  return { from_input: band.from_input, units };
}

/**
 * A model that only the contract prices, or why it is none. Gaps are filled upward as everywhere, which
 * needs prices per one token.
 */
function newModel(rate: ContractRate, limits: StatedLimits): ModelPrice | string {
  const { model, provider, units = {} } = rate;
  if (units.input === undefined || units.output === undefined) {
    return `${model} is not in the price card at ${provider}: give its input and output prices`;
  }
  const stated = limits.get(modelKey(provider, model));
  if (stated?.window === undefined) {
    return `${model} is not in the price card at ${provider}: give its window in lanes.yaml`;
  }
  const rates: { [U in Unit]?: bigint } = {};
  for (const unit of UNITS) {
    const price = units[unit];
    if (price === undefined) continue;
    if (price.per !== 1n) return `${model} is new: its prices must be whole for one ${unit}`;
    rates[unit] = price.pico_usd;
  }
  return {
    bands: cardBands(fillBands([{ from_input: 0n, rates }], isClaude(model))),
    modalities: stated.modalities ?? ["text"],
    model,
    output_max: stated.output_max ?? stated.window,
    provider,
    window: stated.window,
  };
}

/** Mistakes that a row shows without the card. A price of zero counts as no price, so none may come about. */
function rowProblem(rate: ContractRate): string | undefined {
  const { discount_ppm: ppm, units = {} } = rate;
  if (ppm === undefined && Object.keys(units).length === 0) {
    return "changes nothing: give a discount or prices";
  }
  if (ppm !== undefined && ppm >= WHOLE_PPM) {
    return "takes off everything: a price of 0 counts as no price, and the calls would be refused";
  }
  const free = UNITS.find((unit) => units[unit]?.pico_usd === 0n);
  if (free !== undefined) return `has a price of 0 for ${free}, which counts as no price`;
  if (rate.model === EVERY_MODEL && Object.keys(units).length > 0) {
    return "has prices for every model: name the model they are for";
  }
  return undefined;
}

/**
 * Lays contract rates over a card: a fixed price replaces the published one in every band, a discount
 * derives from it, rounded up to the pico once. What is said of one model goes before what is said of
 * all; the two are never added up. The new card has a hash of its own and names the contracts.
 *
 * @param limits what `lanes.yaml` states of models, for those that the card does not have
 */
export function applyRates(
  card: PriceCard,
  rates: readonly ContractRate[],
  limits: StatedLimits = new Map(),
): Overridden {
  const problems: FieldProblem[] = [];
  const rows = new Map<string, { readonly at: number; readonly rate: ContractRate }>();
  const listed = new Set<string>();
  const added: ModelPrice[] = [];
  for (const [at, rate] of rates.entries()) {
    const { model, provider } = rate;
    const key = modelKey(provider, model);
    const wrong = listed.has(key) ? `${key} is listed twice` : rowProblem(rate);
    listed.add(key);
    if (wrong !== undefined) {
      problems.push({ path: [at], message: wrong });
      continue;
    }
    rows.set(key, { at, rate });
    if (model === EVERY_MODEL) {
      if (!card.models.some((price) => price.provider === provider)) {
        problems.push({ path: [at, "provider"], message: `${provider} has no priced models` });
      }
    } else if (findModel(card, provider, model) === undefined) {
      const fresh = newModel(rate, limits);
      if (typeof fresh === "string") problems.push({ path: [at, "model"], message: fresh });
      else added.push(fresh);
    }
  }
  const rowOf = ({ model, provider }: ModelPrice) =>
    rows.get(modelKey(provider, model)) ?? rows.get(modelKey(provider, EVERY_MODEL));
  const changed = card.models.map((price) => {
    const row = rowOf(price);
    if (row === undefined) return price;
    return { ...price, bands: price.bands.map((band) => bandUnder(band, row.rate)) };
  });
  const models = [...changed, ...added];
  for (const price of models) {
    const row = rowOf(price);
    if (row === undefined || readsAreCovered(price)) continue;
    const message = "leaves a cache read dearer than input: give prices for both";
    problems.push({ path: [row.at, "input"], message });
  }
  if (problems.length > 0) return { ok: false, problems };
  const contracts = rates.map(({ from, model, provider, source }) => ({
    model,
    provider,
    source,
    ...(from === undefined ? {} : { from }),
  }));
  return {
    ok: true,
    card: stampCard({ ...card, contracts: [...card.contracts, ...contracts], models }),
  };
}

/** What the files of a workspace say of lanes and prices. */
export interface PriceFiles {
  readonly lanes?: readonly LaneOverride[];
  readonly rates?: readonly ContractRate[];
}

/** The mistakes of each file: `path` begins with the position in that file's list. */
export interface PriceFileProblem extends FieldProblem {
  readonly file: "lanes" | "rates";
}

/**
 * Lays both files over a card: rates first, so that a lane can name a model that only a contract prices.
 */
export function applyPriceFiles(
  card: PriceCard,
  { lanes = [], rates = [] }: PriceFiles,
):
  | { readonly ok: true; readonly card: PriceCard }
  | { readonly ok: false; readonly problems: readonly PriceFileProblem[] } {
  const priced = applyRates(card, rates, statedLimits(lanes));
  const laid = applyLaneOverrides(priced.ok ? priced.card : card, lanes);
  if (priced.ok && laid.ok) return laid;
  const of = (file: PriceFileProblem["file"], result: Overridden) =>
    result.ok ? [] : result.problems.map((problem) => ({ file, ...problem }));
  return { ok: false, problems: [...of("lanes", laid), ...of("rates", priced)] };
}
