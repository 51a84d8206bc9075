/**
 * Goal: a cap admits what fits and not one call more, whatever the concurrency; a call that may not go
 * out is stepped down or refused in words, and the hold is a true worst case.
 * Method: a thousand concurrent HTTP calls against a cap that fits k, with a provider that is silent
 * until all are decided; agents of several caps, priorities and tiers.
 */
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { afterEach, describe, expect, test } from "vitest";
import type { EntryOf } from "../ledger/entries.ts";
import type { AgentSettings } from "../ledger/workspace-config.ts";
import { servedTotal } from "./testing/audit.ts";
import { type LocalWorld, startLocalWorld, until } from "./testing/local-world.ts";
import { GPT, usd } from "./testing/workspace.ts";

let world: LocalWorld;
afterEach(() => world.stop());

const hello = [{ role: "user" as const, content: "Hello" }];
const ask = { model: "claude-haiku-4-5", max_tokens: 100, messages: hello };
const claude = (agent = "bot") =>
  new Anthropic({
    apiKey: world.keys[agent] ?? "",
    baseURL: `${world.gateway().url}/v1/anthropic`,
    maxRetries: 0,
  });

async function start(agents: Readonly<Record<string, Partial<AgentSettings>>>): Promise<void> {
  world = await startLocalWorld({ agents });
}

/** What one call of {@link ask} is held for. */
async function holdOf(): Promise<bigint> {
  const { response } = await claude("probe").messages.create(ask).withResponse();
  return usd(response.headers.get("x-tarmac-held") ?? "");
}

interface Refused {
  readonly status: number;
  readonly headers: Headers;
  readonly error: {
    readonly tarmac: {
      readonly code: string;
      readonly message: string;
      readonly authorization: string;
      readonly receipt: string;
    };
  };
}
const refusal = async (call: PromiseLike<unknown>) =>
  (await Promise.resolve(call).then(
    () => {
      throw new Error("was not refused");
    },
    (error: unknown) => error,
  )) as Refused;

describe("concurrency", () => {
  test("admit: of 1,000 calls at once exactly k go out, and R1 holds at every entry (leak A)", async () => {
    await start({ probe: {} });
    const held = await holdOf();
    await world.stop();
    const k = 37n;
    const run = { headers: { "x-tarmac-run": "run-1" } };
    for (const caps of [
      { month: held * k + 1n },
      { year: held * k },
      { run: held * (k + 1n) - 1n },
    ]) {
      await start({ bot: { caps: caps as unknown as AgentSettings["caps"] } });
      world.providers.control.set({ hold: true });
      const client = claude();
      const calls = Array.from({ length: 1_000 }, () => client.messages.create(ask, run));
      const results = Promise.allSettled(calls);
      const decided = () =>
        world.engine.entries.filter(({ entry }) => entry.kind === "authorize").length;
      await until(() => decided() === 1_000, "every call is decided", 100_000);
      await world.providers.control.untilWaiting(Number(k));
      expect(world.providers.control.waiting).toBe(Number(k));
      world.providers.control.release();
      const admitted = (await results).filter(({ status }) => status === "fulfilled");
      expect(admitted).toHaveLength(Number(k));
      const over = world.engine.entries
        .flatMap(({ entry }) => ("legs" in entry ? entry.legs : []))
        .filter(({ held: h, limit, settled }) => limit !== undefined && settled + h > limit);
      expect(over).toEqual([]);
      await world.quiet();
      expect(world.balance().settled).toBe(servedTotal(world.providers.served.records));
      await world.stop();
    }
    await start({ probe: {} });
  }, 330_000);
});

describe("words of a refusal", () => {
  test("refuse: 402 in the vendor's envelope, which cap, by how much, and not to be retried", async () => {
    await start({ bot: { caps: { month: usd("0.0001") } } });
    const refused = await refusal(claude().messages.create(ask));
    expect(refused.status).toBe(402);
    expect(refused.headers.get("x-should-retry")).toBe("false");
    const { code, message, authorization, receipt } = refused.error.tarmac;
    expect(code).toBe("monthly-cap");
    expect(message).toMatch(/rule 02 .*agent:bot\/month is short by \$0\.\d+ .*raise the cap/);
    expect(receipt).toBe(authorization.replace("auth_", "rcpt_"));
    expect(world.providers.served.length).toBe(0);
    // Refusals are entries too (R2).
    expect(world.engine.entries.at(-1)?.entry).toMatchObject({ outcome: "hold", authorization });
  });

  test("refuse: a model outside the lane, in both vendors' envelopes", async () => {
    await start({ bot: {}, gpt: { lane: GPT } });
    const refused = await refusal(claude().messages.create({ ...ask, model: "claude-2" }));
    expect(refused).toMatchObject({
      status: 403,
      error: { tarmac: { code: "model-not-in-lane" } },
    });
    const openai = new OpenAI({
      apiKey: world.keys["gpt"] ?? "",
      baseURL: `${world.gateway().url}/v1/openai`,
      maxRetries: 0,
    });
    const failed = (await Promise.resolve(
      openai.chat.completions.create({ model: "gpt-2", messages: hello }),
    ).catch((error: unknown) => error)) as { readonly status: number; readonly code: string };
    expect(failed).toMatchObject({ status: 403, code: "model-not-in-lane" });
  });
});

