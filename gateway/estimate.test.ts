/**
 * Goal: the bound of a request is never below what a tokenizer makes of it, whatever it holds and
 * wherever it stands; and it is not looser than it must be where a tokenizer may count.
 * Method: random texts against both of OpenAI's encodings (gpt-tokenizer), worst-case texts, and the
 * places where text could hide from a count.
 */
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { countAtMost, encodingsOf, loadEncoding } from "./count-tokens.ts";
import { jsonBytes, textBytes } from "./estimate.ts";
import { countBody } from "./read-request.ts";
import type { Surface } from "./surface.ts";
import { anthropicSurface } from "./surfaces/anthropic/surface.ts";
import { openaiSurface } from "./surfaces/openai/surface.ts";

type Count = Awaited<ReturnType<typeof loadEncoding>>;
const AS_TEXT = { disallowedSpecial: new Set<string>() };
let counts: readonly Count[];

beforeAll(async () => {
  counts = await Promise.all([loadEncoding("o200k_base"), loadEncoding("cl100k_base")]);
});

function boundOf(surface: Surface, body: unknown) {
  const read = surface.readBody(Buffer.from(JSON.stringify(body)));
  if (!read.ok) throw new Error([...read.bad, ...read.unsupported].join("; "));
  return read.call.bound;
}

const anyText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 400 }),
  fc.string({ unit: "grapheme", maxLength: 400 }),
  fc.base64String({ maxLength: 400 }),
  fc.constantFrom(
    "𒀀𒀁𒀂".repeat(40),
    "👨‍👩‍👧‍👦".repeat(30),
    " ".repeat(300),
    "<|endoftext|>".repeat(9),
    "\u0000".repeat(99),
  ),
);

const claude = (content: unknown, more: object = {}) => ({
  model: "m",
  max_tokens: 10,
  messages: [{ role: "user", content }],
  ...more,
});
const gpt = (content: unknown, more: object = {}) => ({
  model: "m",
  messages: [{ role: "user", content }],
  ...more,
});

describe("bytes bound tokens", () => {
  test("bound: UTF-8 bytes are at least the tokens of any text", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        for (const count of counts)
          expect(textBytes(text)).toBeGreaterThanOrEqual(count(text, AS_TEXT));
      }),
    );
  });

  test("bound: the bytes of any JSON are at least the tokens of it written out", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
        for (const count of counts) {
          // Escapes are not shown to a model as such: texts are compared unescaped above.
          const written = JSON.stringify(value).replaceAll("\\", "");
          expect(jsonBytes(value) + 1).toBeGreaterThanOrEqual(count(written, AS_TEXT));
        }
      }),
    );
  });

  test("bound: text counts wherever it stands (leak: system, tools and unknown fields)", () => {
    const secret = "needle ".repeat(1_001);
    const plain = boundOf(anthropicSurface, claude("hi")).input;
    const places = [
      claude(secret),
      claude([{ type: "text", text: secret }]),
      claude("hi", { system: secret }),
      claude("hi", { system: [{ type: "text", text: secret }] }),
      claude("hi", { tools: [{ name: "t", description: secret, input_schema: {} }] }),
      claude("hi", { tools: [{ name: "t", input_schema: { enum: [secret] } }] }),
      claude([{ type: "tool_use", id: "1", name: "t", input: { a: [{ b: secret }] } }]),
      claude([{ type: "tool_result", tool_use_id: "1", content: secret }]),
      claude([
        { type: "tool_result", tool_use_id: "1", content: [{ type: "text", text: secret }] },
      ]),
      claude([{ type: "thinking", thinking: "", signature: secret }]),
      claude([{ type: "redacted_thinking", data: secret }]),
      claude([
        {
          type: "document",
          source: { type: "text", media_type: "text/plain", data: secret },
        },
      ]),
      claude([
        {
          type: "document",
          source: { type: "content", content: [{ type: "text", text: secret }] },
        },
      ]),
      claude([
        {
          type: "search_result",
          source: "s",
          title: "t",
          content: [{ type: "text", text: secret }],
        },
      ]),
      claude([{ type: "text", text: "hi", hidden_beside: secret }]),
      claude("hi", { output_config: { format: { type: "json_schema", schema: { a: secret } } } }),
    ];
    for (const body of places) {
      expect(boundOf(anthropicSurface, body).input - plain).toBeGreaterThanOrEqual(7_000n);
    }
    const base = boundOf(openaiSurface, gpt("hi")).input;
    const others = [
      gpt(secret),
      gpt([{ type: "text", text: secret }]),
      gpt("hi", { tools: [{ type: "function", function: { name: "t", description: secret } }] }),
      gpt("hi", { functions: [{ name: "t", description: secret }] }),
      gpt("hi", { response_format: { type: "json_schema", json_schema: { name: secret } } }),
      gpt("hi", { prediction: { type: "content", content: secret } }),
      {
        model: "m",
        messages: [
          { role: "assistant", tool_calls: [{ id: "1", function: { arguments: secret } }] },
        ],
      },
      { model: "m", messages: [{ role: "user", content: "hi", name: secret }] },
    ];
    for (const body of others) {
      expect(boundOf(openaiSurface, body).input - base).toBeGreaterThanOrEqual(7_000n);
    }
  });

  test("bound: what looks like an image but is text counts as text", () => {
    const data = "x".repeat(100_000);
    const image = { type: "image", source: { type: "base64", media_type: "image/png", data } };
    const shown = boundOf(anthropicSurface, claude([image]));
    expect(shown.input).toBeLessThan(10_000n);
    expect(shown.modalities).toEqual(["image", "text"]);
    const asInput = claude([{ type: "tool_use", id: "1", name: "t", input: image }]);
    expect(boundOf(anthropicSurface, asInput).input).toBeGreaterThan(100_000n);
    const asTool = claude("hi", { tools: [{ name: "t", input_schema: { default: image } }] });
    expect(boundOf(anthropicSurface, asTool).input).toBeGreaterThan(100_000n);
  });
});

