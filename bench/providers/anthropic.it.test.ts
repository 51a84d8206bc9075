/**
 * Goal: the simulated Messages API is one that the vendor's own SDK takes for real, and `served`
 * says what it was told. Method: @anthropic-ai/sdk, unmodified but for its base URL, over real HTTP;
 * every answer is compared with the record of the call.
 */
import Anthropic, {
  AuthenticationError,
  BadRequestError,
  NotFoundError,
  OverloadedError,
  RateLimitError,
} from "@anthropic-ai/sdk";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { headerOf } from "./behavior.ts";
import type { Bill, ServedRecord } from "./served.ts";
import { type Providers, startProviders } from "./server.ts";

const MODEL = "claude-sonnet-5";
const HELLO = [{ role: "user", content: "Please look into ticket 4711." }] as const;
const TOOL: Anthropic.Tool = {
  name: "look_up_order",
  description: "Finds an order",
  input_schema: {
    type: "object",
    properties: { order: { type: "string" }, depth: { type: "integer" } },
    required: ["order"],
  },
};

let now = Date.UTC(2026, 10, 22);
let providers: Providers;
let client: Anthropic;

beforeAll(async () => {
  providers = await startProviders({ now: () => now });
  client = new Anthropic({
    baseURL: providers.anthropicBaseUrl,
    apiKey: "sk-ant-test-0001",
    maxRetries: 0,
  });
});
afterEach(() => providers.control.reset());
afterAll(async () => providers.stop());

/** The record of the last request; there must be nothing in flight. */
async function last(): Promise<ServedRecord> {
  await providers.served.idle();
  const record = providers.served.records.at(-1);
  if (record === undefined) throw new Error("nothing was served");
  return record;
}

/** Anthropic's four prompt buckets stand side by side. */
function billOf(usage: Anthropic.Usage): Bill {
  return {
    input: usage.input_tokens,
    cache_read: usage.cache_read_input_tokens ?? 0,
    cache_write_5m: usage.cache_creation?.ephemeral_5m_input_tokens ?? 0,
    cache_write_1h: usage.cache_creation?.ephemeral_1h_input_tokens ?? 0,
    output: usage.output_tokens,
    web_search: usage.server_tool_use?.web_search_requests ?? 0,
  };
}

test("plain: the message and the record agree", async () => {
  const { data, request_id } = await client.messages
    .create({ model: "claude-haiku-4-5", max_tokens: 500, messages: [...HELLO] })
    .withResponse();
  const record = await last();
  expect(data.stop_reason).toBe("end_turn");
  expect(data.content[0]?.type === "text" && data.content[0].text.length).toBe(
    data.usage.output_tokens * 4,
  );
  expect(record).toMatchObject({
    id: request_id,
    reply_id: data.id,
    asked_model: "claude-haiku-4-5",
    // The vendor answers with the snapshot that the alias names.
    model: "claude-haiku-4-5-20251001",
    status: 200,
    outcome: "completed",
    usage_reported: "complete",
    // Since 1.0 the SDK sends an API key as a bearer token.
    key: { scheme: "bearer", tail: "0001" },
    leaked: [],
  });
  expect(data.model).toBe(record.model);
  expect(billOf(data.usage)).toEqual(record.usage);
});

test("plain: output never exceeds max_tokens, and says so", async () => {
  const message = await client.messages.create({
    model: MODEL,
    max_tokens: 7,
    messages: [...HELLO],
  });
  expect(message.stop_reason).toBe("max_tokens");
  expect(message.usage.output_tokens).toBe(7);
});

test("plain: the same request gets the same answer", async () => {
  const ask = () => client.messages.create({ model: MODEL, max_tokens: 300, messages: [...HELLO] });
  const [first, second] = [await ask(), await ask()];
  expect(second.content).toEqual(first.content);
  expect(second.id).not.toBe(first.id);
});

test("stream: deltas add up to the message, usage is cumulative", async () => {
  providers.control.set({ usageDeltas: 2 });
  const stream = client.messages.stream({ model: MODEL, max_tokens: 400, messages: [...HELLO] });
  let text = "";
  const outputs: number[] = [];
  stream.on("text", (delta) => {
    text += delta;
  });
  stream.on("streamEvent", (event) => {
    if (event.type === "message_delta") outputs.push(event.usage.output_tokens);
  });
  const message = await stream.finalMessage();
  const record = await last();
  expect(message.content).toEqual([{ type: "text", text, citations: null }]);
  expect(outputs).toHaveLength(3);
  expect(outputs).toEqual(outputs.toSorted((a, b) => a - b));
  expect(billOf(message.usage)).toEqual(record.usage);
  expect(record).toMatchObject({ stream: true, outcome: "completed", usage_reported: "complete" });
});

test("stream: pieces of one byte are the same message", async () => {
  providers.control.set({ outputTokens: 20 });
  const ask = (split: string) =>
    client.messages
      .stream(
        { model: MODEL, max_tokens: 400, messages: [...HELLO] },
        { headers: { "x-sim-split-bytes": split } },
      )
      .finalMessage();
  const [whole, split] = [await ask("0"), await ask("1")];
  expect(split.content).toEqual(whole.content);
  expect(split.usage).toEqual(whole.usage);
});

