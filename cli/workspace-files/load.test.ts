/**
 * Goal: a set of files becomes exactly the changes that it describes.
 * Method: real files in a temporary directory through the real loader, the product's own example as it
 * is printed among them.
 */
import { afterEach, beforeEach, expect, test } from "vitest";
import { DEFAULT_REBALANCING } from "../../ledger/policy.ts";
import { EXAMPLE, TemporarySet, WORKSPACE } from "./testing/temporary-set.ts";

let set: TemporarySet;
beforeEach(async () => {
  set = await TemporarySet.make();
});
afterEach(async () => {
  await set.remove();
});

const SUPPORT_TRIAGE = {
  id: "support-triage",
  item: "agent",
  value: {
    caps: { month: 60_000_000_000_000n, run: 5_000_000_000n, year: 700_000_000_000_000n },
    cost_center: "customer-support",
    frozen: false,
    lane: { family: "claude", provider: "anthropic-bedrock", region: "us-east-1" },
    on_expiry: "release",
    on_overage: "none",
    priority: "P0",
    rules: [
      {
        if: { field: "pace", is: ">", value: 9_000n },
        then: { do: "floor", tier: "L" },
        source: "if pace > 90% then floor: L",
        file: "agents/support-triage.yaml",
        line: 17,
      },
    ],
    tiers: ["S", "M", "L", "XL"],
  },
};

test("load: the product's example, unchanged, with the workspace that lists its cost centre", async () => {
  await set.write({ "workspace.yaml": WORKSPACE, "agents/support-triage.yaml": EXAMPLE });
  const result = await set.loaded();
  expect(result.workspace).toBe("acme");
  expect(result.changes).toEqual([
    {
      id: "acme",
      item: "workspace",
      value: { caps: {}, currency: "USD", expiry_ms: 30_000, time_zone: "Europe/Berlin" },
    },
    { id: "customer-support", item: "cost_center", value: { caps: {} } },
    SUPPORT_TRIAGE,
  ]);
  expect(result.notices).toEqual([]);
  expect(result.policy).toBeUndefined();
});

test("load: the product's example by itself makes its cost centre and says so", async () => {
  await set.write({ "support-triage.yaml": EXAMPLE });
  const result = await set.loaded(["support-triage.yaml"], { workspace: "acme" });
  expect(result.changes).toEqual([
    { id: "customer-support", item: "cost_center", value: { caps: {} } },
    SUPPORT_TRIAGE,
  ]);
  const file = set.path("support-triage.yaml");
  expect(result.notices).toEqual([
    `${file}:2: the cost centre customer-support is not declared: it is made, without caps`,
  ]);
  expect(result.sources.get("agent:support-triage")).toEqual({ file, line: 1, column: 8 });
  expect(result.sources.get("agent:support-triage/lane")).toEqual({ file, line: 11, column: 3 });
});

test("load: a cost centre in force is not made anew, which would drop its caps", async () => {
  await set.write({ "support-triage.yaml": EXAMPLE });
  const existing = { costCenters: ["customer-support"], teams: [] };
  const result = await set.loaded(["support-triage.yaml"], { workspace: "acme", existing });
  expect(result.changes).toEqual([SUPPORT_TRIAGE]);
  expect(result.notices).toEqual([]);
});

test("load: what is in force is asked of the workspace that the files name", async () => {
  await set.write({
    "workspace.yaml": "workspace: acme\ntime_zone: UTC\n",
    "agents/support-triage.yaml": EXAMPLE,
  });
  const asked: string[] = [];
  const existingOf = (workspace: string) => {
    asked.push(workspace);
    return Promise.resolve({ costCenters: ["customer-support"], teams: [] });
  };
  const result = await set.loaded(["."], { existingOf });
  expect(asked).toEqual(["acme"]);
  expect(result.changes.map(({ item }) => item)).toEqual(["workspace", "agent"]);
});

