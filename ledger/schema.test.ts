/**
 * Goal: one spelling for every value; whatever else is written is refused, with all its mistakes.
 * Method: the examples of RFC 8785, tables of wrong values with the whole list of problems expected,
 * and random Unicode.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  bool,
  decimal,
  formatInstant,
  instant,
  integer,
  lazy,
  list,
  object,
  oneOf,
  parseJson,
  record,
  type Schema,
  text,
  token,
  variant,
} from "./schema.ts";
import { words } from "./testing/configuration.ts";

/** What is wrong with some JSON, or the value. */
function read<T>(schema: Schema<T>, json: string): T | readonly string[] {
  const parsed = parseJson(schema, json);
  return parsed.ok ? parsed.value : parsed.problems;
}

describe("RFC 8785", () => {
  test("write: the strings of §3.2.2.2 come out as it says", () => {
    const sample = '"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/"';
    const value = read(text(), sample) as string;
    expect(value).toBe('€$\u000f\nA\'B"\\\\"/');
    expect(text().write(value)).toBe('"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"');
  });

  test("write: the keys of §3.2.3 stand in the order of their UTF-16 code units", () => {
    const schema = record(/^[^]*$/u, text());
    const sample =
      '{"\\u20ac":"Euro Sign","\\r":"Carriage Return","\\ufb33":"Hebrew Letter Dalet With Dagesh",' +
      '"1":"One","\\ud83d\\ude00":"Emoji: Grinning Face","\\u0080":"Control",' +
      '"\\u00f6":"Latin Small Letter O With Diaeresis"}';
    const written = schema.write(read(schema, sample) as Record<string, string>);
    expect([...written.matchAll(/":"([^"]+)"/g)].map(([, name]) => name)).toEqual([
      "Carriage Return",
      "One",
      "Control",
      "Latin Small Letter O With Diaeresis",
      "Euro Sign",
      "Emoji: Grinning Face",
      "Hebrew Letter Dalet With Dagesh",
    ]);
  });

  test.each([
    ["\b\t\n\f\r", '"\\b\\t\\n\\f\\r"'],
    ["\u0000\u001f\u007f", '"\\u0000\\u001f\u007f"'],
    ["é e\u0301", '"é e\u0301"'],
    ["\u2028</script>", '"\u2028</script>"'],
  ])("write: %j is %s", (value, written) => {
    expect(text().write(value)).toBe(written);
  });

  test("text: any well-formed string is read back as it was", () => {
    fc.assert(
      fc.property(words(200), (value) => {
        expect(read(text(), text().write(value))).toBe(value);
      }),
    );
    expect(read(text(), '"\\ud83d"')).toEqual(["value: holds half a surrogate pair"]);
  });

  test("write: any string, whole or not, is written as JSON.stringify does", () => {
    const unit = fc.integer({ max: 0xffff, min: 0 }).map((code) => String.fromCharCode(code));
    const ascii = fc.integer({ max: 0x7f, min: 0 }).map((code) => String.fromCharCode(code));
    fc.assert(
      fc.property(fc.array(fc.oneof(ascii, unit), { maxLength: 20 }), (units) => {
        const value = units.join("");
        expect(text().write(value)).toBe(JSON.stringify(value));
      }),
    );
  });
});

describe("scalars", () => {
  test.each([
    [text(3), '"abcd"', "value: must be at most 3 characters"],
    [text(), "1", "value: must be a string"],
    [token(/^[a-z"\\]+$/, "a word"), '"A"', "value: must be a word"],
    [token(/^[a-z"\\]+$/, "a word"), '"a\\"b"', "value: must be a word"],
    [token(/^[a-z"\\]+$/, "a word"), "null", "value: must be a word"],
    [oneOf(["S", "M"]), '"s"', "value: must be one of S, M"],
    [oneOf(["S", "M"]), "{}", "value: must be one of S, M"],
    [bool, '"true"', "value: must be true or false"],
    [bool, "1", "value: must be true or false"],
    [decimal(1n), '"0"', "value: must be at least 1"],
    [decimal(0n, 9n), '"10"', "value: must be at most 9"],
    [integer(1, 5), "6", "value: must be a whole number from 1 to 5"],
    [integer(0, 5), "-0", "value: must be a whole number from 0 to 5"],
    [integer(0, 5), "1.5", "value: must be a whole number from 0 to 5"],
    [integer(0, 5), '"1"', "value: must be a whole number from 0 to 5"],
    [integer(0, 5), "-1", "value: must be a whole number from 0 to 5"],
  ])("read: %#", (schema, json, problem) => {
    expect(read(schema as Schema<unknown>, json)).toEqual([problem]);
  });

  test.each([
    "1200",
    "1.5e3",
    '"1.0"',
    '"+1"',
    '"01"',
    '"-0"',
    '" 1"',
    '"1n"',
    '""',
    '"1e3"',
    "null",
  ])("decimal: %s is not a quantity", (json) => {
    expect(read(decimal(), json)).toEqual([
      'value: must be a whole number as a decimal string, like "1200"',
    ]);
  });

  test("decimal: is exact far above 2^53, up to 31 digits", () => {
    fc.assert(
      fc.property(fc.bigInt({ max: 10n ** 31n - 1n, min: 1n - 10n ** 31n }), (value) => {
        expect(read(decimal(), decimal().write(value))).toBe(value);
      }),
    );
    expect(Array.isArray(read(decimal(), `"1${"0".repeat(31)}"`))).toBe(true);
  });

  test("instant: every millisecond is read back as it was", () => {
    fc.assert(
      fc.property(fc.integer({ max: Date.UTC(9999, 11, 31), min: 0 }), (ms) => {
        expect(read(instant, instant.write(ms))).toBe(ms);
      }),
    );
    // More moments than are remembered.
    const moments = Array.from({ length: 600 }, (_, i) => formatInstant(i));
    expect(new Set(moments).size).toBe(600);
    expect(moments.map((_, i) => formatInstant(i))).toEqual(moments);
  });

  test.each([
    '"2026-11-22T15:48:30Z"',
    '"2026-11-22T15:48:30.123+01:00"',
    '"2026-11-22 15:48:30.123Z"',
    '"2026-02-30T00:00:00.000Z"',
    '"2026-13-01T00:00:00.000Z"',
    '"2026-11-22T24:00:00.000Z"',
    "1763826510123",
  ])("instant: %s is not a moment", (json) => {
    expect(read(instant, json)).toEqual(["value: must be a moment like 2026-11-22T15:48:30.123Z"]);
  });
});

describe("objects", () => {
  const schema = object({ b: decimal(0n), a: text() }, { c: list(bool, 2) });

  test("read: unknown, missing and wrong fields are reported at once", () => {
    expect(read(schema, '{"b":1,"c":[true,0],"d":1,"__proto__":1}')).toEqual([
      "a: is missing",
      'b: must be a whole number as a decimal string, like "1200"',
      "c[1]: must be true or false",
      "d: is not a known field",
      "__proto__: is not a known field",
    ]);
  });

  test("read: `null` does not stand for what is absent", () => {
    expect(read(schema, '{"a":"","b":"0","c":null}')).toEqual(["c: must be a list"]);
  });

  test("write: a field has what its type writes, whatever stands around it", () => {
    const names = { s: token(/^[a-z"]+$/, "letters"), t: text(), o: oneOf(["x", "y"]) };
    const others = { d: decimal(), i: instant, b: bool, n: integer(0, 9) };
    const value = { b: true, d: -7n, i: 0, n: 9, o: "y", s: "abc", t: 'a"b' } as const;
    expect(object(names, others).write(value)).toBe(
      `{"b":${bool.write(true)},"d":${others.d.write(-7n)},"i":${instant.write(0)},` +
        `"n":${others.n.write(9)},"o":${names.o.write("y")},"s":${names.s.write("abc")},` +
        `"t":${names.t.write('a"b')}}`,
    );
  });

  test("write: fields stand sorted, absent ones not at all", () => {
    expect(schema.write({ b: 1n, a: "x" })).toBe('{"a":"x","b":"1"}');
    expect(schema.write({ c: [true, false], b: 1n, a: "x" })).toBe(
      '{"a":"x","b":"1","c":[true,false]}',
    );
    expect(object({}).write({})).toBe("{}");
  });

  test.each(["[]", "null", '"x"', "1"])("read: %s is not an object", (json) => {
    expect(read(schema, json)).toEqual(["value: must be an object"]);
    expect(read(record(/^a$/, bool), json)).toEqual(["value: must be an object"]);
    expect(read(variant("k", {}), json)).toEqual(["value: must be an object"]);
  });

  test("read: nested fields are named by their path", () => {
    const nested = object({ o: object({ l: list(schema, 9) }) });
    expect(read(nested, '{"o":{"l":[{"a":"x","b":"1"},{"a":1,"b":"1","x":0}]}}')).toEqual([
      "o.l[1].a: must be a string",
      "o.l[1].x: is not a known field",
    ]);
    const tagged = object({ o: variant("k", { a: object({ k: oneOf(["a"]) }) }) });
    expect(read(tagged, '{"o":{"k":"b"}}')).toEqual(["o.k: must be one of a"]);
  });

  test("list: too many elements are refused before they are read", () => {
    expect(read(list(bool, 2), "[1,2,3]")).toEqual(["value: has over 2 elements"]);
    expect(read(list(bool), "[]")).toEqual([]);
    expect(list(bool).write([])).toBe("[]");
  });

  test("record: names are checked, and their number", () => {
    const names = record(/^[a-z_]+$/, integer(0, 9), 2);
    expect(read(names, '{"b":1,"a":2}')).toEqual({ a: 2, b: 1 });
    expect(read(names, '{"A":1,"b":"x"}')).toEqual([
      ".A: is not a name that can stand here",
      ".b: must be a whole number from 0 to 9",
    ]);
    expect(read(names, '{"a":1,"b":1,"c":1}')).toEqual(["value: has over 2 fields"]);
  });

  test.each(["__proto__", "constructor", "toString"])("record: keeps a name such as %s", (name) => {
    const names = record(/^[A-Za-z_]+$/, text());
    const json = `{"${name}":"x"}`;
    expect(names.write(read(names, json) as Record<string, string>)).toBe(json);
  });

  test("variant: the tag picks the object, and only its own names count", () => {
    const schemaOf = variant("kind", {
      a: object({ kind: oneOf(["a"]), x: bool }),
      b: object({ kind: oneOf(["b"]) }),
    });
    expect(schemaOf.write({ kind: "a", x: true })).toBe('{"kind":"a","x":true}');
    expect(read(schemaOf, '{"kind":"b"}')).toEqual({ kind: "b" });
    expect(read(schemaOf, '{"kind":"b","x":true}')).toEqual(["x: is not a known field"]);
    for (const json of ['{"kind":"toString"}', '{"kind":1}', "{}"]) {
      expect(read(schemaOf, json)).toEqual(["kind: must be one of a, b"]);
    }
  });

  test("lazy: a schema may hold itself", () => {
    interface Tree {
      readonly of?: Tree;
    }
    const tree: Schema<Tree> = object({}, { of: lazy(() => tree) });
    expect(tree.write(read(tree, '{"of":{"of":{}}}') as Tree)).toBe('{"of":{"of":{}}}');
  });

  test("parse: what is not JSON is said to be so", () => {
    expect(read(schema, '{"a":')).toEqual([expect.stringMatching(/^not JSON: /)]);
    expect(read(schema, "")).toEqual([expect.stringMatching(/^not JSON: /)]);
  });
});