test("tools: a call comes back whole, its result ends the turn", async () => {
  for (const streamed of [false, true]) {
    const params = { model: MODEL, max_tokens: 1_000, tools: [TOOL], messages: [...HELLO] };
    const message = streamed
      ? await client.messages.stream(params).finalMessage()
      : await client.messages.create(params);
    const call = message.content.find((block) => block.type === "tool_use");
    expect(message.stop_reason).toBe("tool_use");
    expect(call?.input).toEqual({ order: "sample order", depth: 7 });
    expect(billOf(message.usage)).toEqual((await last()).usage);

    const answered = await client.messages.create({
      ...params,
      messages: [
        ...HELLO,
        { role: "assistant", content: message.content },
        {
          role: "user",
          content: [
            { type: "tool_result", tool_use_id: call?.id ?? "", content: "shipped on Monday" },
          ],
        },
      ],
    });
    expect(answered.stop_reason).toBe("end_turn");
    // The call and its result are now part of the prompt.
    expect(answered.usage.input_tokens).toBeGreaterThan(message.usage.input_tokens);
  }
});

test("thinking: is inside output_tokens and within its budget", async () => {
  const params = {
    model: MODEL,
    max_tokens: 2_000,
    thinking: { type: "enabled", budget_tokens: 1_024 },
  } as const;
  const message = await client.messages.stream({ ...params, messages: [...HELLO] }).finalMessage();
  const [thinking, text] = message.content;
  if (thinking?.type !== "thinking" || text?.type !== "text")
    throw new Error("expected thinking, then text");
  const spent = message.usage.output_tokens_details?.thinking_tokens ?? 0;
  expect(spent).toBe(thinking.thinking.length / 4);
  expect(message.usage.output_tokens).toBe(spent + text.text.length / 4);
  expect(thinking.signature).not.toBe("");
});

test("web search: is counted, and what it found is billed as input", async () => {
  const tools: Anthropic.ToolUnion[] = [
    { type: "web_search_20250305", name: "web_search", max_uses: 3 },
  ];
  providers.control.set({ webSearches: 5 });
  const params = { model: MODEL, max_tokens: 2_000, tools, messages: [...HELLO] };
  let atStart = 0;
  const stream = client.messages.stream(params);
  stream.on("streamEvent", (event) => {
    if (event.type === "message_start") atStart = event.message.usage.input_tokens;
  });
  const message = await stream.finalMessage();
  const record = await last();
  expect(record.usage.web_search).toBe(3);
  expect(billOf(message.usage)).toEqual(record.usage);
  expect(message.usage.input_tokens).toBeGreaterThan(atStart);
});

test("caching: a marked prefix is written once, then read, then forgotten", async () => {
  const system: Anthropic.TextBlockParam[] = [
    {
      type: "text",
      text: "Our terms of delivery. ".repeat(400),
      cache_control: { type: "ephemeral", ttl: "1h" },
    },
    { type: "text", text: "Answers are short. ".repeat(300), cache_control: { type: "ephemeral" } },
  ];
  const ask = async (question: string, key = "sk-ant-test-0002") => {
    const owner = client.withOptions({ apiKey: key });
    const message = await owner.messages.create({
      model: MODEL,
      max_tokens: 50,
      system,
      messages: [{ role: "user", content: question }],
    });
    expect(billOf(message.usage)).toEqual((await last()).usage);
    return message.usage;
  };
  const [terms, short] = [2_300, 1_425];
  const first = await ask("one");
  expect(first.cache_creation).toEqual({
    ephemeral_1h_input_tokens: terms,
    ephemeral_5m_input_tokens: short,
  });
  expect(first.cache_creation_input_tokens).toBe(terms + short);
  expect((await ask("two")).cache_read_input_tokens).toBe(terms + short);
  // Another key has a cache of its own.
  expect((await ask("three", "sk-ant-test-0003")).cache_read_input_tokens).toBe(0);
  now += 6 * 60_000;
  const later = await ask("four");
  expect(later.cache_read_input_tokens).toBe(terms);
  expect(later.cache_creation).toEqual({
    ephemeral_1h_input_tokens: 0,
    ephemeral_5m_input_tokens: short,
  });
});

test("caching: a prefix below the model's least length is not cached", async () => {
  const system: Anthropic.TextBlockParam[] = [
    { type: "text", text: "Short terms. ".repeat(20), cache_control: { type: "ephemeral" } },
  ];
  const params = { model: MODEL, max_tokens: 50, system, messages: [...HELLO] };
  for (let turn = 0; turn < 2; turn += 1) {
    const { usage } = await client.messages.create(params);
    expect(usage.cache_creation_input_tokens).toBe(0);
    expect(usage.cache_read_input_tokens).toBe(0);
  }
});

test("count_tokens: is what the message is then billed", async () => {
  const params = { model: MODEL, tools: [TOOL], system: "Be brief.", messages: [...HELLO] };
  const counted = await client.messages.countTokens(params);
  const message = await client.messages.create({ ...params, max_tokens: 300 });
  expect(message.usage.input_tokens).toBe(counted.input_tokens);
});

