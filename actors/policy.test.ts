/**
 * Goal: rules and the rebalancing table change what is granted, and the receipt quotes the rule behind it.
 * Method: workspaces brought to a pace by spending, then one call; the product's own rule among them.
 */
import { describe, expect, test } from "vitest";
import type { PolicyRule } from "../ledger/policy.ts";
import type { AgentSettings } from "../ledger/workspace-config.ts";
import { bound, modelPrice, PRICES } from "./testing/prices.ts";
import { agent, usd, World } from "./testing/world.ts";

/** A month's use, nine of thirty days in: $3 of $10 is a pace of 100 %. */
function worldAt(pacePercent: bigint, settings: Partial<AgentSettings> = {}): World {
  const caps = { month: usd("10") };
  const world = new World({ agents: { bot: agent({ caps, priority: "P0", ...settings }) } });
  // $0.001 is 200 output tokens of tier S: 0.03 $ is one percent of pace.
  const spent = world.authorize({ model: "model-s" });
  world.settle(spent.authorization, { usage: { output: pacePercent * 6_000n } });
  return world;
}

function rule(source: string, when: PolicyRule["if"], then: PolicyRule["then"]): PolicyRule {
  return { file: "agents/bot.yaml", if: when, line: 17, source, then };
}
const above90 = { field: "pace" as const, is: ">" as const, value: 9_000n };
const FLOOR = rule("if pace > 90% then floor: L", above90, { do: "floor", tier: "L" });
const quoted = ({ file, line, source }: PolicyRule) => ({ file, line, source });

describe("support-triage: if pace > 90% then floor: L", () => {
  test("floor: at 90 % exactly it does not hold yet, a step above it does", () => {
    const at = worldAt(90n, { rules: [FLOOR] });
    at.authorize();
    expect(at.last("authorize").pace).toEqual({ cap: "agent:bot/month", value: 9_000n });
    expect(at.last("authorize").floor).toBeUndefined();
    const over = worldAt(91n, { rules: [FLOOR] });
    over.authorize();
    expect(over.last("authorize")).toMatchObject({ floor: "L", pace: { value: 9_100n } });
  });

  test("floor: never below L, held instead", () => {
    // $0.03 left: M and S would fit, L at $0.04 does not.
    const world = worldAt(91n, { caps: { month: usd("10"), run: usd("0.03") }, rules: [FLOOR] });
    const usage_bound = bound(0n, 2_000n);
    expect(world.authorize({ usage_bound })).toMatchObject({
      failing: [{ cap: "agent:bot/run", shortfall: usd("0.01") }],
      outcome: "hold",
      rule: "01",
    });
    const below = worldAt(89n, { caps: { month: usd("10"), run: usd("0.03") }, rules: [FLOOR] });
    expect(below.authorize({ usage_bound })).toMatchObject({ grant: { tier: "M" }, rule: "04" });
  });

  test("floor: L where XL does not fit, and P0 keeps its full tier where it does", () => {
    const tight = worldAt(120n, { caps: { month: usd("10"), run: usd("0.05") }, rules: [FLOOR] });
    expect(tight.authorize({ usage_bound: bound(0n, 2_000n) }).grant?.tier).toBe("L");
    expect(worldAt(120n, { rules: [FLOOR] }).authorize()).toMatchObject({
      grant: { tier: "XL" },
      rule: "05",
    });
  });

  test("floor: a request for a lighter model is served as it is", () => {
    const world = worldAt(120n, { rules: [FLOOR] });
    expect(world.authorize({ model: "model-s" })).toMatchObject({
      grant: { tier: "S" },
      outcome: "admit",
    });
  });

  test("floor: above the ceiling of the table it holds under 03, quoting the rule", () => {
    const world = worldAt(100n, { priority: "P2", rules: [FLOOR] });
    expect(world.authorize()).toMatchObject({
      outcome: "hold",
      policy_rule: quoted(FLOOR),
      reason: "priority-rebalance",
      rule: "03",
    });
    expect(world.last("authorize")).toMatchObject({ ceiling: "S", floor: "L" });
  });
});

