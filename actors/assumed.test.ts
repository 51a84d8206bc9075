/**
 * Goal: what was not measured is never free: it is taken at the hold, and corrected when a measure comes.
 * Method: every way in which a measure is missing, then the measure; operator's corrections beside it.
 */
import { describe, expect, test } from "vitest";
import type { AgentSettings } from "../ledger/workspace-config.ts";
import { modelPrice, PRICES } from "./testing/prices.ts";
import { agent, usd, World } from "./testing/world.ts";

const HELD = usd("0.048");
const USAGE = { input: 100n, output: 100n };
const COST = usd("0.0048");

function open(settings: Partial<AgentSettings> = {}) {
  const world = new World({ agents: { bot: agent(settings) } });
  const { authorization } = world.authorize();
  return { authorization, world };
}
const month = (world: World) => world.balance("agent:bot/month");

describe("assumed", () => {
  test("assumed: absent usage is not zero, it settles at the hold (R11)", () => {
    const { world, authorization } = open();
    expect(world.settle(authorization)).toMatchObject({
      amount: HELD,
      assumed: true,
      released: 0n,
    });
    expect(world.last("settle")).toMatchObject({ basis: "assumed" });
    expect(world.last("settle")).not.toHaveProperty("unpriced");
    expect(month(world)).toEqual({ held: 0n, settled: HELD });
  });

  test("assumed: after a part, what is left of the hold (R11)", () => {
    const { world, authorization } = open();
    world.settle(authorization, { final: false, usage: USAGE });
    expect(world.settle(authorization, { part: "2" }).amount).toBe(HELD - COST);
    expect(month(world).settled).toBe(HELD);
  });

  test.each([
    ["an expiry", (world: World) => world.pass(30_000)],
    ["a void", (world: World) => world.void(world.last("settle").authorization)],
  ])(
    "assumed: after %s still what the hold had left, not what is set aside now (R9 R11)",
    (_, end) => {
      const { world, authorization } = open();
      world.settle(authorization, { final: false, usage: USAGE });
      end(world);
      expect(month(world)).toEqual({ held: 0n, settled: COST });
      const late = world.settle(authorization, { part: "2" });
      expect(late).toMatchObject({ amount: HELD - COST, assumed: true, late: true });
      expect(month(world).settled).toBe(HELD);
    },
  );

  test.each<[string, Parameters<World["settle"]>[1]]>([
    ["a model without a price", { model: "mystery", usage: USAGE }],
    ["a model of no name", { model: "", usage: USAGE }],
    ["a unit without a price", { model: "model-s", usage: { ...USAGE, cache_read: 1n } }],
    ["a usage that no call has", { usage: { output: 10n ** 12n } }],
  ])("assumed: %s settles at the hold, and the entry says so (R6)", (_, served) => {
    const world = new World();
    const { cache_read: __, ...units } = PRICES.models[0]?.bands[0]?.units ?? {};
    const poor = { ...modelPrice("S", 1n), bands: [{ from_input: 0n, units }] };
    world.configure([], { price: { ...PRICES, models: [poor, ...PRICES.models.slice(1)] } });
    const { authorization } = world.authorize();
    expect(world.settle(authorization, served)).toMatchObject({ amount: HELD, assumed: true });
    expect(world.last("settle")).toMatchObject({ basis: "assumed", unpriced: true, ...served });
    expect(world.last("settle")).not.toHaveProperty("pico");
  });

  test("assumed: a part without a price that is not final keeps the hold open at nothing", () => {
    const { world, authorization } = open();
    world.settle(authorization, { final: false, model: "mystery", usage: USAGE });
    expect(month(world)).toEqual({ held: 0n, settled: HELD });
    expect(world.settle(authorization, { part: "2", usage: {} })).toMatchObject({
      state: "settled",
    });
  });
});

