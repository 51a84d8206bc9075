/**
 * Goal: proofs are those of RFC 6962, byte for byte; each is accepted, and nothing else is.
 * Method: the recursive definitions as the reference at every size up to 260; then one thing of a good
 * claim is changed at a time (a bit, a hash dropped, doubled, swapped, the place, the size) and it must be
 * refused. A reader that knows complete subtrees only shows that the announced ones are the ones read.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { InvariantError } from "./assert.ts";
import {
  type ConsistencyClaim,
  consistencyProof,
  type InclusionClaim,
  inclusionProof,
  subtreesOfConsistency,
  subtreesOfInclusion,
  subtreesOfRange,
  verifyConsistency,
  verifyInclusion,
} from "./merkle-proofs.ts";
import { flipped, NaiveTree, numberedLeaves, sha256 } from "./testing/log.ts";

const SIZES = 260;
const TREE = new NaiveTree(numberedLeaves(SIZES + 8));
const named = (subtrees: readonly { level: number; index: bigint }[]) =>
  subtrees.map(({ level, index }) => `${level}/${index}`);
const joined = (hashes: readonly Uint8Array[]) => Buffer.concat(hashes).toString("hex");

function inclusionClaim(index: number, size: number): InclusionClaim {
  const { read } = TREE.reader(BigInt(size));
  const path = inclusionProof(BigInt(index), BigInt(size), read, sha256);
  const [leaf, root] = [TREE.leaf(index), TREE.hash(0, size)];
  return { index: BigInt(index), leaf, path, root, size: BigInt(size) };
}

function consistencyClaim(from: number, to: number): ConsistencyClaim {
  const { read } = TREE.reader(BigInt(to));
  const path = consistencyProof(BigInt(from), BigInt(to), read, sha256);
  const [fromRoot, toRoot] = [TREE.hash(0, from), TREE.hash(0, to)];
  return { from: BigInt(from), fromRoot, path, to: BigInt(to), toRoot };
}

/** A size from 1 and a smaller number. */
const place = fc
  .integer({ max: SIZES, min: 1 })
  .chain((size) => fc.tuple(fc.integer({ max: size - 1, min: 0 }), fc.constant(size)));
const seed = fc.integer({ max: 1 << 20, min: 0 });

/** Every path that differs from this one by one change. */
function changedPaths(path: readonly Uint8Array[], bit: number): Uint8Array[][] {
  const strange = sha256(Uint8Array.of(bit & 255));
  const added = [0, path.length].map((at) => path.toSpliced(at, 0, strange));
  const each = path.flatMap((hash, i) => [
    path.with(i, flipped(hash, bit)),
    path.toSpliced(i, 1),
    path.toSpliced(i, 0, hash),
    path.with(i, hash.subarray(0, 31)),
    path.with(i, Uint8Array.of(...hash, 0)),
  ]);
  const swapped = path.slice(1).map((hash, i) => {
    return path.with(i, hash).with(i + 1, path[i] as Uint8Array);
  });
  return [...added, ...each, ...swapped];
}

describe("inclusion", () => {
  test("proof: is the recursive PATH, and verifies, for every leaf of many sizes", () => {
    for (let size = 1; size <= SIZES; size += size < 70 ? 1 : 19) {
      for (let index = 0; index < size; index += 1) {
        const claim = inclusionClaim(index, size);
        expect(joined(claim.path)).toBe(joined(TREE.path(index, 0, size)));
        expect(verifyInclusion(claim, sha256)).toBe(true);
      }
    }
  });

  test("proof: is the recursive PATH, and verifies, at every size", () => {
    for (let size = 1; size <= SIZES; size += 1) {
      for (const index of new Set([0, size >> 1, size - 1])) {
        const claim = inclusionClaim(index, size);
        expect(joined(claim.path)).toBe(joined(TREE.path(index, 0, size)));
        expect(verifyInclusion(claim, sha256)).toBe(true);
      }
    }
  });

  test("proof: reads just the complete subtrees that were announced", () => {
    fc.assert(
      fc.property(place, ([index, size]) => {
        const { read, asked } = TREE.reader(BigInt(size));
        inclusionProof(BigInt(index), BigInt(size), read, sha256);
        expect(named(subtreesOfInclusion(BigInt(index), BigInt(size)))).toEqual(asked);
      }),
    );
  });

  test("verify: refuses whatever differs in one thing", () => {
    fc.assert(
      fc.property(place, seed, ([index, size], bit) => {
        const claim = inclusionClaim(index, size);
        const refused = (change: Partial<InclusionClaim>) =>
          expect(verifyInclusion({ ...claim, ...change }, sha256)).toBe(false);
        for (const path of changedPaths(claim.path, bit)) refused({ path });
        refused({ root: flipped(claim.root, bit) });
        refused({ root: claim.root.subarray(1) });
        refused({ leaf: flipped(claim.leaf, bit) });
        refused({ leaf: claim.leaf.subarray(1) });
        refused({ leaf: Uint8Array.of(...claim.leaf, 0) });
        refused({ index: -1n });
        refused({ index: claim.size });
        for (let other = 0; other < size; other += 1) {
          if (other !== index) refused({ index: BigInt(other) });
        }
        // The size alone is not bound by every path: it comes with the root, from the checkpoint.
        for (const other of [size + 1, size + 7]) {
          refused({ root: TREE.hash(0, other), size: BigInt(other) });
        }
      }),
      { numRuns: 60 },
    );
  });

  test("proof: of a leaf that is not there is a broken promise", () => {
    const { read } = TREE.reader(5n);
    for (const index of [-1n, 5n]) {
      expect(() => inclusionProof(index, 5n, read, sha256)).toThrow(InvariantError);
      expect(() => subtreesOfInclusion(index, 5n)).toThrow(InvariantError);
    }
  });
});

