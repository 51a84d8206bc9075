/**
 * Goal: a key is found where each vendor's client puts it, speaks only for its own agent, and every
 * mistake in our headers is named at once; nothing of ours is passed on.
 * Method: header sets against a configuration with a bound, a free and a revoked key.
 */
import { createHash } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { describe, expect, test } from "vitest";
import { authenticate, type Caller } from "./authenticate.ts";
import { forwardHeaders } from "./forward-headers.ts";
import type { ConfigPort, KnownKey } from "./ports.ts";
import { anthropicSurface } from "./surfaces/anthropic/surface.ts";
import { openaiSurface } from "./surfaces/openai/surface.ts";

const BOUND = "tarmac_pk_bound0000000000000000";
const FREE = "tarmac_pk_free00000000000000000";
const REVOKED = "tarmac_pk_revoked0000000000000";

const keys = new Map<string, KnownKey>(
  (
    [
      [BOUND, { ws: "acme", id: "key_1", agent: "bot", revoked: false }],
      [FREE, { ws: "acme", id: "key_2", agent: undefined, revoked: false }],
      [REVOKED, { ws: "acme", id: "key_3", agent: "bot", revoked: true }],
    ] as const
  ).map(([key, known]) => [createHash("sha256").update(key).digest("hex"), known]),
);
const config = { keyByHash: (hash: string) => keys.get(hash) } as ConfigPort;

const read = (headers: IncomingHttpHeaders) => authenticate(headers, config);
function caller(headers: IncomingHttpHeaders): Caller {
  const found = read(headers);
  if ("code" in found) throw new Error(found.message);
  return found;
}

describe("key", () => {
  test.each([
    [{ "x-api-key": BOUND }],
    [{ authorization: `Bearer ${BOUND}` }],
    [{ "x-tarmac-key": BOUND, "x-api-key": "sk-ant-own" }],
    [{ "x-tarmac-key": BOUND, authorization: "Bearer sk-own" }],
  ])("authenticate: finds the key in %o", (headers) => {
    expect(caller(headers)).toMatchObject({ ws: "acme", key: "key_1", agent: "bot" });
  });

  test("authenticate: a vendor's key beside ours is kept apart for passthrough", () => {
    expect(caller({ "x-api-key": BOUND }).vendor).toBeUndefined();
    expect(caller({ "x-tarmac-key": BOUND, "x-api-key": "sk-ant-own" }).vendor).toEqual({
      "x-api-key": "sk-ant-own",
    });
    const bearer = { "x-tarmac-key": BOUND, authorization: "Bearer sk-own" };
    expect(caller(bearer).vendor).toEqual({ authorization: "Bearer sk-own" });
  });

  test.each([
    [{}, "No key"],
    [{ "x-api-key": "sk-ant-own" }, "not a Tarmac key"],
    [{ "x-api-key": "tarmac_pk_unknown00000000000000" }, "not known"],
    [{ "x-api-key": "tarmac_pk_short" }, "not known"],
    [{ "x-api-key": REVOKED }, "revoked"],
  ])("authenticate: %o is no way in", (headers, words) => {
    expect(read(headers)).toMatchObject({
      code: "unauthenticated",
      message: expect.stringContaining(words),
    });
  });
});

describe("agent", () => {
  test("authenticate: a key speaks for its own agent only (leak G: attribution)", () => {
    expect(caller({ "x-api-key": BOUND, "x-tarmac-agent": "bot" }).agent).toBe("bot");
    expect(read({ "x-api-key": BOUND, "x-tarmac-agent": "boss" })).toMatchObject({
      code: "forbidden",
      status: 403,
    });
    expect(caller({ "x-api-key": FREE, "x-tarmac-agent": "boss" }).agent).toBe("boss");
    for (const named of [undefined, "", "Not A Name"]) {
      const headers = {
        "x-api-key": FREE,
        ...(named === undefined ? {} : { "x-tarmac-agent": named }),
      };
      expect(read(headers)).toMatchObject({ code: "unknown-agent", status: 403 });
    }
  });
});

