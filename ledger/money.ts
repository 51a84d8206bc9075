import { assert } from "./assert.ts";

declare const unit: unique symbol;

/** Money in nano-US-dollars (1e-9 USD). Signed, int64. Never a `number`: 2^53 nano-USD is $9.0M. */
export type NanoUsd = bigint & { readonly [unit]: "nano_usd" };

/** An exact cost before its one rounding, in pico-US-dollars (1e-12 USD). */
export type PicoUsd = bigint & { readonly [unit]: "pico_usd" };

export const NANO_PER_USD = 1_000_000_000n;
/** One cent is 10^7 nano-USD. */
export const NANO_PER_CENT = 10_000_000n;
const PICO_PER_NANO = 1_000n;
export const INT64_MAX = 2n ** 63n - 1n;
export const INT64_MIN = -(2n ** 63n);
/**
 * The most that one call can come to, $1,000,000 in nano-USD. Costs beyond it are mistakes of a bound or
 * a meter, and no such cost may carry a balance out of int64.
 */
export const CALL_USD_MAX = 1_000_000n * NANO_PER_USD;

/** True when an amount fits the `BIGINT` column and the int64 every verifier may use. */
export function isInt64(value: bigint): boolean {
  return value >= INT64_MIN && value <= INT64_MAX;
}

/** Brands an amount. @throws InvariantError when it leaves the int64 range. */
export function nanoUsd(value: bigint): NanoUsd {
  assert(isInt64(value), () => `an amount leaves the int64 range: ${value}`);
  return value as NanoUsd;
}

export const ZERO_USD: NanoUsd = nanoUsd(0n);

/** Adds amounts inside int64. @throws InvariantError on overflow. */
export function addUsd(a: NanoUsd, b: NanoUsd): NanoUsd {
  return nanoUsd(a + b);
}

/** Subtracts amounts inside int64. @throws InvariantError on overflow. */
export function subtractUsd(a: NanoUsd, b: NanoUsd): NanoUsd {
  return nanoUsd(a - b);
}

/** The lesser of two amounts. */
export function leastUsd(a: NanoUsd, b: NanoUsd): NanoUsd {
  return a < b ? a : b;
}

/**
 * An exact cost as a fraction of pico-USD. The denominator is 1 while every price is per one unit;
 * a price per 3,600 seconds makes it 3,600.
 */
export interface ExactCost {
  readonly numerator: bigint;
  readonly denominator: bigint;
}

/** True for a cost that one call can have: what lies beyond is not held or posted, but a mistake. */
export function isCallCost(cost: ExactCost): boolean {
  return cost.numerator <= CALL_USD_MAX * PICO_PER_NANO * cost.denominator;
}

/** Rounds an exact cost to nano-USD, up: a hold must never cover less than its settle. */
export function holdAmount(cost: ExactCost): NanoUsd {
  assert(cost.numerator >= 0n && cost.denominator > 0n, "a cost is never negative");
  const divisor = cost.denominator * PICO_PER_NANO;
  return nanoUsd((cost.numerator + divisor - 1n) / divisor);
}

/** Rounds an exact cost to nano-USD, half to even: over many settles the error sums to nothing. */
export function settleAmount(cost: ExactCost): NanoUsd {
  assert(cost.numerator >= 0n && cost.denominator > 0n, "a cost is never negative");
  const divisor = cost.denominator * PICO_PER_NANO;
  const quotient = cost.numerator / divisor;
  const twiceRest = (cost.numerator % divisor) * 2n;
  if (twiceRest > divisor) return nanoUsd(quotient + 1n);
  if (twiceRest < divisor) return nanoUsd(quotient);
  return nanoUsd(quotient % 2n === 0n ? quotient : quotient + 1n);
}

/** `12` or, with a denominator other than 1, `12/3600`: the wire form of an exact cost. */
export function formatExactCost(cost: ExactCost): string {
  return cost.denominator === 1n ? `${cost.numerator}` : `${cost.numerator}/${cost.denominator}`;
}

/** Decimal US dollars with every digit that counts and at least two decimals: `12.50`, `0.000000001`. */
export function formatUsd(amount: NanoUsd): string {
  const sign = amount < 0n ? "-" : "";
  const magnitude = amount < 0n ? -amount : amount;
  const whole = magnitude / NANO_PER_USD;
  const fraction = (magnitude % NANO_PER_USD).toString().padStart(9, "0");
  const trimmed = fraction.replace(/0+$/, "").padEnd(2, "0");
  return `${sign}${whole}.${trimmed}`;
}

const USD_TEXT = /^(-?)\$?(\d{1,3}(?:,\d{3})+|\d+)(?:\.(\d{1,9}))?$/;

/**
 * Reads `$60,000`, `5.00` or `0.000000001` as an amount; `undefined` when it is anything else, has
 * more than nine decimals, misplaces a thousands comma, or leaves int64.
 */
export function parseUsd(text: string): NanoUsd | undefined {
  const match = USD_TEXT.exec(text.trim());
  if (match === null) return undefined;
  const [, sign, whole = "0", fraction = ""] = match;
  const magnitude =
    BigInt(whole.replaceAll(",", "")) * NANO_PER_USD + BigInt(fraction.padEnd(9, "0"));
  const value = sign === "-" ? -magnitude : magnitude;
  return isInt64(value) ? nanoUsd(value) : undefined;
}
