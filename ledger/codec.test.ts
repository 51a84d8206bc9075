/**
 * Goal: an entry has exactly one spelling, and its bytes are what is hashed, stored and proved.
 * Method: random entries of every kind written, read back and compared with an independent RFC 8785
 * writer; other spellings of the same entry refused.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { InvariantError } from "./assert.ts";
import { decodeEntry, decodeOwnEntry, encodeEntry, utf8Length } from "./codec.ts";
import type { Entry, EntryKind } from "./entries.ts";
import { canonicalJson } from "./testing/canonical-json.ts";
import { words } from "./testing/configuration.ts";
import { anyEntry, anyEntryOf } from "./testing/entries.ts";

const kinds = Object.keys(anyEntryOf) as EntryKind[];

describe("round trip", () => {
  test.each(kinds)("encode: %s is written, read and written again as the same bytes", (kind) => {
    fc.assert(
      fc.property(anyEntryOf[kind] as fc.Arbitrary<Entry>, (entry) => {
        const line = encodeEntry(entry);
        const read = decodeEntry(line);
        expect(read).toEqual({ ok: true, value: entry });
        expect(encodeEntry(decodeOwnEntry(line))).toBe(line);
      }),
      { numRuns: 25 },
    );
  });

  test.each(kinds)("encode: the keys of %s stand sorted at every depth, without spaces", (kind) => {
    fc.assert(
      fc.property(anyEntryOf[kind] as fc.Arbitrary<Entry>, (entry) => {
        const line = encodeEntry(entry);
        expect(line).toBe(canonicalJson(JSON.parse(line)));
        expect(line.includes("\n")).toBe(false);
      }),
      { numRuns: 25 },
    );
  });

  test("encode: no quantity is a float, and numbers are counts", () => {
    fc.assert(
      fc.property(anyEntry, (entry) => {
        JSON.parse(encodeEntry(entry), (name, value: unknown) => {
          if (typeof value !== "number") return value;
          expect(["v", "line", "expiry_ms"]).toContain(name);
          expect(Number.isInteger(value)).toBe(true);
          return value;
        });
      }),
    );
  });
});

const [sample] = fc.sample(anyEntryOf.takeover, { numRuns: 1, seed: 7 });
const line = encodeEntry(sample as Entry);

describe("other spellings", () => {
  /** The same entry with one thing changed in its parsed form. */
  const changed = (change: (json: Record<string, unknown>) => void) => {
    const json = JSON.parse(line) as Record<string, unknown>;
    change(json);
    return canonicalJson(json);
  };
  const problems = (bytes: string) => {
    const read = decodeEntry(bytes);
    return read.ok ? [] : read.problems;
  };
  const NOT_CANONICAL = ["value: is not in canonical form (RFC 8785)"];

  test.each([
    ["a space", line.replace(",", ", ")],
    ["a line end", `${line}\n`],
    ["an escape that is not needed", line.replace('"takeover"', '"takeove\\u0072"')],
    ["a key twice", line.replace('"v":1', '"v":1,"v":1')],
    ["a key in another place", `{"ws":${JSON.stringify(sample?.ws)},${line.slice(1)}`],
    ["a number with a point", line.replace('"v":1', '"v":1.0')],
    ["a number with an exponent", line.replace('"v":1', '"v":1e0')],
  ])("decode: refuses %s", (_, other) => {
    expect(other).not.toBe(line);
    expect(problems(other)).toEqual(NOT_CANONICAL);
  });

  test.each<[string, string, readonly string[]]>([
    ["an unknown field", changed((json) => (json["note"] = "x")), ["note: is not a known field"]],
    [
      "another kind",
      changed((json) => (json["kind"] = "Takeover")),
      [expect.stringMatching(/^kind: must be one of adjust, /)],
    ],
    [
      "another version",
      changed((json) => (json["v"] = 2)),
      ["v: must be a whole number from 1 to 1"],
    ],
    [
      "upper-case hex",
      changed((json) => (json["prev"] = "AB".repeat(32))),
      ["prev: must be a hex SHA-256"],
    ],
    ["a sequence of 0", changed((json) => (json["seq"] = "0")), ["seq: must be at least 1"]],
    [
      "a float",
      changed((json) => (json["epoch"] = 1.5)),
      [expect.stringMatching(/^epoch: must be a whole number as a decimal/)],
    ],
    [
      "a number for a quantity",
      changed((json) => (json["epoch"] = 1)),
      [expect.stringMatching(/^epoch: /)],
    ],
    [
      "an amount beyond int64",
      adjustOf("9223372036854775808"),
      ["amount: must be at most 9223372036854775807"],
    ],
    [
      "an amount below int64",
      adjustOf("-9223372036854775809"),
      ["amount: must be at least -9223372036854775808"],
    ],
    [
      "another name of an id",
      changed((json) => (json["ws"] = "Acme")),
      ["ws: must be a name of a-z, 0-9, _ and -, at most 63 long"],
    ],
  ])("decode: refuses %s", (_, other, expected) => {
    expect(problems(other)).toEqual(expected);
  });

  test("decode: reports every mistake of a line at once", () => {
    const bytes = changed((json) => {
      json["seq"] = 1;
      json["salt"] = "x";
      delete json["owner"];
      json["extra"] = null;
    });
    expect(problems(bytes)).toEqual([
      "owner: is missing",
      "salt: must be 16 bytes in hex",
      'seq: must be a whole number as a decimal string, like "1200"',
      "extra: is not a known field",
    ]);
  });

  test("decode: an authorization id must be one", () => {
    const [entry] = fc.sample(anyEntryOf.release, { numRuns: 1, seed: 3 });
    const bytes = encodeEntry({ ...(entry as Entry), authorization: "auth_1" } as Entry);
    expect(problems(bytes)).toEqual([
      "authorization: must be an authorization id: auth_ and a UUIDv7",
    ]);
  });

  test("decode own: a line of ours that cannot be read is a fault", () => {
    expect(decodeOwnEntry(line)).toEqual(sample);
    expect(() => decodeOwnEntry("{}")).toThrow(InvariantError);
    expect(() => decodeOwnEntry("{}")).toThrow("an entry cannot be read: kind: must be one of");
  });
});

function adjustOf(amount: string): string {
  const [entry] = fc.sample(anyEntryOf.adjust, { numRuns: 1, seed: 5 });
  const json = JSON.parse(encodeEntry(entry as Entry)) as Record<string, unknown>;
  return canonicalJson({ ...json, amount });
}

test("length: counts the bytes that UTF-8 takes", () => {
  fc.assert(
    fc.property(words(200), (value) => {
      expect(utf8Length(value)).toBe(new TextEncoder().encode(value).length);
    }),
  );
  expect(utf8Length("a\u007f\u0080\u07ff\u0800\uffff😀")).toBe(1 + 1 + 2 + 2 + 3 + 3 + 4);
  expect(utf8Length("\ud83d")).toBe(3);
});