test("load: every field of every file", async () => {
  await set.write({
    "workspace.yaml": `
workspace: acme
title: Acme, Inc.
currency: USD
time_zone: UTC
expiry: 1500ms
caps: {monthly: "$100,000", yearly: 1000000}
cost_centers:
  b: {title: Second, caps: {monthly: 5.1}}
  a:
teams:
  core: {caps: {yearly: 0}}
rebalancing:
  - {pace_from: 80.25%, P3: M}
  - pace_from: 100%
    P2: L
    P3: shed
`,
    "policy.yaml":
      "rules:\n  - if remaining < $1.50 and not (tier = S or priority <= P1) then hold\n",
    "lanes.yaml": `
lanes:
  - provider: openai
    family: gpt
    region: global
    tiers:
      XL: {model: huge, aliases: [huge-1], window: "400,000", output_max: 128000, modalities: [text, image]}
      M: middle
`,
    "rates.yaml": `
rates:
  - {provider: aws, model: "*", discount: 12.5%, source: contract 17, from: 2026-01-01}
  - provider: openai
    model: huge
    source: contract 18
    input: $0.01875/Mtok
    web_search: $10.00/ksearch
`,
    "providers.yaml": `
providers:
  openai: {credential: "env:OPENAI_API_KEY", base_url: http://127.0.0.1:9000/v1/}
  anthropic-bedrock:
    credential: exec:pass show bedrock
`,
    "agents/z.yaml": `
agent: z
title: Z
cost_center: a
team: core
priority: P3
frozen: true
on_expiry: capture
on_overage: freeze
lane: {provider: openai, family: gpt, region: global}
`,
  });
  const result = await set.loaded();
  expect(result.changes.map(({ item, id }) => `${item}:${id}`)).toEqual([
    "workspace:acme",
    "cost_center:a",
    "cost_center:b",
    "team:core",
    "agent:z",
  ]);
  expect(result.changes[0]?.value).toEqual({
    caps: { month: 100_000_000_000_000n, year: 1_000_000_000_000_000n },
    currency: "USD",
    expiry_ms: 1_500,
    time_zone: "UTC",
    title: "Acme, Inc.",
  });
  expect(result.changes[2]?.value).toEqual({ caps: { month: 5_100_000_000n }, title: "Second" });
  expect(result.changes[3]?.value).toEqual({ caps: { year: 0n } });
  expect(result.changes[4]?.value).toEqual({
    caps: {},
    cost_center: "a",
    frozen: true,
    lane: { family: "gpt", provider: "openai", region: "global" },
    on_expiry: "capture",
    on_overage: "freeze",
    priority: "P3",
    rules: [],
    team: "core",
    tiers: ["M", "XL"],
    title: "Z",
  });
  expect(result.policy?.rebalancing).toEqual([
    { pace_from: 8_025n, P3: "M" },
    { pace_from: 10_000n, P2: "L", P3: "shed" },
  ]);
  expect(result.policy?.rules).toEqual([
    {
      if: {
        all: [
          { field: "remaining", is: "<", value: 1_500_000_000n },
          {
            not: {
              any: [
                { field: "tier", is: "=", value: "S" },
                { field: "priority", is: "<=", value: "P1" },
              ],
            },
          },
        ],
      },
      then: { do: "hold" },
      source: "if remaining < $1.50 and not (tier = S or priority <= P1) then hold",
      file: "policy.yaml",
      line: 2,
    },
  ]);
  expect(result.lanesOverrides?.map(({ lane, limits }) => ({ lane, limits }))).toEqual([
    {
      lane: {
        api: "openai",
        family: "gpt",
        prices: "openai",
        provider: "openai",
        region: "global",
        tiers: [
          { tier: "M", model: "middle", aliases: [] },
          { tier: "XL", model: "huge", aliases: ["huge-1"] },
        ],
      },
      limits: [
        { tier: "M", model: "middle" },
        {
          tier: "XL",
          model: "huge",
          window: 400_000n,
          output_max: 128_000n,
          modalities: ["image", "text"],
        },
      ],
    },
  ]);
  expect(result.rates).toMatchObject([
    { provider: "aws", model: "*", discount_ppm: 125_000n, source: "contract 17" },
    {
      provider: "openai",
      model: "huge",
      units: {
        input: { pico_usd: 18_750n, per: 1n },
        web_search: { pico_usd: 10_000_000_000n, per: 1n },
      },
    },
  ]);
  expect(result.providers).toMatchObject([
    {
      provider: "openai",
      base_url: "http://127.0.0.1:9000/v1",
      credential: { from: "env", name: "OPENAI_API_KEY" },
    },
    { provider: "anthropic-bedrock", credential: { from: "exec", command: "pass show bedrock" } },
  ]);
});

test("load: a policy that is half written keeps the half in force", async () => {
  await set.write({ "workspace.yaml": WORKSPACE, "policy.yaml": "rules: []\n" });
  expect((await set.loaded()).policy).toEqual({ rebalancing: DEFAULT_REBALANCING, rules: [] });
  const rebalancing = [{ pace_from: 1n, P3: "S" as const }];
  const existing = { costCenters: [], teams: [], policy: { rebalancing, rules: [] } };
  expect((await set.loaded(["."], { existing })).policy?.rebalancing).toEqual(rebalancing);
});

test("load: both spellings of a rule, a block and a quoted one mean the same and keep their lines", async () => {
  await set.write({
    "workspace.yaml": WORKSPACE,
    "policy.yaml": `rules:
  - if pace > 90% then floor: L   # as a map of one
  - "if pace > 90% then floor: L"
  - {if: pace > 90%, then: {floor: L}}
  - if: pace > 90%
    then: 'floor: L'
  - >-
    if pace > 90%
    then floor: L
  - if pace > 90%
    then floor:L
  - {"if pace > 90% then floor": L}
`,
  });
  const rules = (await set.loaded()).policy?.rules ?? [];
  expect(rules.map((rule) => rule.line)).toEqual([2, 3, 4, 5, 7, 10, 12]);
  for (const rule of rules) {
    expect(rule.if).toEqual({ field: "pace", is: ">", value: 9_000n });
    expect(rule.then).toEqual({ do: "floor", tier: "L" });
    expect(rule.source.replace("floor:L", "floor: L")).toBe("if pace > 90% then floor: L");
  }
});

