/**
 * Goal: every field of a request in the vendors' own types has a place in the table of its surface, so
 * that nothing ordinary is refused by surprise, and what is not in a table is refused by name.
 * Method: the field names are read from the declaration files of the SDKs that are installed.
 */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { ANTHROPIC_FIELDS } from "./anthropic/parameters.ts";
import { anthropicSurface } from "./anthropic/surface.ts";
import { OPENAI_FIELDS } from "./openai/parameters.ts";
import { openaiSurface } from "./openai/surface.ts";

/** Fields of an interface in a declaration file of an installed package, but for those that are headers. */
function fieldsOf(path: string, name: string): string[] {
  const text = readFileSync(new URL(`../../node_modules/${path}`, import.meta.url), "utf8");
  const from = text.indexOf(`export interface ${name} {`);
  const body = text.slice(from, text.indexOf("\n}", from));
  const fields: string[] = [];
  let comment = "";
  for (const line of body.split("\n").slice(1)) {
    if (/^\s*(\/\*\*|\*)/.test(line)) comment += line;
    const field = /^ {4}([a-z_]+)\??:/.exec(line)?.[1];
    if (field === undefined) continue;
    if (!comment.includes("Header param:")) fields.push(field);
    comment = "";
  }
  expect(fields.length).toBeGreaterThan(5);
  return fields;
}

const MESSAGES = "@anthropic-ai/sdk/resources/messages/messages.d.ts";
const BETA_MESSAGES = "@anthropic-ai/sdk/resources/beta/messages/messages.d.ts";
const COMPLETIONS = "openai/resources/chat/completions/completions.d.ts";

describe("fields", () => {
  test.each([
    ["Anthropic", MESSAGES, "MessageCreateParamsBase", ANTHROPIC_FIELDS],
    ["Anthropic beta", BETA_MESSAGES, "MessageCreateParamsBase", ANTHROPIC_FIELDS],
    ["OpenAI", COMPLETIONS, "ChatCompletionCreateParamsBase", OPENAI_FIELDS],
  ] as const)("table: every field of %s has a place", (_name, path, type, table) => {
    for (const field of fieldsOf(path, type)) expect(table).toHaveProperty(field);
  });

  const anthropic = { model: "m", max_tokens: 10, messages: [{ role: "user", content: "hi" }] };
  const openai = { model: "m", messages: [{ role: "user", content: "hi" }] };
  const read = (surface: typeof anthropicSurface, body: unknown) =>
    surface.readBody(Buffer.from(JSON.stringify(body)));

  test("table: an unknown field is refused by its name (leak G)", () => {
    for (const [surface, body] of [
      [anthropicSurface, anthropic],
      [openaiSurface, openai],
    ] as const) {
      const refused = read(surface, { ...body, brand_new_feature: true });
      expect(refused).toMatchObject({ ok: false, bad: [] });
      expect(refused.ok ? [] : refused.unsupported).toEqual([
        "brand_new_feature: is not a field that this gateway knows how to bound",
      ]);
      expect(read(surface, { ...body, Max_Tokens: 1 }).ok).toBe(false);
    }
  });

  test("table: null is absent for every optional field", () => {
    const optional = (table: object, needed: readonly string[]) =>
      Object.fromEntries(
        Object.keys(table)
          .filter((field) => !needed.includes(field))
          .map((field) => [field, null]),
      );
    const nulls = optional(ANTHROPIC_FIELDS, ["model", "max_tokens", "messages"]);
    expect(read(anthropicSurface, { ...nulls, ...anthropic })).toMatchObject({ ok: true });
    const others = optional(OPENAI_FIELDS, ["model", "messages"]);
    expect(read(openaiSurface, { ...others, ...openai })).toMatchObject({ ok: true });
  });

  test.each([
    [anthropicSurface, anthropic, { service_tier: "priority" }],
    [anthropicSurface, anthropic, { speed: "fast" }],
    [anthropicSurface, anthropic, { inference_geo: "us" }],
    [anthropicSurface, anthropic, { mcp_servers: [] }],
    [anthropicSurface, anthropic, { container: "c" }],
    [anthropicSurface, anthropic, { fallbacks: "default" }],
    [openaiSurface, openai, { service_tier: "priority" }],
    [openaiSurface, openai, { service_tier: "flex" }],
    [openaiSurface, openai, { modalities: ["text", "audio"] }],
    [openaiSurface, openai, { audio: { format: "wav", voice: "alloy" } }],
    [openaiSurface, openai, { web_search_options: {} }],
  ])(
    "table: %#, what has no certain price is unsupported (leaks G and H)",
    (surface, body, more) => {
      const refused = read(surface, { ...body, ...more });
      expect(refused.ok ? [] : refused.unsupported).toHaveLength(1);
      expect(refused).toMatchObject({ bad: [] });
    },
  );

  test("table: every mistake is reported at once, with its field", () => {
    const refused = read(anthropicSurface, {
      max_tokens: "10",
      messages: {},
      stream: "yes",
      tools: [7],
    });
    const bad = refused.ok ? [] : refused.bad;
    const fields = bad.map((problem) => problem.split(":")[0] ?? "");
    expect(fields.toSorted()).toEqual(["max_tokens", "messages", "model", "stream", "tools[0]"]);
  });
});
