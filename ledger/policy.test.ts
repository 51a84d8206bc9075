/**
 * Goal: a rule that is stored is one that the engine can obey; every other one is refused.
 * Method: random rules there and back, and a table of refused ones.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Condition,
  condition,
  DEFAULT_REBALANCING,
  policyAction,
  policyRule,
} from "./policy.ts";
import { parseJson } from "./schema.ts";
import { policyRules } from "./testing/configuration.ts";

function problems(json: string): readonly string[] {
  const parsed = parseJson(condition, json);
  return parsed.ok ? [] : parsed.problems;
}

test("rule: every rule is read back as it was written", () => {
  fc.assert(
    fc.property(policyRules, (rule) => {
      expect(parseJson(policyRule, policyRule.write(rule))).toEqual({ ok: true, value: rule });
    }),
  );
});

describe("condition", () => {
  test.each([
    ["1", [": must be a condition"]],
    ["null", [": must be a condition"]],
    ["[]", ["value: must be an object"]],
    ["{}", ["field: must be one of pace, priority, remaining, tier"]],
    ['{"field":"spend"}', ["field: must be one of pace, priority, remaining, tier"]],
    ['{"field":"constructor"}', ["field: must be one of pace, priority, remaining, tier"]],
    ['{"field":"__proto__"}', ["field: must be one of pace, priority, remaining, tier"]],
    [
      '{"field":"pace","is":"~","value":"-1"}',
      ["is: must be one of <, <=, =, !=, >, >=", "value: must be at least 0"],
    ],
    ['{"field":"tier","is":"=","value":"XXL"}', ["value: must be one of S, M, L, XL"]],
    ['{"not":{"field":"tier","is":"="}}', ["not.value: is missing"]],
    ['{"all":[],"any":[]}', ["any: is not a known field"]],
    [
      '{"any":[{"field":"priority","is":"=","value":"P4"}]}',
      ["any[0].value: must be one of P0, P1, P2, P3"],
    ],
  ])("read: %s is refused", (json, expected) => {
    expect(problems(json)).toEqual(expected);
  });

  /** `not` so many times around a comparison. */
  const nested = (depth: number): Condition => {
    let inner: Condition = { field: "pace", is: ">", value: 1n };
    for (let i = 0; i < depth; i++) inner = { not: inner };
    return inner;
  };

  test("read: conditions stand in each other up to 16 deep", () => {
    expect(problems(condition.write(nested(15)))).toEqual([]);
    expect(problems(condition.write(nested(16)))).toEqual([
      `${"not.".repeat(16).slice(0, -1)}: conditions stand in each other more than 16 deep`,
    ]);
  });

  test("read: a tower of a hundred thousand is refused like any other", () => {
    const tower = `${'{"not":'.repeat(100_000)}1${"}".repeat(100_000)}`;
    expect(problems(tower)).toHaveLength(1);
  });
});

describe("action", () => {
  test.each([
    ['{"do":"floor","tier":"L"}', []],
    ['{"do":"ceiling","tier":"S"}', []],
    ['{"do":"hold"}', []],
    ['{"do":"floor"}', ["tier: is missing"]],
    ['{"do":"ceiling"}', ["tier: is missing"]],
    ['{"do":"hold","tier":"L"}', ["tier: is not a known field"]],
    ['{"do":"freeze"}', ["do: must be one of ceiling, floor, hold"]],
    ['{"do":"route","to":"x"}', ["do: must be one of ceiling, floor, hold"]],
  ])("read: %s", (json, expected) => {
    const parsed = parseJson(policyAction, json);
    expect(parsed.ok ? [] : parsed.problems).toEqual(expected);
  });
});

test("rebalancing: the default table is that of the ledger rules, in rising pace", () => {
  expect(DEFAULT_REBALANCING).toEqual([
    { P3: "M", pace_from: 8_000n },
    { P2: "M", P3: "S", pace_from: 9_000n },
    { P1: "L", P2: "S", P3: "shed", pace_from: 10_000n },
    { P1: "M", P2: "shed", P3: "shed", pace_from: 11_000n },
  ]);
});