describe("other headers", () => {
  test("authenticate: run, tool, attributes and idempotency are read", () => {
    const found = caller({
      "x-api-key": BOUND,
      "x-tarmac-run": "run-1:a",
      "x-tarmac-tool": "search",
      "x-tarmac-attributes": '{"customer":"42"}',
      "idempotency-key": "abc",
    });
    expect(found).toMatchObject({ run: "run-1:a", tool: "search", attributes: { customer: "42" } });
    expect(found.idempotency).toMatch(/^[0-9a-f]{64}$/);
    // The same client key under another Tarmac key is another call.
    const elsewhere = { "x-api-key": FREE, "x-tarmac-agent": "bot", "idempotency-key": "abc" };
    expect(caller(elsewhere).idempotency).not.toBe(found.idempotency);
  });

  test("authenticate: every mistake is named at once", () => {
    const found = read({
      "x-api-key": BOUND,
      "x-tarmac-run": "auth_mine",
      "x-tarmac-tool": "t".repeat(129),
      "x-tarmac-attributes": '{"a":1,"b c":"x"}',
      "idempotency-key": "k".repeat(256),
    });
    const message = "code" in found ? found.message : "";
    expect(found).toMatchObject({ code: "bad-request", status: 400 });
    for (const word of ["x-tarmac-run", "x-tarmac-tool", "idempotency-key", "a must be", "b c"]) {
      expect(message).toContain(word);
    }
  });

  test.each(["[]", "{", '"x"', `{"a":"${"x".repeat(513)}"}`, `{"a":"${"x".repeat(3_000)}"}`])(
    "authenticate: attributes %# are refused",
    (attributes) => {
      const headers = { "x-api-key": BOUND, "x-tarmac-attributes": attributes };
      expect(read(headers)).toMatchObject({ code: "bad-request" });
    },
  );
});

describe("what is passed on", () => {
  const everything: IncomingHttpHeaders = {
    host: "gateway",
    connection: "keep-alive",
    cookie: "a=b",
    "content-type": "application/json; charset=utf-8",
    "content-length": "12",
    "accept-encoding": "gzip, br",
    "x-api-key": BOUND,
    authorization: `Bearer ${BOUND}`,
    "x-tarmac-key": BOUND,
    "x-tarmac-agent": "bot",
    "x-tarmac-run": "r",
    "x-tarmac-tool": "t",
    "x-tarmac-attributes": "{}",
    "idempotency-key": "k",
    "x-forwarded-for": "10.0.0.1",
    "user-agent": "sdk",
    "x-stainless-lang": "js",
    "anthropic-version": "2023-06-01",
    "anthropic-beta":
      "context-1m-2025-08-07, interleaved-thinking-2025-05-14,output-128k-2025-02-19",
    "anthropic-workspace-id": "wrkspc_1",
    "openai-organization": "org",
    "openai-beta": "x=1",
  };

  test("forward: none of ours, nothing of the connection, and only the vendor's own", () => {
    const { headers, accountHeaders } = forwardHeaders(everything, anthropicSurface);
    expect(headers).toEqual({
      "content-type": "application/json",
      accept: "*/*",
      "accept-encoding": "identity",
      "user-agent": "sdk",
      "x-stainless-lang": "js",
      "anthropic-version": "2023-06-01",
      // Betas that raise window or output above the card are left out (leak H).
      "anthropic-beta": "interleaved-thinking-2025-05-14",
    });
    expect(accountHeaders).toEqual({ "anthropic-workspace-id": "wrkspc_1" });
    const openai = forwardHeaders(everything, openaiSurface);
    expect(openai.headers).toHaveProperty("openai-beta", "x=1");
    expect(openai.headers).not.toHaveProperty("anthropic-version");
    expect(openai.accountHeaders).toEqual({ "openai-organization": "org" });
  });
});
