/**
 * The cascade and the pace of ledger rules §3 and §4, written a second time from their text, for
 * tests: plain numbers and names, no code of the actors.
 */

export type ModelTier = "S" | "M" | "L" | "XL";
export const MODEL_TIERS: readonly ModelTier[] = ["S", "M", "L", "XL"];

/** One cap as a call meets it. Amounts in nano-USD, times in ms; no `start` for a run cap. */
export interface ModelCap {
  readonly cap: string;
  readonly limit: bigint | undefined;
  readonly settled: bigint;
  readonly held: bigint;
  readonly start?: number;
  readonly end?: number;
}

export interface ModelCall {
  readonly caps: readonly ModelCap[];
  readonly now: number;
  readonly frozen: boolean;
  readonly priority: 0 | 1 | 2 | 3;
  readonly allowed: readonly ModelTier[];
  readonly preferred: ModelTier;
  /** E(t) in nano-USD. */
  readonly cost: Readonly<Record<ModelTier, bigint>>;
  /** Least tier that policy asks for, from a pace of so many basis points on (exclusive). */
  readonly floorAbove: { readonly pace: bigint; readonly tier: ModelTier } | undefined;
}

export interface ModelVerdict {
  readonly outcome: "admit" | "throttle" | "hold";
  readonly rule: string;
  readonly reason: string;
  readonly tier: ModelTier | undefined;
  readonly held: bigint;
  readonly failing: readonly { readonly cap: string; readonly shortfall: bigint }[];
  readonly blockedByHolds: boolean;
}

const rank = (tier: ModelTier): number => MODEL_TIERS.indexOf(tier);

/** §4: ⌊ committed × 10,000 × length ÷ (limit × max(elapsed, length ÷ 10)) ⌋. */
export function modelPace(cap: ModelCap, now: number): bigint | undefined {
  if (cap.limit === undefined || cap.start === undefined || cap.end === undefined) return undefined;
  if (cap.limit === 0n) return 10_000n;
  const length = cap.end - cap.start;
  const elapsed = Math.max(now - cap.start, Math.floor(length / 10));
  const committed = cap.settled + cap.held;
  if (committed < 0n) return 0n;
  return (committed * 10_000n * BigInt(length)) / (cap.limit * BigInt(elapsed));
}

/** §4's table: the ceiling as a rank, −1 for shed, 3 for none; columns P0 to P3. */
const TABLE: readonly (readonly [bigint, readonly [number, number, number, number]])[] = [
  [11_000n, [3, 1, -1, -1]],
  [10_000n, [3, 2, 0, -1]],
  [9_000n, [3, 3, 1, 0]],
  [8_000n, [3, 3, 3, 1]],
];

export function modelCeiling(pace: bigint, priority: 0 | 1 | 2 | 3): number {
  const row = TABLE.find(([from]) => pace >= from);
  return row === undefined ? 3 : row[1][priority];
}

function refused(rule: string, reason: string): ModelVerdict {
  return {
    outcome: "hold",
    rule,
    reason,
    tier: undefined,
    held: 0n,
    failing: [],
    blockedByHolds: false,
  };
}

const REASONS: Readonly<Record<string, string>> = {
  run: "per-run-cap",
  month: "monthly-cap",
  year: "yearly-cap",
};

/** §3, first match wins. */
export function modelDecide(call: ModelCall): ModelVerdict {
  if (call.frozen) return refused("00", "frozen");
  const paces = call.caps.map((cap) => modelPace(cap, call.now) ?? 0n);
  const pace = paces.reduce((a, b) => (a > b ? a : b), 0n);
  const { floorAbove } = call;
  const asked = floorAbove !== undefined && pace > floorAbove.pace ? rank(floorAbove.tier) : 0;
  const floor = Math.min(asked, rank(call.preferred));
  const eligible = call.allowed.filter(
    (tier) => rank(tier) >= floor && rank(tier) <= rank(call.preferred),
  );
  if (eligible.length === 0) return refused("00", "no-eligible-tier");
  const left = (cap: ModelCap) => (cap.limit ?? 0n) - cap.settled - cap.held;
  const misses = (cap: ModelCap, amount: bigint) => cap.limit !== undefined && left(cap) < amount;
  const fits = (tier: ModelTier) => !call.caps.some((cap) => misses(cap, call.cost[tier]));
  const least = eligible.map((tier) => call.cost[tier]).reduce((a, b) => (a < b ? a : b));
  const failing = call.caps.filter((cap) => misses(cap, least));
  const first = failing[0]?.cap.split("/")[1];
  if (first !== undefined) {
    return {
      ...refused(first === "run" ? "01" : "02", REASONS[first] ?? ""),
      failing: failing.map((cap) => ({ cap: cap.cap, shortfall: least - left(cap) })),
      blockedByHolds: failing.every((cap) => left(cap) + cap.held >= least),
    };
  }
  const grant = (outcome: "admit" | "throttle", rule: string, reason: string, tier: ModelTier) => ({
    outcome,
    rule,
    reason,
    tier,
    held: call.cost[tier],
    failing: [],
    blockedByHolds: false,
  });
  const heaviest = (tiers: readonly ModelTier[]) => tiers.filter(fits).at(-1);
  const ceiling = modelCeiling(pace, call.priority);
  if (ceiling < rank(call.preferred)) {
    const tier = heaviest(eligible.filter((one) => rank(one) <= ceiling));
    if (tier === undefined) return refused("03", "priority-rebalance");
    return grant("throttle", "03", "priority-rebalance", tier);
  }
  const tier = heaviest(eligible) as ModelTier;
  const wanted = eligible.at(-1) as ModelTier;
  const run = call.caps.find((cap) => cap.cap.endsWith("/run")) as ModelCap;
  if (misses(run, call.cost[wanted])) return grant("throttle", "04", "per-run-tier-down", tier);
  return grant("admit", "05", "heaviest-fit", tier);
}
