/**
 * Goal: tests of a gateway can make a provider do anything it might, and see what it did. Method:
 * plain HTTP against both APIs; holds, every fault, every way of not stating usage, the HTTP control
 * and the process.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { FAULTS, type Fault } from "./behavior.ts";
import type { ServedRecord } from "./served.ts";
import { type Providers, startProviders } from "./server.ts";

let providers: Providers;
beforeAll(async () => {
  providers = await startProviders();
});
afterEach(() => providers.control.reset());
afterAll(async () => providers.stop());

const MESSAGES = [{ role: "user", content: "Hello" }];
const SURFACES = {
  anthropic: {
    path: "/anthropic/v1/messages",
    headers: { "x-api-key": "sk-ant", "anthropic-version": "2023-06-01" },
    body: { model: "claude-sonnet-5", max_tokens: 50, messages: MESSAGES },
    streaming: { stream: true },
    end: "message_stop",
  },
  openai: {
    path: "/openai/v1/chat/completions",
    headers: { authorization: "Bearer sk-openai" },
    body: { model: "gpt-4o", max_tokens: 50, messages: MESSAGES },
    streaming: { stream: true, stream_options: { include_usage: true } },
    end: "[DONE]",
  },
} as const;
type Surface = keyof typeof SURFACES;

/** What a client saw of an answer: all of it, or what came before the connection broke. */
interface Seen {
  readonly status: number | undefined;
  readonly text: string;
  readonly broken: boolean;
}

