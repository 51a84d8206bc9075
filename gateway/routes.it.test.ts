/**
 * Goal: no side door: what is not metered is refused in the vendor's envelope and never forwarded, bad
 * input is named by its field, and a caller can neither settle nor end a call that the gateway meters.
 * Method: raw HTTP against every route, with bodies that are wrong in every way.
 */
import { request as httpRequest } from "node:http";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type LocalWorld, startLocalWorld } from "./testing/local-world.ts";
import { GPT } from "./testing/workspace.ts";

let world: LocalWorld;
beforeAll(async () => {
  world = await startLocalWorld({ agents: { claude: {}, gpt: { lane: GPT } } });
});
afterAll(() => world.stop());
let servedBefore: number;
beforeEach(() => {
  servedBefore = world.providers.served.length;
});

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // What a vendor's client would read: of any shape.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly json: any;
}

async function call(
  path: string,
  options: {
    readonly method?: string;
    readonly body?: unknown;
    readonly agent?: string;
    readonly headers?: Record<string, string>;
  } = {},
): Promise<Answer> {
  const { body, agent = "claude", headers = {} } = options;
  const response = await fetch(world.gateway().url + path, {
    method: options.method ?? (body === undefined ? "GET" : "POST"),
    headers: {
      "content-type": "application/json",
      ...(path.includes("messages") ? { "anthropic-version": "2023-06-01" } : {}),
      ...(agent === "" ? {} : { "x-tarmac-key": world.keys[agent] ?? "" }),
      ...headers,
    },
    ...(body === undefined
      ? {}
      : {
          body:
            typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body),
        }),
  });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    json: text.startsWith("{") ? JSON.parse(text) : text,
  };
}

const messages = { model: "auto", max_tokens: 10, messages: [{ role: "user", content: "hi" }] };
const completions = { model: "auto", messages: [{ role: "user", content: "hi" }] };

describe("side doors (leak G)", () => {
  test.each([
    ["POST", "/v1/anthropic/v1/messages/batches"],
    ["POST", "/v1/anthropic/v1/complete"],
    ["GET", "/v1/anthropic/v1/files"],
    ["POST", "/v1/anthropic/v1/organizations/usage"],
    ["PUT", "/v1/anthropic/v1/messages"],
    ["POST", "/v1/openai/responses"],
    ["POST", "/v1/openai/embeddings"],
    ["POST", "/v1/openai/completions"],
    ["POST", "/v1/openai/batches"],
    ["POST", "/v1/openai/audio/speech"],
    ["POST", "/v1/openai/images/generations"],
    ["GET", "/v1/openai/realtime"],
    ["GET", "/v1/openai/chat/completions"],
    ["GET", "/v1/openai/chat/completions/chatcmpl-1"],
    ["POST", "/v1/openai/fine_tuning/jobs"],
    ["POST", "/v1/responses"],
    ["POST", "/v1/messages/../messages/batches"],
    ["POST", "/v1/anthropic/v1/messages%2fbatches"],
    ["DELETE", "/anything/else"],
  ])("refuse: %s %s is 404 unsupported, and nothing is forwarded", async (method, path) => {
    const body = method === "GET" ? {} : { body: messages };
    const answer = await call(path, { method, ...body });
    expect(answer.status).toBe(404);
    expect(answer.json.tarmac.code).toBe("unsupported");
    expect(answer.json.error.message).toContain("not metered");
    expect(world.providers.served.length).toBe(servedBefore);
  });

  test("refuse: an upgrade to a WebSocket", async () => {
    const url = new URL(world.gateway().url);
    const status = await new Promise<number | string>((resolve, reject) => {
      const request = httpRequest({
        host: url.hostname,
        port: url.port,
        path: "/v1/openai/realtime?model=auto",
        headers: {
          connection: "Upgrade",
          upgrade: "websocket",
          "sec-websocket-version": "13",
          "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
          "x-tarmac-key": world.keys["gpt"] ?? "",
        },
      });
      request.on("upgrade", () => resolve("upgraded"));
      request.on("response", (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      });
      request.on("error", reject);
      request.end();
    });
    expect(status).toBe(404);
  });

  test("refuse: a lane of another API, saying so", async () => {
    const entries = world.engine.entries.length;
    const answer = await call("/v1/openai/chat/completions", {
      body: completions,
      agent: "claude",
    });
    expect(answer).toMatchObject({ status: 404, json: { tarmac: { code: "unsupported" } } });
    expect(answer.json.error.message).toMatch(/anthropic API .* not in this version/);
    const other = await call("/v1/anthropic/v1/messages", { body: messages, agent: "gpt" });
    expect(other).toMatchObject({ status: 404, json: { type: "error" } });
    // Nothing was held for it either.
    expect(world.engine.entries.length).toBe(entries);
    for (const path of ["/v1/openai/models", "/v1/messages/count_tokens"]) {
      const agent = path.includes("openai") ? "claude" : "gpt";
      const body = path.includes("openai") ? {} : { body: messages };
      expect((await call(path, { ...body, agent })).status).toBe(404);
    }
  });

  test("refuse: query parameters that nobody knows", async () => {
    expect((await call("/v1/messages?beta=true", { body: messages })).status).toBe(200);
    const answer = await call("/v1/messages?beta=true&tier=gold", { body: messages });
    expect(answer).toMatchObject({ status: 404, json: { tarmac: { code: "unsupported" } } });
  });
});

