import { createHash } from "node:crypto";
import { assert } from "../ledger/assert.ts";
import { type Lane, laneKey, type ModelPrice, modelKey } from "../ledger/price-card.ts";
import { integer, list, object, text, token } from "../ledger/schema.ts";
import { UNITS, type Unit } from "../ledger/usage.ts";
import { lane, modelPrice, type PriceSettings } from "../ledger/workspace-config.ts";
import { picoPerSearch, picoPerToken } from "./decimal.ts";
import { builtInLanes, byText, inCardOrder } from "./lanes.ts";
import { limitsOf, OVERLAY, type PriceRow, sortedJson, type UsdRates } from "./overlay.ts";
import { type LeftOut, PRICE_PACKAGE, readPublished } from "./published.ts";
import { cardBands, type FilledBand, fillBands, isClaude, type Rates } from "./rates.ts";

const sha256 = token(/^[0-9a-f]{64}$/, "a hex SHA-256");

/** What the hash of a card is taken over: everything that a price can depend on. */
const cardSchema = object({
  contracts: list(
    object({ model: text(200), provider: text(64), source: text(500) }, { from: text(10) }),
  ),
  free: list(object({ api: text(64), read: text(10), route: text(200), source: text(1000) })),
  lanes: list(lane),
  models: list(modelPrice),
  source: object({ overlay_sha256: sha256, package: text(100), version: text(50) }),
  v: integer(1, 1),
});

/** Where the prices of a card come from. */
export interface CardSource {
  readonly package: string;
  readonly version: string;
  readonly overlay_sha256: string;
}

/** A route that costs nothing, with the source that says so. */
export interface FreeRouteOnCard {
  readonly api: string;
  readonly route: string;
  readonly source: string;
  readonly read: string;
}

/** A contract whose prices stand in a card in place of published ones. */
export interface ContractOnCard {
  readonly provider: string;
  /** `*` for every model of the provider. */
  readonly model: string;
  readonly source: string;
  /** First day of the price. */
  readonly from?: string;
}

/** All prices and lanes in force, under one hash. */
export interface PriceCard {
  readonly v: 1;
  readonly source: CardSource;
  /** By provider, then model. */
  readonly models: readonly ModelPrice[];
  /** By provider, family, region. */
  readonly lanes: readonly Lane[];
  readonly free: readonly FreeRouteOnCard[];
  /** Empty in the built-in card. */
  readonly contracts: readonly ContractOnCard[];
  /** SHA-256 of {@link cardBytes}, hex: what entries and receipts name. */
  readonly hash: string;
}

function sha256Hex(bytes: string): string {
  return createHash("sha256").update(bytes, "utf8").digest("hex");
}

/** The canonical JSON (RFC 8785) that a card's hash is taken over. */
export function cardBytes(card: Omit<PriceCard, "hash">): string {
  return cardSchema.write(card);
}

/**
 * True when no cache read costs more than plain input. A hold prices the prompt at the dearest of input
 * and cache writes, so a dearer read would settle above its hold.
 */
export function readsAreCovered(model: ModelPrice): boolean {
  return model.bands.every(({ units: { cache_read: read, input } }) => {
    if (read === undefined) return true;
    return input !== undefined && read.pico_usd * input.per <= input.pico_usd * read.per;
  });
}

/** Puts a card's parts into canonical order and stamps it. Two models or lanes of one key are a fault. */
export function stampCard(parts: Omit<PriceCard, "hash">): PriceCard {
  const models = [...parts.models].sort(
    (a, b) => byText(a.provider, b.provider) || byText(a.model, b.model),
  );
  const lanes = inCardOrder(parts.lanes);
  const keys = new Set(models.map((model) => modelKey(model.provider, model.model)));
  assert(keys.size === models.length, "each model stands in a price card once");
  assert(
    new Set(lanes.map(laneKey)).size === lanes.length,
    "each lane stands in a price card once",
  );
  for (const model of models) assert(readsAreCovered(model), `a read of ${model.model} is covered`);
  for (const { prices, tiers } of lanes) {
    for (const { model } of tiers) assert(keys.has(modelKey(prices, model)), `${model} is priced`);
  }
  const contracts = [...parts.contracts].sort(
    (a, b) => byText(a.provider, b.provider) || byText(a.model, b.model),
  );
  const ordered = { ...parts, contracts, lanes, models };
  return { ...ordered, hash: sha256Hex(cardBytes(ordered)) };
}

/** Dollars as pico-USD. @throws InvariantError when a row of ours is not exact. */
function picoRates(usd: UsdRates): Rates {
  const rates: { [U in Unit]?: bigint } = {};
  for (const unit of UNITS) {
    const price = usd[unit];
    if (price === undefined) continue;
    const pico = unit === "web_search" ? picoPerSearch(price) : picoPerToken(price);
    assert(pico !== undefined && pico > 0n, `the overlay's ${unit} = ${price} is a whole price`);
    rates[unit] = pico;
  }
  return rates;
}

