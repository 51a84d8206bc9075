/**
 * Goal: the first rule of the cascade that matches decides, and the verdict says which and why.
 * Method: tables from ledger rules §3 over hand-made caps and quotes; and random ones against the
 * second writing of the rules (testing/model-cascade.ts).
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { capKind } from "../ledger/caps.ts";
import type { TierQuote } from "../ledger/entries.ts";
import type { PolicyRule } from "../ledger/policy.ts";
import type { Tier } from "../ledger/price-card.ts";
import type { CapView } from "./cap.ts";
import { type CascadeInput, decideCascade } from "./cascade.ts";
import { MODEL_TIERS, modelCeiling, modelDecide } from "./testing/model-cascade.ts";
import { nanoUsd } from "./testing/world.ts";

/** A cap with so much left, of which so much more is held. */
function cap(id: string, left: bigint, held = 0n): CapView {
  return {
    bounds: undefined,
    counter: {
      cap: id,
      held: nanoUsd(held),
      kind: capKind(id),
      lastAt: 0,
      period: "p",
      settled: nanoUsd(1_000n),
    },
    limit: nanoUsd(1_000n + held + left),
  };
}

const RUN = "agent:bot/run";
const MONTH = "agent:bot/month";
const TEAM = "team:core/month";
const YEAR = "workspace:acme/year";

function quote(tier: Tier, amount: bigint | undefined, skip?: TierQuote["skip"]): TierQuote {
  return {
    model: tier,
    tier,
    ...(amount === undefined ? {} : { amount: nanoUsd(amount), pico: `${amount}000` }),
    ...(skip === undefined ? {} : { skip }),
  };
}
const FOUR = [quote("S", 10n), quote("M", 20n), quote("L", 40n), quote("XL", 80n)];
const HOLD_RULE: PolicyRule = {
  file: "policy.yaml",
  if: { all: [] },
  line: 1,
  source: "if pace > 0% then hold",
  then: { do: "hold" },
};

function decide(change: Partial<CascadeInput> = {}) {
  const verdict = decideCascade({
    caps: [cap(RUN, 1_000n), cap(MONTH, 1_000n)],
    ceiling: undefined,
    frozen: false,
    policyHold: undefined,
    preferred: "XL",
    quotes: FOUR,
    ...change,
  });
  return [verdict.rule, verdict.outcome, verdict.reason, verdict.granted?.tier];
}

describe("rule 00", () => {
  test.each<[string, Partial<CascadeInput>, string]>([
    ["a frozen agent", { frozen: true, policyHold: HOLD_RULE, preferred: undefined }, "frozen"],
    [
      "a model outside the lane",
      { policyHold: HOLD_RULE, preferred: undefined, quotes: [] },
      "model-not-in-lane",
    ],
    ["a rule that holds", { policyHold: HOLD_RULE, quotes: [] }, "policy"],
    ["no price (R6)", { quotes: [quote("S", undefined, "unpriced")] }, "unpriced"],
    [
      "no tier",
      { quotes: [quote("S", 1n, "not-allowed"), quote("M", 1n, "modality")] },
      "no-eligible-tier",
    ],
    [
      "no money either",
      { caps: [cap(RUN, -5n)], quotes: [quote("S", 1n, "window")] },
      "no-eligible-tier",
    ],
  ])("cascade: %s holds under 00", (_, change, reason) => {
    expect(decide(change)).toEqual(["00", "hold", reason, undefined]);
  });

  test("cascade: a quote without an amount is never granted (R6)", () => {
    expect(decide({ quotes: [quote("S", undefined)] })).toEqual([
      "00",
      "hold",
      "no-eligible-tier",
      undefined,
    ]);
  });
});