test("count: with one byte a token the prompt is exactly its bytes", async () => {
  const content = "Grüße 👋 from the depot";
  const message = await client.messages.create(
    { model: MODEL, max_tokens: 300, messages: [{ role: "user", content }] },
    { headers: { "x-sim-bytes-per-token": "1" } },
  );
  expect(message.usage.input_tokens).toBe(Buffer.byteLength(content));
});

test("models: are those of the price data", async () => {
  const ids: string[] = [];
  for await (const model of client.models.list()) ids.push(model.id);
  expect(ids).toContain(MODEL);
  expect((await client.models.retrieve(MODEL)).max_input_tokens).toBe(1_000_000);
});

test("errors: each status becomes the SDK's own class", async () => {
  const ask = (patch: object, headers: Record<string, string> = {}) =>
    client.messages
      .create({ model: MODEL, max_tokens: 10, messages: [...HELLO], ...patch }, { headers })
      .catch((error: unknown) => error);
  const cases: [unknown, new (...args: never[]) => Error, string, string][] = [
    [
      await ask({ max_tokens: undefined }),
      BadRequestError,
      "invalid_request_error",
      "max_tokens: Field required",
    ],
    [await ask({ model: "claude-nope" }), NotFoundError, "not_found_error", "model: claude-nope"],
    [
      await ask({ model: "claude-haiku-4-5", max_tokens: 64_001, stream: true }),
      BadRequestError,
      "invalid_request_error",
      "64001 > 64000",
    ],
    [await ask({ messages: [] }), BadRequestError, "invalid_request_error", "at least one message"],
    [await ask({ extra: 1 }), BadRequestError, "invalid_request_error", "extra: Extra inputs"],
    [
      await ask({}, { "x-sim-error-status": "429" }),
      RateLimitError,
      "rate_limit_error",
      "rate limit",
    ],
    [
      await ask({}, { "x-sim-error-status": "529" }),
      OverloadedError,
      "overloaded_error",
      "Overloaded",
    ],
    [
      await ask({}, { "x-sim-pace": "soon" }),
      BadRequestError,
      "invalid_request_error",
      "x-sim-pace: no such knob",
    ],
  ];
  for (const [error, kind, type, message] of cases) {
    expect(error).toBeInstanceOf(kind);
    expect(error).toMatchObject({ type, apiMessage: expect.stringContaining(message) });
  }
  const bad = client.withOptions({ apiKey: "tarmac_pk_leaked" });
  await expect(bad.models.list()).rejects.toBeInstanceOf(AuthenticationError);
  expect(await last()).toMatchObject({
    status: 401,
    outcome: "refused",
    leaked: ["authorization"],
  });
  const record = providers.served.records.at(-2);
  expect(record).toMatchObject({ outcome: "refused", status: 400, usage: { input: 0, output: 0 } });
});

test("errors: the SDK's retry after a 429 is served", async () => {
  providers.control.next({ errorStatus: 429, retryAfterS: 0 });
  const patient = client.withOptions({ maxRetries: 1 });
  const before = providers.served.length;
  await patient.messages.create({ model: MODEL, max_tokens: 10, messages: [...HELLO] });
  const statuses = providers.served.since(before).map((record) => record.status);
  expect(statuses).toEqual([429, 200]);
});

test("errors: an error event in mid-stream is thrown, and the part generated is billed", async () => {
  const stream = client.messages.stream(
    { model: MODEL, max_tokens: 1_000, messages: [...HELLO] },
    {
      headers: {
        "x-sim-fault": "error-event",
        "x-sim-output-tokens": "100",
        "x-sim-fault-after-tokens": "40",
      },
    },
  );
  await expect(stream.finalMessage()).rejects.toMatchObject({ type: "overloaded_error" });
  const record = await last();
  expect(record).toMatchObject({
    outcome: "error-event",
    error: "overloaded_error",
    usage_reported: "partial",
  });
  expect(record.usage.output).toBeLessThanOrEqual(40);
  expect(record.usage.output).toBeGreaterThan(20);
});

test("abort: the vendor generates to the end and bills it, or stops when told to", async () => {
  providers.control.set({ paceMs: 4, outputTokens: 200, tokensPerChunk: 10 });
  const outputs: number[] = [];
  for (const whenClientGone of ["finish", "stop"]) {
    const stream = client.messages.stream(
      { model: MODEL, max_tokens: 1_000, messages: [...HELLO] },
      { headers: { [headerOf("whenClientGone")]: whenClientGone } },
    );
    stream.once("text", () => stream.abort());
    await expect(stream.finalMessage()).rejects.toBeInstanceOf(Error);
    const record = await last();
    expect(record).toMatchObject({
      outcome: "client-gone",
      status: 200,
      usage_reported: "partial",
    });
    outputs.push(record.usage.output);
  }
  expect(outputs[0]).toBe(200);
  expect(outputs[1]).toBeLessThan(200);
});
