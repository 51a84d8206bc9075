/**
 * Goal: configuration counts whole or not at all, from one entry on, and every mistake is told at once.
 * Method: founding, staging and committing in every order; tables of mistakes with the list expected.
 */
import { describe, expect, test } from "vitest";
import type { ConfigChange } from "../ledger/workspace-config.ts";
import type { ConfigureCommand } from "./commands.ts";
import { LANE, PRICES } from "./testing/prices.ts";
import { agent, foundingCommand, usd, World } from "./testing/world.ts";

const team = (id: string): ConfigChange => ({ id, item: "team", value: { caps: {} } });
const kinds = (world: World, count: number) =>
  world.entries.slice(-count).map(({ entry }) => entry.kind);

function problems(
  world: World,
  changes: readonly ConfigChange[],
  extra: Partial<ConfigureCommand> = {},
) {
  const before = world.entries.length;
  const answer = world.configure(changes, extra);
  expect(world.entries).toHaveLength(before);
  if (answer.kind !== "refused") throw new Error("was applied");
  return [answer.code, ...(answer.problems ?? [])];
}

describe("commit", () => {
  test("configure: a workspace begins with prices, policy and one commit that makes all count", () => {
    const world = new World({ policy: { rebalancing: [], rules: [] } });
    expect(kinds(world, 3)).toEqual(["price", "policy", "configure"]);
    expect(world.last("configure")).toMatchObject({
      base_seq: 0n,
      commit: true,
      stage: "founding",
    });
    expect(world.state.configSeq).toBe(3n);
    expect([world.state.priceSeq, world.state.policySeq]).toEqual([1n, 2n]);
  });

  test("configure: staged parts count only with the commit, in their order", () => {
    const world = new World();
    const base = {
      base_seq: world.state.configSeq,
      by: "ops",
      kind: "configure" as const,
      stage: "s1",
    };
    expect(world.send({ ...base, changes: [[team("a")], [team("b")]], commit: false })).toEqual({
      kind: "configured",
      seq: 4n,
    });
    expect(world.state.config.teams.size).toBe(0);
    const removed: ConfigChange = { id: "a", item: "team" };
    const answer = world.send({ ...base, changes: [[removed], [team("c")]], commit: true });
    expect(answer).toEqual({ kind: "configured", seq: 6n });
    expect([...world.state.config.teams.keys()]).toEqual(["b", "c"]);
    expect(world.state.staged.size).toBe(0);
    expect(kinds(world, 4)).toEqual(["configure", "configure", "configure", "configure"]);
  });

  test("configure: the same commit again is answered, not applied again (R3)", () => {
    const world = new World();
    const command: ConfigureCommand = {
      base_seq: world.state.configSeq,
      by: "ops",
      changes: [[team("a")]],
      commit: true,
      kind: "configure",
      stage: "s1",
    };
    const first = world.send(command);
    expect(world.send(command)).toEqual(first);
    expect(world.entries).toHaveLength(3);
  });

  test("configure: against another base it is a version conflict that names the seq (R5)", () => {
    const world = new World();
    const base = world.state.configSeq;
    world.configure([team("a")]);
    const before = world.entries.length;
    for (const commit of [true, false]) {
      expect(world.configure([team("b")], { base_seq: base, commit, stage: "late" })).toEqual({
        code: "version-conflict",
        kind: "refused",
        message: `Workspace acme is at config 3, and this change was made against ${base}. Load it again and re-apply.`,
        seq: 3n,
      });
    }
    expect(world.entries).toHaveLength(before);
  });

  test("configure: a commit may carry no changes of its own", () => {
    const world = new World();
    const answer = world.configure([], { changes: [], policy: { rebalancing: [], rules: [] } });
    expect(answer).toEqual({ kind: "configured", seq: 4n });
    expect(world.last("configure").changes).toEqual([]);
    expect(world.state.policySeq).toBe(3n);
  });

  test("configure: every item is put and removed", () => {
    const world = new World();
    const { config } = world.state;
    const provider: ConfigChange = {
      id: "acme",
      item: "provider",
      value: { base_url: "http://x" },
    };
    const group: ConfigChange = { id: "labs", item: "cost_center", value: { caps: {} } };
    world.configure([provider, group, team("core")]);
    expect([config.providers.size, config.costCenters.size, config.teams.size]).toEqual([1, 1, 1]);
    world.configure([
      { id: "acme", item: "provider" },
      { id: "labs", item: "cost_center" },
      { id: "core", item: "team" },
      { id: "bot", item: "agent" },
      { id: [...config.keys.keys()][0] ?? "", item: "key" },
    ]);
    const sizes = [config.providers, config.costCenters, config.teams, config.agents, config.keys];
    expect(sizes.map(({ size }) => size)).toEqual([0, 0, 0, 0, 0]);
  });

  test("configure: a signing key is written down and decides nothing", () => {
    const world = new World();
    const before = structuredClone(world.state.config);
    const value = {
      public_key: "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
      state: "active",
    } as const;
    const id = "21fe31dfa154a261";
    world.configure([{ id, item: "log_key", value }]);
    expect(world.last("configure")?.changes).toEqual([{ id, item: "log_key", value }]);
    world.configure([{ id, item: "log_key" }]);
    expect(world.state.config).toEqual(before);
  });

  test("configure: settings may change but for what is fixed (R4)", () => {
    const world = new World();
    const { settings } = world.state.config;
    if (settings === undefined) throw new Error("not founded");
    const value = { ...settings, caps: { month: usd("7") }, expiry_ms: 60_000 };
    expect(world.configure([{ id: "acme", item: "workspace", value }]).kind).toBe("configured");
    expect(world.authorize()).toMatchObject({ cap: "workspace:acme/month", expires_ms: 60_000 });
  });
});

