/**
 * Goal: every mistake of a set is reported at once where it stands, nothing is made up, no secret is
 * repeated, and no file can hang the loader.
 * Method: a directory of mistakes that counts its own, against a golden text; files by example.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { hasProblems, loadWorkspaceFiles } from "./load.ts";
import { renderProblems } from "./render-problems.ts";
import { LANES } from "./testing/lanes.ts";
import { EXAMPLE, TemporarySet, WORKSPACE } from "./testing/temporary-set.ts";

let set: TemporarySet;
beforeEach(async () => {
  set = await TemporarySet.make();
});
afterEach(async () => {
  await set.remove();
});

test("load: anchors share what they hold; the same mistake is told once", async () => {
  await set.write({
    "workspace.yaml": `workspace: acme
time_zone: UTC
cost_centers:
  a: {caps: &small {monthly: $10}}
  b: {caps: *small}
`,
  });
  expect((await set.loaded()).changes.slice(1).map(({ value }) => value)).toEqual([
    { caps: { month: 10_000_000_000n } },
    { caps: { month: 10_000_000_000n } },
  ]);
  await set.write({
    "workspace.yaml": `workspace: acme
time_zone: UTC
cost_centers:
  a: {caps: &small {monthly: ten}}
  b: {caps: *small}
  c: {caps: &other [*small]}
  d: {caps: *none}
`,
  });
  expect(await set.mistakes()).toEqual([
    'workspace.yaml:4: "ten" must be an amount in US dollars, like $5.00 or $60,000',
    "workspace.yaml:6: must be a map with monthly, yearly, not a list",
    "workspace.yaml:6: an alias stands inside an anchor: write out what it stands for",
    "workspace.yaml:7: the alias names no anchor above it",
  ]);
});

test("load: a secret is refused, and is nowhere in what is reported", async () => {
  const secret = "sk-ant-api03-Q2hhcmxpZQ";
  await set.write({
    "workspace.yaml": WORKSPACE,
    "providers.yaml": `providers:
  openai:
    credential: ${secret}
    api_key: ${secret}
    ${secret}: 1
  anthropic-bedrock: {credential: "env:${secret}", base_url: "https://${secret}@host/?key=${secret}"}
  anthropic-bedrok:
    credential: vault:secret/data/${secret}
    base_url: "https://host/?key=${secret}"
  gpt: {credential: env:TARMAC_LOG_KEY}
  x: "${secret}
`,
  });
  const result = await set.load();
  if (!hasProblems(result)) throw new Error("a secret was taken");
  expect(JSON.stringify(result)).not.toContain(secret);
  expect(renderProblems(result.problems)).not.toContain(secret);
  expect((await set.mistakes()).map((line) => line.replace("providers.yaml:", ""))).toEqual([
    "3: must be a reference to a credential, never the credential itself: env:NAME, file:/PATH, exec:COMMAND or passthrough",
    "4: no secret stands in a file: use credential: env:NAME or file:/PATH",
    "5: is not a field of a provider; it has base_url, credential",
    "6: env: is followed by a variable's name, like env:ANTHROPIC_API_KEY",
    "6: must not carry a user or password: use credential: env:NAME",
    "7: no lane has this provider (did you mean anthropic-bedrock?)",
    "8: vault: is not supported by this version; use env:NAME, file:/PATH, exec:COMMAND or passthrough",
    "9: must end with its path: no ? and no #",
    "10: no lane has this provider; there are anthropic-bedrock, openai",
    "10: variables named TARMAC_… are never sent to a provider",
    "11: no lane has this provider; there are anthropic-bedrock, openai",
    "12: a quote that opens further up is not closed",
  ]);
});

test("load: every mistake of a directory at once, with its file and line", async () => {
  const fixture = join(import.meta.dirname, "testing/bad-workspace");
  const result = await loadWorkspaceFiles([fixture], {
    lanes: LANES,
    now: new Date("2026-11-22T12:00:00Z"),
  });
  if (!hasProblems(result)) throw new Error("loaded without a mistake");
  // The fixture says at each mistake that it is one: `# 1 mistake`, `# 2 mistakes`.
  const files = new Set(result.problems.map((problem) => problem.file));
  const wrong: string[] = [];
  for (const file of files) {
    const lines = (await readFile(file, "utf8")).split("\n");
    for (const [i, line] of lines.entries()) {
      const expected = Number(/# (\d+) mistakes?\b/.exec(line)?.[1] ?? 0);
      const found = result.problems.filter((one) => one.file === file && one.line === i + 1);
      if (found.length !== expected) wrong.push(`${file}:${i + 1}: ${found.length}: ${line}`);
    }
  }
  expect(wrong).toEqual([]);
  expect(result.problems.length).toBeGreaterThan(100);
  const text = renderProblems(result.problems).replaceAll(`${fixture}/`, "");
  await expect(text).toMatchFileSnapshot("testing/bad-workspace.golden.txt");
});

test("load: a rule over two lines with a colon says that it must stand on one", async () => {
  await set.write({
    "workspace.yaml": WORKSPACE,
    "policy.yaml": `rules:
  - if pace > 90%
    then floor: L
  - if pace > 90% then stop
`,
  });
  expect(await set.mistakes()).toEqual([
    'policy.yaml:2: a key, or a rule with ": ", must stand on one line',
    'policy.yaml:4: "stop" is not an action; there are floor: TIER, ceiling: TIER or hold',
  ]);
});

test("load: a time zone has one spelling, since it is part of every period's key", async () => {
  for (const [zone, message] of [
    ["europe/berlin", "is spelled Europe/Berlin"],
    ["+02:00", '"+02:00" is not an IANA time zone, like Europe/Berlin or UTC'],
    ["new york", '"new york" is not an IANA time zone (did you mean America/New_York?)'],
    ["Europe/Berln", '"Europe/Berln" is not an IANA time zone (did you mean Europe/Berlin?)'],
  ]) {
    await set.write({ "workspace.yaml": `workspace: acme\ntime_zone: ${zone}\n` });
    expect(await set.mistakes()).toEqual([`workspace.yaml:2: ${message}`]);
  }
});

test("load: conditions too deep for an entry are refused at their line", async () => {
  const deep = `if ${"not ".repeat(40)}pace > 1% then hold`;
  await set.write({
    "workspace.yaml": WORKSPACE,
    "policy.yaml": `rules:\n  - if pace > 1% then hold\n  - ${deep}\n`,
  });
  expect(await set.mistakes()).toEqual([
    expect.stringMatching(/^policy.yaml:3: conditions stand in each other more than \d+ deep$/),
  ]);
});

test("load: broken syntax is one mistake and does not make others up", async () => {
  await set.write({
    "workspace.yaml": `workspace: acme
time_zone: Nowhere
teams:
	core:
cost_centers: [
`,
    "agents/a.yaml": EXAMPLE.replace("priority", "team: ghosts\npriority"),
  });
  expect(await set.mistakes()).toEqual([
    'workspace.yaml:2: "Nowhere" is not an IANA time zone, like Europe/Berlin or UTC',
    "workspace.yaml:4: tabs cannot indent in YAML: use spaces",
    "workspace.yaml:6: what is in brackets must be indented, and the brackets closed",
  ]);
});

test("load: which workspace is meant is never guessed", async () => {
  await set.write({ "agents/a.yaml": EXAMPLE });
  const how = "add one, or name a workspace that there is with --workspace";
  expect(await set.mistakes()).toEqual([`.:0: holds no workspace.yaml: ${how}`]);
  expect(await set.mistakes(["agents/a.yaml"])).toEqual([
    "agents/a.yaml:0: for which workspace? Give its workspace.yaml too, or --workspace NAME",
  ]);
  expect((await set.loaded(["."], { workspace: "acme" })).workspace).toBe("acme");
  await set.write({ "workspace.yaml": WORKSPACE, "more/policy.yaml": "rules: []\n" });
  expect(await set.mistakes(["."], { workspace: "other" })).toEqual([
    "workspace.yaml:1: is not other, the workspace that was asked for",
  ]);
  expect(await set.mistakes(["more"], { workspace: "acme" })).toEqual([
    "more/policy.yaml:0: needs its workspace.yaml beside it: --workspace alone takes agents' files only",
  ]);
  expect((await set.loaded(["workspace.yaml", "more"])).policy?.rules).toEqual([]);
});

test("load: files that are missing, twice there, misnamed or unreadable are named", async () => {
  await set.write({
    "workspace.yaml": WORKSPACE,
    "workspace.yml": "workspace: acme\n",
    "agent.yaml": EXAMPLE,
    "README.md": "no file of a workspace",
    ".hidden.yaml": "- not read",
    "agents/a.yaml": EXAMPLE,
    "agents/b.yaml": EXAMPLE,
    "agents/deep/c.yaml": EXAMPLE,
    "agents/d.yaml": "",
    "agents/e.yaml": "x: 1\n".repeat(300_000),
    "agents/f.yaml": new Uint8Array([0x61, 0x3a, 0xff]),
  });
  expect(await set.mistakes([".", "gone.yaml", "agents/a.yaml"])).toEqual([
    "agent.yaml:0: is not a file of a workspace: there are workspace.yaml, policy.yaml, lanes.yaml, rates.yaml, providers.yaml and agents/NAME.yaml",
    "agents/b.yaml:1: the agent support-triage is also in agents/a.yaml:1: one file describes one agent",
    "agents/d.yaml:1: is empty: an agent has agent, title, cost_center, team, priority, caps, lane, rules, frozen, on_expiry, on_overage",
    "agents/deep:0: agents/ has no directories of its own: put the files into agents/",
    "agents/e.yaml:0: is larger than 1048576 bytes",
    "agents/f.yaml:0: is not UTF-8 text",
    "gone.yaml:0: does not exist",
    "workspace.yml:0: is a second workspace.yaml, beside workspace.yaml: give one of them",
    "workspace.yml:1: time_zone is missing in a workspace",
  ]);
});

test("load: hostile YAML ends soon, with a mistake", async () => {
  const bomb = ["a: &a [x, x, x, x, x, x, x, x, x]"];
  for (let i = 1; i < 12; i++) bomb.push(`b${i}: &b${i} [${`*b${i - 1}, `.repeat(9)}]`);
  for (const text of [
    bomb.join("\n"),
    "[".repeat(20_000),
    "a: {".repeat(10_000),
    "- ".repeat(20_000),
    `agent: *x\n`.repeat(1_000),
    `agent: ${"x".repeat(900_000)}`,
    `rules:\n${"  - if (((((((((((((((((((((((((((pace > 1% then hold\n".repeat(1_000)}`,
    `rules: ["if ${"(".repeat(300)}pace > 1%${")".repeat(300)} then hold"]`,
    `rules: ["if ${"not ".repeat(100)}pace > 1% then hold"]`,
  ]) {
    await set.write({ "workspace.yaml": WORKSPACE, "agents/a.yaml": text });
    expect((await set.mistakes()).length).toBeGreaterThan(0);
  }
});
