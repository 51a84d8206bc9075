/**
 * Goal: the vendors' own SDKs work through the gateway as they do without it, and every call is held
 * and settled at what the provider says it served, to the nano-dollar.
 * Method: `@anthropic-ai/sdk` and `openai` unmodified but for base URL and key, against simulated
 * providers over HTTP; decisions by the real workspace actor in this process.
 */
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { servedTotal } from "./testing/audit.ts";
import { type LocalWorld, startLocalWorld } from "./testing/local-world.ts";

let world: LocalWorld;
beforeAll(async () => {
  world = await startLocalWorld();
});
afterAll(() => world.stop());
afterEach(async () => {
  world.providers.control.reset();
  await world.quiet();
  // After every test: the ledger says what the providers say, and nothing of ours ever leaves.
  const { settled, held } = world.balance();
  const { counts, records } = world.providers.served;
  const served = servedTotal(records);
  if (settled !== served || held !== 0n || counts.leaks !== 0) {
    throw new Error(`settled ${settled}, served ${served}, held ${held}, leaks ${counts.leaks}`);
  }
});

const claude = (options = {}) =>
  new Anthropic({
    apiKey: world.keys["claude"] ?? "",
    baseURL: `${world.gateway().url}/v1/anthropic`,
    maxRetries: 0,
    ...options,
  });
const gpt = (options = {}) =>
  new OpenAI({
    apiKey: world.keys["gpt"] ?? "",
    baseURL: `${world.gateway().url}/v1/openai`,
    maxRetries: 0,
    ...options,
  });
const hello = [{ role: "user" as const, content: "Hello" }];
const lastServed = () => world.providers.served.records.at(-1);

