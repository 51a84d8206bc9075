/**
 * Goal: an authorize becomes one entry with everything it read, or a refusal that says why not.
 * Method: a workspace with a clock of its own; the entry and the answer of single calls.
 */
import { describe, expect, test } from "vitest";
import { PRICES } from "./testing/prices.ts";
import { agent, KEY, START, usd, World } from "./testing/world.ts";

const DAY = 86_400_000;

describe("the entry", () => {
  test("authorize: one entry carries decision, legs, balances and prices (R2)", () => {
    const world = new World({
      agents: {
        bot: agent({
          caps: { month: usd("10"), run: usd("1") },
          cost_center: "labs",
          team: "core",
        }),
      },
      caps: { year: usd("100") },
      changes: [
        { id: "labs", item: "cost_center", value: { caps: {} } },
        { id: "core", item: "team", value: { caps: { month: usd("20") } } },
      ],
    });
    const call = world.call({
      attributes: { ticket: "42" },
      config_seq: 1n,
      run: "r1",
      tool: "search",
    });
    const answer = world.send(call);
    const entry = world.last("authorize");
    const held = usd("0.048");
    expect(entry).toMatchObject({
      agent: "bot",
      at: START,
      attributes: { ticket: "42" },
      authorization: call.authorization,
      config_seq: 2n,
      expires_at: START + 30_000,
      grant: { api: "anthropic", model: "model-xl", provider: "acme", tier: "XL" },
      held,
      key: KEY,
      model: "auto",
      outcome: "admit",
      policy_seq: 0n,
      preferred: "XL",
      price_card: PRICES.card,
      price_seq: 1n,
      reason: "heaviest-fit",
      rule: "05",
      run: "r1",
      tool: "search",
    });
    const after = { held, settled: 0n };
    expect(entry.legs).toEqual([
      { ...after, cap: "agent:bot/run", limit: usd("1"), period: "r1" },
      { ...after, cap: "agent:bot/month", limit: usd("10"), pace: 0n, period: "2026-11@UTC" },
      { ...after, cap: "cost_center:labs/month", period: "2026-11@UTC" },
      { ...after, cap: "team:core/month", limit: usd("20"), pace: 0n, period: "2026-11@UTC" },
      { ...after, cap: "workspace:acme/month", period: "2026-11@UTC" },
      { ...after, cap: "agent:bot/year", period: "2026@UTC" },
      { ...after, cap: "cost_center:labs/year", period: "2026@UTC" },
      { ...after, cap: "team:core/year", period: "2026@UTC" },
      { ...after, cap: "workspace:acme/year", limit: usd("100"), pace: 0n, period: "2026@UTC" },
    ]);
    expect(entry.tiers.map(({ tier, amount, pico }) => [tier, amount, pico])).toEqual([
      ["S", usd("0.006"), "6000000000"],
      ["M", usd("0.012"), "12000000000"],
      ["L", usd("0.024"), "24000000000"],
      ["XL", held, "48000000000"],
    ]);
    expect(entry.month).toEqual({
      end: Date.UTC(2026, 11),
      key: "2026-11@UTC",
      start: Date.UTC(2026, 10),
    });
    expect(answer).toEqual({
      authorization: call.authorization,
      cap: "agent:bot/run",
      config_seq: 2n,
      expires_ms: 30_000,
      grant: entry.grant,
      held,
      kind: "decided",
      outcome: "admit",
      reason: "heaviest-fit",
      remaining: usd("1") - held,
      rule: "05",
      seq: entry.seq,
      state: "open",
    });
  });

  test("authorize: a refusal is an entry too, with every failing cap and its shortfall (R2)", () => {
    const world = new World({
      agents: { bot: agent({ caps: { month: usd("0.001"), run: usd("0.002"), year: usd("1") } }) },
    });
    const answer = world.authorize({ run: "r1" });
    const failing = [
      { cap: "agent:bot/run", shortfall: usd("0.004") },
      { cap: "agent:bot/month", shortfall: usd("0.005") },
    ];
    expect(answer).toMatchObject({
      failing,
      held: 0n,
      outcome: "hold",
      rule: "01",
      state: "refused",
    });
    const entry = world.last("authorize");
    expect(entry.failing).toEqual([
      { ...failing[0], period: "r1" },
      { ...failing[1], period: "2026-11@UTC" },
    ]);
    expect(entry.grant).toBeUndefined();
    expect(world.balance("agent:bot/month")).toEqual({ held: 0n, settled: 0n });
  });

  test("authorize: counters run for every scope from first use, capped or not (R4)", () => {
    const world = new World();
    world.authorize();
    for (const cap of ["agent:bot/month", "workspace:acme/month"]) {
      expect(world.balance(cap).held).toBe(usd("0.048"));
    }
    world.setAgent("bot", { caps: { month: usd("0.05") } });
    expect(world.authorize()).toMatchObject({ blocked_by: "holds", outcome: "hold", rule: "02" });
  });
});