describe("mistakes", () => {
  test("configure: all of them are told at once, and nothing is applied", () => {
    const world = new World();
    const lane = { family: "acme", provider: "acme", region: "mars" };
    const bad = agent({ cost_center: "nope", lane, team: "gone", tiers: ["XL", "S"] });
    expect(
      problems(world, [
        { id: "new", item: "agent", value: bad },
        { id: "bot", item: "agent", value: agent({ cost_center: "nope", tiers: [] }) },
        {
          id: "key_0123456789abcdef",
          item: "key",
          value: { agent: "ghost", created_at: "x", hash: "ab".repeat(32), revoked: false },
        },
        { id: "other", item: "workspace" },
      ]),
    ).toEqual([
      "bad-request",
      "workspace: is named other but sent to acme",
      "workspace: cannot be removed",
      'agent bot: cost centre "nope" does not exist',
      "agent bot: tiers: there are none",
      'agent new: cost centre "nope" does not exist',
      'agent new: team "gone" does not exist',
      "agent new: lane acme/acme/mars is not in the price card sent",
      'key key_0123456789abcdef: agent "ghost" does not exist',
    ]);
    expect(world.state.config.agents.get("bot")?.cost_center).toBeUndefined();
  });

  test.each([[["M", "S"]], [["S", "S"]]] as const)(
    "tiers: %j do not stand lightest first, each once",
    (tiers) => {
      expect(
        problems(new World(), [{ id: "bot", item: "agent", value: agent({ tiers }) }]),
      ).toEqual(["bad-request", "agent bot: tiers must stand lightest first, each once"]);
    },
  );

  test("founding: agents without a price card have no lane", () => {
    const world = new World({ founded: false });
    const { price: _, ...command } = foundingCommand();
    expect(world.send(command)).toMatchObject({
      problems: ["agent bot: lane acme/acme/global is not in the price card sent"],
    });
  });

  test("configure: what an agent stands on cannot be taken away", () => {
    const world = new World({
      agents: { bot: agent({ cost_center: "labs", team: "core" }) },
      changes: [team("core"), { id: "labs", item: "cost_center", value: { caps: {} } }],
    });
    expect(
      problems(world, [
        { id: "core", item: "team" },
        { id: "labs", item: "cost_center" },
      ]),
    ).toEqual([
      "bad-request",
      'agent bot: cost centre "labs" does not exist',
      'agent bot: team "core" does not exist',
    ]);
    expect(problems(world, [], { price: { ...PRICES, lanes: [] } })).toEqual([
      "bad-request",
      "agent bot: lane acme/acme/global is not in the price card sent",
    ]);
    const short = { ...PRICES, lanes: [{ ...LANE, tiers: LANE.tiers.slice(0, 3) }] };
    expect(problems(world, [], { price: short })).toEqual([
      "bad-request",
      "agent bot: lane acme/acme/global has no tier XL",
    ]);
  });

  test("lane: is frozen once an agent has it (R6b)", () => {
    const other = { ...LANE, region: "eu" };
    const world = new World();
    const price = { ...PRICES, lanes: [LANE, other] };
    const moved = agent({ lane: { family: "acme", provider: "acme", region: "eu" } });
    expect(problems(world, [{ id: "bot", item: "agent", value: moved }], { price })).toEqual([
      "lane-frozen",
      "lane of agent bot is frozen at acme/acme/global; acme/acme/eu needs a new agent",
    ]);
    expect(
      problems(
        world,
        [
          { id: "bot", item: "agent" },
          { id: "bot", item: "agent", value: moved },
        ],
        { price },
      )[0],
    ).toBe("lane-frozen");
    expect(world.configure([{ id: "eu-bot", item: "agent", value: moved }], { price }).kind).toBe(
      "configured",
    );
    const both = [{ id: "eu-bot", item: "agent", value: agent({ team: "x" }) }] as const;
    expect(problems(world, both)[0]).toBe("bad-request");
  });

  test.each(["Europe/Berlin", "Mars/Olympus"])(
    "zone: %s cannot take the place of the first (R4)",
    (time_zone) => {
      const world = new World();
      const value = { caps: {}, currency: "USD", expiry_ms: 30_000, time_zone } as const;
      expect(problems(world, [{ id: "acme", item: "workspace", value }])).toEqual([
        "bad-request",
        "workspace: time_zone is fixed at UTC since the workspace was made",
      ]);
    },
  );

  test("founding: needs settings, and a zone that there is data for", () => {
    const world = new World({ founded: false });
    expect(problems(world, [team("a")])).toEqual([
      "bad-request",
      "workspace: a new workspace begins with its settings (workspace.yaml)",
    ]);
    const value = {
      caps: {},
      currency: "USD",
      expiry_ms: 30_000,
      time_zone: "Mars/Olympus",
    } as const;
    expect(problems(world, [{ id: "acme", item: "workspace", value }])).toEqual([
      "bad-request",
      'workspace: time_zone "Mars/Olympus" is not known here; write one like Europe/Berlin',
    ]);
    expect(world.send({ ...foundingCommand(), base_seq: 7n })).toMatchObject({
      code: "version-conflict",
    });
  });

  test("stage: must carry changes and nothing that only a commit may", () => {
    const world = new World();
    const extra = {
      changes: [[], []],
      commit: false,
      policy: { rebalancing: [], rules: [] },
      price: PRICES,
    };
    expect(problems(world, [], extra)).toEqual([
      "bad-request",
      "commit: policy and prices travel with the command that commits",
      "changes: there are none",
    ]);
  });

  test("stage: eight may be open at once; a commit drops those that nobody finished", () => {
    const world = new World();
    for (let i = 0; i < 8; i++) {
      expect(world.configure([team(`t${i}`)], { commit: false, stage: `s${i}` }).kind).toBe(
        "configured",
      );
    }
    expect(world.configure([team("t0")], { commit: false, stage: "s0" }).kind).toBe("configured");
    expect(problems(world, [team("x")], { commit: false, stage: "s8" })).toEqual([
      "bad-request",
      "stage: 8 stages are open already; commit one of them first",
    ]);
    world.configure([], { stage: "s3" });
    expect([...world.state.config.teams.keys()]).toEqual(["t3"]);
    expect(world.state.staged.size).toBe(0);
  });

  test("size: what does not fit one entry is refused before it gets to the journal", () => {
    const world = new World();
    const rule = {
      file: "f",
      if: { all: [] },
      line: 1,
      source: "ä".repeat(500),
      then: { do: "hold" as const },
    };
    const rules = Array.from({ length: 100 }, () => rule);
    const long = "is too long for one entry of 65535 bytes; make it smaller";
    expect(problems(world, [{ id: "bot", item: "agent", value: agent({ rules }) }])).toEqual([
      "bad-request",
      `changes[0]: ${long}`,
    ]);
    expect(problems(world, [], { policy: { rebalancing: [], rules } })).toEqual([
      "bad-request",
      `policy: ${long}`,
    ]);
    const models = Array.from({ length: 300 }, () => PRICES.models[0] as (typeof PRICES.models)[0]);
    expect(problems(world, [], { price: { ...PRICES, models } })).toEqual([
      "bad-request",
      `price: ${long}`,
    ]);
    world.configure([], { policy: { rebalancing: [], rules: rules.slice(0, 50) } });
    expect(world.entries.at(-2)?.entry.kind).toBe("policy");
  });
});
