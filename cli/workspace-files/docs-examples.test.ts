/**
 * Goal: what the user's reference shows is what works.
 * Method: its examples, each under the name of its section, are one set on the built-in lanes.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DEFAULT_REBALANCING } from "../../ledger/policy.ts";
import { builtInLanes } from "../../prices/lanes.ts";
import { EXAMPLE, TemporarySet } from "./testing/temporary-set.ts";

let set: TemporarySet;
beforeEach(async () => {
  set = await TemporarySet.make();
});
afterEach(async () => {
  await set.remove();
});

test("docs: every example of docs/workspace-files.md loads, together, on the built-in lanes", async () => {
  const docs = join(import.meta.dirname, "../../docs/workspace-files.md");
  const sections = (await readFile(docs, "utf8")).split(/^## /m).slice(1);
  const files: Record<string, string> = {};
  for (const section of sections) {
    const example = /```yaml\n(.*?)```/s.exec(section)?.[1];
    const name = /^[^\n]*?`([^`]+\.yaml)`/.exec(section)?.[1];
    if (example !== undefined && name !== undefined) files[name] = example;
  }
  expect(Object.keys(files).sort()).toEqual([
    "agents/NAME.yaml",
    "lanes.yaml",
    "policy.yaml",
    "providers.yaml",
    "rates.yaml",
    "workspace.yaml",
  ]);
  await set.write(files);
  const result = await set.loaded(["."], { lanes: builtInLanes() });
  expect(files["agents/NAME.yaml"]).toBe(EXAMPLE);
  expect(result.notices).toEqual([]);
  expect(result.policy?.rebalancing).toEqual(DEFAULT_REBALANCING);
});
