import type { Priority } from "../ledger/caps.ts";
import type { RebalancingRow } from "../ledger/policy.ts";
import { type Tier, tierRank } from "../ledger/price-card.ts";

/** A greatest tier that may be used; `shed` lies below S. */
export type Ceiling = Tier | "shed";

/** Orders ceilings: `shed` is −1, S is 0, XL is 3. */
export function ceilingRank(ceiling: Ceiling): number {
  return ceiling === "shed" ? -1 : tierRank(ceiling);
}

/** The tighter of two ceilings; `undefined` is no ceiling. */
export function tighter(a: Ceiling | undefined, b: Ceiling | undefined): Ceiling | undefined {
  if (a === undefined) return b;
  if (b === undefined) return a;
  return ceilingRank(a) <= ceilingRank(b) ? a : b;
}

/** The tightest ceiling of every row that the pace has reached, for one priority. */
export function rebalancingCeiling(
  rows: readonly RebalancingRow[],
  pace: bigint,
  priority: Priority,
): Ceiling | undefined {
  let ceiling: Ceiling | undefined;
  for (const row of rows) if (pace >= row.pace_from) ceiling = tighter(ceiling, row[priority]);
  return ceiling;
}
