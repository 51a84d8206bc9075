import { assert } from "./assert.ts";
import type { ExactCost } from "./money.ts";
import { bandFor, type ModelPrice, type RateBand } from "./price-card.ts";
import {
  INPUT_UNITS,
  inputTokens,
  UNITS,
  type Unit,
  type Usage,
  type UsageBound,
} from "./usage.ts";

/** Why a usage or a bound has no price: the unit that the card does not price. */
export interface Unpriced {
  readonly unpriced: Unit;
}

/** Sums counts at their prices without rounding; the denominator is the product of the distinct `per`s. */
function sum(band: RateBand, counts: Iterable<readonly [Unit, bigint]>): ExactCost | Unpriced {
  let numerator = 0n;
  let denominator = 1n;
  for (const [unit, count] of counts) {
    if (count === 0n) continue;
    assert(count > 0n, () => `a count of ${unit} is negative: ${count}`);
    const price = band.units[unit];
    if (price === undefined) return { unpriced: unit };
    if (price.per === denominator) {
      numerator += count * price.pico_usd;
    } else if (denominator % price.per === 0n) {
      numerator += count * price.pico_usd * (denominator / price.per);
    } else {
      numerator = numerator * price.per + count * price.pico_usd * denominator;
      denominator *= price.per;
    }
  }
  return { numerator, denominator };
}

/** The exact cost of a measured usage. Long-context rates apply to the whole request. */
export function costOfUsage(price: ModelPrice, usage: Usage): ExactCost | Unpriced {
  const band = bandFor(price, inputTokens(usage));
  return sum(
    band,
    UNITS.map((unit) => [unit, usage[unit] ?? 0n] as const),
  );
}

/** Prompt and output tokens that a bound comes to on one model. */
export interface BoundedTokens {
  readonly input: bigint;
  readonly output: bigint;
}

/** Applies a model's own limits to a bound: its window, its largest output, its choices. */
export function boundTokens(price: ModelPrice, bound: UsageBound): BoundedTokens {
  const wholeWindow = bound.hidden_input || bound.iterations > 1n || bound.input > price.window;
  const prompt = wholeWindow ? price.window : bound.input;
  const asked = bound.output ?? price.output_max;
  const output = asked < price.output_max ? asked : price.output_max;
  return {
    input: prompt * bound.iterations,
    output: output * bound.choices * bound.iterations,
  };
}

/**
 * The dearest unit at which the prompt of this bound can be billed in a band: plain, a cache write that
 * the request can cause, or a cache read where a card prices those above plain input.
 */
function dearestInput(band: RateBand, bound: UsageBound): Unit {
  let dearest: Unit = "input";
  let best = band.units.input;
  // A candidate that the card does not price makes the whole bound unpriced, never cheaper.
  if (best === undefined) return "input";
  for (const unit of INPUT_UNITS) {
    const price = band.units[unit];
    if (!canBill(unit, bound)) continue;
    if (price === undefined) {
      // A read without a price settles at the hold (R11), so it asks for no more than the hold.
      if (unit === "cache_read") continue;
      return unit;
    }
    if (price.pico_usd * best.per > best.pico_usd * price.per) {
      dearest = unit;
      best = price;
    }
  }
  return dearest;
}

/** True for a unit at which this request's prompt can be billed. */
function canBill(unit: Unit, bound: UsageBound): boolean {
  if (unit === "cache_write_5m") return bound.cache_write.includes("5m");
  if (unit === "cache_write_1h") return bound.cache_write.includes("1h");
  return true;
}

/** True when `a` is the greater cost. */
function exceeds(a: ExactCost, b: ExactCost): boolean {
  return a.numerator * b.denominator > b.numerator * a.denominator;
}

/**
 * The worst-case cost E(t) of a bound on one model: the dearest over every band that a prompt of at
 * most this length can reach.
 */
export function worstCaseCost(price: ModelPrice, bound: UsageBound): ExactCost | Unpriced {
  const tokens = boundTokens(price, bound);
  let worst: ExactCost | undefined;
  for (const band of price.bands) {
    if (band.from_input > tokens.input) continue;
    const cost = sum(band, [
      [dearestInput(band, bound), tokens.input],
      ["output", tokens.output],
      ["web_search", bound.web_search],
    ]);
    if ("unpriced" in cost) return cost;
    if (worst === undefined || exceeds(cost, worst)) worst = cost;
  }
  assert(worst !== undefined, () => `${price.provider}/${price.model} has no band from 0`);
  return worst;
}

/** True when a measured usage stays inside a bound on this model: what a hold promises to cover. */
export function isWithinBound(price: ModelPrice, bound: UsageBound, usage: Usage): boolean {
  const tokens = boundTokens(price, bound);
  for (const unit of INPUT_UNITS) {
    if ((usage[unit] ?? 0n) > 0n && !canBill(unit, bound)) return false;
  }
  return (
    inputTokens(usage) <= tokens.input &&
    (usage.output ?? 0n) <= tokens.output &&
    (usage.web_search ?? 0n) <= bound.web_search
  );
}