describe("consistency", () => {
  test("proof: is the recursive PROOF, and verifies, between all of many sizes", () => {
    for (let to = 1; to <= SIZES; to += to < 70 ? 1 : 19) {
      for (let from = 1; from <= to; from += 1) {
        const claim = consistencyClaim(from, to);
        expect(joined(claim.path)).toBe(joined(TREE.proof(from, 0, to)));
        expect(verifyConsistency(claim, sha256)).toBe(true);
      }
    }
  });

  test("proof: from the empty tree and to the same tree it is empty", () => {
    for (const [from, to] of [
      [0, 0],
      [0, 1],
      [0, 7],
      [8, 8],
    ] as const) {
      const claim = consistencyClaim(from, to);
      expect(claim.path).toEqual([]);
      expect(verifyConsistency(claim, sha256)).toBe(true);
    }
  });

  test("proof: reads just the complete subtrees that were announced", () => {
    fc.assert(
      fc.property(place, ([from, to]) => {
        const { read, asked } = TREE.reader(BigInt(to));
        consistencyProof(BigInt(from), BigInt(to), read, sha256);
        expect(named(subtreesOfConsistency(BigInt(from), BigInt(to)))).toEqual(asked);
      }),
    );
  });

  test("verify: refuses whatever differs in one thing", () => {
    fc.assert(
      fc.property(place, seed, ([from, to], bit) => {
        const claim = consistencyClaim(from, to);
        const refused = (change: Partial<ConsistencyClaim>) =>
          expect(verifyConsistency({ ...claim, ...change }, sha256)).toBe(false);
        for (const path of changedPaths(claim.path, bit)) refused({ path });
        refused({ fromRoot: flipped(claim.fromRoot, bit) });
        refused({ fromRoot: claim.fromRoot.subarray(1) });
        // Whatever is signed next continues the empty tree; otherwise the new root is bound too.
        if (from > 0) refused({ toRoot: flipped(claim.toRoot, bit) });
        refused({ toRoot: claim.toRoot.subarray(1) });
        refused({ from: -1n });
        refused({ from: claim.to + 1n });
        for (let other = 0; other <= to; other += 1) {
          if (other !== from) refused({ from: BigInt(other) });
        }
        for (const other of [to + 1, to + 7]) {
          if (from > 0) refused({ to: BigInt(other), toRoot: TREE.hash(0, other) });
        }
      }),
      { numRuns: 60 },
    );
  });

  test("verify: refuses two trees of one size with two roots", () => {
    const [fromRoot, toRoot] = [TREE.hash(0, 5), TREE.hash(0, 6)];
    expect(verifyConsistency({ from: 5n, fromRoot, path: [], to: 5n, toRoot }, sha256)).toBe(false);
  });

  test("verify: refuses a fork behind the older tree's last common entry", () => {
    const leaves = numberedLeaves(40);
    const forked = new NaiveTree(leaves.with(17, Uint8Array.of(1)));
    for (const from of [18, 24, 32, 39]) {
      const honest = consistencyClaim(from, 40);
      const path = forked.proof(from, 0, 40);
      const toRoot = forked.hash(0, 40);
      expect(verifyConsistency({ ...honest, path, toRoot }, sha256)).toBe(false);
    }
    const older = { from: 17n, fromRoot: TREE.hash(0, 17), path: forked.proof(17, 0, 40) };
    expect(verifyConsistency({ ...older, to: 40n, toRoot: forked.hash(0, 40) }, sha256)).toBe(true);
  });

  test("proof: from a later tree is a broken promise", () => {
    const { read } = TREE.reader(5n);
    for (const from of [-1n, 6n]) {
      expect(() => consistencyProof(from, 5n, read, sha256)).toThrow(InvariantError);
      expect(() => subtreesOfConsistency(from, 5n)).toThrow(InvariantError);
    }
  });
});

test("subtreesOfRange: covers what is before and what is behind", () => {
  const { left, right } = subtreesOfRange(6n, 9n, 13n);
  expect([named(left), named(right)]).toEqual([
    ["2/0", "1/2"],
    ["0/9", "1/5", "0/12"],
  ]);
  for (const [first, end, size] of [
    [-1n, 0n, 1n],
    [2n, 1n, 3n],
    [1n, 4n, 3n],
  ] as const) {
    expect(() => subtreesOfRange(first, end, size)).toThrow(InvariantError);
  }
});
