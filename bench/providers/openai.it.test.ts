/**
 * Goal: the simulated chat completions are ones that the vendor's own SDK takes for real, and
 * `served` says what it was told. Method: the openai package, unmodified but for its base URL, over
 * real HTTP; every answer is compared with the record of the call.
 */
import OpenAI, {
  AuthenticationError,
  BadRequestError,
  InternalServerError,
  NotFoundError,
  RateLimitError,
} from "openai";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { Bill, ServedRecord } from "./served.ts";
import { type Providers, startProviders } from "./server.ts";

const MODEL = "gpt-4o";
const HELLO = [{ role: "user", content: "Please look into ticket 4711." }] as const;
const TOOL: OpenAI.ChatCompletionTool = {
  type: "function",
  function: {
    name: "look_up_order",
    parameters: {
      type: "object",
      properties: { order: { type: "string" }, kind: { enum: ["b2b", "b2c"] } },
    },
  },
};

let providers: Providers;
let client: OpenAI;

beforeAll(async () => {
  providers = await startProviders();
  client = new OpenAI({ baseURL: providers.openaiBaseUrl, apiKey: "sk-test-0001", maxRetries: 0 });
});
afterEach(() => providers.control.reset());
afterAll(async () => providers.stop());

async function last(): Promise<ServedRecord> {
  await providers.served.idle();
  const record = providers.served.records.at(-1);
  if (record === undefined) throw new Error("nothing was served");
  return record;
}

/** OpenAI's prompt contains what was read from the cache and written to it. */
function billOf(usage: OpenAI.CompletionUsage | null | undefined): Bill {
  if (usage == null) throw new Error("no usage");
  const read = usage.prompt_tokens_details?.cached_tokens ?? 0;
  const written = usage.prompt_tokens_details?.cache_write_tokens ?? 0;
  return {
    input: usage.prompt_tokens - read - written,
    cache_read: read,
    cache_write_5m: written,
    cache_write_1h: 0,
    output: usage.completion_tokens,
    web_search: 0,
  };
}