describe("what cannot be seen", () => {
  test("bound: PDFs and files hide their input behind the window", () => {
    const source = { type: "base64", media_type: "application/pdf", data: "JVBERi0=" };
    const pdf = boundOf(anthropicSurface, claude([{ type: "document", source }]));
    expect(pdf).toMatchObject({ hidden_input: true, modalities: ["pdf", "text"] });
    const file = { type: "document", source: { type: "file", file_id: "f" } };
    expect(boundOf(anthropicSurface, claude([file])).hidden_input).toBe(true);
    const nested = claude([{ type: "tool_result", tool_use_id: "1", content: [file] }]);
    expect(boundOf(anthropicSurface, nested).hidden_input).toBe(true);
    const openai = boundOf(openaiSurface, gpt([{ type: "file", file: { file_id: "f" } }]));
    expect(openai.hidden_input).toBe(true);
  });

  test("bound: kinds of content and tools that nobody can bound are refused by path (leak G)", () => {
    const refusals = [
      [anthropicSurface, claude([{ type: "container_upload", file_id: "f" }])],
      [anthropicSurface, claude([{ type: "hologram" }])],
      [anthropicSurface, claude("hi", { tools: [{ type: "code_execution_20250825", name: "c" }] })],
      [anthropicSurface, claude("hi", { tools: [{ type: "mcp_toolset", mcp_server_name: "m" }] })],
      [anthropicSurface, claude("hi", { tools: [{ type: "advisor_20260301", name: "a" }] })],
      [anthropicSurface, claude("hi", { tools: [{ type: "web_search_20250305", name: "w" }] })],
      [openaiSurface, gpt([{ type: "input_audio", input_audio: { data: "", format: "wav" } }])],
      [openaiSurface, gpt("hi", { tools: [{ type: "web_search" }] })],
      [openaiSurface, { model: "m", messages: [{ role: "assistant", audio: { id: "a" } }] }],
    ] as const;
    for (const [surface, body] of refusals) {
      const read = surface.readBody(Buffer.from(JSON.stringify(body)));
      expect(read).toMatchObject({ ok: false, bad: [] });
      expect(read.ok ? "" : read.unsupported[0]).toMatch(/^(messages|tools)\[0\]/);
    }
  });

  test("bound: server tools are priced by uses and rounds, with their fee", () => {
    const tool = { type: "web_search_20260209", name: "web_search", max_uses: 3 };
    const bound = boundOf(anthropicSurface, claude("hi", { tools: [tool] }));
    expect(bound).toMatchObject({ web_search: 3n, iterations: 5n, cache_write: ["5m"] });
    const many = claude("hi", { tools: [{ ...tool, max_uses: 500 }] });
    expect(boundOf(anthropicSurface, many)).toMatchObject({ web_search: 500n, iterations: 10n });
    const found = claude("hi", { tools: [{ type: "tool_search_tool_regex", name: "s" }] });
    expect(boundOf(anthropicSurface, found)).toMatchObject({ web_search: 0n, iterations: 10n });
  });
});