describe("keys", () => {
  test.each([
    "/v1/anthropic/v1/messages",
    "/v1/messages/count_tokens",
    "/v1/openai/chat/completions",
  ])("refuse: no key, a vendor's key, an unknown key at %s", async (path) => {
    for (const headers of [
      {},
      { "x-api-key": "sk-ant-api03-x" },
      { authorization: "Bearer tarmac_pk_00000000000000000000" },
    ]) {
      const answer = await call(path, { body: messages, agent: "", headers });
      expect(answer).toMatchObject({ status: 401, json: { tarmac: { code: "unauthenticated" } } });
    }
    expect(world.providers.served.length).toBe(servedBefore);
  });

  test("refuse: an agent that is not there, or is another's", async () => {
    const headers = { "x-tarmac-agent": "nobody" };
    const unknown = await call("/v1/messages", { body: messages, agent: "*", headers });
    expect(unknown).toMatchObject({ status: 403, json: { tarmac: { code: "unknown-agent" } } });
    const spoofed = await call("/v1/messages", {
      body: messages,
      headers: { "x-tarmac-agent": "gpt" },
    });
    expect(spoofed).toMatchObject({ status: 403, json: { tarmac: { code: "forbidden" } } });
  });
});

describe("bad input", () => {
  test.each([
    ["", "is empty"],
    ["hello", "is not JSON"],
    ["[]", "must be a JSON object"],
    ["\uFEFF{}", "is not JSON"],
    ['{"model":"a","model":"b"}', "model: stands twice"],
    [`{"messages":${"[".repeat(300)}${"]".repeat(300)}}`, "nested deeper"],
    ["{}", "model: is missing"],
    ['{"model":7,"max_tokens":-1,"messages":"x"}', "messages: must be a list"],
  ])("name: %j", async (body, words) => {
    const path = "/v1/anthropic/v1/messages";
    const answer = await call(path, { body: body === "" ? new Uint8Array() : body });
    expect(answer).toMatchObject({ status: 400, json: { tarmac: { code: "bad-request" } } });
    expect(answer.json.error.message).toContain(words);
    expect(world.providers.served.length).toBe(servedBefore);
  });

  test("name: bytes that are not UTF-8, and a compressed body", async () => {
    const bytes = Buffer.concat([
      Buffer.from('{"model":"'),
      Buffer.from([0xff]),
      Buffer.from('"}'),
    ]);
    expect((await call("/v1/messages", { body: bytes })).json.error.message).toContain("UTF-8");
    const packed = await call("/v1/messages", {
      body: messages,
      headers: { "content-encoding": "gzip" },
    });
    expect(packed).toMatchObject({ status: 400 });
  });

  test("large: 30 MB pass, 33 MB are 413", async () => {
    const data = "x".repeat(30 * 1024 * 1024);
    const big = { ...messages, messages: [{ role: "user", content: data }] };
    const answer = await call("/v1/messages", { body: JSON.stringify(big) });
    // Thirty million bytes are more than any window: the engine or the provider says so.
    expect([400, 402]).toContain(answer.status);
    const larger = await call("/v1/messages", { body: " ".repeat(33 * 1024 * 1024) });
    expect(larger).toMatchObject({ status: 413, json: { tarmac: { code: "body-too-large" } } });
    await world.quiet();
  });

  test("large: millions of nested lists are refused while others are served", async () => {
    const lists = `{"model":"auto","max_tokens":10,"messages":[${"[],".repeat(8_000_000)}[]]}`;
    const body = Buffer.from(lists);
    let slowestMs = 0;
    let running = true;
    const others = (async () => {
      while (running) {
        const startedAt = performance.now();
        await call("/healthz");
        slowestMs = Math.max(slowestMs, performance.now() - startedAt);
      }
    })();
    const startedAt = performance.now();
    const answer = await call("/v1/messages", { body });
    const tookMs = performance.now() - startedAt;
    running = false;
    await others;
    expect(answer.status).toBe(400);
    // Reading it takes seconds; nobody waits for more than a part of that.
    expect(slowestMs).toBeLessThan(tookMs / 2);
    expect((await call("/v1/messages", { body: messages })).status).toBe(200);
  });
});

