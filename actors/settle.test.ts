/**
 * Goal: money that was spent always posts, in full, once per part, where its hold was.
 * Method: single settles in every form over one workspace each; the entries they make. The four tiers
 * cost $1, $2, $4 and $8 a million tokens in and five times that out.
 */
import { describe, expect, test } from "vitest";
import type { AgentSettings } from "../ledger/workspace-config.ts";
import { modelPrice, PRICES } from "./testing/prices.ts";
import { agent, usd, World } from "./testing/world.ts";

const HELD = usd("0.048");
/** 100 tokens in and 100 out at tier XL. */
const USAGE = { input: 100n, output: 100n };
const COST = usd("0.0048");

function open(settings: Partial<AgentSettings> = {}) {
  const world = new World({ agents: { bot: agent(settings) } });
  const { authorization } = world.authorize({ run: "r1" });
  return { authorization, world };
}

describe("a settle", () => {
  test("settle: posts the metered cost once and gives back the rest", () => {
    const { world, authorization } = open();
    const answer = world.settle(authorization, { usage: USAGE });
    expect(answer).toEqual({
      amount: COST,
      authorization,
      kind: "posted",
      released: HELD - COST,
      seq: 4n,
      state: "settled",
    });
    const [settle, release] = world.entries.slice(-2).map(({ entry }) => entry);
    const opened = { hash: world.entries[2]?.hash, seq: 3n };
    expect(settle).toMatchObject({
      amount: COST,
      basis: "measured",
      final: true,
      kind: "settle",
      late: false,
      model: "model-xl",
      opened,
      overage: 0n,
      part: "1",
      pico: "4800000000",
      price_card: PRICES.card,
      tier: "XL",
      usage: USAGE,
    });
    expect(release).toMatchObject({ amount: HELD - COST, kind: "release", opened });
    expect(world.balance("agent:bot/month")).toEqual({ held: 0n, settled: COST });
    expect(world.balance("agent:bot/run", "r1")).toEqual({ held: 0n, settled: COST });
  });

  test("settle: exactly the hold leaves nothing to release", () => {
    const { world, authorization } = open();
    const answer = world.settle(authorization, { usage: { input: 1_000n, output: 1_000n } });
    expect(answer).toMatchObject({ amount: HELD, released: 0n, state: "settled" });
    expect(world.last("settle").overage).toBe(0n);
  });

  test("settle: zero means zero", () => {
    const { world, authorization } = open();
    expect(world.settle(authorization, { usage: {} })).toMatchObject({
      amount: 0n,
      released: HELD,
    });
    expect(world.balance("agent:bot/month")).toEqual({ held: 0n, settled: 0n });
  });

  test("settle: the model served is found by id or alias, and priced at its own price", () => {
    for (const model of ["model-s", "alias-s"]) {
      const { world, authorization } = open();
      expect(world.settle(authorization, { model, usage: USAGE }).amount).toBe(usd("0.0006"));
      expect(world.entries.at(-2)?.entry).toMatchObject({ model, tier: "S" });
    }
  });

  test("settle: a model of the card outside the lane has a price and no tier", () => {
    const models = [...PRICES.models, { ...modelPrice("S", 3n), model: "model-x" }];
    const world = new World();
    world.configure([], { price: { ...PRICES, models } });
    const { authorization } = world.authorize();
    expect(world.settle(authorization, { model: "model-x", usage: USAGE }).amount).toBe(
      usd("0.0018"),
    );
    expect(world.entries.at(-2)?.entry).not.toHaveProperty("tier");
  });
});

describe("parts", () => {
  test("part: each posts once; the hold shrinks with each, the final one releases the rest (R11)", () => {
    const { world, authorization } = open();
    const first = world.settle(authorization, { final: false, usage: USAGE });
    expect(first).toMatchObject({ amount: COST, released: 0n, state: "open" });
    expect(world.balance("agent:bot/month")).toEqual({ held: HELD - COST, settled: COST });
    const second = world.settle(authorization, { part: "2", usage: USAGE });
    expect(second).toMatchObject({ amount: COST, released: HELD - 2n * COST, state: "settled" });
    expect(world.balance("agent:bot/month")).toEqual({ held: 0n, settled: 2n * COST });
  });

  test("part: the same one again is answered with the first, whatever it says now (R11)", () => {
    const { world, authorization } = open();
    const first = world.settle(authorization, { usage: USAGE });
    const count = world.entries.length;
    expect(world.settle(authorization, { usage: USAGE })).toEqual(first);
    expect(world.settle(authorization, { usage: { output: 9n } })).toEqual(first);
    expect(world.entries).toHaveLength(count);
  });

  test("part: a second final one is answered with the first (R11)", () => {
    const { world, authorization } = open();
    const first = world.settle(authorization, { usage: USAGE });
    expect(world.settle(authorization, { part: "2", usage: { output: 9n } })).toEqual(first);
    expect(world.settle(authorization, { part: "3" })).toEqual(first);
  });

  test("part: one that is not final still posts after the end, as late (R9)", () => {
    const { world, authorization } = open();
    world.settle(authorization, { usage: USAGE });
    const more = world.settle(authorization, { final: false, part: "2", usage: USAGE });
    expect(more).toMatchObject({ amount: COST, late: true, state: "settled" });
    expect(world.balance("agent:bot/month").settled).toBe(2n * COST);
  });

  test("part: one that is not final must say what was used", () => {
    const { world, authorization } = open();
    const command = { authorization, final: false, kind: "settle" as const, part: "1" };
    expect(world.send(command)).toEqual({
      authorization,
      code: "bad-request",
      kind: "refused",
      message: "usage: is missing; a settle that is not final must say what was used.",
    });
  });
});