function overlayBands(row: PriceRow): readonly FilledBand[] {
  const bands = row.bands.map(({ from_input, usd }) => ({
    from_input: BigInt(from_input),
    rates: picoRates(usd),
  }));
  return fillBands(bands, isClaude(row.model));
}

/** Adds the limits that bound a call; `undefined` when nothing says how long a prompt can be. */
function limited(
  provider: string,
  model: string,
  bands: readonly FilledBand[],
  publishedWindow: bigint | undefined,
): ModelPrice | undefined {
  const row = limitsOf(model);
  const ours = row?.window === undefined ? undefined : BigInt(row.window);
  // The greater of the two: a window cut short would let a hold fall below its call.
  const window =
    ours === undefined || (publishedWindow ?? 0n) > ours ? (publishedWindow ?? ours) : ours;
  if (window === undefined) return undefined;
  return {
    bands: cardBands(bands),
    modalities: row?.modalities ?? ["text"],
    model,
    output_max: row?.output_max === undefined ? window : BigInt(row.output_max),
    provider,
    window,
  };
}

/** Every model that can be priced and bounded, and every one that cannot, with the reason. */
function allModels(): { models: ModelPrice[]; leftOut: LeftOut[] } {
  const published = readPublished();
  const models = new Map<string, ModelPrice>();
  const leftOut: LeftOut[] = [...published.leftOut];
  const add = (model: ModelPrice) => models.set(modelKey(model.provider, model.model), model);
  for (const { provider, model, bands, window } of published.models) {
    const price = limited(provider, model, bands, window);
    if (price !== undefined) add(price);
    else leftOut.push({ provider, model, why: "has no known context window" });
  }
  for (const row of OVERLAY.prices) {
    const { provider, model } = row;
    assert(!models.has(modelKey(provider, model)), `${model} is in the package now: drop our row`);
    const price = limited(provider, model, overlayBands(row), undefined);
    assert(price !== undefined, `the overlay prices ${model} and bounds it`);
    add(price);
  }
  const names = [
    ...published.models.flatMap(({ provider, model, names: others }) =>
      others.map((name) => ({ provider, model: name, same_as: model })),
    ),
    ...OVERLAY.names,
  ];
  for (const { provider, model, same_as } of names) {
    const price = models.get(modelKey(provider, same_as));
    if (price !== undefined && !models.has(modelKey(provider, model))) add({ ...price, model });
  }
  return { models: [...models.values()], leftOut };
}

let built: { readonly card: PriceCard; readonly leftOut: readonly LeftOut[] } | undefined;

function build(): { readonly card: PriceCard; readonly leftOut: readonly LeftOut[] } {
  const { models, leftOut } = allModels();
  const card = stampCard({
    contracts: [],
    free: OVERLAY.free,
    lanes: builtInLanes(),
    models,
    source: {
      overlay_sha256: sha256Hex(sortedJson(OVERLAY)),
      package: PRICE_PACKAGE.name,
      version: PRICE_PACKAGE.version,
    },
    v: 1,
  });
  return { card, leftOut };
}

/**
 * The built-in price card: published prices, our overlay and the lane catalogue. The same bytes and
 * hash in every process of a version; built once in each.
 * @throws PublishedPriceError when the installed price package is not the one that was checked.
 */
export function buildPriceCard(): PriceCard {
  built ??= build();
  return built.card;
}

/** Models of the price package that no card can price or bound, and why. */
export function modelsLeftOut(): readonly LeftOut[] {
  built ??= build();
  return built.leftOut;
}

/** The price of a model at a provider; `undefined` is `unpriced`, never free. */
export function findModel(
  card: Pick<PriceCard, "models">,
  provider: string,
  model: string,
): ModelPrice | undefined {
  return card.models.find((price) => price.provider === provider && price.model === model);
}

/** How a lane is named. */
export type LaneName = Pick<Lane, "family" | "provider" | "region">;

/** The lane of a card by its name. */
export function findLane(card: Pick<PriceCard, "lanes">, name: LaneName): Lane | undefined {
  const key = laneKey(name);
  return card.lanes.find((candidate) => laneKey(candidate) === key);
}

/** True when a route costs nothing by the card. */
export function isFreeRoute(card: Pick<PriceCard, "free">, api: string, route: string): boolean {
  return card.free.some((free) => free.api === api && free.route === route);
}

/**
 * The part of a card that a workspace's lanes use, under the hash of the whole: what a `price` entry
 * carries.
 * @throws InvariantError when a lane is not in the card: look it up with {@link findLane} first.
 */
export function cardFor(card: PriceCard, used: readonly LaneName[]): PriceSettings {
  const keys = [...new Set(used.map(laneKey))].sort(byText);
  const lanes = keys.map((key) => {
    const found = card.lanes.find((candidate) => laneKey(candidate) === key);
    assert(found !== undefined, `lane ${key} is in the price card`);
    return found;
  });
  const priced = new Set(
    lanes.flatMap(({ prices, tiers }) => tiers.map(({ model }) => modelKey(prices, model))),
  );
  const models = card.models.filter(({ provider, model }) => priced.has(modelKey(provider, model)));
  return { card: card.hash, lanes, models };
}
