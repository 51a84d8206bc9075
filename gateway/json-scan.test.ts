/**
 * Goal: single values of a body can be replaced without touching another byte, and keys that stand
 * twice are found wherever they stand and however they are spelled.
 * Method: random JSON from fast-check, written with random white space, against `JSON.parse`.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { editBytes, scanJson } from "./json-scan.ts";

/** Writes JSON with white space where it may stand. */
function write(value: unknown, space: string): string {
  if (Array.isArray(value)) {
    return `[${space}${value.map((item) => write(item, space)).join(`${space},${space}`)}${space}]`;
  }
  if (typeof value === "object" && value !== null) {
    const fields = Object.entries(value).map(
      ([key, item]) => `${JSON.stringify(key)}${space}:${space}${write(item, space)}`,
    );
    return `{${space}${fields.join(`${space},${space}`)}${space}}`;
  }
  return JSON.stringify(value);
}

const object = fc.dictionary(fc.string({ minLength: 1 }), fc.jsonValue(), { minKeys: 1 });
const space = fc.constantFrom("", " ", "\n\t", "  \r\n");

test("scan: every top-level value stands where its span says", () => {
  fc.assert(
    fc.property(object, space, (value, gap) => {
      const bytes = Buffer.from(gap + write(value, gap) + gap);
      const parsed = JSON.parse(bytes.toString()) as Record<string, unknown>;
      const { spans, repeated } = scanJson(bytes);
      expect([...spans.keys()].sort()).toEqual(Object.keys(parsed).sort());
      expect(repeated).toEqual([]);
      for (const [key, { start, end }] of spans) {
        expect(JSON.parse(bytes.toString("utf8", start, end))).toEqual(parsed[key]);
      }
    }),
  );
});

test("edit: replaces one value and leaves every other byte", () => {
  fc.assert(
    fc.property(object, space, fc.jsonValue(), (value, gap, put) => {
      const bytes = Buffer.from(write(value, gap));
      const { spans, start } = scanJson(bytes);
      for (const [key, span] of spans) {
        const text = JSON.stringify(put);
        const edited = editBytes(bytes, [
          { ...span, text },
          { start, end: start, text: '"\u0000new":1,' },
        ]).toString();
        const whole = bytes.toString("latin1");
        const expected = `${whole.slice(0, start)}"\u0000new":1,${whole.slice(start, span.start)}`;
        expect(Buffer.from(edited).toString("latin1").startsWith(expected)).toBe(true);
        expect(Buffer.from(edited).toString("latin1").endsWith(whole.slice(span.end))).toBe(true);
        expect(key).toBeDefined();
      }
    }),
  );
});

test.each([
  ['{"max_tokens":1,"max_tokens":100000}', "max_tokens"],
  ['{"max_tokens":1,"max\\u005ftokens":100000}', "max_tokens"],
  ['{"messages":[{"role":"user","content":"long","content":"hi"}]}', "messages.content"],
  ['{"a":{"b":[{"c":1},{"d":{"e":2,"f":"\\"}","e":3}}]}}', "a.b.d.e"],
])("scan: finds the key that stands twice in %s", (json, path) => {
  expect(scanJson(Buffer.from(json)).repeated).toEqual([path]);
});

test("scan: equal keys in different objects are no repeat", () => {
  const json = '{"a":{"x":1},"b":[{"x":1},{"x":2}],"x":{"x":{"x":1}}}';
  expect(scanJson(Buffer.from(json)).repeated).toEqual([]);
});

test("edit: a number that no double holds stays as it was written", () => {
  const bytes = Buffer.from('{"model":"a","seed":12345678901234567890123,"x":1e400}');
  const span = scanJson(bytes).spans.get("model");
  const edited = editBytes(bytes, [{ ...(span ?? { start: 0, end: 0 }), text: '"b"' }]);
  expect(edited.toString()).toBe('{"model":"b","seed":12345678901234567890123,"x":1e400}');
});
