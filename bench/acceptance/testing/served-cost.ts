/**
 * What a provider's bill comes to at a price entry of the ledger. Written apart from `ledger/cost.ts`
 * on purpose: the two must agree to the nano-dollar.
 */
import type { PriceSettings } from "../../../ledger/workspace-config.ts";
import type { Bill } from "../../providers/served.ts";

type ModelPrice = PriceSettings["models"][number];

/** `-2026-10-01` and `-20261001`: a dated snapshot of a model costs what the model costs. */
const SNAPSHOT = /-(\d{4}-\d{2}-\d{2}|\d{8})$/;

/** The price of a model by the name a provider gives it; undefined where the entry has none. */
export function priceOf(prices: PriceSettings, servedAs: string): ModelPrice | undefined {
  const names = [servedAs, servedAs.replace(SNAPSHOT, "")];
  return prices.models.find(({ model }) => names.includes(model));
}

/** A bill in nano-USD, rounded half to even; undefined when a unit of it has no price. */
export function costOfBill(price: ModelPrice, bill: Bill): bigint | undefined {
  const prompt = BigInt(bill.input + bill.cache_read + bill.cache_write_5m + bill.cache_write_1h);
  const band = price.bands.filter(({ from_input: from }) => from <= prompt).at(-1);
  let pico = 0n;
  for (const [unit, count] of Object.entries(bill) as [keyof Bill, number][]) {
    if (count === 0) continue;
    const rate = band?.units[unit];
    if (rate === undefined) return undefined;
    if (rate.per !== 1n) throw new Error(`${unit} is priced per ${rate.per}: not a token`);
    pico += BigInt(count) * rate.pico_usd;
  }
  const nano = pico / 1_000n;
  const rest = pico % 1_000n;
  const up = rest > 500n || (rest === 500n && nano % 2n === 1n);
  return up ? nano + 1n : nano;
}

/** A bill with its zeros left out, as entries spell a usage. */
export function usageOfBill(bill: Bill): Record<string, bigint> {
  const counts = Object.entries(bill).filter(([, count]) => count > 0);
  return Object.fromEntries(counts.map(([unit, count]) => [unit, BigInt(count as number)]));
}