describe("output and cache writes", () => {
  test("bound: the greatest output that the request allows", () => {
    expect(boundOf(openaiSurface, gpt("hi")).output).toBeUndefined();
    const both = gpt("hi", { max_tokens: 10, max_completion_tokens: 500, n: 4 });
    expect(boundOf(openaiSurface, both)).toMatchObject({ output: 500n, choices: 4n });
    const predicted = gpt("hi", {
      max_tokens: 10,
      prediction: { type: "content", content: "x".repeat(90) },
    });
    expect(boundOf(openaiSurface, predicted).output).toBeGreaterThanOrEqual(100n);
    const thinking = claude("hi", { thinking: { type: "enabled", budget_tokens: 4_000 } });
    expect(boundOf(anthropicSurface, thinking).output).toBe(4_000n);
    expect(boundOf(anthropicSurface, { ...claude("hi"), max_tokens: 0 }).output).toBe(0n);
  });

  test("bound: cache writes by their lifetime, wherever they are asked for (leak H)", () => {
    const control = (ttl?: string) => ({
      cache_control: { type: "ephemeral", ...(ttl ? { ttl } : {}) },
    });
    const writes = (body: unknown) => boundOf(anthropicSurface, body).cache_write;
    expect(writes(claude("hi"))).toEqual([]);
    expect(writes(claude("hi", control()))).toEqual(["5m"]);
    expect(writes(claude([{ type: "text", text: "a", ...control("1h") }]))).toEqual(["1h"]);
    const system = [{ type: "text", text: "a", ...control("5m") }];
    expect(writes(claude([{ type: "text", text: "a", ...control("1h") }], { system }))).toEqual([
      "1h",
      "5m",
    ]);
    const inResult = [{ type: "text", text: "a", ...control("1h") }];
    const result = { type: "tool_result", tool_use_id: "1", content: inResult };
    expect(writes(claude([result]))).toEqual(["1h"]);
    const tools = [{ name: "t", input_schema: {}, ...control("9h") }];
    expect(writes(claude("hi", { tools }))).toEqual(["1h"]);
    expect(boundOf(openaiSurface, gpt("hi")).cache_write).toEqual(["5m"]);
  });
});

describe("counting", () => {
  test("count: chunks and padding are never below the whole text's tokens", () => {
    fc.assert(
      fc.property(fc.array(anyText, { maxLength: 12 }), (texts) => {
        const whole = texts.join("");
        for (const count of counts) {
          const tokens = count(whole, AS_TEXT);
          expect(countAtMost([whole], count)).toBeGreaterThanOrEqual(tokens);
        }
      }),
      { numRuns: 60 },
    );
  });

  test("count: a long run takes milliseconds, not seconds", () => {
    const startedAt = performance.now();
    const [count] = counts;
    if (count === undefined) throw new Error("no encoding");
    expect(countAtMost(["a".repeat(200_000)], count)).toBeGreaterThan(20_000);
    expect(performance.now() - startedAt).toBeLessThan(4_000);
  });

  test("count: tightens a prompt of prose and leaves everything else at its bytes", async () => {
    const prose = "The quick brown fox jumps over the lazy dog. ".repeat(500);
    const body = gpt(prose, { tools: [{ type: "function", function: { name: "t" } }] });
    const bytes = Buffer.from(JSON.stringify(body));
    const counted = await countBody(bytes, ["o200k_base"]);
    expect(counted).toBeGreaterThan(5_000n);
    expect(counted).toBeLessThan(boundOf(openaiSurface, body).input / 3n);
  });

  test("count: only models that are known to use an encoding", () => {
    expect(encodingsOf(["gpt-5.6-luna", "gpt-4o"])).toEqual(["o200k_base"]);
    expect(encodingsOf(["gpt-4-turbo", "gpt-5"])).toEqual(["cl100k_base", "o200k_base"]);
    expect(encodingsOf(["gpt-5", "llama-9"])).toBeUndefined();
    expect(encodingsOf([])).toBeUndefined();
  });
});
