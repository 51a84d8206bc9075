import { assert } from "../ledger/assert.ts";
import type { RateBand, UnitPrice } from "../ledger/price-card.ts";
import { UNITS, type Unit } from "../ledger/usage.ts";
import { divideUp } from "./decimal.ts";

/** Pico-USD per unit, as published: units may be missing. */
export type Rates = { readonly [U in Unit]?: bigint };

/**
 * Anthropic's cache-write prices as multiples of input, in hundredths: 5 minutes 1.25, 1 hour 2.
 * Source: https://platform.claude.com/docs/en/about-claude/pricing, read 2026-11-22 (every row of its
 * table but Haiku 3, whose 5-minute write is published as $0.30 and is taken from there).
 */
const CLAUDE_WRITE_5M = 125n;
const CLAUDE_WRITE_1H = 200n;

/** True for a model of Anthropic's, whichever provider sells it: its cache is billed by TTL. */
export function isClaude(model: string): boolean {
  return model.includes("claude");
}

/**
 * Fills the units that a publisher leaves out, always upward, so that no token is free or too cheap:
 * a cache read costs at most its input; a cache write at least. Web search stays unpriced: a call that
 * may search is then refused.
 */
export function fillUpward(rates: Rates, claude: boolean): Rates {
  const { input, output } = rates;
  assert(input !== undefined && output !== undefined, "a model has a price of input and output");
  const write5m =
    rates.cache_write_5m ?? (claude ? divideUp(input * CLAUDE_WRITE_5M, 100n) : input);
  const write1h =
    rates.cache_write_1h ??
    (claude ? divideUp(input * CLAUDE_WRITE_1H, 100n) : write5m > input ? write5m : input);
  return {
    ...rates,
    cache_read: rates.cache_read ?? input,
    cache_write_5m: write5m,
    cache_write_1h: write1h,
  };
}

/** Unit prices of rates, units in canonical order. */
export function unitPrices(rates: Rates): { readonly [U in Unit]?: UnitPrice } {
  const units: { [U in Unit]?: UnitPrice } = {};
  for (const unit of UNITS) {
    const pico = rates[unit];
    if (pico !== undefined) units[unit] = { per: 1n, pico_usd: pico };
  }
  return units;
}

/** Rates in force from a prompt length on, gaps filled. */
export interface FilledBand {
  /** Prompt tokens from which they apply, 0 for the first. */
  readonly from_input: bigint;
  readonly rates: Rates;
}

/** Fills every band; ascending by prompt length. @throws InvariantError when none is from 0. */
export function fillBands(bands: readonly FilledBand[], claude: boolean): readonly FilledBand[] {
  const ascending = [...bands].sort((a, b) => (a.from_input < b.from_input ? -1 : 1));
  assert(ascending[0]?.from_input === 0n, "the first band of a price starts at 0");
  return ascending.map(({ from_input, rates }) => ({
    from_input,
    rates: fillUpward(rates, claude),
  }));
}

/** The bands as they stand in a card. */
export function cardBands(bands: readonly FilledBand[]): readonly RateBand[] {
  return bands.map(({ from_input, rates }) => ({ from_input, units: unitPrices(rates) }));
}

/** The rates of the greatest band that a prompt reaches; bands ascend. */
function ratesAt(bands: readonly FilledBand[], promptTokens: bigint): Rates {
  return bands.findLast((band) => band.from_input <= promptTokens)?.rates ?? {};
}

/**
 * Unit by unit and prompt length by prompt length, the dearest of several filled price lists. A unit
 * that one of them leaves unpriced stays unpriced.
 */
export function dearestOf(lists: readonly (readonly FilledBand[])[]): readonly FilledBand[] {
  const starts = new Set(lists.flatMap((bands) => bands.map((band) => band.from_input)));
  const ascending = [...starts].sort((a, b) => (a < b ? -1 : 1));
  return ascending.map((from_input) => {
    const rates: { [U in Unit]?: bigint } = {};
    for (const unit of UNITS) {
      let dearest: bigint | undefined = 0n;
      for (const bands of lists) {
        const price: bigint | undefined = ratesAt(bands, from_input)[unit];
        if (price === undefined || dearest === undefined) dearest = undefined;
        else if (price > dearest) dearest = price;
      }
      if (dearest !== undefined) rates[unit] = dearest;
    }
    return { from_input, rates };
  });
}