describe("rebalancing", () => {
  test.each([
    ["P3", 79n, "05", "XL"],
    ["P3", 80n, "03", "M"],
    ["P3", 90n, "03", "S"],
    ["P3", 100n, "03", undefined],
    ["P2", 89n, "05", "XL"],
    ["P2", 90n, "03", "M"],
    ["P2", 100n, "03", "S"],
    ["P2", 110n, "03", undefined],
    ["P1", 99n, "05", "XL"],
    ["P1", 100n, "03", "L"],
    ["P1", 110n, "03", "M"],
    ["P0", 200n, "05", "XL"],
  ] as const)(
    "rebalance: %s at a pace of %d %% is decided under %s with %s",
    (priority, pace, number, tier) => {
      const answer = worldAt(pace, { priority }).authorize();
      expect([answer.rule, answer.grant?.tier]).toEqual([number, tier]);
      // The table is no rule of anyone's: nothing is quoted.
      expect(answer).not.toHaveProperty("policy_rule");
    },
  );

  test("rebalance: holds count toward pace, and the first tenth of the period counts whole", () => {
    const world = new World({
      agents: { bot: agent({ caps: { month: usd("10") }, priority: "P3" }) },
    });
    world.now = Date.UTC(2026, 11, 1);
    // $0.80 held of $10 on the first day: 8 % of the cap over 10 % of the month.
    expect(world.authorize({ usage_bound: bound(0n, 8_000n) }).grant?.tier).toBe("XL");
    for (let i = 0; i < 2; i++) world.authorize({ usage_bound: bound(0n, 6_000n) });
    world.authorize();
    expect(world.last("authorize").pace?.value).toBe(8_000n);
    expect(world.last("authorize").rule).toBe("03");
  });

  test("rebalance: a workspace's own table takes its place", () => {
    const world = worldAt(90n, { priority: "P3" });
    world.configure([], { policy: { rebalancing: [{ P0: "S", pace_from: 5_000n }], rules: [] } });
    expect(world.authorize()).toMatchObject({ grant: { tier: "XL" } });
    world.setAgent("bot", { priority: "P0" });
    expect(world.authorize()).toMatchObject({ grant: { tier: "S" }, rule: "03" });
    expect(world.last("authorize").policy_seq).toBe(world.state.policySeq);
  });

  test("rebalance: a cap of 0 counts as full", () => {
    const world = new World({
      agents: { bot: agent({ caps: { year: usd("0") }, priority: "P1" }) },
    });
    const free = [
      modelPrice("S", 0n),
      modelPrice("M", 0n),
      modelPrice("L", 0n),
      modelPrice("XL", 0n),
    ];
    world.configure([], { price: { ...PRICES, models: free } });
    expect(world.authorize()).toMatchObject({ grant: { tier: "L" }, held: 0n, rule: "03" });
  });
});

describe("rules", () => {
  const always = { all: [] };
  const HOLD = rule(
    "if priority = P0 then hold",
    { field: "priority", is: "=", value: "P0" },
    { do: "hold" },
  );
  const CEILING = rule(
    "if tier = XL then ceiling: M",
    { field: "tier", is: "=", value: "XL" },
    { do: "ceiling", tier: "M" },
  );

  test("rule: hold refuses under 00 and is quoted", () => {
    const world = new World({ agents: { bot: agent({ rules: [HOLD] }) } });
    expect(world.authorize()).toMatchObject({
      policy_rule: quoted(HOLD),
      reason: "policy",
      rule: "00",
    });
  });

  test("rule: a ceiling throttles under 03 and is quoted", () => {
    const world = new World({ agents: { bot: agent({ rules: [CEILING] }) } });
    expect(world.authorize()).toMatchObject({
      grant: { tier: "M" },
      policy_rule: quoted(CEILING),
      rule: "03",
    });
    // The rule reads the preferred tier: another request is not touched.
    expect(world.authorize({ model: "model-l" })).toMatchObject({
      grant: { tier: "L" },
      rule: "05",
    });
  });

  test("rule: where the table is as tight, the table is what throttled", () => {
    const world = worldAt(90n, { priority: "P2", rules: [CEILING] });
    const answer = world.authorize();
    expect(answer.grant?.tier).toBe("M");
    expect(answer).not.toHaveProperty("policy_rule");
  });

  test("rule: the agent's own come before the workspace's; a change counts from the next call", () => {
    const world = new World({ agents: { bot: agent({ rules: [HOLD] }) } });
    const all = rule("if pace >= 0% then hold", always, { do: "hold" });
    world.configure([], { policy: { rebalancing: [], rules: [all] } });
    expect(world.authorize().policy_rule).toEqual(quoted(HOLD));
    world.setAgent("bot", { rules: [] });
    expect(world.authorize().policy_rule).toEqual(quoted(all));
    world.configure([], { policy: { rebalancing: [], rules: [] } });
    expect(world.authorize().outcome).toBe("admit");
  });

  test("rule: remaining is the least over the capped legs, without a cap no limit", () => {
    const below = rule(
      "if remaining < $1 then hold",
      { field: "remaining", is: "<", value: usd("1") },
      { do: "hold" },
    );
    const world = new World({ agents: { bot: agent({ rules: [below] }) } });
    expect(world.authorize().outcome).toBe("admit");
    world.setAgent("bot", { caps: { month: usd("50"), run: usd("0.99") } });
    expect(world.authorize().reason).toBe("policy");
    world.setAgent("bot", { caps: { month: usd("50"), run: usd("1") } });
    expect(world.authorize().outcome).toBe("admit");
  });

  test("rule: a floor alone does not hold where it is served", () => {
    const floor = rule("if pace >= 0% then floor: L", always, { do: "floor", tier: "L" });
    const world = new World({ agents: { bot: agent({ rules: [floor] }) } });
    const answer = world.authorize();
    expect(answer.outcome).toBe("admit");
    expect(answer).not.toHaveProperty("policy_rule");
  });

  test("freeze: a frozen agent is refused whatever its caps have left, and lives on when thawed", () => {
    const world = new World({ agents: { bot: agent({ frozen: true, rules: [HOLD] }) } });
    expect(world.authorize()).toMatchObject({ reason: "frozen", rule: "00" });
    world.setAgent("bot", { frozen: false, rules: [] });
    expect(world.authorize().outcome).toBe("admit");
  });
});
