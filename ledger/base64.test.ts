/**
 * Goal: bytes and their two texts, base64 and UTF-8, are what every other tool makes of them, and each
 * has one spelling only.
 * Method: Node's Buffer as the reference; every text of base64 characters that Buffer would write in
 * another way must be refused.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { InvariantError } from "./assert.ts";
import { decodeBase64, encodeBase64 } from "./base64.ts";
import { encodeUtf8 } from "./utf8.ts";

test("encode and decode: agree with Buffer on all bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      const text = Buffer.from(bytes).toString("base64");
      expect(encodeBase64(bytes)).toBe(text);
      expect(decodeBase64(text)).toEqual(Uint8Array.from(bytes));
    }),
  );
});

test("decode: refuses every other spelling", () => {
  const others = ["A", "AA", "AAA", "AA=", "A===", "====", "AA=A", "AAAA=", "AAAA====", "=AAA"];
  const characters = ["AA-_", "AA A", "AAA\n", "AAAA\n", "\nAAAA", "ÄAAA", "AAA\u{1f600}", "AA\0A"];
  const leftOvers = ["AB==", "Af==", "A/==", "AAB=", "AAD=", "QUJDRF=="];
  for (const text of [...others, ...characters, ...leftOvers]) {
    expect([text, decodeBase64(text)]).toEqual([text, undefined]);
  }
});

test("decode: takes a text only if Buffer writes it so", () => {
  const character = fc.constantFrom(...Array.from("ABCwxyz0189+/===\n -"));
  fc.assert(
    fc.property(fc.string({ maxLength: 12, unit: character }), (text) => {
      const canonical = Buffer.from(text, "base64").toString("base64") === text;
      expect(decodeBase64(text) !== undefined).toBe(canonical);
    }),
    { numRuns: 2_000 },
  );
});

test("UTF-8: agrees with Buffer on every kind of character", () => {
  for (const text of [
    "",
    "\0\x7f",
    "\x80\u07ff",
    "\u0800\ud7ff\ue000\uffff",
    "\u{10000}\u{10ffff}",
  ]) {
    expect(encodeUtf8(text)).toEqual(Uint8Array.from(Buffer.from(text)));
  }
  const code = fc.oneof(
    ...[0x80, 0x800, 0xd800, 0x110000].map((end) => fc.integer({ max: end - 1, min: 0 })),
  );
  const character = code.filter((point) => point < 0xd800 || point > 0xdfff);
  fc.assert(
    fc.property(fc.array(character), (codes) => {
      const text = String.fromCodePoint(...codes);
      expect(encodeUtf8(text)).toEqual(Uint8Array.from(Buffer.from(text)));
    }),
  );
});

test("UTF-8: half a surrogate pair has no bytes", () => {
  expect(() => encodeUtf8("a\ud800")).toThrow(InvariantError);
});
