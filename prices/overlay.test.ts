/**
 * Goal: every row of ours has a source and a day, says what its source says, and is still needed.
 * Method: the rows themselves; OpenAI's limits held against the installed package they were read from.
 */
import * as tokenizerModels from "gpt-tokenizer/models";
import { expect, test } from "vitest";
import { limitsOf, OVERLAY, sortedJson, vendorName } from "./overlay.ts";
import { readPublished } from "./published.ts";

const rows = [...OVERLAY.free, ...OVERLAY.limits, ...OVERLAY.names, ...OVERLAY.prices];

test.each(rows.map((row) => [row.source, row] as const))(
  "row: has a source and a day: %s",
  (source, row) => {
    expect(source).toMatch(/https:\/\/|^@?[\w/-]+ \d+\.\d+\.\d+/);
    expect(row.read).toMatch(/^\d{4}-\d\d-\d\d$/);
  },
);

test("limits: no model stands in two rows", () => {
  const models = OVERLAY.limits.flatMap((row) => row.models);
  expect(new Set(models).size).toBe(models.length);
});

test("prices: a row that the package has by now is to be dropped", () => {
  const known = new Set(
    readPublished().models.map(({ provider, model }) => `${provider}/${model}`),
  );
  for (const { provider, model } of OVERLAY.prices)
    expect(known.has(`${provider}/${model}`)).toBe(false);
});

interface TokenizerModel {
  readonly context_window?: number;
  readonly max_output_tokens?: number;
  readonly modalities?: { readonly input: readonly string[] };
}
const tokenizer = tokenizerModels as unknown as Readonly<Record<string, TokenizerModel>>;

/** Ids under which the tokenizer package lists what is priced under another. */
const LISTED_AS: Readonly<Record<string, string>> = {
  "gpt-3.5-turbo-0613": "gpt-3.5-turbo-16k-0613",
  "gpt-3.5-turbo-16k": "gpt-3.5-turbo-16k-0613",
  "gpt-4-32k": "gpt-4-32k",
  "gpt-5.3": "gpt-5.3-chat-latest",
};

test("limits: OpenAI's are those of gpt-tokenizer", () => {
  let compared = 0;
  for (const row of OVERLAY.limits.filter(({ source }) => source.startsWith("gpt-tokenizer"))) {
    for (const model of row.models) {
      const listed = tokenizer[LISTED_AS[model] ?? model];
      // Some models are in its older tables only, under no name of its own export.
      if (listed === undefined) continue;
      compared++;
      expect([model, row.window, row.output_max]).toEqual([
        model,
        listed.context_window,
        listed.max_output_tokens,
      ]);
      expect([model, row.modalities.includes("image")]).toEqual([
        model,
        listed.modalities?.input.includes("image"),
      ]);
    }
  }
  expect(compared).toBeGreaterThan(30);
});

test.each([
  ["regional.anthropic.claude-haiku-4-5-20251001-v1:0", "claude-haiku-4-5"],
  ["global.anthropic.claude-opus-5-5", "claude-opus-5-5"],
  ["regional.openai.gpt-5.6-sol", "gpt-5.6-sol"],
  ["claude-sonnet-4-5-20250929", "claude-sonnet-4-5"],
  ["gpt-4o-2024-05-13", "gpt-4o-2024-05-13"],
])("vendorName: %s is %s", (model, name) => {
  expect(vendorName(model)).toBe(name);
});

test("limitsOf: a model sold by another provider has its vendor's limits", () => {
  expect(limitsOf("regional.anthropic.claude-haiku-4-5-20251001-v1:0")?.output_max).toBe(64_000);
  expect(limitsOf("no-such-model")).toBeUndefined();
});

test("sortedJson: does not depend on the order of keys", () => {
  expect(sortedJson({ b: [{ d: 1, c: "x" }], a: null })).toBe('{"a":null,"b":[{"c":"x","d":1}]}');
});
