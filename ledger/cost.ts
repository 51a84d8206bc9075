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
    assert(count > 0n, `a count of ${unit} is negative: ${count}`);
    const price = band.units[unit];
    if (price === undefined) return { unpriced: unit };
    if (denominator % price.per === 0n) {
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

/** The dearest unit at which the prompt of this bound can be billed in a band. */
function dearestInput(band: RateBand, bound: UsageBound): Unit {
  const candidates: Unit[] = ["input"];
  if (bound.cache_write.includes("5m")) candidates.push("cache_write_5m");
  if (bound.cache_write.includes("1h")) candidates.push("cache_write_1h");
  let dearest: Unit = "input";
  for (const unit of candidates) {
    const price = band.units[unit];
    const best = band.units[dearest];
    // A candidate that the card does not price makes the whole bound unpriced, never cheaper.
    if (price === undefined || best === undefined) return unit;
    if (price.pico_usd * best.per > best.pico_usd * price.per) dearest = unit;
  }
  return dearest;
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
    if (band.from_input > tokens.input && band.from_input > 0n) continue;
    const cost = sum(band, [
      [dearestInput(band, bound), tokens.input],
      ["output", tokens.output],
      ["web_search", bound.web_search],
    ]);
    if ("unpriced" in cost) return cost;
    if (worst === undefined || exceeds(cost, worst)) worst = cost;
  }
  assert(worst !== undefined, `${price.provider}/${price.model} has no band from 0`);
  return worst;
}

/** True when a measured usage stays inside a bound on this model: what a hold promises to cover. */
export function isWithinBound(price: ModelPrice, bound: UsageBound, usage: Usage): boolean {
  const tokens = boundTokens(price, bound);
  let prompt = 0n;
  for (const unit of INPUT_UNITS) prompt += usage[unit] ?? 0n;
  if (!bound.cache_write.includes("5m") && (usage.cache_write_5m ?? 0n) > 0n) return false;
  if (!bound.cache_write.includes("1h") && (usage.cache_write_1h ?? 0n) > 0n) return false;
  return (
    prompt <= tokens.input &&
    (usage.output ?? 0n) <= tokens.output &&
    (usage.web_search ?? 0n) <= bound.web_search
  );
}
