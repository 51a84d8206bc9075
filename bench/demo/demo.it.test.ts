/**
 * Goal: the demo's agents make traffic that a gateway takes, and take its refusals politely. Method:
 * they play against the simulated providers mounted where a gateway's base URLs are, which validate as
 * the vendors do; the workspace files go through the loader that `apply` uses.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { hasProblems, loadWorkspaceFiles } from "../../cli/workspace-files/load.ts";
import { builtInLanes } from "../../prices/lanes.ts";
import { Prose, seeded } from "../providers/prose.ts";
import { type Providers, startProviders } from "../providers/server.ts";
import { type Client, play, type Stage, work } from "./agent.ts";
import { CAST, type Part } from "./cast.ts";
import { readConfig } from "./config.ts";
import { busyness, untilNextRun } from "./day.ts";
import { Tally } from "./tally.ts";
import type { Told } from "./told.ts";

let providers: Providers;
beforeAll(async () => {
  providers = await startProviders({ models: { anthropic: ["auto"], openai: ["auto"] } });
});
afterEach(() => providers.control.reset());
afterAll(async () => providers.stop());

function stageFor(part: Part, signal = new AbortController().signal): Stage {
  const common = { apiKey: "sk-demo", maxRetries: 0 };
  const client: Client =
    part.api === "anthropic"
      ? {
          api: "anthropic",
          sdk: new Anthropic({ ...common, baseURL: `${providers.url}/v1/anthropic` }),
        }
      : { api: "openai", sdk: new OpenAI({ ...common, baseURL: `${providers.url}/v1/openai` }) };
  const tally = new Tally(() => undefined, false);
  return {
    client,
    prose: new Prose(1),
    random: seeded(7),
    tally,
    rate: 1,
    now: () => new Date(),
    signal,
  };
}

async function playOnce(part: Part): Promise<Told[]> {
  const heard: Told[] = [];
  await play(part, stageFor(part), (told) => heard.push(told));
  return heard;
}

const partOf = (name: string): Part => {
  const part = CAST.find(({ agent }) => agent === name);
  if (part === undefined) throw new Error(`no part ${name}`);
  return part;
};

test("workspace: its files load, and have an agent for every part of the cast", async () => {
  const path = new URL("./workspace", import.meta.url).pathname;
  const loaded = await loadWorkspaceFiles([path], { lanes: builtInLanes() });
  if (hasProblems(loaded)) throw new Error(JSON.stringify(loaded.problems, null, 2));
  const agents = loaded.changes.filter((change) => change.item === "agent");
  expect(agents.map(({ id }) => id).toSorted()).toEqual(CAST.map(({ agent }) => agent).toSorted());
  for (const { id, value } of agents) {
    expect(value).toMatchObject({ lane: { provider: partOf(id).api, region: "global" } });
  }
  const priorities = agents.map(({ value }) => (value as { priority: string }).priority);
  expect([...new Set(priorities)].toSorted()).toEqual(["P0", "P1", "P2", "P3"]);
});

for (const part of CAST) {
  test(`${part.agent}: its runs are taken by the vendor, under the run's name`, async () => {
    const before = providers.served.length;
    const heard = (await Promise.all([1, 2, 3].map(() => playOnce(part)))).flat();
    await providers.served.idle();
    expect(heard.length).toBeGreaterThanOrEqual(3 * part.turns[0] - 2);
    for (const told of heard) expect(["ok", "left"]).toContain(told.result);
    const records = providers.served.since(before);
    expect(records).toHaveLength(heard.length);
    // The simulated vendor notes headers that only a gateway should see: here it sees the agent's own.
    for (const record of records) {
      expect(record.leaked).toEqual(expect.arrayContaining(["x-tarmac-agent", "x-tarmac-run"]));
    }
    const readsCache = records.some((record) => record.usage.cache_read > 0);
    expect(readsCache || part.instructionBytes < 6_000).toBe(true);
  });
}

test("tools: a call is answered with its result", async () => {
  const before = providers.served.length;
  await playOnce(partOf("support-triage-demo"));
  const records = providers.served.since(before);
  expect(records.length).toBeGreaterThanOrEqual(2);
  expect(records[1]?.usage.input).toBeGreaterThan(0);
});

test("leaving: a stream is closed before its end, and the run is over", async () => {
  providers.control.set({ outputTokens: 400, paceMs: 2 });
  for (const name of ["support-triage-demo", "checkout-assistant"]) {
    const heard = await playOnce({ ...partOf(name), leaves: 1, streamed: 1, tools: false });
    expect(heard.map(({ result }) => result)).toEqual(["left"]);
    await providers.served.idle();
    expect(providers.served.records.at(-1)?.outcome).toBe("client-gone");
  }
});

test("refusals: end the run and are told by their code", async () => {
  for (const name of ["nightly-batch", "data-cleanup"]) {
    providers.control.next({ errorStatus: 402, errorType: "monthly-cap" });
    expect(await playOnce(partOf(name))).toMatchObject([{ result: "monthly-cap", status: 402 }]);
    providers.control.next({ errorStatus: 503, retryAfterS: 2 });
    expect(await playOnce(partOf(name))).toMatchObject([{ status: 503, retryAfterMs: 2_000 }]);
  }
});

test("refusals: the gateway's own code is told before the vendor's type", async () => {
  const { toldByError } = await import("./told.ts");
  const tarmac = { code: "per-run-cap" };
  const caller = { agent: "a", run: "r" };
  const bodies = [
    { error: { type: "invalid_request_error", message: "held" }, tarmac },
    { type: "error", message: "held", tarmac },
  ];
  for (const error of bodies) {
    const thrown = Object.assign(new Error("402"), { status: 402, error });
    expect(toldByError(caller, thrown, 0).result).toBe("per-run-cap");
  }
});

test("backing off: an agent that is refused asks less and less", async () => {
  providers.control.set({ errorStatus: 402 });
  const ending = new AbortController();
  const before = providers.served.length;
  const part = { ...partOf("lead-scoring"), runsPerHour: 3_600_000 };
  const working = work(part, stageFor(part, ending.signal));
  await new Promise((resolve) => setTimeout(resolve, 600));
  ending.abort();
  await working;
  // Without backing off, a run a millisecond would make hundreds.
  const asked = providers.served.length - before;
  expect(asked).toBeGreaterThanOrEqual(1);
  expect(asked).toBeLessThanOrEqual(8);
});

test("day: offices are busy at ten, batches at night, and nobody ever stops", () => {
  const at = (hour: number) => new Date(2026, 10, 22, hour, 30);
  expect(busyness("office", at(10))).toBeGreaterThan(2 * busyness("office", at(3)));
  expect(busyness("night", at(2))).toBeGreaterThan(1.5 * busyness("night", at(12)));
  for (let hour = 0; hour < 24; hour += 1) {
    for (const rhythm of ["office", "night", "steady"] as const) {
      expect(busyness(rhythm, at(hour))).toBeGreaterThanOrEqual(0.2);
    }
  }
  const random = seeded(3);
  const waits = Array.from({ length: 5_000 }, () => untilNextRun(60, random));
  expect(waits.reduce((sum, wait) => sum + wait, 0) / waits.length / 60_000).toBeCloseTo(1, 1);
});

test("config: every mistake is named at once", async () => {
  const args = [
    "--gateway",
    "nowhere",
    "--rate",
    "0",
    "--agents",
    "nobody",
    "--providers",
    "acme",
    "--seed",
    "x",
  ];
  const config = await readConfig(args);
  expect("mistakes" in config && config.mistakes).toHaveLength(6);
});

test("config: agents of a provider with a real key stay at home, unless they are named", async () => {
  const env = { OPENAI_API_KEY: "sk-real" };
  const home = await readConfig(["--key", "tarmac_pk_x"], env);
  const named = await readConfig(["--key", "tarmac_pk_x", "--providers", "openai"], env);
  const apis = (config: typeof home) =>
    "mistakes" in config ? config.mistakes : [...new Set(config.cast.map(({ api }) => api))];
  expect(apis(home)).toEqual(["anthropic"]);
  expect(apis(named)).toEqual(["openai"]);
});

test("process: works through its keys, and ends cleanly on SIGTERM", async () => {
  const dir = await mkdtemp(join(tmpdir(), "tarmac-demo-"));
  try {
    const keys = join(dir, "keys.json");
    await writeFile(
      keys,
      JSON.stringify({ "invoice-matching": "sk-demo", "code-review": "sk-demo" }),
    );
    const main = new URL("./main.ts", import.meta.url).pathname;
    const args = [main, "--gateway", providers.url, "--keys", keys, "--rate", "200", "--verbose"];
    const before = providers.served.length;
    const child = spawn(process.execPath, args, { stdio: "pipe" });
    let text = "";
    child.stdout.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    try {
      // Which agent is first is chance; both have to have come to something.
      const worked = /invoice-matching invoice-matching-\w+: ok 200/;
      const enough = () => providers.served.length >= before + 10 && worked.test(text);
      await providers.served.until(enough, 10_000);
      child.kill("SIGTERM");
      const [code] = (await once(child, "close")) as [number | null];
      expect(code).toBe(0);
      expect(text).toContain("2 agents at work");
      expect(text).toMatch(worked);
      expect(text).toContain("in the last minute");
    } finally {
      child.kill("SIGKILL");
    }
  } finally {
    await rm(dir, { recursive: true });
  }
});