test("load: an amount is read from its text, never through a float", async () => {
  const cap = async (text: string) => {
    await set.write({ "workspace.yaml": `${WORKSPACE}caps:\n  yearly: ${text}\n` });
    const value = (await set.loaded()).changes[0]?.value as { caps: { year: bigint } };
    return value.caps.year;
  };
  expect(await cap("5.1")).toBe(5_100_000_000n);
  expect(await cap("9007199.254740993")).toBe(9_007_199_254_740_993n);
  expect(await cap("9223372036.854775807")).toBe(2n ** 63n - 1n);
  expect(await cap("0.000000001")).toBe(1n);
  expect(await cap("'$1,234,567.89'")).toBe(1_234_567_890_000_000n);
  expect(await cap("60000 # a comment")).toBe(60_000_000_000_000n);
});

test("load: an agent may use the tiers that its lane has, and no others", async () => {
  const agent = (tiers: string) =>
    `agent: a\npriority: P1\ncaps: {monthly: 1}\nlane: {provider: openai, family: gpt, region: global${tiers}}\n`;
  const settings = async (tiers: string) => {
    await set.write({ "workspace.yaml": WORKSPACE, "agents/a.yaml": agent(tiers) });
    return (await set.loaded()).changes.at(-1)?.value;
  };
  expect(await settings("")).toMatchObject({ tiers: ["S", "L"] });
  expect(await settings(", tiers: [L, S]")).toMatchObject({ tiers: ["S", "L"] });
  await expect(settings(", tiers: [S, M]")).rejects.toThrow(
    "agents/a.yaml:4:62: lane.tiers: openai/gpt/global has no tier M; it has S, L",
  );
});

test("load: what is odd but no mistake is noticed with its line", async () => {
  await set.write({
    "workspace.yaml": `workspace: acme
time_zone: UTC
caps: {monthly: 10, yearly: 5}
rebalancing:
  - {pace_from: 80%, P3: S}
  - {pace_from: 90%, P2: M}
  - {pace_from: 95%, P3: M, P2: M}
`,
    "agents/a.yaml": EXAMPLE.replace("$5.00", "$70,000"),
    "agents/b.yaml": `agent: b
cost_center: customer-suport
priority: P1
lane: {provider: openai, family: gpt, region: global}
`,
    "providers.yaml": "providers:\n  openai: {base_url: http://models.internal/v1}\n",
  });
  const { notices } = await set.loaded();
  expect(notices.map((notice) => notice.replaceAll(`${set.root}/`, "")).sort()).toEqual([
    "agents/a.yaml:2: the cost centre customer-support is not declared: it is made, without caps",
    "agents/a.yaml:6: per_run is above monthly, so it will never be the cap that decides",
    "agents/b.yaml:1: b has no caps of its own: only those around it limit it",
    "agents/b.yaml:2: the cost centre customer-suport is not declared: it is made, without caps",
    "providers.yaml:2: models.internal is reached over http: credentials and prompts go unencrypted",
    "workspace.yaml:3: monthly is above yearly, so it will never be the cap that decides",
    "workspace.yaml:7: P3 is held to S by a row above: M changes nothing",
  ]);
});

test("load: what a set makes fits an entry, or is refused at its line", async () => {
  const long = `if remaining < $1 and ${"not ".repeat(3)}(${"tier = XL or ".repeat(34)}tier = S) then hold`;
  await set.write({
    "workspace.yaml": WORKSPACE,
    "agents/a.yaml": `${EXAMPLE}${`  - ${long}\n`.repeat(60)}`,
    "policy.yaml": `rules:\n${`  - ${long}\n`.repeat(60)}`,
  });
  await expect(set.loaded()).rejects.toThrow(
    /agents\/a.yaml:1:8: agent: is too large for one entry of the ledger[^]*policy.yaml: the rules together are too large/,
  );
});

test("load: a freeze stays unless the file lifts it by name", async () => {
  const existing = { costCenters: [], frozenAgents: ["support-triage"], teams: [] };
  const frozenAfter = async (text: string) => {
    await set.write({ "workspace.yaml": WORKSPACE, "agents/support-triage.yaml": text });
    const { changes } = await set.loaded(["."], { existing });
    const agent = changes.find(({ item }) => item === "agent");
    return agent?.item === "agent" && agent.value?.frozen;
  };
  expect(await frozenAfter(EXAMPLE)).toBe(true);
  expect(await frozenAfter(`${EXAMPLE}\nfrozen: false\n`)).toBe(false);
});
