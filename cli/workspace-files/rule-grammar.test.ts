/**
 * Goal: a rule means what it says, and anything else is refused where it stands.
 * Method: any condition that entries can hold is printed and parsed back; any text at all ends in a rule
 * or in problems inside the text; single spellings by example.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { PRIORITIES } from "../../ledger/caps.ts";
import { COMPARISONS, type Condition, condition, type PolicyAction } from "../../ledger/policy.ts";
import { TIERS } from "../../ledger/price-card.ts";
import { parseRule, printRule, type RuleMeaning } from "./rule-grammar.ts";

const is = fc.constantFrom(...COMPARISONS);
const comparison: fc.Arbitrary<Condition> = fc.oneof(
  fc.record({
    field: fc.constant("pace" as const),
    is,
    value: fc.bigInt({ min: 0n, max: 10n ** 9n }),
  }),
  fc.record({
    field: fc.constant("remaining" as const),
    is,
    value: fc.bigInt({ min: -(2n ** 63n) + 1n, max: 2n ** 63n - 1n }),
  }),
  fc.record({ field: fc.constant("tier" as const), is, value: fc.constantFrom(...TIERS) }),
  fc.record({ field: fc.constant("priority" as const), is, value: fc.constantFrom(...PRIORITIES) }),
);
const { tree } = fc.letrec<{ tree: Condition }>((tie) => {
  const parts = fc.array(tie("tree"), { minLength: 2, maxLength: 4 });
  return {
    tree: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      comparison,
      fc.record({ all: parts }),
      fc.record({ any: parts }),
      fc.record({ not: tie("tree") }),
    ),
  };
});
const action: fc.Arbitrary<PolicyAction> = fc.oneof(
  fc.constant({ do: "hold" as const }),
  fc.record({
    do: fc.constantFrom("floor" as const, "ceiling" as const),
    tier: fc.constantFrom(...TIERS),
  }),
);
const rule: fc.Arbitrary<RuleMeaning> = fc.record({ if: tree, then: action });

function meaning(text: string): RuleMeaning {
  const parsed = parseRule(text);
  if (!parsed.ok) throw new Error(parsed.problems.map((one) => one.message).join("; "));
  return parsed.rule;
}

test("parse: gives back every rule that is printed", () => {
  fc.assert(
    fc.property(rule, (one) => {
      expect(meaning(printRule(one))).toEqual(one);
    }),
    { numRuns: 500 },
  );
});

test("parse: gives conditions that entries can hold", () => {
  fc.assert(
    fc.property(rule, (one) => {
      const problems: string[] = [];
      const json: unknown = JSON.parse(condition.write(meaning(printRule(one)).if));
      expect(condition.read(json, "", problems)).toEqual(one.if);
      expect(problems).toEqual([]);
    }),
  );
});

test("parse: spaces, brackets and == change nothing", () => {
  const plain = meaning("if pace >= 90% and not tier = S then ceiling: M");
  for (const text of [
    "if pace>=90% and not tier==S then ceiling:M",
    "  if\n  (pace >= 90.00%)\n  and (not (tier = S))\n  then ceiling : M ",
  ]) {
    expect(meaning(text)).toEqual(plain);
  }
});

test("parse: and binds closer than or, not closer than both", () => {
  const text = "if tier = S or tier = M and not tier = L and pace > 1% then hold";
  const tier = (value: "S" | "M" | "L") => ({ field: "tier", is: "=", value });
  expect(meaning(text).if).toEqual({
    any: [
      tier("S"),
      { all: [tier("M"), { not: tier("L") }, { field: "pace", is: ">", value: 100n }] },
    ],
  });
});

test("parse: amounts and percentages are exact", () => {
  const value = (text: string) => (meaning(`if ${text} then hold`).if as { value: bigint }).value;
  expect(value("pace > 90.25%")).toBe(9_025n);
  expect(value("pace > 0.1%")).toBe(10n);
  expect(value("remaining < $0.000000001")).toBe(1n);
  expect(value("remaining < $1,234.5")).toBe(1_234_500_000_000n);
  expect(value("remaining < -$5")).toBe(-5_000_000_000n);
  expect(value("remaining < $9007199.254740993")).toBe(9_007_199_254_740_993n);
});

test("parse: any text is a rule or has problems inside the text", () => {
  const words = fc.constantFrom(
    ...["if", "then", "and", "or", "not", "(", ")", "pace", "remaining", "tier", "priority"],
    ...[
      ">",
      "<=",
      "==",
      "90%",
      "$5",
      "L",
      "P0",
      "floor",
      ":",
      "hold",
      "spend",
      "else",
      "5",
      "é",
      "\u{1f600}",
    ],
  );
  const sentence = fc.array(words, { maxLength: 20 }).map((list) => list.join(" "));
  fc.assert(
    fc.property(fc.oneof(sentence, fc.string({ unit: "grapheme" })), (text) => {
      const parsed = parseRule(text);
      const rules = parsed.ok ? [parsed.rule] : [];
      const problems = parsed.ok ? [] : parsed.problems;
      expect(rules.length > 0 || problems.length > 0).toBe(true);
      expect(rules.map((one) => meaning(printRule(one)))).toEqual(rules);
      const outside = problems.filter(
        ({ offset, length }) => offset < 0 || offset + length > text.length + 1,
      );
      expect(outside).toEqual([]);
    }),
    { numRuns: 1_000 },
  );
});

test("parse: refuses what is not in force by name, in both halves, where it stands", () => {
  for (const field of ["spend", "tool", "model", "hour", "weekday", "lane", "attributes.team"]) {
    for (const act of ["alert: x", "route: y", "quota: 2000/h", "freeze"]) {
      const text = `if pace > 1% and ${field} in 1h > $5 and (pace < 2%) then ${act}`;
      const parsed = parseRule(text);
      if (parsed.ok) throw new Error(`took ${text}`);
      expect(parsed.problems.map((one) => one.message)).toEqual([
        `"${field}" is not in force in this version as a condition`,
        `"${act.split(":")[0]}" is not in force in this version as an action`,
      ]);
      expect(parsed.problems.map((one) => text.slice(one.offset, one.offset + one.length))).toEqual(
        [field, act.split(":")[0]],
      );
    }
  }
});

test("parse: a rule of the greatest length, nested as deep as it can be, ends", () => {
  const deep = `if ${"(".repeat(230)}pace > 1%${")".repeat(230)} then hold`;
  expect(meaning(deep).if).toEqual({ field: "pace", is: ">", value: 100n });
  const nots = `if ${"not ".repeat(110)}pace > 1% then hold`;
  expect(printRule(meaning(nots))).toBe(nots);
});
