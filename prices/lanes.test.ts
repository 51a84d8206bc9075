/**
 * Goal: the built-in lanes name priced models, and a heavier tier is never cheaper.
 * Method: every lane of the card, worst-case costs at many bounds that all of its tiers can take.
 */
import { expect, test } from "vitest";
import { worstCaseCost } from "../ledger/cost.ts";
import { laneKey, type ModelPrice } from "../ledger/price-card.ts";
import type { UsageBound } from "../ledger/usage.ts";
import { buildPriceCard, findLane, findModel } from "./card.ts";
import { builtInLanes, tierNamed } from "./lanes.ts";

const card = buildPriceCard();
const lanes = builtInLanes();

function bound(input: bigint, output: bigint | undefined, write: "none" | "5m" | "1h"): UsageBound {
  return {
    cache_write: write === "none" ? [] : [write],
    choices: 1n,
    counted: false,
    hidden_input: false,
    input,
    iterations: 1n,
    modalities: ["text"],
    web_search: 0n,
    ...(output === undefined ? {} : { output }),
  };
}

test.each(lanes.map((lane) => [laneKey(lane), lane] as const))(
  "lane %s: names priced models",
  (_, lane) => {
    for (const { model } of lane.tiers) {
      const price = findModel(card, lane.prices, model);
      expect(price?.model).toBe(model);
      expect(price?.modalities).toContain("text");
    }
  },
);

test.each(lanes.map((lane) => [laneKey(lane), lane] as const))(
  "lane %s: each tier is dearer than the one below it",
  (_, lane) => {
    const prices = lane.tiers.map(({ model }) => findModel(card, lane.prices, model) as ModelPrice);
    for (const input of [1n, 1_000n, 20_000n, 190_000n]) {
      for (const output of [1n, 500n, 8_000n, 64_000n, undefined]) {
        for (const write of ["none", "5m", "1h"] as const) {
          let below = 0n;
          for (const price of prices) {
            const cost = worstCaseCost(price, bound(input, output, write));
            if ("unpriced" in cost) throw new Error(`${price.model}: ${cost.unpriced} is unpriced`);
            expect(cost.denominator).toBe(1n);
            expect(cost.numerator).toBeGreaterThan(below);
            below = cost.numerator;
          }
        }
      }
    }
  },
);

test("lanes: the one of the support-triage example has all four tiers", () => {
  const lane = findLane(card, {
    family: "claude",
    provider: "anthropic-bedrock",
    region: "us-east-1",
  });
  expect(lane?.tiers.map(({ tier }) => tier)).toEqual(["S", "M", "L", "XL"]);
  expect(lane?.api).toBe("bedrock");
});

test("lanes: no name belongs to two tiers of a lane", () => {
  for (const lane of lanes) {
    const names = lane.tiers.flatMap(({ aliases, model }) => [model, ...aliases]);
    expect(new Set(names).size).toBe(names.length);
  }
});

test("tierNamed: knows ids and other names, and nothing else", () => {
  const lane = findLane(card, { family: "claude", provider: "anthropic", region: "global" });
  if (lane === undefined) throw new Error("no lane");
  expect(tierNamed(lane, "claude-haiku-4-5")?.tier).toBe("S");
  expect(tierNamed(lane, "claude-haiku-4-5-20251001")?.tier).toBe("S");
  expect(tierNamed(lane, "claude-haiku-4-5-20991231")).toBeUndefined();
});