describe("the measure that comes after", () => {
  test("adjust: posts the difference and names what it corrects (R11 R12)", () => {
    const { world, authorization } = open();
    world.settle(authorization);
    const assumed = world.entries.at(-1);
    const answer = world.settle(authorization, { part: "2", usage: USAGE });
    expect(answer).toMatchObject({ amount: COST - HELD, released: 0n, state: "settled" });
    expect(world.last("adjust")).toMatchObject({
      by: "settle",
      corrects: { hash: assumed?.hash, seq: assumed?.entry.seq },
      model: "model-xl",
      opened: { hash: world.entries[2]?.hash, seq: 3n },
      part: "2",
      pico: "4800000000",
      usage: USAGE,
    });
    expect(month(world)).toEqual({ held: 0n, settled: COST });
  });

  test("adjust: corrects once; the next final settle is answered with the first (R11)", () => {
    const { world, authorization } = open();
    const first = world.settle(authorization);
    const measured = world.settle(authorization, { part: "2", usage: USAGE });
    expect(world.settle(authorization, { part: "2", usage: { output: 9n } })).toEqual(measured);
    const { state: _, ...same } = first;
    expect(world.settle(authorization, { part: "3", usage: { output: 9n } })).toMatchObject(same);
    expect(month(world).settled).toBe(COST);
  });

  test("adjust: parts that were measured before stay as they are", () => {
    const { world, authorization } = open();
    world.settle(authorization, { final: false, usage: USAGE });
    world.settle(authorization, { part: "2" });
    const measured = world.settle(authorization, { part: "3", usage: USAGE });
    expect(measured.amount).toBe(COST - (HELD - COST));
    expect(month(world).settled).toBe(2n * COST);
  });

  test("adjust: another settle without a measure changes nothing and is answered with the first", () => {
    const { world, authorization } = open();
    world.settle(authorization, { final: false, usage: USAGE });
    const first = world.settle(authorization, { part: "2" });
    const count = world.entries.length;
    expect(world.settle(authorization, { part: "3" })).toEqual(first);
    expect(world.settle(authorization, { model: "mystery", part: "4", usage: USAGE })).toEqual(
      first,
    );
    expect(world.entries).toHaveLength(count);
  });

  test("capture: an expiry taken as spent is corrected by the measure (R8 R11)", () => {
    const { world, authorization } = open({ on_expiry: "capture" });
    world.pass(30_000);
    const expiry = world.entries.at(-1);
    expect(world.last("expire")).toMatchObject({ amount: HELD, on_expiry: "capture" });
    expect(month(world)).toEqual({ held: 0n, settled: HELD });
    expect(world.settle(authorization)).toEqual({
      amount: 0n,
      authorization,
      kind: "posted",
      released: 0n,
      seq: expiry?.entry.seq,
      state: "expired",
    });
    world.settle(authorization, { part: "2", usage: USAGE });
    expect(world.last("adjust").corrects).toEqual({ hash: expiry?.hash, seq: expiry?.entry.seq });
    expect(month(world)).toEqual({ held: 0n, settled: COST });
  });

  test("capture: a late part that is not final adds to it, and the final measure evens it out", () => {
    const { world, authorization } = open({ on_expiry: "capture" });
    world.pass(30_000);
    world.settle(authorization, { final: false, usage: USAGE });
    expect(month(world).settled).toBe(HELD + COST);
    world.settle(authorization, { part: "2", usage: USAGE });
    expect(month(world).settled).toBe(2n * COST);
  });
});