async function call(
  surface: Surface,
  options: {
    stream?: boolean;
    headers?: Record<string, string>;
    signal?: AbortSignal;
    url?: string;
  } = {},
): Promise<Seen> {
  const { path, headers, body, streaming } = SURFACES[surface];
  let status: number | undefined;
  let text = "";
  try {
    const response = await fetch(`${options.url ?? providers.url}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers, ...options.headers },
      body: JSON.stringify({ ...body, ...(options.stream === true ? streaming : {}) }),
      ...(options.signal !== undefined && { signal: options.signal }),
    });
    status = response.status;
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? [])
      text += decoder.decode(chunk as Uint8Array, { stream: true });
    return { status, text, broken: false };
  } catch {
    return { status, text, broken: true };
  }
}

async function last(): Promise<ServedRecord> {
  await providers.served.idle();
  const record = providers.served.records.at(-1);
  if (record === undefined) throw new Error("nothing was served");
  return record;
}

test("hold: calls are silent and counted until they are released", async () => {
  providers.control.set({ hold: true });
  const before = providers.served.length;
  const calls = Array.from({ length: 300 }, (_, index) =>
    call(index % 2 === 0 ? "anthropic" : "openai"),
  );
  await providers.control.untilWaiting(300);
  expect(providers.served.length).toBe(before);
  expect(providers.control.release(100)).toBe(100);
  await providers.served.until(() => providers.served.length === before + 100);
  expect(providers.control.waiting).toBe(200);
  expect(providers.control.release()).toBe(200);
  const seen = await Promise.all(calls);
  expect(seen.every(({ status, broken }) => status === 200 && !broken)).toBe(true);
});

test("hold: a client that leaves waits no longer, and is billed in full or not for output", async () => {
  for (const [whenClientGone, output] of [
    ["finish", 50],
    ["stop", 0],
  ] as const) {
    providers.control.set({ hold: true, outputTokens: 50, whenClientGone });
    const controller = new AbortController();
    const seen = call("anthropic", { signal: controller.signal });
    await providers.control.untilWaiting(1);
    controller.abort();
    expect((await seen).broken).toBe(true);
    const record = await last();
    expect(record).toMatchObject({ outcome: "client-gone", status: 0, usage: { output } });
    expect(record.usage.input).toBeGreaterThan(0);
    expect(providers.control.waiting).toBe(0);
  }
});

describe("faults", () => {
  /** What a client sees of a stream of 50 tokens, and what of them is billed, from and to. */
  interface Expected {
    readonly outcome: string;
    readonly broken: boolean;
    readonly status: number | undefined;
    readonly billed: readonly [number, number];
  }
  const PART = [1, 25] as const;
  const EXPECTED: Record<Fault, Expected> = {
    "reset-before": { outcome: "reset", broken: true, status: undefined, billed: [0, 0] },
    "reset-after": { outcome: "reset", broken: true, status: 200, billed: PART },
    stall: { outcome: "stalled", broken: true, status: 200, billed: PART },
    cut: { outcome: "cut", broken: true, status: 200, billed: PART },
    "end-early": { outcome: "cut", broken: false, status: 200, billed: PART },
    "cut-before-done": { outcome: "cut", broken: false, status: 200, billed: [50, 50] },
    "error-event": { outcome: "error-event", broken: false, status: 200, billed: PART },
  };
  const reportedBy = (surface: Surface, fault: Fault) => {
    if (fault === "reset-before") return "none";
    if (fault === "cut-before-done") return "complete";
    return surface === "anthropic" ? "partial" : "none";
  };
  for (const surface of ["anthropic", "openai"] as const) {
    for (const fault of FAULTS) {
      test(`${surface} stream: ${fault} shows, and bills what was generated`, async () => {
        const { outcome, broken, status, billed } = EXPECTED[fault];
        providers.control.next({ fault, outputTokens: 50 });
        const signal = AbortSignal.timeout(300);
        const seen = await call(surface, { stream: true, ...(fault === "stall" && { signal }) });
        const record = await last();
        expect({ broken: seen.broken, status: seen.status }).toEqual({ broken, status });
        expect(seen.text === "").toBe(fault === "reset-before");
        expect(seen.text).not.toContain(SURFACES[surface].end);
        expect(record).toMatchObject({
          outcome,
          status: status ?? 0,
          usage_reported: reportedBy(surface, fault),
        });
        expect(record.usage.output).toBeGreaterThanOrEqual(billed[0]);
        expect(record.usage.output).toBeLessThanOrEqual(billed[1]);
        expect(record.usage.input > 0).toBe(fault !== "reset-before");
      });
    }

    test(`${surface} plain: a body that breaks off was generated, and is billed`, async () => {
      for (const fault of ["reset-after", "cut"] as const) {
        providers.control.next({ fault, outputTokens: 50 });
        const seen = await call(surface);
        expect(seen).toMatchObject({ broken: true, status: 200 });
        expect(await last()).toMatchObject({ usage: { output: 50 }, usage_reported: "none" });
      }
    });

    test(`${surface}: a stall that ends goes on where it was`, async () => {
      for (const stream of [false, true]) {
        providers.control.next({ fault: "stall", stallMs: 30, outputTokens: 50 });
        const seen = await call(surface, { stream });
        expect(seen.broken).toBe(false);
        expect(seen.text).toContain(stream ? SURFACES[surface].end : '"usage":{');
        expect(seen.text.endsWith(stream ? "\n\n" : "}")).toBe(true);
        expect(await last()).toMatchObject({ outcome: "completed", usage: { output: 50 } });
      }
    });

    test(`${surface}: usage that is missing, null or zero`, async () => {
      for (const stream of [false, true]) {
        for (const [usage, states, billed, reported] of [
          ["missing", /^(?!.*"usage":\{)/s, 50, "none"],
          ["null", /^(?!.*"usage":\{).*"usage":null/s, 50, "none"],
          ["zero", /"(output|completion)_tokens":0/, 0, "complete"],
        ] as const) {
          providers.control.next({ usage, outputTokens: 50 });
          const seen = await call(surface, { stream });
          const record = await last();
          expect(seen.text).toMatch(states);
          expect(record.usage.output).toBe(billed);
          expect(record.usage_reported).toBe(reported);
        }
      }
    });

    test(`${surface}: an overage goes above the maximum and is billed`, async () => {
      for (const stream of [false, true]) {
        providers.control.next({ overageTokens: 11 });
        await call(surface, { stream });
        expect(await last()).toMatchObject({ output_max: 50, usage: { output: 61 } });
      }
    });

    test(`${surface}: another model than the asked one can serve`, async () => {
      const seen = await call(surface, {
        headers: { "x-sim-served-model": "other-1", "x-sim-tag": "case-7" },
      });
      expect(JSON.parse(seen.text)).toMatchObject({ model: "other-1" });
      expect(await last()).toMatchObject({ model: "other-1", tag: "case-7" });
    });
  }
});

test("served: what a gateway must keep to itself is named", async () => {
  await call("openai", {
    headers: { "x-tarmac-run": "r1", "idempotency-key": "k", "x-api-key": "tarmac_pk_x" },
  });
  expect((await last()).leaked.toSorted()).toEqual([
    "idempotency-key",
    "x-api-key",
    "x-tarmac-run",
  ]);
  expect(providers.served.counts.leaks).toBeGreaterThan(0);
});

test("served: totals are the sum of the bills by model", async () => {
  const before = providers.served.length;
  for (let turn = 0; turn < 3; turn += 1) await call("anthropic", { stream: turn === 1 });
  const mine = providers.served.since(before);
  const total = providers.served
    .totals((record) => record.seq >= before)
    .get("anthropic/claude-sonnet-5");
  expect(total?.output).toBe(mine.reduce((sum, record) => sum + record.usage.output, 0));
});

test("served: memory can be bounded, the counters still cover all", async () => {
  const bounded = await startProviders({ keepRecords: 4 });
  try {
    for (let turn = 0; turn < 11; turn += 1) await call("openai", { url: bounded.url });
    expect(bounded.served.records.length).toBeLessThanOrEqual(8);
    expect(bounded.served.counts).toMatchObject({ requests: 11, by_status: { 200: 11 } });
    expect(bounded.served.records.at(-1)?.seq).toBe(10);
    expect((await fetch(`${bounded.url}/__served?since=0`)).status).toBe(410);
  } finally {
    await bounded.stop();
  }
});

test("http control: sets, queues, releases, resets and names every mistake", async () => {
  const order = async (body: unknown) => {
    const response = await fetch(`${providers.url}/__control`, {
      method: "POST",
      body: JSON.stringify(body),
    });
    return { status: response.status, json: (await response.json()) as Record<string, unknown> };
  };
  const match = { provider: "openai", tag: "mine" };
  await order({ set: { hold: true }, next: [{ patch: { errorStatus: 503 }, times: 2, match }] });
  const held = call("anthropic");
  const refused = call("openai", { headers: { "x-sim-tag": "mine", "x-sim-hold": "0" } });
  expect((await refused).status).toBe(503);
  await providers.control.untilWaiting(1);
  const shown = (await (await fetch(`${providers.url}/__control`)).json()) as object;
  expect(shown).toMatchObject({ waiting: 1, queued: 1, counts: { in_flight: 1 } });
  expect((await order({ release: true })).json).toMatchObject({ released: 1, waiting: 0 });
  expect((await held).status).toBe(200);
  expect((await order({ reset: true })).json).toMatchObject({
    queued: 0,
    defaults: { hold: false },
  });

  const wrong = await order({
    set: { hold: "maybe", pace: 3 },
    next: [{ patch: { fault: "fire" }, times: 0 }],
    go: 1,
  });
  expect(wrong.status).toBe(400);
  expect(wrong.json["mistakes"]).toHaveLength(5);
});

test("http served: records come as JSON lines from a place on", async () => {
  const before = providers.served.length;
  await call("anthropic");
  await call("openai");
  const text = await (await fetch(`${providers.url}/__served?since=${before}`)).text();
  const records = text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as ServedRecord);
  expect(records).toEqual(providers.served.since(before));
});

test("process: prints where it listens, serves, and ends cleanly on SIGTERM", async () => {
  const main = new URL("./main.ts", import.meta.url).pathname;
  const child = spawn(process.execPath, [main, "--port", "0", "--json", "--key", "sk-ant"], {
    stdio: "pipe",
  });
  try {
    const [line] = (await once(createInterface(child.stdout), "line")) as [string];
    const { url } = JSON.parse(line) as { url: string };
    expect((await call("anthropic", { url })).status).toBe(200);
    expect((await call("openai", { url })).status).toBe(401);
    child.kill("SIGTERM");
    const [code] = (await once(child, "exit")) as [number | null];
    expect(code).toBe(0);
  } finally {
    child.kill("SIGKILL");
  }
});

test("process: every mistake of the command line is named at once", async () => {
  const main = new URL("./main.ts", import.meta.url).pathname;
  const args = ["--port", "x", "--seed", "-1", "--behavior", '{"hold":3}', "--model", "gpt"];
  const child = spawn(process.execPath, [main, ...args], { stdio: "pipe" });
  let text = "";
  child.stderr.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  const [code] = (await once(child, "close")) as [number | null];
  expect(code).toBe(2);
  for (const name of ["--port", "--behavior", "--model"]) expect(text).toContain(name);
});
