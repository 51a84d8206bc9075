/**
 * Goal: whatever is changed in a journal is found at its place, and a block that does not fit changes
 * nothing. Method: real entries in real blocks; every kind of change, and with fast-check any one byte.
 */
import fc from "fast-check";
import { expect, test } from "vitest";

import { usd, World } from "../actors/testing/world.ts";
import { encodeBlock, NO_BLOCK_HASH } from "./block.ts";
import { Batch, type ProjectedHead } from "./projector-batch.ts";
import { ProjectionFault, projectBlock, projectClaim } from "./projector-verify.ts";

const JOURNAL = { shard: 3, era: 1 };
const START = { streamSeq: 1, blockHash: NO_BLOCK_HASH, epoch: 1n };

function someEntries(ws = "acme"): readonly string[] {
  const world = new World({ ws, caps: { month: usd("100.00") } });
  for (let i = 0; i < 4; i++) {
    const { authorization } = world.authorize({ run: `run-${i}` });
    world.settle(authorization, { usage: { input: 10n } });
  }
  return world.entries.map(({ line }) => line);
}

const LINES = someEntries();

function block(
  lines: readonly string[],
  over: { epoch?: bigint; prev?: string; shard?: number } = {},
) {
  const header = {
    epoch: 1n,
    era: 1,
    number: 1,
    owner: "test",
    prev: NO_BLOCK_HASH,
    shard: 3,
    ...over,
  };
  return encodeBlock(header, lines);
}

function project(
  bytes: Uint8Array,
  batch = new Batch(3, START),
  heads = new Map<string, ProjectedHead>(),
) {
  projectBlock(batch, heads, { streamSeq: batch.to.streamSeq + 1, bytes, storedAt: 0 }, JOURNAL);
  return { batch, heads };
}

/** What is said about a block; it always leaves batch and heads as they were. */
function fault(lines: readonly string[], over = {}): string {
  const batch = new Batch(3, START);
  const heads = new Map<string, ProjectedHead>();
  const thrown = thrownBy(() => project(block(lines, over).bytes, batch, heads));
  expect(thrown).toMatchObject({ name: "ProjectionFault", streamSeq: 2 });
  expect([batch.isEmpty, batch.rows, heads.size]).toEqual([true, [], 0]);
  return thrown.message;
}

function thrownBy(run: () => unknown): Error {
  try {
    run();
  } catch (thrown) {
    if (thrown instanceof Error) return thrown;
  }
  throw new Error("nothing was thrown");
}

function replaced(index: number, from: string | RegExp, to: string): string[] {
  return LINES.map((line, i) => (i === index ? line.replace(from, to) : line));
}

test("project: what fits moves position and heads", () => {
  const [half, rest] = [LINES.slice(0, 5), LINES.slice(5)];
  const first = block(half);
  const { batch, heads } = project(first.bytes);
  expect(batch.to).toEqual({ streamSeq: 2, blockHash: first.hash, epoch: 1n });
  const second = block(rest, { prev: first.hash });
  project(second.bytes, batch, heads);
  expect(batch.rows.map(({ line }) => line)).toEqual(LINES);
  expect(heads.get("acme")?.seq).toBe(BigInt(LINES.length));
  expect(batch.to).toEqual({ streamSeq: 3, blockHash: second.hash, epoch: 1n });
});

test("verify: an entry that is missing, swapped, doubled or from elsewhere is named", () => {
  const without = [...LINES.slice(0, 3), ...LINES.slice(4)];
  expect(fault(without)).toBe("entry 5 of workspace acme (line 4) stands where entry 4 is due");
  const swapped = [LINES[0], LINES[2], LINES[1]] as string[];
  expect(fault(swapped)).toContain("entry 3 of workspace acme (line 2) stands where entry 2");
  expect(fault([LINES[0], LINES[0]] as string[])).toContain("stands where entry 2 is due");
  const other = LINES.map((line) => line.replace('"ws":"acme"', '"ws":"zeta"'));
  expect(fault([...LINES.slice(0, 2), other[2] as string])).toContain(
    "entry 3 of workspace zeta (line 3) stands where entry 1 is due",
  );
});

test("verify: times and epochs that go back, unknown kinds and broken lines are named", () => {
  expect(fault(replaced(2, /"at":"2026/, '"at":"2025'))).toContain("entry 3 of workspace acme");
  expect(fault(replaced(2, /"at":"2026/, '"at":"2025'))).toContain("before that of entry 2");
  expect(fault(LINES, { epoch: 2n })).toContain("is of epoch 1 in a block of epoch 2");
  expect(fault(replaced(1, /"kind":"\w+"/, '"kind":"bribe"'))).toContain("start the newer one");
  expect(fault(replaced(1, "{", "["))).toContain("line 2 of its entries is not JSON");
  expect(fault(replaced(1, /"prev":"\w+",/, ""))).toContain("line 2 of its entries has no prev");
  expect(fault(["null"])).toContain("has no ws");
});

test("verify: a block of another journal, out of the chain, or of a term that is over is refused", () => {
  expect(fault(LINES, { shard: 4 })).toContain("names shard 4 of era 1");
  expect(fault(LINES, { prev: "ab".repeat(32) })).toContain("does not name the block before it");
  const late = new Batch(3, { ...START, epoch: 2n });
  expect(() => project(block(LINES).bytes, late)).toThrow("after epoch 2 had begun");
  expect(() => project(Buffer.from("no block"))).toThrow("it is no block");
});

test("fold: an amount that is none spoils the batch, which is then not written", () => {
  const good = block(LINES.slice(0, 2));
  const { batch, heads } = project(good.bytes);
  expect(batch.isEmpty).toBe(false);
  const third = (LINES[2] ?? "").replace(/"held":"\d+"/g, '"held":"all"');
  const bad = block([third], { prev: good.hash });
  expect(() => project(bad.bytes, batch, heads)).toThrow(
    "entry 3 of workspace acme cannot be folded",
  );
  expect(batch.isEmpty).toBe(true);
});

test("claim: moves the position, and has to raise the epoch", () => {
  const batch = new Batch(3, START);
  projectClaim(batch, 2, 2n);
  expect(batch.to).toEqual({ streamSeq: 2, blockHash: NO_BLOCK_HASH, epoch: 2n });
  expect(() => projectClaim(batch, 3, 2n)).toThrow("a claim of epoch 2 follows epoch 2");
});

test("verify: no changed byte before the last entry goes unseen", () => {
  const good = block(LINES.slice(0, 6));
  const next = block(LINES.slice(6), { prev: good.hash });
  const change = fc.record({
    at: fc.nat({ max: good.bytes.length - 1 }),
    xor: fc.integer({ min: 1, max: 255 }),
  });
  fc.assert(
    fc.property(change, ({ at, xor }) => {
      const bytes = Uint8Array.from(good.bytes);
      bytes[at] = (bytes[at] ?? 0) ^ xor;
      const both = () => {
        const { batch, heads } = project(bytes);
        project(next.bytes, batch, heads);
      };
      expect(both).toThrow(ProjectionFault);
    }),
    { numRuns: 300 },
  );
});
