/**
 * Goal: a policy condition holds exactly when it says so, and rules add up to one floor, one ceiling
 * and the first refusal.
 * Method: every comparison on every field below, at and above its value; `all`, `any` and `not` against
 * the language's own; tables of rule lists.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Comparison, Condition, PolicyAction, PolicyRule } from "../ledger/policy.ts";
import { evaluateRules, holds, type RuleFacts } from "./rules.ts";
import { nanoUsd } from "./testing/world.ts";

const FACTS: RuleFacts = { pace: 9_000n, priority: "P1", remaining: nanoUsd(50n), tier: "M" };

/** Below, at and above the value that is compared with. */
const TRUTH: Readonly<Record<Comparison, readonly [boolean, boolean, boolean]>> = {
  "<": [true, false, false],
  "<=": [true, true, false],
  "=": [false, true, false],
  "!=": [true, false, true],
  ">": [false, false, true],
  ">=": [false, true, true],
};
const comparisons = Object.keys(TRUTH) as Comparison[];

describe("conditions", () => {
  test.each(comparisons)("condition: %s holds below, at and above as it should", (is) => {
    const paces = [9_001n, 9_000n, 8_999n].map((value) =>
      holds({ field: "pace", is, value }, FACTS),
    );
    expect(paces).toEqual(TRUTH[is]);
    const money = [51n, 50n, 49n].map((value) => holds({ field: "remaining", is, value }, FACTS));
    expect(money).toEqual(TRUTH[is]);
    const tiers = (["L", "M", "S"] as const).map((value) =>
      holds({ field: "tier", is, value }, FACTS),
    );
    expect(tiers).toEqual(TRUTH[is]);
    const ranks = (["P2", "P1", "P0"] as const).map((value) =>
      holds({ field: "priority", is, value }, FACTS),
    );
    expect(ranks).toEqual(TRUTH[is]);
  });

  test.each(comparisons)(
    "condition: without a cap, remaining %s is as for more than any amount",
    (is) => {
      const facts = { ...FACTS, remaining: undefined };
      const value = 2n ** 63n - 1n;
      expect(holds({ field: "remaining", is, value }, facts)).toBe(TRUTH[is][2]);
    },
  );

  test("condition: all, any and not are those of logic", () => {
    const yes: Condition = { field: "tier", is: "=", value: "M" };
    const no: Condition = { not: yes };
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 5 }), (given) => {
        const parts = given.map((one) => (one ? yes : no));
        expect(holds({ all: parts }, FACTS)).toBe(given.every(Boolean));
        expect(holds({ any: parts }, FACTS)).toBe(given.some(Boolean));
        expect(holds({ not: { any: parts } }, FACTS)).toBe(!given.some(Boolean));
      }),
    );
  });

  test("condition: what no schema lets through is a fault", () => {
    const wrong = { field: "spend", is: "=", value: 1n } as unknown as Condition;
    expect(() => holds(wrong, FACTS)).toThrow("unreachable");
    const odd = { field: "pace", is: "~", value: 1n } as unknown as Condition;
    expect(() => holds(odd, FACTS)).toThrow("unreachable: ~");
  });
});

describe("rules", () => {
  const always: Condition = { all: [] };
  let lines = 0;
  const rule = (then: PolicyAction, when: Condition = always): PolicyRule => ({
    file: "policy.yaml",
    if: when,
    line: ++lines,
    source: "…",
    then,
  });
  const floorS = rule({ do: "floor", tier: "S" });
  const floorL = rule({ do: "floor", tier: "L" });
  const ceilingM = rule({ do: "ceiling", tier: "M" });
  const ceilingXL = rule({ do: "ceiling", tier: "XL" });
  const holdA = rule({ do: "hold" });
  const holdB = rule({ do: "hold" });
  const never = rule({ do: "hold" }, { any: [] });
  const bare = rule({ do: "floor" });

  test.each<[string, readonly PolicyRule[], Partial<ReturnType<typeof evaluateRules>>]>([
    ["nothing", [], {}],
    ["a rule that does not hold", [never], {}],
    ["the highest floor", [floorS, floorL, floorS], { floor: "L", floorRule: floorL }],
    [
      "the lowest ceiling",
      [ceilingXL, ceilingM, ceilingXL],
      { ceiling: "M", ceilingRule: ceilingM },
    ],
    [
      "the first of equals",
      [floorL, { ...floorL }, ceilingM, { ...ceilingM }],
      { ceiling: "M", ceilingRule: ceilingM, floor: "L", floorRule: floorL },
    ],
    ["the first refusal", [never, holdA, holdB], { hold: holdA }],
    ["a floor that names no tier sets none", [bare], {}],
  ])("rules: come to %s", (_, rules, expected) => {
    const none = {
      ceiling: undefined,
      ceilingRule: undefined,
      floor: undefined,
      floorRule: undefined,
      hold: undefined,
    };
    const verdict = evaluateRules(rules, FACTS);
    expect(verdict).toEqual({ ...none, ...expected });
    if (expected.ceilingRule) expect(verdict.ceilingRule).toBe(expected.ceilingRule);
    if (expected.floorRule) expect(verdict.floorRule).toBe(expected.floorRule);
  });
});
