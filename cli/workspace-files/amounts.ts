import { isInt64, type NanoUsd, parseUsd } from "../../ledger/money.ts";
import type { UnitPrice } from "../../ledger/price-card.ts";

/** What reading a quantity from its text gave. No quantity here ever passes through a float. */
export type Quantity<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problem: string };

function no(problem: string): { readonly ok: false; readonly problem: string } {
  return { ok: false, problem };
}

/** Decimal digits as a whole number of 10^-places; `undefined` when there are more decimals. */
function scaled(whole: string, fraction: string, places: number): bigint | undefined {
  const kept = fraction.replace(/0+$/, "");
  if (kept.length > places) return undefined;
  return BigInt(whole) * 10n ** BigInt(places) + BigInt(kept.padEnd(places, "0") || "0");
}

function whyNoAmount(text: string): string {
  if (/^-/.test(text) || /^\$-/.test(text)) return "must not be negative";
  if (/^\$?[\d,]*\.\d{10,}$/.test(text)) return "has more than nine decimals";
  if (/^[$]?\d[\d,]*(\.\d*)?$/.test(text) && text.includes(",")) {
    return "has a comma in the wrong place: write $60,000 or 60000";
  }
  if (/^\d[\d.]*e[+-]?\d+$/i.test(text)) return "must be written out, without an exponent";
  if (/^0[xo]/i.test(text) || /^\d[\d_]*_[\d_]*$/.test(text)) {
    return "must be a plain decimal amount like $5.00";
  }
  if (/[€£¥]|\b(EUR|GBP|JPY|CHF)\b/i.test(text)) return "must be in US dollars, like $5.00";
  if (/^\$?\d{10,}/.test(text)) return "is too large: the most is $9,223,372,036.85";
  return "must be an amount in US dollars, like $5.00 or $60,000";
}

/** Dollars, with or without the sign: `$60,000`, `5.1`. Not negative, at most nine decimals. */
export function readDollars(text: string): Quantity<NanoUsd> {
  const value = parseUsd(text);
  if (value === undefined) return no(whyNoAmount(text.trim()));
  if (value < 0n) return no("must not be negative");
  // YAML 1.1 read a leading zero as octal, so two readers could see two amounts.
  if (/^\$?0\d/.test(text.trim())) return no("must not start with a zero: write 12, not 012");
  return { ok: true, value };
}

const PERCENT = /^(\d{1,12})(?:\.(\d+))?\s*%$/;

/** A percentage in units of 10^-places percent: two places give basis points. */
export function readPercent(text: string, places: number): Quantity<bigint> {
  const match = PERCENT.exec(text.trim());
  if (match === null) {
    return no(/^[\d.]+$/.test(text) ? `needs a % sign: ${text}%` : "must be a percentage like 80%");
  }
  const value = scaled(match[1] ?? "0", match[2] ?? "", places);
  if (value === undefined) return no(`has more than ${places} decimals`);
  return { ok: true, value };
}

const DURATION = /^(\d{1,9})\s*(ms|s|m|h)$/;
const MS_PER: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** A duration with its unit, in whole milliseconds: `30s`, `1500ms`, `2m`. */
export function readDuration(text: string): Quantity<number> {
  const match = DURATION.exec(text.trim());
  if (match === null) {
    return no(/^\d+$/.test(text) ? `needs a unit: ${text}s` : "must be a duration like 30s or 2m");
  }
  return { ok: true, value: Number(match[1]) * (MS_PER[match[2] ?? ""] ?? 1) };
}

/** A whole number of tokens, thousands commas allowed: `200000`, `200,000`. */
export function readTokens(text: string): Quantity<bigint> {
  if (!/^(\d{1,3}(,\d{3})+|\d{1,15})$/.test(text.trim())) {
    return no("must be a whole number of tokens, like 200000");
  }
  const value = BigInt(text.trim().replaceAll(",", ""));
  return value === 0n ? no("must be at least 1") : { ok: true, value };
}

/** What a price counts, and how many of it. */
const COUNTS: Readonly<
  Record<string, { readonly of: "searches" | "tokens"; readonly per: bigint }>
> = {
  tok: { of: "tokens", per: 1n },
  ktok: { of: "tokens", per: 1_000n },
  Mtok: { of: "tokens", per: 1_000_000n },
  search: { of: "searches", per: 1n },
  ksearch: { of: "searches", per: 1_000n },
};
const PRICE = /^\$(\d{1,9})(?:\.(\d+))?\s*\/\s*([A-Za-z]+)$/;
const PICO_PLACES = 12;

function greatestDivisor(a: bigint, b: bigint): bigint {
  return b === 0n ? a : greatestDivisor(b, a % b);
}

/** A price such as `$3.00/Mtok` or `$10.00/ksearch`, exactly, in lowest terms. */
export function readPrice(text: string, of: "searches" | "tokens"): Quantity<UnitPrice> {
  const example = of === "tokens" ? "$3.00/Mtok" : "$10.00/ksearch";
  const match = PRICE.exec(text.trim());
  if (match === null) return no(`must be a price with its unit, like ${example}`);
  const [, whole = "0", fraction = "", unit = ""] = match;
  const count = COUNTS[unit];
  if (count === undefined) {
    return no(`counts in ${Object.keys(COUNTS).join(", ")}, not in ${unit}: write ${example}`);
  }
  if (count.of !== of) return no(`counts ${count.of}; this is a price of ${of}, like ${example}`);
  const pico = scaled(whole, fraction, PICO_PLACES);
  if (pico === undefined) return no("has more than twelve decimals");
  if (!isInt64(pico)) return no("is too large");
  const divisor = greatestDivisor(count.per, pico);
  return { ok: true, value: { pico_usd: pico / divisor, per: count.per / divisor } };
}