describe("caps", () => {
  test("cap: lowered below its use it refuses what comes next and takes nothing back (R5)", () => {
    const world = new World({ agents: { bot: agent({ caps: { month: usd("10") } }) } });
    const open = world.authorize();
    const seq = world.state.configSeq;
    expect(world.setAgent("bot", { caps: { month: usd("0.01") } }).kind).toBe("configured");
    expect(world.state.configSeq).toBeGreaterThan(seq);
    expect(world.balance("agent:bot/month").held).toBe(usd("0.048"));
    expect(world.authorize()).toMatchObject({
      failing: [{ cap: "agent:bot/month", shortfall: usd("0.044") }],
      outcome: "hold",
    });
    // What is open settles in full all the same.
    const usage = { output: 9_000n };
    expect(world.settle(open.authorization, { usage }).amount).toBe(usd("0.36"));
    expect(world.authorize()).toMatchObject({ outcome: "hold", reason: "monthly-cap" });
    world.setAgent("bot", { caps: { month: usd("1") } });
    expect(world.authorize().outcome).toBe("admit");
  });

  test("cap: editing a cap or a rule never zeroes use (R5)", () => {
    const world = new World({ agents: { bot: agent({ caps: { month: usd("10") } }) } });
    world.settle(world.authorize().authorization, { usage: { input: 1_000n } });
    const before = world.balance("agent:bot/month");
    world.setAgent("bot", { caps: {} });
    world.setAgent("bot", { caps: { month: usd("5") }, rules: [] });
    expect(world.balance("agent:bot/month")).toEqual(before);
  });

  test("run: its counter lives 35 days from its last entry; later the id is a new run (R6a)", () => {
    const caps = { run: usd("0.1") };
    const world = new World({ agents: { bot: agent({ caps }) } });
    const first = world.authorize({ run: "nightly" });
    world.pass(1_000);
    world.settle(first.authorization, { usage: { output: 2_000n } });
    expect(world.balance("agent:bot/run", "nightly").settled).toBe(usd("0.08"));
    world.pass(35 * DAY - 1);
    expect(world.authorize({ run: "nightly" }).outcome).toBe("throttle");
    world.void(
      world.entries.map(({ entry }) => entry).findLast((e) => e.kind === "authorize")
        ?.authorization ?? "",
    );
    world.pass(35 * DAY);
    expect(world.authorize({ run: "nightly" })).toMatchObject({
      outcome: "admit",
      remaining: usd("0.052"),
    });
  });

  test("run: a call without one is a run of its own", () => {
    const world = new World({ agents: { bot: agent({ caps: { run: usd("0.05") } }) } });
    for (let i = 0; i < 3; i++) expect(world.authorize().outcome).toBe("admit");
    const entry = world.last("authorize");
    expect(entry.run).toBe(entry.authorization);
    expect(entry.legs[0]?.period).toBe(entry.authorization);
  });
});