describe("anthropic", () => {
  test("messages: a plain call, with its decision in the headers", async () => {
    const { data, response } = await claude()
      .messages.create({ model: "claude-sonnet-5", max_tokens: 200, messages: hello })
      .withResponse();
    expect(data.content[0]?.type).toBe("text");
    const { headers } = response;
    expect(headers.get("x-tarmac-outcome")).toBe("admit");
    expect(headers.get("x-tarmac-tier")).toBe("M");
    expect(headers.get("x-tarmac-rule")).toBe("05");
    expect(headers.get("x-tarmac-receipt")).toBe(
      headers.get("x-tarmac-authorization")?.replace("auth_", "rcpt_"),
    );
    expect(Number(headers.get("x-tarmac-settled"))).toBeGreaterThan(0);
    expect(Number(headers.get("x-tarmac-held"))).toBeGreaterThan(
      Number(headers.get("x-tarmac-settled")),
    );
    expect(headers.get("x-tarmac-cap")).toBe("agent:claude/month");
    expect(headers.get("request-id")).toBe(lastServed()?.id);
  });

  test("messages: auto becomes the heaviest tier, an alias its model", async () => {
    const auto = await claude().messages.create({ model: "auto", max_tokens: 50, messages: hello });
    expect(auto.model).toBe("claude-fable-5-1");
    await claude().messages.create({
      model: "claude-haiku-4-5-20251001",
      max_tokens: 50,
      messages: hello,
    });
    expect(lastServed()?.asked_model).toBe("claude-haiku-4-5");
  });

  test("messages: a stream arrives as it is sent, event by event", async () => {
    world.providers.control.set({ paceMs: 20, outputTokens: 60, tokensPerChunk: 6 });
    const stream = claude().messages.stream({ model: "auto", max_tokens: 200, messages: hello });
    const at: number[] = [];
    for await (const event of stream) {
      if (event.type === "content_block_delta") at.push(performance.now());
    }
    const message = await stream.finalMessage();
    expect(message.usage.output_tokens).toBe(60);
    expect(at.length).toBeGreaterThanOrEqual(10);
    // Ten silences of 20 ms: a stream that was gathered would come at once.
    expect((at.at(-1) ?? 0) - (at[0] ?? 0)).toBeGreaterThan(120);
  });

  test("messages: tools, cache writes and reads of both lifetimes, thinking", async () => {
    const tools = [{ name: "search", description: "d", input_schema: { type: "object" as const } }];
    const used = await claude().messages.create({
      model: "claude-sonnet-5",
      max_tokens: 400,
      messages: hello,
      tools,
    });
    expect(used.stop_reason).toBe("tool_use");
    const system = (ttl: "1h" | "5m") => [
      {
        type: "text" as const,
        text: `Rules of ${ttl}. `.repeat(2_000),
        cache_control: { type: "ephemeral" as const, ttl },
      },
    ];
    for (const ttl of ["5m", "1h"] as const) {
      const ask = {
        model: "claude-sonnet-5",
        max_tokens: 50,
        messages: hello,
        system: system(ttl),
      };
      const written = await claude().messages.create(ask);
      expect(written.usage.cache_creation_input_tokens).toBeGreaterThan(1_000);
      const stream = await claude().messages.stream(ask).finalMessage();
      expect(stream.usage.cache_read_input_tokens).toBeGreaterThan(1_000);
    }
    await claude().messages.create({
      model: "claude-sonnet-5",
      max_tokens: 3_000,
      messages: hello,
      thinking: { type: "enabled", budget_tokens: 1_024 },
    });
  });

  test("messages: web searches are billed with their fee", async () => {
    const message = await claude().messages.create({
      model: "claude-haiku-4-5",
      max_tokens: 300,
      messages: [{ role: "user", content: "Search." }],
      tools: [{ type: "web_search_20250305", name: "web_search", max_uses: 1 }],
    });
    expect(message.usage.server_tool_use?.web_search_requests).toBe(1);
    expect(lastServed()?.usage.web_search).toBe(1);
  });

  test.each([400, 404, 429, 500, 529])(
    "messages: the vendor's %i comes through untouched",
    async (status) => {
      world.providers.control.next({ errorStatus: status, errorMessage: "as the vendor says" });
      const failed = await claude()
        .messages.create({ model: "auto", max_tokens: 50, messages: hello })
        .catch((error: unknown) => error);
      expect(failed).toBeInstanceOf(Anthropic.APIError);
      const error = failed as InstanceType<typeof Anthropic.APIError>;
      expect(error.status).toBe(status);
      expect(error.message).toContain("as the vendor says");
      expect(error.headers?.get("x-should-retry")).toBe(null);
      expect(error.headers?.get("retry-after")).toBe(status === 429 ? "1" : null);
    },
  );

  test("messages: the SDK's own retry after a 429 is a new call that is held anew (leak F)", async () => {
    world.providers.control.next({ errorStatus: 429, retryAfterS: 0 });
    const before = world.engine.commands.filter(({ kind }) => kind === "authorize").length;
    await claude({ maxRetries: 1 }).messages.create({
      model: "auto",
      max_tokens: 50,
      messages: hello,
    });
    const after = world.engine.commands.filter(({ kind }) => kind === "authorize").length;
    expect(after - before).toBe(2);
  });

  test("messages: abort in the middle settles what was really used (leak D)", async () => {
    world.providers.control.set({ paceMs: 5, outputTokens: 120, whenClientGone: "finish" });
    const stream = claude().messages.stream({ model: "auto", max_tokens: 500, messages: hello });
    const read = async () => {
      for await (const event of stream) if (event.type === "content_block_delta") stream.abort();
    };
    await expect(read()).rejects.toThrow("aborted");
    await world.quiet();
    expect(lastServed()).toMatchObject({ outcome: "completed" });
    expect(lastServed()?.usage.output).toBe(120);
  });

  test("messages: leaving a plain call settles what was really used (leak D)", async () => {
    world.providers.control.set({ firstByteMs: 150 });
    const abort = new AbortController();
    const call = claude().messages.create(
      { model: "auto", max_tokens: 100, messages: hello },
      { signal: abort.signal },
    );
    setTimeout(() => abort.abort(), 50);
    await expect(call).rejects.toThrow(/aborted/i);
    await world.quiet();
    expect(lastServed()?.outcome).toBe("completed");
  });

  test("count_tokens: free, forwarded, without an authorization", async () => {
    const commands = world.engine.commands.length;
    const counted = await claude().messages.countTokens({ model: "auto", messages: hello });
    expect(counted.input_tokens).toBeGreaterThan(0);
    expect(world.engine.commands.length).toBe(commands);
    expect(lastServed()).toMatchObject({ route: "count_tokens", asked_model: "claude-fable-5-1" });
  });

  test("models: answered from the lane, nothing forwarded", async () => {
    const served = world.providers.served.length;
    const models = [];
    for await (const model of claude().models.list()) models.push(model.id);
    expect(models).toContain("claude-sonnet-5");
    expect(models).not.toContain("gpt-5.6-luna");
    expect((await claude().models.retrieve("claude-sonnet-5")).id).toBe("claude-sonnet-5");
    expect(world.providers.served.length).toBe(served);
  });
});