describe("above the hold", () => {
  const BIG = { output: 2_000n };
  const OVER = usd("0.032");

  test("overage: posts in full, also above the cap (R10)", () => {
    const { world, authorization } = open({ caps: { month: usd("0.05") } });
    const answer = world.settle(authorization, { usage: BIG });
    expect(answer).toMatchObject({ amount: HELD + OVER, overage: OVER, released: 0n });
    expect(world.balance("agent:bot/month")).toEqual({ held: 0n, settled: HELD + OVER });
    expect(world.state.config.agents.get("bot")?.frozen).toBe(false);
    expect(world.authorize()).toMatchObject({ outcome: "hold", reason: "monthly-cap" });
  });

  test("overage: freezes an agent that is set so, in the same block (R10)", () => {
    const { world, authorization } = open({ on_overage: "freeze" });
    const { entries } = world.turn({
      authorization,
      final: true,
      kind: "settle",
      part: "1",
      usage: BIG,
    });
    expect(entries.map(({ entry }) => entry.kind)).toEqual(["settle", "configure"]);
    expect(world.last("configure")).toMatchObject({ by: "tarmac:overage", commit: true });
    expect(world.authorize()).toMatchObject({ reason: "frozen", rule: "00" });
    // It is frozen once: another overage has nothing to add.
    const late = world.settle(authorization, { final: false, part: "2", usage: BIG });
    expect(late.overage).toBe(HELD + OVER);
    expect(world.entries.at(-2)?.entry.kind).toBe("authorize");
  });

  test("overage: a late part within what was granted freezes nobody (R9 R10)", () => {
    const { world, authorization } = open({ on_overage: "freeze" });
    world.pass(30_000);
    expect(world.settle(authorization, { usage: USAGE })).toMatchObject({
      late: true,
      overage: COST,
    });
    expect(world.state.config.agents.get("bot")?.frozen).toBe(false);
    world.settle(authorization, { final: false, part: "2", usage: BIG });
    expect(world.state.config.agents.get("bot")?.frozen).toBe(true);
  });

  test("overage: of an agent that is no more has no consequence", () => {
    const { world, authorization } = open({ on_overage: "freeze" });
    world.configure([{ id: "bot", item: "agent" }]);
    expect(world.settle(authorization, { usage: BIG }).overage).toBe(OVER);
    expect(world.entries.at(-1)?.entry.kind).toBe("settle");
  });
});

describe("late", () => {
  test.each([
    ["an expiry", (world: World) => world.pass(30_000)],
    ["a void", (world: World) => world.void(world.last("authorize").authorization)],
  ])("late: a settle after %s posts in full, marked late (R9)", (_, end) => {
    const { world, authorization } = open({ caps: { month: usd("0.05") } });
    end(world);
    expect(world.balance("agent:bot/month")).toEqual({ held: 0n, settled: 0n });
    // Somebody else has taken the money meanwhile: it posts all the same.
    world.settle(world.authorize().authorization);
    const answer = world.settle(authorization, { usage: USAGE });
    expect(answer).toMatchObject({ amount: COST, late: true, state: "settled" });
    expect(world.balance("agent:bot/month").settled).toBe(HELD + COST);
  });

  test("late: a settle of a refused call posts too, for it was forwarded (R9)", () => {
    const world = new World({ agents: { bot: agent({ caps: { month: usd("0.001") } }) } });
    const refused = world.authorize();
    expect(refused.outcome).toBe("hold");
    const answer = world.settle(refused.authorization, { model: "model-s", usage: USAGE });
    expect(answer).toMatchObject({ amount: usd("0.0006"), late: true, overage: usd("0.0006") });
    const bare = world.authorize();
    expect(world.settle(bare.authorization, { usage: USAGE })).toMatchObject({
      amount: 0n,
      assumed: true,
    });
    expect(world.last("settle")).toMatchObject({ basis: "assumed", unpriced: true });
    expect(world.last("settle")).not.toHaveProperty("model");
  });

  test("period: a January hold settled in February moves January (R4)", () => {
    const world = new World({ agents: { bot: agent({ caps: { month: usd("1") } }) } });
    world.now = Date.UTC(2027, 0, 31, 23, 59, 59, 990);
    const { authorization } = world.authorize();
    world.pass(20);
    expect(new Date(world.now).getUTCMonth()).toBe(1);
    world.settle(authorization, { usage: USAGE });
    expect(world.balance("agent:bot/month", "2027-01@UTC")).toEqual({ held: 0n, settled: COST });
    expect(world.balance("agent:bot/month", "2027-02@UTC")).toEqual({ held: 0n, settled: 0n });
    world.authorize();
    expect(world.balance("agent:bot/month", "2027-02@UTC").held).toBe(HELD);
    expect(world.balance("agent:bot/year", "2027@UTC")).toEqual({ held: HELD, settled: COST });
  });

  test("period: the last millisecond belongs to the month, the next to the next (R4)", () => {
    const world = new World();
    for (const now of [Date.UTC(2026, 11, 1) - 1, Date.UTC(2026, 11, 1)]) {
      world.now = now;
      world.authorize();
    }
    for (const month of ["2026-11@UTC", "2026-12@UTC"]) {
      expect(world.balance("agent:bot/month", month).held).toBe(HELD);
    }
    const months = world.entries.flatMap(({ entry }) =>
      entry.kind === "authorize" ? [entry.month.key] : [],
    );
    expect(months).toEqual(["2026-11@UTC", "2026-12@UTC"]);
  });
});
