/**
 * Goal: whoever has entries in a row and their range proof comes out at the root, and with other entries,
 * or another proof, does not.
 * Method: every range of every size up to 24 and random ones up to 260 against the recursive tree; one
 * thing changed at a time; each thing that the format forbids.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { InvariantError } from "./assert.ts";
import { subtreesOfRange } from "./merkle-proofs.ts";
import {
  encodeRangeProof,
  parseRangeProof,
  type RangeProof,
  RangeTree,
  rootOfRange,
} from "./range-proof.ts";
import { NoteProblem } from "./signed-note.ts";
import { flipped, NaiveTree, numberedLeaves, sha256 } from "./testing/log.ts";

const SIZES = 260;
const LEAVES = numberedLeaves(SIZES);
const TREE = new NaiveTree(LEAVES);
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

function proofOf(first: number, end: number, size: number): RangeProof {
  const bounds = [BigInt(first), BigInt(end), BigInt(size)] as const;
  const { read } = TREE.reader(bounds[2]);
  const { left, right } = subtreesOfRange(...bounds);
  const hashes = (subtrees: typeof left) =>
    subtrees.map(({ level, index }) => Uint8Array.from(read(level, index)));
  return {
    end: bounds[1],
    first: bounds[0],
    left: hashes(left),
    right: hashes(right),
    size: bounds[2],
  };
}

const leafHashes = (first: number, end: number) =>
  Array.from({ length: end - first }, (_, i) => TREE.leaf(first + i));

/** 0 ≤ first ≤ end ≤ size. */
const range = fc
  .tuple(...[0, 0, 0].map(() => fc.integer({ max: SIZES, min: 0 })))
  .map((bounds) => bounds.toSorted((a, b) => a - b) as [number, number, number]);

test("root: is the tree's for every range of every size up to 24", () => {
  for (let size = 0; size <= 24; size += 1) {
    const root = hex(TREE.hash(0, size));
    for (let first = 0; first <= size; first += 1) {
      for (let end = first; end <= size; end += 1) {
        const proof = parseRangeProof(encodeRangeProof(proofOf(first, end, size)));
        expect(hex(rootOfRange(proof, leafHashes(first, end), sha256))).toBe(root);
      }
    }
  }
});

test("encode and parse: are each other's inverse, and lead to the root", () => {
  fc.assert(
    fc.property(range, ([first, end, size]) => {
      const proof = proofOf(first, end, size);
      const read = parseRangeProof(encodeRangeProof(proof));
      expect(read).toEqual(proof);
      const tree = new RangeTree(read, sha256);
      for (const leaf of LEAVES.slice(first, end)) tree.append(leaf);
      // Asking twice gives the same: what is behind is not added to what is kept.
      expect([hex(tree.root()), hex(tree.root())]).toEqual(
        [0, 0].map(() => hex(TREE.hash(0, size))),
      );
    }),
  );
});

test("encode: writes the bounds, what is before, an empty line, and what is behind", () => {
  const lines = ([start, end]: readonly [number, number]) =>
    `${Buffer.from(TREE.hash(start, end)).toString("base64")}\n`;
  const before = (
    [
      [0, 4],
      [4, 6],
    ] as const
  )
    .map(lines)
    .join("");
  const behind = (
    [
      [9, 10],
      [10, 12],
      [12, 13],
    ] as const
  )
    .map(lines)
    .join("");
  expect(encodeRangeProof(proofOf(6, 9, 13))).toBe(`range 6 9 13\n${before}\n${behind}`);
  expect(encodeRangeProof(proofOf(0, 5, 5))).toBe("range 0 5 5\n\n");
});

test("root: changes with any change of an entry, a hash, or their order", () => {
  const seed = fc.integer({ max: 1 << 20, min: 0 });
  fc.assert(
    fc.property(range, seed, ([first, end, size], bit) => {
      const proof = proofOf(first, end, size);
      const leaves = leafHashes(first, end);
      const root = hex(TREE.hash(0, size));
      const differs = (changed: Partial<RangeProof>, entries = leaves) =>
        expect(hex(rootOfRange({ ...proof, ...changed }, entries, sha256))).not.toBe(root);
      for (const side of ["left", "right"] as const) {
        const hashes = proof[side];
        for (const [i, hash] of hashes.entries()) {
          differs({ [side]: hashes.with(i, flipped(hash, bit)) });
        }
        if (hashes.length > 1) differs({ [side]: hashes.toReversed() });
      }
      const at = leaves.length === 0 ? -1 : bit % leaves.length;
      if (at >= 0) differs({}, leaves.with(at, flipped(leaves[at] as Uint8Array, bit)));
      if (leaves.length > 1) differs({}, leaves.toReversed());
    }),
  );
});

test("root: more or fewer entries than the proof is about are refused", () => {
  const proof = proofOf(3, 7, 20);
  for (const end of [6, 8]) {
    const given = () => rootOfRange(proof, leafHashes(3, end), sha256);
    expect(given).toThrow(NoteProblem);
    expect(given).toThrow(`is about 4 entries, and ${end - 3} were given`);
  }
});

test("parse: refuses each thing that the format forbids, and says which", () => {
  const text = encodeRangeProof(proofOf(6, 9, 13));
  const lines = text.split("\n");
  const without = (at: number) => lines.toSpliced(at, 1).join("\n");
  const bounds = (head: string) => [head, ...lines.slice(1)].join("\n");
  const shape = "must have 2 hashes, an empty line, and 3 hashes";
  for (const [wrong, message] of [
    ["", "first line must be range"],
    [`\n${text}`, "first line must be range"],
    [bounds("range 6 9"), "first line must be range"],
    [bounds("range 6 9 13 "), "first line must be range"],
    [bounds("range  6 9 13"), "first line must be range"],
    [bounds("Range 6 9 13"), "first line must be range"],
    [bounds("range 06 9 13"), "must be a number"],
    [bounds("range 6 9 9223372036854775808"), "must be a number"],
    [bounds("range 10 9 13"), "is no range of 13 entries"],
    [bounds("range 6 14 13"), "is no range of 13 entries"],
    [bounds("range 6 9 15"), "must have 2 hashes, an empty line, and 4 hashes"],
    ["range 6 9 13", shape],
    ...lines.slice(1).map((_, i) => [without(i + 1), shape] as const),
    [text.trimEnd(), shape],
    [`${text}\n`, shape],
    [[...lines.slice(0, 2), "", lines[2], ...lines.slice(4)].join("\n"), shape],
    [text.replace(lines[5] as string, "AAAA"), "hash 4: must be base64 of 32 bytes"],
    [text.replace(lines[1] as string, ""), "hash 1: must be base64 of 32 bytes"],
  ] as const) {
    expect(() => parseRangeProof(wrong)).toThrow(NoteProblem);
    expect(() => parseRangeProof(wrong)).toThrow(message);
  }
});

test("a proof with other hashes than its range needs is a broken promise", () => {
  const proof = proofOf(6, 9, 13);
  for (const wrong of [
    { left: proof.right },
    { right: proof.left },
    { end: 14n },
    { first: 10n },
  ]) {
    expect(() => encodeRangeProof({ ...proof, ...wrong })).toThrow(InvariantError);
    expect(() => new RangeTree({ ...proof, ...wrong }, sha256)).toThrow(InvariantError);
  }
});