describe("operator's corrections", () => {
  test("adjust: names the opening entry, who and why, and moves the periods of the hold (R12 R4)", () => {
    const { world, authorization } = open();
    world.settle(authorization, { usage: USAGE });
    world.pass(40 * 86_400_000);
    expect(world.adjust(authorization, usd("-0.0008"))).toMatchObject({
      amount: usd("-0.0008"),
      kind: "posted",
    });
    const opened = { hash: world.entries[2]?.hash, seq: 3n };
    expect(world.last("adjust")).toMatchObject({
      by: "ops",
      corrects: opened,
      opened,
      part: "1",
      reason: "test",
    });
    expect(world.balance("agent:bot/month").settled).toBe(usd("0.004"));
  });

  test("adjust: its parts are apart from those of settles, so that neither swallows the other (R9 R12)", () => {
    const { world, authorization } = open();
    world.settle(authorization, { final: false, usage: USAGE });
    expect(world.adjust(authorization, usd("0.001"), "1")).toMatchObject({ amount: usd("0.001") });
    expect(world.adjust(authorization, usd("0.002"), "2")).toMatchObject({ amount: usd("0.002") });
    expect(world.settle(authorization, { part: "2", usage: USAGE })).toMatchObject({
      amount: COST,
      state: "settled",
    });
    expect(month(world)).toEqual({ held: 0n, settled: 2n * COST + usd("0.003") });
  });

  test("adjust: of an open or ended hold does not stand in for its final settle (R9)", () => {
    for (const ms of [0, 30_000]) {
      const { world, authorization } = open();
      world.pass(ms);
      world.adjust(authorization, usd("0.001"));
      expect(world.settle(authorization, { usage: USAGE }).amount).toBe(COST);
      expect(month(world)).toEqual({ held: 0n, settled: COST + usd("0.001") });
    }
  });

  test("adjust: the same part again is answered with the first", () => {
    const { world, authorization } = open();
    const first = world.adjust(authorization, usd("0.001"));
    expect(world.adjust(authorization, usd("0.009"))).toEqual(first);
    expect(month(world).settled).toBe(usd("0.001"));
  });

  test("adjust: stays in force when the measure comes later (R11 R12)", () => {
    const { world, authorization } = open();
    world.settle(authorization);
    world.adjust(authorization, usd("-0.01"));
    world.settle(authorization, { part: "2", usage: USAGE });
    expect(month(world).settled).toBe(COST - usd("0.01"));
  });

  test("adjust: cannot take back more than was spent", () => {
    const { world, authorization } = open();
    world.settle(authorization, { usage: USAGE });
    expect(world.adjust(authorization, usd("-0.005"))).toEqual({
      authorization,
      code: "bad-request",
      kind: "refused",
      message: `amount: would take back more than the 4800000 nano-USD that ${authorization} has spent.`,
    });
    expect(world.adjust(authorization, usd("-0.0048"))).toMatchObject({ kind: "posted" });
    expect(month(world).settled).toBe(0n);
  });

  test("adjust: of an id that is unknown or shut posts nothing", () => {
    const { world } = open();
    const shut = world.id();
    world.void(shut);
    for (const id of [shut, world.id()]) {
      expect(world.adjust(id, usd("1"))).toMatchObject({ code: "unknown-authorization" });
    }
  });
});

describe("the card now in force", () => {
  test("cost now: is computed when another card is in force, and billed by the hold's (R14)", () => {
    const { world, authorization } = open();
    const models = PRICES.models.map((_, i) =>
      modelPrice((["S", "M", "L", "XL"] as const)[i] ?? "S", 3n * 2n ** BigInt(i)),
    );
    world.configure([], { price: { ...PRICES, card: "ef".repeat(32), models } });
    world.settle(authorization, { usage: USAGE });
    expect(world.entries.at(-2)?.entry).toMatchObject({
      amount: COST,
      cost_now: 3n * COST,
      price_card: PRICES.card,
    });
  });

  test("cost now: is absent under the same card, and where the new one has no price", () => {
    const same = open();
    same.world.settle(same.authorization, { usage: USAGE });
    expect(same.world.entries.at(-2)?.entry).not.toHaveProperty("cost_now");
    const { world, authorization } = open();
    const other = world.authorize();
    world.configure([], { price: { ...PRICES, models: [] } });
    world.settle(authorization, { usage: USAGE });
    expect(world.entries.at(-2)?.entry).toMatchObject({ amount: COST });
    expect(world.entries.at(-2)?.entry).not.toHaveProperty("cost_now");
    world.configure([{ id: "bot", item: "agent" }], {
      price: { ...PRICES, lanes: [], models: [] },
    });
    world.settle(other.authorization, { usage: USAGE });
    expect(world.entries.at(-2)?.entry).not.toHaveProperty("cost_now");
  });
});
