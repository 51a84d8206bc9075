/**
 * Goal: the model asked for names a tier of the lane; what has no price or cannot serve is not granted.
 * Method: prices, lanes and requests that lack something, one at a time; `refine` where it helps.
 */
import { describe, expect, test } from "vitest";
import type { PolicyRule } from "../ledger/policy.ts";
import { bound, LANE, modelPrice, PRICES } from "./testing/prices.ts";
import { agent, usd, World } from "./testing/world.ts";

describe("models and prices", () => {
  test.each([
    ["auto", "XL"],
    ["model-m", "M"],
    ["alias-l", "L"],
  ])("model: %s prefers %s, and is never exceeded", (model, tier) => {
    const world = new World();
    const answer = world.authorize({ model });
    expect(world.last("authorize").preferred).toBe(tier);
    expect(answer.grant?.tier).toBe(tier);
  });

  test("model: auto prefers the heaviest tier that the agent may use", () => {
    const world = new World({ agents: { bot: agent({ tiers: ["S", "L"] }) } });
    expect(world.authorize().grant?.tier).toBe("L");
    expect(world.authorize({ model: "model-xl" })).toMatchObject({
      outcome: "admit",
      grant: { tier: "L" },
    });
    expect(world.authorize({ model: "model-m" }).grant?.tier).toBe("S");
  });

  test("model: one outside the lane is held under 00", () => {
    const world = new World({ agents: { bot: agent({ caps: { month: usd("1") } }) } });
    expect(world.authorize({ model: "gpt-9" })).toMatchObject({
      reason: "model-not-in-lane",
      rule: "00",
    });
    const entry = world.last("authorize");
    expect(entry.tiers).toEqual([]);
    expect(entry).not.toHaveProperty("preferred");
  });

  test("model: one without a price is refused, never free (R6)", () => {
    const lane = { ...LANE, tiers: LANE.tiers.slice(0, 1) };
    const world = new World({ agents: { bot: agent({ tiers: ["S"] }) } });
    const price = { ...PRICES, lanes: [lane], models: [] };
    expect(world.configure([], { price }).kind).toBe("configured");
    expect(world.authorize()).toMatchObject({
      held: 0n,
      outcome: "hold",
      reason: "unpriced",
      rule: "00",
    });
    expect(world.last("authorize").tiers).toEqual([
      { model: "model-s", skip: "unpriced", tier: "S" },
    ]);
  });

  test("model: where the one asked for has no price, a lighter one that has is granted", () => {
    const world = new World();
    world.configure([], { price: { ...PRICES, models: [modelPrice("S", 1n)] } });
    expect(world.authorize()).toMatchObject({ grant: { tier: "S" }, outcome: "admit" });
    expect(world.authorize({ model: "model-s" }).grant?.tier).toBe("S");
  });

  test("tier: the receipt says of each why it cannot serve", () => {
    const models = [
      { ...modelPrice("S", 1n), modalities: ["text"] as const },
      { ...modelPrice("M", 2n), window: 100n },
      modelPrice("L", 4n),
      modelPrice("XL", 8n),
    ];
    const rule: PolicyRule = {
      file: "policy.yaml",
      if: { all: [] },
      line: 3,
      source: "if pace >= 0% then floor: S",
      then: { do: "floor", tier: "S" },
    };
    const world = new World({ agents: { bot: agent({ rules: [rule], tiers: ["S", "M", "XL"] }) } });
    world.configure([], { price: { ...PRICES, models } });
    const image = { ...bound(1_000n, 1n), counted: true, modalities: ["image", "text"] as const };
    expect(world.authorize({ model: "model-l", usage_bound: image })).toMatchObject({
      reason: "no-eligible-tier",
    });
    const skips = world.last("authorize").tiers.map(({ tier, skip }) => [tier, skip]);
    expect(skips).toEqual([
      ["S", "modality"],
      ["M", "window"],
      ["L", "not-allowed"],
      ["XL", "above-preferred"],
    ]);
  });
});

describe("refine", () => {
  const world = new World({ agents: { bot: agent({ caps: { run: usd("0.5") } }) } });
  const wide = bound(150_000n, 1_000n);

  test("refine: is answered where a tighter bound could give a heavier tier, without an entry", () => {
    const call = world.call({ refinable: true, usage_bound: wide });
    const result = world.turn(call);
    expect(result.answer).toEqual({ authorization: call.authorization, kind: "refine" });
    expect(result.entries).toEqual([]);
    // Not sticky: the same id with a tighter bound is decided.
    expect(world.send({ ...call, usage_bound: bound(20_000n, 1_000n) })).toMatchObject({
      grant: { tier: "XL" },
      kind: "decided",
    });
  });

  test("refine: also instead of a refusal for want of money", () => {
    const usage_bound = bound(1_000_000n, 99_000n);
    const iterated = { ...usage_bound, iterations: 9n };
    expect(world.send(world.call({ refinable: true, usage_bound: iterated })).kind).toBe("refine");
    expect(world.authorize({ usage_bound: iterated }).outcome).toBe("hold");
  });

  test("refine: not where the heaviest tier is granted already", () => {
    expect(world.authorize({ refinable: true }).grant?.tier).toBe("XL");
    expect(
      world.authorize({ model: "model-s", refinable: true, usage_bound: wide }).grant?.tier,
    ).toBe("S");
  });

  test("refine: not where no bound would help", () => {
    expect(world.authorize({ model: "gpt-9", refinable: true }).rule).toBe("00");
    world.setAgent("bot", { frozen: true });
    expect(world.authorize({ refinable: true }).reason).toBe("frozen");
    world.setAgent("bot", { frozen: false });
    const policy = { rebalancing: [{ P0: "shed" as const, pace_from: 0n }], rules: [] };
    world.configure([], { policy });
    expect(world.authorize({ refinable: true, usage_bound: wide })).toMatchObject({
      outcome: "hold",
      rule: "03",
    });
    world.configure([], {
      policy: { rebalancing: [{ P0: "M" as const, pace_from: 0n }], rules: [] },
    });
    expect(world.authorize({ refinable: true, usage_bound: wide }).grant?.tier).toBe("M");
    expect(world.last("authorize").ceiling).toBe("M");
  });
});
