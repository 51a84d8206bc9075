/**
 * Goal: a block is read back exactly as it was written, and nothing else is taken for one.
 * Method: round trips over random entries lines, and blocks damaged in each way that matters.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { InvariantError } from "../ledger/assert.ts";
import { BLOCK_BYTES_MAX, blockHash, decodeBlock, encodeBlock, NO_BLOCK_HASH } from "./block.ts";

const HEADER = { epoch: 3n, era: 1, number: 7, owner: "node/0", prev: NO_BLOCK_HASH, shard: 2 };
/** Any JSON text on one line, as entries are. */
const line = fc.string({ unit: "grapheme" }).map((text) => JSON.stringify({ text }));

describe("encodeBlock", () => {
  test("decodeBlock: gives back header and the very lines", () => {
    fc.assert(
      fc.property(fc.array(line, { maxLength: 20 }), (lines) => {
        const { bytes, hash } = encodeBlock(HEADER, lines);
        expect(decodeBlock(bytes)).toEqual({ header: HEADER, lines });
        expect(blockHash(bytes)).toBe(hash);
      }),
    );
  });

  test("reads a block that lies in the middle of a buffer", () => {
    const { bytes } = encodeBlock(HEADER, ['{"a":1}']);
    const padded = Buffer.concat([Buffer.from("xx"), bytes, Buffer.from("yy")]);
    const middle = new Uint8Array(padded.buffer, padded.byteOffset + 2, bytes.length);
    expect(decodeBlock(middle).lines).toEqual(['{"a":1}']);
  });

  test("header: its number makes two empty blocks differ", () => {
    const first = encodeBlock(HEADER, []);
    const second = encodeBlock({ ...HEADER, number: 8 }, []);
    expect(first.hash).not.toBe(second.hash);
  });

  test("size: a block over the limit is a broken promise", () => {
    const lines = ["x".repeat(BLOCK_BYTES_MAX)];
    expect(() => encodeBlock(HEADER, lines)).toThrow(InvariantError);
  });
});

describe("decodeBlock", () => {
  const whole = Buffer.from(encodeBlock(HEADER, ['{"a":1}', '{"b":2}']).bytes).toString("utf8");
  const damaged: [what: string, text: string][] = [
    ["nothing", ""],
    ["no line end", whole.slice(0, -1)],
    ["a missing line", whole.replace('{"b":2}\n', "")],
    ["a line too many", `${whole}{"c":3}\n`],
    ["another version", whole.replace('"v":1', '"v":2')],
    ["an unknown field", whole.replace('"v":1', '"v":1,"x":1')],
    ["no header", '{"a":1}\n{"b":2}\n'],
  ];
  test.each(damaged)("refuses: %s", (_what, text) => {
    expect(() => decodeBlock(Buffer.from(text))).toThrow(InvariantError);
  });
});