describe("rules 01 and 02", () => {
  test.each<[string, readonly CapView[], string, string]>([
    ["the run's cap", [cap(RUN, 9n), cap(MONTH, 9n)], "01", "per-run-cap"],
    ["a month's cap", [cap(RUN, 10n), cap(MONTH, 9n)], "02", "monthly-cap"],
    ["another scope's month", [cap(RUN, 10n), cap(MONTH, 10n), cap(TEAM, 9n)], "02", "monthly-cap"],
    ["a year's cap", [cap(RUN, 10n), cap(YEAR, 9n)], "02", "yearly-cap"],
    [
      "the month before the year",
      [cap(RUN, 10n), cap(MONTH, 0n), cap(YEAR, 0n)],
      "02",
      "monthly-cap",
    ],
    ["a cap lowered below its use (R5)", [cap(RUN, 10n), cap(MONTH, -500n)], "02", "monthly-cap"],
  ])("cascade: %s below E_min holds", (_, caps, rule, reason) => {
    expect(decide({ caps })).toEqual([rule, "hold", reason, undefined]);
    // Also where a ceiling would throttle: money comes first.
    expect(decide({ caps, ceiling: "S" })).toEqual([rule, "hold", reason, undefined]);
  });

  test("cascade: E_min is the least cost, not that of the lightest tier", () => {
    const quotes = [quote("S", 50n), quote("M", 20n), quote("L", 40n)];
    expect(decide({ caps: [cap(RUN, 20n)], preferred: "L", quotes })).toEqual([
      "04",
      "throttle",
      "per-run-tier-down",
      "M",
    ]);
    expect(decide({ caps: [cap(RUN, 19n)], preferred: "L", quotes })[0]).toBe("01");
  });

  test("cascade: a refusal names every failing cap in order, with its shortfall (R2)", () => {
    const caps = [cap(RUN, 4n), cap(MONTH, 10n), cap(TEAM, 7n), cap(YEAR, -2n)];
    const verdict = decideCascade({
      caps,
      ceiling: undefined,
      frozen: false,
      policyHold: undefined,
      preferred: "M",
      quotes: FOUR,
    });
    expect(verdict.failing).toEqual([
      { cap: RUN, period: "p", shortfall: 6n },
      { cap: TEAM, period: "p", shortfall: 3n },
      { cap: YEAR, period: "p", shortfall: 12n },
    ]);
  });

  test.each<[string, readonly CapView[], "holds" | undefined]>([
    ["holds alone", [cap(RUN, 4n, 6n)], "holds"],
    ["holds not quite", [cap(RUN, 4n, 5n)], undefined],
    ["spend", [cap(RUN, 4n)], undefined],
    ["holds on one cap, spend on another", [cap(RUN, 4n, 60n), cap(MONTH, 4n)], undefined],
    ["holds on both", [cap(RUN, 4n, 60n), cap(MONTH, -90n, 100n)], "holds"],
  ])("cascade: blocked by %s says so only for holds", (_, caps, blockedBy) => {
    const verdict = decideCascade({
      caps,
      ceiling: undefined,
      frozen: false,
      policyHold: undefined,
      preferred: "XL",
      quotes: FOUR,
    });
    expect(verdict.outcome).toBe("hold");
    expect(verdict.blockedBy).toBe(blockedBy);
  });
});

describe("rule 03", () => {
  const withoutLight = [
    quote("S", 10n, "below-floor"),
    quote("M", 20n, "below-floor"),
    quote("L", 40n),
    quote("XL", 80n),
  ];

  test.each<[string, Partial<CascadeInput>, readonly unknown[]]>([
    ["throttles to the ceiling", { ceiling: "M" }, ["03", "throttle", "priority-rebalance", "M"]],
    [
      "throttles below it where that fits",
      { caps: [cap(RUN, 1_000n), cap(MONTH, 15n)], ceiling: "M" },
      ["03", "throttle", "priority-rebalance", "S"],
    ],
    ["holds what is shed", { ceiling: "shed" }, ["03", "hold", "priority-rebalance", undefined]],
    [
      "holds where the floor is above the ceiling",
      { ceiling: "M", quotes: withoutLight },
      ["03", "hold", "priority-rebalance", undefined],
    ],
    [
      "does nothing at the preferred tier",
      { ceiling: "XL" },
      ["05", "admit", "heaviest-fit", "XL"],
    ],
    [
      "does nothing above the preferred tier",
      { ceiling: "L", preferred: "S", quotes: [quote("S", 10n)] },
      ["05", "admit", "heaviest-fit", "S"],
    ],
    [
      "comes before the run's tier-down",
      { caps: [cap(RUN, 30n)], ceiling: "L" },
      ["03", "throttle", "priority-rebalance", "M"],
    ],
  ])("cascade: a ceiling %s", (_, change, expected) => {
    expect(decide(change)).toEqual(expected);
  });

  test("cascade: under a ceiling where no tier fits, the failing caps are named (R2)", () => {
    // The lighter tiers are the dearer ones: the call would fit above the ceiling.
    const quotes = [quote("S", 50n), quote("M", 45n), quote("L", 10n)];
    const verdict = decideCascade({
      caps: [cap(RUN, 100n), cap(MONTH, 30n)],
      ceiling: "M",
      frozen: false,
      policyHold: undefined,
      preferred: "L",
      quotes,
    });
    expect(verdict).toEqual({
      failing: [{ cap: MONTH, period: "p", shortfall: 15n }],
      outcome: "hold",
      reason: "priority-rebalance",
      rule: "03",
    });
  });
});

