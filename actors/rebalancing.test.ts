/**
 * Goal: "when the monthly cap tightens, P3 work is shed first, then P2. P0 keeps its full model tier".
 * Method: the default table of ledger rules §4 cell by cell, at each step and one basis point before.
 */
import { describe, expect, test } from "vitest";
import { PRIORITIES, type Priority } from "../ledger/caps.ts";
import { DEFAULT_REBALANCING } from "../ledger/policy.ts";
import { type Ceiling, ceilingRank, rebalancingCeiling, tighter } from "./rebalancing.ts";

type Row = Readonly<Record<Priority, Ceiling | undefined>>;
const none: Row = { P0: undefined, P1: undefined, P2: undefined, P3: undefined };
const TABLE: readonly (readonly [bigint, Row])[] = [
  [0n, none],
  [7_999n, none],
  [8_000n, { ...none, P3: "M" }],
  [8_999n, { ...none, P3: "M" }],
  [9_000n, { ...none, P2: "M", P3: "S" }],
  [9_999n, { ...none, P2: "M", P3: "S" }],
  [10_000n, { ...none, P1: "L", P2: "S", P3: "shed" }],
  [10_999n, { ...none, P1: "L", P2: "S", P3: "shed" }],
  [11_000n, { ...none, P1: "M", P2: "shed", P3: "shed" }],
  [1_000_000n, { ...none, P1: "M", P2: "shed", P3: "shed" }],
];

describe("default table", () => {
  test.each(TABLE.flatMap(([pace, row]) => PRIORITIES.map((p) => [pace, p, row[p]] as const)))(
    "rebalance: at pace %d, %s has the ceiling %s",
    (pace, priority, ceiling) => {
      expect(rebalancingCeiling(DEFAULT_REBALANCING, pace, priority)).toBe(ceiling);
    },
  );
});

test("rebalance: the tightest of the rows reached counts, in whatever order they stand", () => {
  const rows = [
    { P0: "S" as const, pace_from: 5_000n },
    { P0: "L" as const, pace_from: 6_000n },
  ];
  expect(rebalancingCeiling(rows, 7_000n, "P0")).toBe("S");
  expect(rebalancingCeiling(rows.toReversed(), 7_000n, "P0")).toBe("S");
  expect(rebalancingCeiling([], 99_999n, "P3")).toBeUndefined();
});

test("ceiling: shed lies below S, and none is above all", () => {
  expect((["shed", "S", "M", "L", "XL"] as const).map(ceilingRank)).toEqual([-1, 0, 1, 2, 3]);
  expect(tighter(undefined, "XL")).toBe("XL");
  expect(tighter("XL", undefined)).toBe("XL");
  expect(tighter(undefined, undefined)).toBeUndefined();
  expect(tighter("M", "S")).toBe("S");
  expect(tighter("shed", "S")).toBe("shed");
});
