/**
 * Goal: a body leaves as it came but for what must change: the granted model, a tier of service with a
 * certain price, an output limit that the model takes, and usage on streams.
 * Method: bodies with odd spacing, order and numbers, compared byte by byte.
 */
import { describe, expect, test } from "vitest";
import type { Surface } from "../surface.ts";
import { anthropicSurface } from "./anthropic/surface.ts";
import { openaiSurface } from "./openai/surface.ts";

function prepare(surface: Surface, json: string, model: string, outputMax?: number): string {
  const bytes = Buffer.from(json);
  const read = surface.readBody(bytes);
  if (!read.ok) throw new Error([...read.bad, ...read.unsupported].join("; "));
  return surface.prepare(bytes, read.call, { model, outputMax }).toString();
}

describe("anthropic", () => {
  const messages = '"messages":[ {"role":"user" , "content":"é\\u00e9"} ]';

  test("prepare: only the tier is added when the model stays", () => {
    const body = `{ "model" : "m",\n "max_tokens":10, ${messages}, "top_k": 1e1 }`;
    const sent = prepare(anthropicSurface, body, "m", 5);
    expect(sent).toBe(`{"service_tier":"standard_only",${body.slice(1)}`);
  });

  test("prepare: auto becomes standard_only, and standard_only stays (leak H)", () => {
    const body = (tier: string) =>
      `{"model":"m","service_tier": "${tier}","max_tokens":10,${messages}}`;
    expect(prepare(anthropicSurface, body("auto"), "m")).toBe(body("standard_only"));
    expect(prepare(anthropicSurface, body("standard_only"), "m")).toBe(body("standard_only"));
  });

  test("prepare: a lighter model gets a limit that it takes", () => {
    const body = (model: string, tokens: number, budget: number) =>
      `{"service_tier":"standard_only","model":"${model}","max_tokens":${tokens},"thinking":{"type":"enabled","budget_tokens":${budget}},${messages}}`;
    const asked = body("big", 100_000, 90_000);
    expect(prepare(anthropicSurface, asked, "small", 64_000)).toBe(body("small", 64_000, 63_999));
    expect(prepare(anthropicSurface, asked, "small", 200_000)).toBe(body("small", 100_000, 90_000));
    // The model that was asked for keeps the caller's own limit: its refusal is the vendor's to say.
    expect(prepare(anthropicSurface, asked, "big", 64_000)).toBe(asked);
  });
});

describe("openai", () => {
  const messages = '"messages":[{"role":"user","content":"hi"}]';

  test("prepare: big numbers and unknown places stay as they were written", () => {
    const body = `{"seed":12345678901234567890123,"model":"m",${messages},"service_tier":"default"}`;
    expect(prepare(openaiSurface, body, "m")).toBe(body);
    expect(prepare(openaiSurface, body, "n")).toBe(body.replace('"m"', '"n"'));
  });

  test("prepare: a stream asks for its usage, keeping the other options (leak E)", () => {
    const body = `{"model":"m",${messages},"stream":true,"service_tier":"default"}`;
    const sent = JSON.parse(prepare(openaiSurface, body, "m")) as Record<string, unknown>;
    expect(sent["stream_options"]).toEqual({ include_usage: true });
    const options = `{"model":"m",${messages},"stream":true,"service_tier":"default","stream_options":{"include_obfuscation":false,"include_usage":false}}`;
    expect(prepare(openaiSurface, options, "m")).toBe(
      options.replace('"include_usage":false', '"include_usage":true'),
    );
    const asked = options.replace('"include_usage":false', '"include_usage":true');
    expect(prepare(openaiSurface, asked, "m")).toBe(asked);
  });

  test("prepare: auto and no tier become default (leak H)", () => {
    const bare = `{"model":"m",${messages}}`;
    expect(prepare(openaiSurface, bare, "m")).toBe(`{"service_tier":"default",${bare.slice(1)}`);
    const auto = `{"model":"m","service_tier":"auto",${messages}}`;
    expect(prepare(openaiSurface, auto, "m")).toBe(auto.replace("auto", "default"));
  });

  test("prepare: a lighter model gets a limit that it takes", () => {
    const body = `{"service_tier":"default","model":"big","max_completion_tokens":100000,${messages}}`;
    expect(prepare(openaiSurface, body, "small", 16_000)).toBe(
      body.replace("big", "small").replace("100000", "16000"),
    );
  });

  test("prepare: the old name of the limit becomes the new one for a model not asked for", () => {
    const body = (model: string, limit: string) =>
      `{${limit}"service_tier":"default","model":"${model}","max_tokens":`;
    const sent = prepare(openaiSurface, `${body("auto", "")}500,${messages}}`, "m", 300);
    expect(sent).toBe(`${body("m", '"max_completion_tokens":300,')}null,${messages}}`);
    const asked = `${body("m", "")}500,${messages}}`;
    expect(prepare(openaiSurface, asked, "m", 300)).toBe(asked);
  });
});