describe("openai", () => {
  test("completions: a plain call", async () => {
    const { data, response } = await gpt()
      .chat.completions.create({
        model: "gpt-5.6-terra",
        messages: hello,
        max_completion_tokens: 300,
      })
      .withResponse();
    expect(data.choices[0]?.message.content).toBeTruthy();
    expect(response.headers.get("x-tarmac-tier")).toBe("M");
    expect(Number(response.headers.get("x-tarmac-settled"))).toBeGreaterThan(0);
  });

  test("completions: a stream without its usage chunk, unless it was asked for (leak E)", async () => {
    for (const asked of [false, true]) {
      const stream = await gpt().chat.completions.create({
        model: "gpt-5.6-luna",
        messages: hello,
        stream: true,
        ...(asked ? { stream_options: { include_usage: true } } : {}),
      });
      let usages = 0;
      let text = "";
      for await (const chunk of stream) {
        text += chunk.choices[0]?.delta.content ?? "";
        if (chunk.usage !== undefined && chunk.usage !== null) usages++;
      }
      expect(text.length).toBeGreaterThan(0);
      expect(usages).toBe(asked ? 1 : 0);
    }
  });

  test("completions: n, tools, reasoning and automatic caching", async () => {
    const several = await gpt().chat.completions.create({
      model: "gpt-5.6-luna",
      messages: hello,
      n: 3,
      max_completion_tokens: 100,
    });
    expect(several.choices).toHaveLength(3);
    const tools = [{ type: "function" as const, function: { name: "search", parameters: {} } }];
    const used = await gpt().chat.completions.create({
      model: "gpt-5.6-luna",
      messages: hello,
      tools,
    });
    expect(used.choices[0]?.finish_reason).toBe("tool_calls");
    const long = [{ role: "user" as const, content: "Long rules. ".repeat(2_000) }];
    await gpt().chat.completions.create({ model: "gpt-5.6-luna", messages: long });
    const again = await gpt().chat.completions.create({ model: "gpt-5.6-luna", messages: long });
    expect(again.usage?.prompt_tokens_details?.cached_tokens).toBeGreaterThan(1_000);
  });

  test.each([400, 429, 503])(
    "completions: the vendor's %i comes through untouched",
    async (status) => {
      world.providers.control.next({ errorStatus: status, errorMessage: "as the vendor says" });
      const failed = await gpt()
        .chat.completions.create({ model: "gpt-5.6-luna", messages: hello })
        .catch((error: unknown) => error);
      expect(failed).toBeInstanceOf(OpenAI.APIError);
      expect((failed as InstanceType<typeof OpenAI.APIError>).status).toBe(status);
      expect(String(failed)).toContain("as the vendor says");
    },
  );

  test("completions: abort in the middle settles what was really used (leak D)", async () => {
    world.providers.control.set({ paceMs: 5, outputTokens: 120 });
    const stream = await gpt().chat.completions.create({
      model: "gpt-5.6-luna",
      messages: hello,
      stream: true,
    });
    for await (const chunk of stream) if (chunk.choices[0]?.delta.content) break;
    stream.controller.abort();
    await world.quiet();
    expect(lastServed()?.usage.output).toBeGreaterThanOrEqual(120);
  });

  test("completions: auto takes the old name of the output limit too", async () => {
    await gpt().chat.completions.create({ model: "auto", messages: hello, max_tokens: 40 });
    expect(lastServed()).toMatchObject({ status: 200, output_max: 40 });
  });

  test("models: answered from the lane", async () => {
    const models = [];
    for await (const model of gpt().models.list()) models.push(model.id);
    expect(models).toContain("gpt-5.6-luna");
    expect((await gpt().models.retrieve("gpt-5.6-luna")).object).toBe("model");
  });
});

describe("the root aliases", () => {
  test("aliases: both vendors' calls, and models by the vendor's headers", async () => {
    const { url } = world.gateway();
    await claude({ baseURL: url }).messages.create({
      model: "auto",
      max_tokens: 20,
      messages: hello,
    });
    await gpt({ baseURL: `${url}/v1` }).chat.completions.create({ model: "auto", messages: hello });
    const [first] = (await claude({ baseURL: url }).models.list()).data;
    expect(first).toMatchObject({ type: "model" });
    const list = await gpt({ baseURL: `${url}/v1` }).models.list();
    expect(list.data[0]).toMatchObject({ object: "model" });
  });
});

describe("a mixed crowd", () => {
  test("mixed: streams, aborts and provider errors, settled to the nano-dollar", async () => {
    world.providers.control.set({ paceMs: 1, outputTokens: 40 });
    const calls = Array.from({ length: 120 }, async (_, i) => {
      if (i % 10 === 3) world.providers.control.next({ errorStatus: 529 });
      const abort = new AbortController();
      if (i % 7 === 2) setTimeout(() => abort.abort(), 5 + (i % 20));
      const { signal } = abort;
      const ask = { max_tokens: 100, messages: hello };
      const askGpt = { max_completion_tokens: 100, messages: hello };
      switch (i % 4) {
        case 0:
          return claude().messages.create({ model: "auto", ...ask }, { signal });
        case 1:
          return claude()
            .messages.stream({ model: "claude-haiku-4-5", ...ask }, { signal })
            .done();
        case 2:
          return gpt().chat.completions.create({ model: "gpt-5.6-luna", ...askGpt }, { signal });
        default: {
          const stream = await gpt().chat.completions.create(
            { model: "gpt-5.6-sol", stream: true, ...askGpt },
            { signal },
          );
          for await (const _chunk of stream);
          return undefined;
        }
      }
    });
    const results = await Promise.allSettled(calls);
    expect(results.filter(({ status }) => status === "fulfilled").length).toBeGreaterThan(60);
  });
});
