/**
 * Goal: whatever the sizes, entries leave in the order they were decided, what one command decided
 * stays in one block, and no block is over its size.
 * Method: properties over random turns; entries are stand-ins of the right shape and size.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { InvariantError } from "../ledger/assert.ts";
import type { SealedEntry } from "../ledger/chain.ts";
import { Batches } from "./batches.ts";
import { BLOCK_BYTES_MAX, encodeBlock, NO_BLOCK_HASH } from "./block.ts";

let seq = 0n;

function entry(kind: "authorize" | "expire" | "takeover", bytes: number): SealedEntry {
  seq += 1n;
  const line = `${seq} `.padEnd(bytes, "x");
  return { entry: { kind, seq } as SealedEntry["entry"], line, hash: "" };
}

function takeAll(batches: Batches) {
  const taken = [];
  for (let batch = batches.take(); batch !== undefined; batch = batches.take()) taken.push(batch);
  return taken;
}

const HEADER = {
  epoch: 1n,
  era: 1,
  number: 1,
  owner: "x".repeat(100),
  prev: NO_BLOCK_HASH,
  shard: 1,
};
const turn = fc.record({
  expiries: fc.array(fc.integer({ min: 200, max: 3_000 }), { maxLength: 200 }),
  decided: fc.array(fc.integer({ min: 500, max: 60_000 }), { maxLength: 4 }),
});

describe("add", () => {
  test("keeps order, keeps a command together, and fits every block", () => {
    fc.assert(
      fc.property(fc.array(turn, { maxLength: 12 }), (turns) => {
        const batches = new Batches();
        const all: string[] = [];
        const commands: string[][] = [];
        const answered: number[] = [];
        for (const [i, { expiries, decided }] of turns.entries()) {
          const facts = expiries.map((bytes) => entry("expire", bytes));
          const own = decided.map((bytes) => entry("authorize", bytes));
          batches.add("ws", [...facts, ...own], () => answered.push(i), undefined);
          all.push(...[...facts, ...own].map(({ line }) => line));
          if (own.length > 0) commands.push(own.map(({ line }) => line));
        }
        const taken = takeAll(batches);
        expect(taken.flatMap(({ lines }) => lines)).toEqual(all);
        for (const lines of commands) {
          expect(
            taken.filter((batch) => lines.some((line) => batch.lines.includes(line))),
          ).toHaveLength(1);
        }
        for (const batch of taken) {
          expect(encodeBlock(HEADER, batch.lines).bytes.length).toBeLessThanOrEqual(
            BLOCK_BYTES_MAX,
          );
          for (const answer of batch.answers) answer();
        }
        expect(answered).toEqual(turns.map((_, i) => i));
        expect(batches.isEmpty()).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  test("an answer leaves with the block of its own last entry, not before", () => {
    const batches = new Batches();
    batches.add("ws", [entry("authorize", 60_000)], () => undefined, undefined);
    const big = Array.from({ length: 4 }, () => entry("authorize", 60_000));
    batches.add("ws", big, () => undefined, undefined);
    const taken = takeAll(batches);
    expect(taken.map(({ lines, answers }) => [lines.length, answers.length])).toEqual([
      [1, 1],
      [4, 1],
    ]);
    expect(taken.at(-1)?.heads.get("ws")).toBe(big.at(-1)?.entry.seq);
  });

  test("an answer without entries waits for a block of its own if there is none", () => {
    const batches = new Batches();
    batches.add("ws", [], () => undefined, undefined);
    expect(takeAll(batches)).toMatchObject([{ serial: 1, lines: [] }]);
  });

  test("a command that no block can hold, or an entry over its size, is a broken promise", () => {
    const wide = Array.from({ length: 5 }, () => entry("authorize", 60_000));
    expect(() => new Batches().add("ws", wide, undefined, undefined)).toThrow(InvariantError);
    const long = [entry("authorize", 70_000)];
    expect(() => new Batches().add("ws", long, undefined, undefined)).toThrow(InvariantError);
  });

  test("isFull: from one block's worth on, until it is taken", () => {
    const batches = new Batches();
    for (let i = 0; i < 4; i++)
      batches.add("ws", [entry("authorize", 60_000)], undefined, undefined);
    expect(batches.isFull()).toBe(false);
    batches.add("ws", [entry("authorize", 60_000)], undefined, undefined);
    expect(batches.isFull()).toBe(true);
    takeAll(batches);
    expect(batches.isFull()).toBe(false);
  });
});