describe("rules 04 and 05", () => {
  test.each<[string, Partial<CascadeInput>, readonly unknown[]]>([
    ["the preferred tier where it fits", {}, ["05", "admit", "heaviest-fit", "XL"]],
    [
      "exactly what is left",
      { caps: [cap(RUN, 80n), cap(MONTH, 80n)] },
      ["05", "admit", "heaviest-fit", "XL"],
    ],
    [
      "a lighter tier for a period cap",
      { caps: [cap(RUN, 80n), cap(MONTH, 79n)] },
      ["05", "admit", "heaviest-fit", "L"],
    ],
    [
      "a lighter tier for the run's cap",
      { caps: [cap(RUN, 79n), cap(MONTH, 80n)] },
      ["04", "throttle", "per-run-tier-down", "L"],
    ],
    [
      "what both leave",
      { caps: [cap(RUN, 79n), cap(MONTH, 20n)] },
      ["04", "throttle", "per-run-tier-down", "M"],
    ],
    [
      "the heaviest that can serve",
      { quotes: [quote("S", 10n), quote("M", 20n), quote("XL", 80n, "modality")] },
      ["05", "admit", "heaviest-fit", "M"],
    ],
    ["a tier without any cap", { caps: [] }, ["05", "admit", "heaviest-fit", "XL"]],
  ])("cascade: grants %s", (_, change, expected) => {
    expect(decide(change)).toEqual(expected);
  });

  test("cascade: a counter without a limit fits everything", () => {
    const uncapped = { ...cap(RUN, 0n), limit: undefined };
    expect(decide({ caps: [uncapped] })[0]).toBe("05");
  });
});

describe("all rules", () => {
  const amounts = fc.bigInt({ max: 100n, min: 0n });
  const input = fc.record({
    allowed: fc.subarray([...MODEL_TIERS], { minLength: 1 }),
    costs: fc.tuple(amounts, amounts, amounts, amounts),
    left: fc.array(fc.tuple(fc.bigInt({ max: 120n, min: -20n }), amounts), {
      maxLength: 4,
      minLength: 4,
    }),
    preferred: fc.constantFrom(...MODEL_TIERS),
  });

  test("cascade: decides as the second writing of the rules does, whatever the prices", () => {
    fc.assert(
      fc.property(input, ({ allowed, costs, left, preferred }) => {
        const caps = [RUN, MONTH, TEAM, YEAR].map((id, i) =>
          cap(id, ...(left[i] as [bigint, bigint])),
        );
        const rank = (tier: Tier) => MODEL_TIERS.indexOf(tier);
        const quotes = MODEL_TIERS.map((tier, i) => {
          const skip = rank(tier) > rank(preferred) || !allowed.includes(tier);
          return quote(tier, costs[i], skip ? "not-allowed" : undefined);
        });
        const verdict = decideCascade({
          caps,
          ceiling: undefined,
          frozen: false,
          policyHold: undefined,
          preferred,
          quotes,
        });
        const expected = modelDecide({
          allowed,
          caps: caps.map(({ counter, limit }) => ({
            cap: counter.cap,
            held: counter.held,
            limit,
            settled: counter.settled,
          })),
          cost: { L: costs[2], M: costs[1], S: costs[0], XL: costs[3] },
          floorAbove: undefined,
          frozen: false,
          now: 0,
          preferred,
          priority: 0,
        });
        expect(verdict.rule).toBe(expected.rule);
        expect(verdict.granted?.tier).toBe(expected.tier);
        expect(verdict.failing ?? []).toMatchObject(expected.failing);
        // R1: what is granted fits every cap.
        for (const { counter, limit } of caps) {
          const after = counter.settled + counter.held + (verdict.granted?.amount ?? 0n);
          if (verdict.granted !== undefined) expect(after <= (limit as bigint)).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
    expect(modelCeiling(0n, 3)).toBe(3);
  });
});