async function collect(
  stream: AsyncIterable<OpenAI.ChatCompletionChunk>,
): Promise<OpenAI.ChatCompletionChunk[]> {
  const chunks: OpenAI.ChatCompletionChunk[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

test("plain: the completion and the record agree", async () => {
  const { data, request_id } = await client.chat.completions
    .create({ model: MODEL, max_tokens: 500, messages: [...HELLO] })
    .withResponse();
  const record = await last();
  expect(data.choices[0]?.finish_reason).toBe("stop");
  expect(record).toMatchObject({
    id: request_id,
    reply_id: data.id,
    asked_model: MODEL,
    model: "gpt-4o-2024-11-20",
    service_tier: "default",
    outcome: "completed",
    usage_reported: "complete",
    key: { scheme: "bearer", tail: "0001" },
  });
  expect(data.model).toBe(record.model);
  expect(billOf(data.usage)).toEqual(record.usage);
});

test("plain: n choices together are the output, each within the maximum", async () => {
  const completion = await client.chat.completions.create({
    model: MODEL,
    max_tokens: 9,
    n: 3,
    messages: [...HELLO],
  });
  const record = await last();
  expect(completion.choices.map((choice) => choice.finish_reason)).toEqual([
    "length",
    "length",
    "length",
  ]);
  expect(completion.usage?.completion_tokens).toBe(27);
  expect(record).toMatchObject({ output_max: 27, usage: { output: 27 } });
});

test("plain: reasoning is hidden, and inside the completion", async () => {
  const completion = await client.chat.completions.create({
    model: "gpt-5.4",
    max_completion_tokens: 400,
    messages: [...HELLO],
  });
  const { usage } = completion;
  const reasoning = usage?.completion_tokens_details?.reasoning_tokens ?? 0;
  expect(reasoning).toBeGreaterThan(0);
  expect(completion.choices[0]?.message.content).toHaveLength(
    ((usage?.completion_tokens ?? 0) - reasoning) * 4,
  );
  expect(billOf(usage)).toEqual((await last()).usage);
});

test("plain: the tier that served is stated and kept", async () => {
  const flex = await client.chat.completions.create({
    model: MODEL,
    service_tier: "flex",
    messages: [...HELLO],
  });
  expect(flex.service_tier).toBe("flex");
  providers.control.next({ serviceTier: "priority" });
  await client.chat.completions.create({
    model: MODEL,
    service_tier: "auto",
    messages: [...HELLO],
  });
  expect((await last()).service_tier).toBe("priority");
});

test("stream: usage stands in a last chunk without choices, and is null before", async () => {
  const stream = await client.chat.completions.create({
    model: MODEL,
    messages: [...HELLO],
    stream: true,
    stream_options: { include_usage: true },
  });
  const chunks = await collect(stream);
  const final = chunks.at(-1);
  expect(final?.choices).toEqual([]);
  expect(billOf(final?.usage)).toEqual((await last()).usage);
  for (const chunk of chunks.slice(0, -1)) {
    expect(chunk.usage).toBeNull();
    expect(chunk.choices).toHaveLength(1);
  }
});

test("stream: without include_usage there is no usage at all", async () => {
  const stream = await client.chat.completions.create({
    model: MODEL,
    messages: [...HELLO],
    stream: true,
  });
  const chunks = await collect(stream);
  for (const chunk of chunks) expect("usage" in chunk).toBe(false);
  expect(await last()).toMatchObject({ outcome: "completed", usage_reported: "none" });
});

test("stream: the SDK puts n choices together again", async () => {
  const params = { model: MODEL, n: 2, max_tokens: 60, messages: [...HELLO] };
  const streamed = await client.chat.completions.stream(params).finalChatCompletion();
  const plain = await client.chat.completions.create(params);
  const texts = (completion: OpenAI.ChatCompletion) =>
    completion.choices.map((choice) => [choice.message.content?.length, choice.finish_reason]);
  expect(texts(streamed)).toEqual(texts(plain));
});

test("tools: parallel calls come back whole, their results end the turn", async () => {
  providers.control.set({ toolCalls: 2 });
  const params = { model: MODEL, tools: [TOOL], messages: [...HELLO] };
  const plain = await client.chat.completions.create(params);
  const streamed = await client.chat.completions.stream(params).finalChatCompletion();
  for (const completion of [plain, streamed]) {
    const [choice] = completion.choices;
    const calls = choice?.message.tool_calls ?? [];
    expect(choice?.finish_reason).toBe("tool_calls");
    expect(choice?.message.content).toBeNull();
    expect(calls).toHaveLength(2);
    for (const call of calls) {
      if (call.type !== "function") throw new Error("expected a function call");
      expect(JSON.parse(call.function.arguments)).toEqual({ order: "sample order", kind: "b2b" });
    }
    const answered = await client.chat.completions.create({
      ...params,
      messages: [
        ...HELLO,
        { role: "assistant", tool_calls: calls },
        ...calls.map(
          (call) => ({ role: "tool", tool_call_id: call.id, content: "shipped" }) as const,
        ),
      ],
    });
    expect(answered.choices[0]?.finish_reason).toBe("stop");
  }
});

test("caching: a long prefix is read the second time, in steps of 128", async () => {
  const ask = async (model: string, question: string) => {
    const terms = { role: "system", content: "Our terms of delivery. ".repeat(400) } as const;
    const completion = await client.chat.completions.create({
      model,
      messages: [terms, { role: "user", content: question }],
    });
    expect(billOf(completion.usage)).toEqual((await last()).usage);
    return completion.usage?.prompt_tokens_details;
  };
  expect(await ask(MODEL, "one")).toEqual({ cached_tokens: 0, audio_tokens: 0 });
  const second = await ask(MODEL, "two");
  expect(second?.cached_tokens).toBeGreaterThanOrEqual(2_048);
  expect((second?.cached_tokens ?? 1) % 128).toBe(0);
  // From gpt-5.6 on what is written is stated too, and billed.
  expect((await ask("gpt-5.6-sol", "one"))?.cache_write_tokens).toBeGreaterThanOrEqual(2_048);
  expect((await ask("gpt-5.6-sol", "two"))?.cached_tokens).toBeGreaterThanOrEqual(2_048);
});

test("refusal: stands in its own field", async () => {
  providers.control.set({ refusal: true, outputTokens: 12 });
  const plain = await client.chat.completions.create({ model: MODEL, messages: [...HELLO] });
  expect(plain.choices[0]?.message).toMatchObject({ content: null, refusal: expect.any(String) });
  const streamed = await client.chat.completions
    .stream({ model: MODEL, messages: [...HELLO] })
    .finalChatCompletion();
  expect(streamed.choices[0]?.message.refusal).toBe(plain.choices[0]?.message.refusal);
});

test("models: the list is the price data's", async () => {
  const ids: string[] = [];
  for await (const model of client.models.list()) ids.push(model.id);
  expect(ids).toContain(MODEL);
});

test("embeddings: are counted and have the asked size", async () => {
  const { data, usage } = await client.embeddings.create({
    model: "text-embedding-3-small",
    input: ["ticket one", "ticket two"],
    dimensions: 64,
  });
  expect(data.map((item) => item.embedding.length)).toEqual([64, 64]);
  expect((await last()).usage).toMatchObject({ input: usage.prompt_tokens, output: 0 });
});

test("errors: each becomes the SDK's own class", async () => {
  const ask = (patch: object, headers: Record<string, string> = {}) =>
    client.chat.completions
      .create({ model: MODEL, messages: [...HELLO], ...patch }, { headers })
      .catch((error: unknown) => error);
  const cases: [unknown, new (...args: never[]) => Error, object][] = [
    [
      await ask({ messages: undefined }),
      BadRequestError,
      { param: "messages", code: "missing_required_parameter" },
    ],
    [await ask({ model: "gpt-nope" }), NotFoundError, { code: "model_not_found" }],
    [await ask({ model: "text-embedding-3-small" }), NotFoundError, { param: "model" }],
    [
      await ask({ stream_options: { include_usage: true } }),
      BadRequestError,
      { param: "stream_options" },
    ],
    [
      await ask({ model: "gpt-5.4", max_tokens: 5 }),
      BadRequestError,
      { code: "unsupported_parameter" },
    ],
    [
      await ask({ max_tokens: 16_385 }),
      BadRequestError,
      { param: "max_tokens", code: "invalid_value" },
    ],
    [await ask({ n: 0 }), BadRequestError, { code: "integer_below_min_value" }],
    [await ask({ extra: 1 }), BadRequestError, { message: expect.stringContaining("extra") }],
    [
      await ask({}, { "x-sim-error-status": "429" }),
      RateLimitError,
      { code: "rate_limit_exceeded" },
    ],
    [await ask({}, { "x-sim-error-status": "500" }), InternalServerError, { type: "server_error" }],
  ];
  for (const [error, kind, fields] of cases) {
    expect(error).toBeInstanceOf(kind);
    expect(error).toMatchObject(fields);
  }
  const bad = client.withOptions({ apiKey: "tarmac_pk_leaked" });
  await expect(bad.models.list()).rejects.toBeInstanceOf(AuthenticationError);
  expect((await last()).leaked).toEqual(["authorization"]);
});

test("errors: an error in mid-stream is thrown", async () => {
  const stream = await client.chat.completions.create(
    { model: MODEL, messages: [...HELLO], stream: true, stream_options: { include_usage: true } },
    { headers: { "x-sim-fault": "error-event" } },
  );
  await expect(collect(stream)).rejects.toMatchObject({ type: "server_error" });
  expect(await last()).toMatchObject({ outcome: "error-event", usage_reported: "none" });
});

test("abort: the vendor generates to the end and bills it", async () => {
  providers.control.set({ paceMs: 4, outputTokens: 120, tokensPerChunk: 10 });
  const stream = await client.chat.completions.create({
    model: MODEL,
    messages: [...HELLO],
    stream: true,
  });
  for await (const chunk of stream) if (chunk.choices[0]?.delta.content) break;
  expect(await last()).toMatchObject({ outcome: "client-gone", usage: { output: 120 } });
});