describe("tiers", () => {
  test("throttle: a run that tightens steps down, rewriting the model and its output limit", async () => {
    await start({ bot: { caps: { run: usd("0.31") } } });
    const asked = { ...ask, model: "auto", max_tokens: 60_000 };
    const { data: stream, response } = await claude()
      .messages.create({ ...asked, stream: true })
      .withResponse();
    let served = "";
    for await (const event of stream)
      if (event.type === "message_start") served = event.message.model;
    expect(response.headers.get("x-tarmac-outcome")).toBe("throttle");
    expect(response.headers.get("x-tarmac-rule")).toBe("04");
    expect(response.headers.get("x-tarmac-tier")).toBe("S");
    expect(served).toMatch(/^claude-haiku-4-5/);
    expect(world.providers.served.records.at(-1)?.status).toBe(200);
  });

  test("refine: a long prompt of prose fits once its tokens are counted", async () => {
    await start({
      gpt: { lane: GPT, tiers: ["S"], caps: { run: usd("0.005") } },
    });
    const prose = "The quick brown fox jumps over the lazy dog. ".repeat(1_200);
    const messages = [{ role: "user" as const, content: prose }];
    const create = (agent: string) =>
      new OpenAI({
        apiKey: world.keys[agent] ?? "",
        baseURL: `${world.gateway().url}/v1/openai`,
        maxRetries: 0,
      }).chat.completions.create({ model: "gpt-5.6-luna", messages, max_completion_tokens: 50 });
    await create("gpt");
    const authorized = world.engine.entries
      .map(({ entry }) => entry)
      .filter((entry): entry is EntryOf<"authorize"> => entry.kind === "authorize");
    expect(authorized).toHaveLength(1);
    expect(authorized[0]?.usage_bound.counted).toBe(true);
    const served = world.providers.served.records.at(-1);
    expect(authorized[0]?.usage_bound.input).toBeGreaterThanOrEqual(
      BigInt(served?.usage.input ?? 0),
    );
    await world.quiet();
    expect(world.balance().settled).toBe(servedTotal(world.providers.served.records));
  });
});

describe("worst case", () => {
  test("hold: covers what a provider may bill when every byte is a token (leak H)", async () => {
    await start({ bot: {}, gpt: { lane: GPT } });
    world.providers.control.set({ bytesPerToken: 1, outputTokens: 100_000 });
    const system = [
      {
        type: "text" as const,
        text: "𒀀 rules, ".repeat(500),
        cache_control: { type: "ephemeral" as const, ttl: "1h" as const },
      },
    ];
    const tools = [
      {
        name: "lookup",
        description: "Looks up. ".repeat(50),
        input_schema: { type: "object" as const, properties: { q: { type: "string" } } },
      },
    ];
    for (const model of ["claude-haiku-4-5", "auto"]) {
      await claude().messages.create({ ...ask, model, system, tools, max_tokens: 300 });
    }
    const openai = new OpenAI({
      apiKey: world.keys["gpt"] ?? "",
      baseURL: `${world.gateway().url}/v1/openai`,
      maxRetries: 0,
    });
    await openai.chat.completions.create({
      model: "gpt-5.6-luna",
      messages: [{ role: "user", content: "ж ".repeat(3_000) }],
      n: 3,
      max_completion_tokens: 200,
    });
    const settles = world.engine.entries
      .map(({ entry }) => entry)
      .filter((entry): entry is EntryOf<"settle"> => entry.kind === "settle");
    expect(settles).toHaveLength(3);
    for (const settle of settles) expect(settle).toMatchObject({ basis: "measured", overage: 0n });
  });
});

describe("idempotency", () => {
  test("repeat: a second call under one key is never forwarded (leak F)", async () => {
    await start({ bot: {} });
    const once = { headers: { "idempotency-key": "order-1" } };
    world.providers.control.set({ firstByteMs: 200 });
    const first = claude().messages.create(ask, once);
    await until(() => world.engine.entries.at(-1)?.entry.kind === "authorize", "the first is held");
    const second = await refusal(claude().messages.create(ask, once));
    expect(second).toMatchObject({ status: 409, error: { tarmac: { code: "in-progress" } } });
    await first;
    const third = await refusal(claude().messages.create(ask, once));
    expect(third).toMatchObject({ status: 409, error: { tarmac: { code: "already-settled" } } });
    expect(third.headers.get("x-should-retry")).toBe("false");
    expect(world.providers.served.length).toBe(1);
  });
});
