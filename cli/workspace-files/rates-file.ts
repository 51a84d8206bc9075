import type { UnitPrice } from "../../ledger/price-card.ts";
import { UNITS, type Unit } from "../../ledger/usage.ts";
import { laneWord } from "./agent-file.ts";
import { readPercent, readPrice } from "./amounts.ts";
import {
  documentOf,
  type Field,
  fieldsOf,
  listOf,
  matching,
  type Placed,
  placed,
  quantityOf,
  type Reader,
  type Reading,
  report,
  textOf,
} from "./fields.ts";
import { type Place, placeOf } from "./source-file.ts";

/** A contract's price of one model, or of all models of a provider. */
export interface ContractRate {
  /** Provider id of a price list, as lanes name it in `prices`. */
  readonly provider: string;
  /** `*` is every model of the provider that has no row of its own. */
  readonly model: string;
  /** Off the published price, in millionths: 12.5 % is 125,000. */
  readonly discount_ppm?: bigint;
  /** In place of the published price of these units, at every prompt length. */
  readonly units?: { readonly [U in Unit]?: UnitPrice };
  /** Where the price was agreed; stands in the price card. */
  readonly source: string;
  /** First day of the price, `YYYY-MM-DD`. */
  readonly from?: string;
  readonly place: Place;
}

const RATES_MAX = 2_000;
/** Percent with four decimals are millionths. */
const PPM_PLACES = 4;
const PPM_WHOLE = 1_000_000n;

const discount: Reader<bigint> = (field) => {
  const ppm = quantityOf("a percentage like 12.5%", (text) => readPercent(text, PPM_PLACES))(field);
  if (ppm === undefined || ppm < PPM_WHOLE) return ppm;
  return report(field, "must be below 100%: a price of 0 counts as no price");
};

function unitPrice(unit: Unit): Reader<UnitPrice> {
  const read = quantityOf("a price with its unit, like $3.00/Mtok", (text) =>
    readPrice(text, unit === "web_search" ? "searches" : "tokens"),
  );
  return (field) => {
    const price = read(field);
    if (price?.pico_usd !== 0n) return price;
    return report(field, "must not be 0: a price of 0 counts as no price, and calls are refused");
  };
}

const unitReaders = Object.fromEntries(UNITS.map((unit) => [unit, unitPrice(unit)])) as {
  readonly [U in Unit]: Reader<UnitPrice>;
};

const day: Reader<string> = (field) => {
  const text = matching(/^\d{4}-\d\d-\d\d$/, "a day like 2026-11-01")(field);
  if (text === undefined) return undefined;
  const date = new Date(`${text}T00:00:00Z`);
  const real = !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text);
  return real ? text : report(field, `${text} is not a day of the calendar`);
};

interface RateContext {
  /** Provider ids that lanes price by; absent while they are not all known. */
  readonly providers: ReadonlySet<string> | undefined;
  /** `YYYY-MM-DD` now. */
  readonly today: string;
}

function rateOf(field: Field, context: RateContext): ContractRate | undefined {
  const row = fieldsOf(
    field,
    {
      provider: placed(laneWord),
      model: textOf(200),
      source: textOf(500),
      from: placed(day),
      discount,
      ...unitReaders,
    },
    { what: "a rate", required: ["provider", "model", "source"] },
  );
  if (row === undefined) return undefined;
  const units: { [U in Unit]?: UnitPrice } = {};
  for (const unit of UNITS) {
    const price = row[unit];
    if (price !== undefined) units[unit] = price;
  }
  checkPrices(field, row.model);
  checkProvider(row.provider, context);
  checkDay(row.from, context);
  if (row.provider === undefined || row.model === undefined) return undefined;
  return {
    provider: row.provider.value,
    model: row.model,
    ...(row.discount === undefined ? {} : { discount_ppm: row.discount }),
    ...(Object.keys(units).length === 0 ? {} : { units }),
    source: row.source ?? "",
    ...(row.from === undefined ? {} : { from: row.from.value }),
    place: placeOf(field.reading.source, field.node.start),
  };
}

/** By what is written, not by what could be read: a price with a mistake is still a price. */
function checkPrices(field: Field, model: string | undefined): void {
  if (field.node.kind !== "map") return;
  const written = new Set(field.node.pairs.map(({ key }) => key.text));
  const priced = UNITS.some((unit) => written.has(unit));
  const discounted = written.has("discount");
  if (priced && discounted) {
    report(field, "has a discount and prices: give one of them; a price stands as it is agreed");
  }
  if (!priced && !discounted) {
    report(field, `needs a discount, or a price of one of ${UNITS.join(", ")}`);
  }
  if (priced && model === "*") report(field, "prices are of one model; for * give a discount");
}

function checkProvider(provider: Placed<string> | undefined, { providers }: RateContext): void {
  if (provider === undefined || providers === undefined) return;
  if (providers.has(provider.value)) return;
  const known = [...providers].sort().join(", ");
  report(provider.field, `no lane is priced by ${provider.value}; there are ${known}`);
}

/** A card is built when it is applied, so a price of tomorrow would be in force today. */
function checkDay(from: Placed<string> | undefined, { today }: RateContext): void {
  if (from === undefined || from.value <= today) return;
  report(from.field, "is still to come; rates are in force once applied: apply this on that day");
}

/** Reads `rates.yaml`; rates with a mistake are left out. */
export function readRatesFile(
  reading: Reading,
  context: RateContext,
): readonly ContractRate[] | undefined {
  const read = listOf(
    placed((field) => rateOf(field, context)),
    "rates",
    RATES_MAX,
  );
  const file = fieldsOf(
    documentOf(reading),
    { rates: read },
    { what: "rates.yaml", required: ["rates"] },
  );
  if (file?.rates === undefined) return undefined;
  const seen = new Map<string, number>();
  for (const { value, field } of file.rates) {
    const key = `${value.provider}/${value.model}`;
    const first = seen.get(key);
    if (first !== undefined) report(field, `${key} stands here twice, first in line ${first}`);
    else seen.set(key, value.place.line);
  }
  return file.rates.map((rate) => rate.value);
}