describe("calls that are reported by the caller", () => {
  const bound = { usage_bound: { input: 1_000, output: 500 } };

  test("authorize, renew, settle in parts, receipt", async () => {
    const held = await call("/v1/authorize", {
      body: { ...bound, model: "claude-sonnet-5", run: "r" },
    });
    expect(held.status).toBe(200);
    expect(held.json).toMatchObject({ outcome: "admit", tier: "M", model: "claude-sonnet-5" });
    const id = String(held.json.authorization);
    const renewed = await call(`/v1/authorizations/${id}/renew`, { body: {} });
    expect(renewed.json).toMatchObject({ state: "open" });
    const settle = (body: unknown) => call(`/v1/authorizations/${id}/settle`, { body });
    const first = await settle({ part: "1", final: false, usage: { input: 100, output: "20" } });
    expect(first.json).toMatchObject({ state: "open" });
    const last = await settle({ part: 2, final: true, usage: { output: 30 } });
    expect(last.json).toMatchObject({ state: "settled", assumed: false });
    const again = await settle({ part: 2, final: true, usage: { output: 30 } });
    expect(again.json.settled).toBe(last.json.settled);
    const receipt = await call(`/v1/receipts/${held.json.receipt}`);
    expect(receipt.json).toMatchObject({
      authorization: id,
      state: "settled",
      run: "r",
      agent: "claude",
    });
  });

  test("void gives back; absent usage settles at the hold", async () => {
    const held = await call("/v1/authorize", { body: bound });
    const ended = await call(`/v1/authorizations/${held.json.authorization}/void`, { body: {} });
    expect(ended.json).toMatchObject({ state: "voided", released: held.json.held });
    const other = await call("/v1/authorize", { body: bound });
    const path = `/v1/authorizations/${other.json.authorization}/settle`;
    const settled = await call(path, { body: { part: "1", final: true } });
    expect(settled.json).toMatchObject({ assumed: true, settled: other.json.held });
  });

  test("refuse: every mistake at once, with its field", async () => {
    const body = {
      usage_bound: { input: -1, output: 1.5, tokens: 3 },
      run: "auth_x",
      color: "red",
    };
    const answer = await call("/v1/authorize", { body });
    expect(answer.status).toBe(400);
    for (const field of ["usage_bound.input", "usage_bound.output", "tokens", "run", "color"]) {
      expect(answer.json.error.message).toContain(field);
    }
  });

  test("refuse: a forwarded call cannot be settled, voided or renewed by its caller (leak G)", async () => {
    world.providers.control.next({ firstByteMs: 300 });
    const forwarded = call("/v1/messages", { body: { ...messages, stream: true } });
    const authorized = () =>
      world.engine.entries
        .map(({ entry }) => entry)
        .findLast((entry) => entry.kind === "authorize");
    await new Promise((resolve) => setTimeout(resolve, 100));
    const entry = authorized();
    const id = entry?.kind === "authorize" ? entry.authorization : "";
    for (const [step, body] of [
      ["settle", { part: "1", final: true, usage: {} }],
      ["void", {}],
      ["renew", {}],
    ] as const) {
      const answer = await call(`/v1/authorizations/${id}/${step}`, { body });
      expect(answer).toMatchObject({ status: 403, json: { tarmac: { code: "forbidden" } } });
    }
    await forwarded;
    await world.quiet();
    const receipt = await call(`/v1/receipts/${id}`);
    expect(receipt.json).toMatchObject({ state: "settled" });
    expect(Number(receipt.json.settled)).toBeGreaterThan(0);
  });

  test("refuse: another agent's authorization is not even there", async () => {
    const held = await call("/v1/authorize", { body: bound });
    const id = String(held.json.authorization);
    const other = await call(`/v1/authorizations/${id}/void`, { body: {}, agent: "gpt" });
    expect(other).toMatchObject({
      status: 404,
      json: { tarmac: { code: "unknown-authorization" } },
    });
    expect((await call(`/v1/receipts/${id}`, { agent: "gpt" })).status).toBe(404);
    await call(`/v1/authorizations/${id}/void`, { body: {} });
  });
});

describe("for operators", () => {
  test("health, readiness and metrics", async () => {
    expect((await call("/healthz", { agent: "" })).json).toEqual({ ok: true });
    expect((await call("/readyz", { agent: "" })).json).toEqual({ ready: true });
    const metrics = (await call("/metrics", { agent: "" })).json as string;
    for (const name of [
      "calls_total",
      "settles_total",
      "holds_in_flight",
      "outbox_owed",
      "stage_seconds",
    ]) {
      expect(metrics).toContain(`tarmac_gateway_${name}`);
    }
    world.engine.mode = "down";
    await new Promise((resolve) => setTimeout(resolve, 600));
    const unready = await call("/readyz", { agent: "" });
    world.engine.mode = "up";
    expect(unready).toMatchObject({ status: 503, json: { ready: false } });
  });
});
