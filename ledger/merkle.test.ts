/**
 * Goal: the root is that of RFC 6962, whatever the size.
 * Method: the reference leaves and roots of the Certificate Transparency project (merkle_tree_test.cc of
 * google/certificate-transparency), and the recursive definition of RFC 6962 §2.1 beside it. A tree that
 * was saved, or grown by whole subtrees, must not be told from one grown leaf by leaf.
 */
import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { InvariantError } from "./assert.ts";
import { leafHash, rootOf, subtreesBetween, TreeFrontier } from "./merkle.ts";
import { NaiveTree, numberedLeaves } from "./testing/log.ts";

const sha256 = (bytes: Uint8Array): Uint8Array => createHash("sha256").update(bytes).digest();
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

const LEAVES = [
  "",
  "00",
  "10",
  "2021",
  "3031",
  "40414243",
  "5051525354555657",
  "606162636465666768696a6b6c6d6e6f",
].map((leaf) => Uint8Array.from(Buffer.from(leaf, "hex")));
const ROOTS = [
  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

/** RFC 6962 §2.1, word for word. */
function treeHash(leaves: readonly Uint8Array[]): Uint8Array {
  const [only] = leaves;
  if (only === undefined) return sha256(new Uint8Array());
  if (leaves.length === 1) return sha256(Uint8Array.of(0, ...only));
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  const [left, right] = [treeHash(leaves.slice(0, split)), treeHash(leaves.slice(split))];
  return sha256(Uint8Array.of(1, ...left, ...right));
}

test("root: is the published one at every size from 0 to 8", () => {
  const tree = new TreeFrontier(sha256);
  const roots = [hex(tree.root())];
  for (const leaf of LEAVES) {
    tree.append(leaf);
    roots.push(hex(tree.root()));
  }
  expect(roots).toEqual(ROOTS);
  expect(tree.size).toBe(8n);
  expect(hex(leafHash(new Uint8Array(), sha256))).toBe(ROOTS[1]);
});

test("root: is that of the recursive definition, and asking for it changes nothing", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 8 }), { maxLength: 40 }), (leaves) => {
      const tree = new TreeFrontier(sha256);
      for (const leaf of leaves) {
        tree.append(leaf);
        tree.root();
      }
      expect(hex(tree.root())).toBe(hex(treeHash(leaves)));
      expect(tree.size).toBe(BigInt(leaves.length));
    }),
    { numRuns: 30 },
  );
});

const SIZES = 300;
const NUMBERED = numberedLeaves(SIZES);
const NAIVE = new NaiveTree(NUMBERED);

test("root: from complete subtrees alone it is the same, at every size up to 300", () => {
  const tree = new TreeFrontier(sha256);
  for (let size = 0; size <= SIZES; size += 1) {
    const { read } = NAIVE.reader(BigInt(size));
    expect(hex(rootOf(BigInt(size), read, sha256))).toBe(hex(tree.root()));
    if (size < SIZES) tree.append(NUMBERED[size] as Uint8Array);
  }
});

test("subtreesBetween: covers a stretch without gap by aligned subtrees, and no two of them are one", () => {
  const bound = fc.integer({ max: 4096, min: 0 });
  fc.assert(
    fc.property(bound, bound, (a, b) => {
      const [start, end] = [BigInt(Math.min(a, b)), BigInt(Math.max(a, b))];
      let at = start;
      const subtrees = subtreesBetween(start, end);
      for (const { level, index } of subtrees) {
        expect(index * 2n ** BigInt(level)).toBe(at);
        at += 2n ** BigInt(level);
      }
      expect(at).toBe(end);
      const joinable = subtrees.some(({ level, index }, i) => {
        const next = subtrees[i + 1];
        return index % 2n === 0n && next?.level === level && next.index === index + 1n;
      });
      expect(joinable).toBe(false);
    }),
  );
});

test("saved: a tree goes on from it as if it had never been put down", () => {
  const size = fc.integer({ max: SIZES, min: 0 });
  fc.assert(
    fc.property(size, size, (a, b) => {
      const [first, last] = [Math.min(a, b), Math.max(a, b)];
      const before = new TreeFrontier(sha256);
      for (const leaf of NUMBERED.slice(0, first)) before.append(leaf);
      const saved = before.saved();
      const after = TreeFrontier.restored(saved.size, saved.roots, sha256);
      for (const leaf of NUMBERED.slice(first, last)) after.append(leaf);
      expect(hex(after.root())).toBe(hex(NAIVE.hash(0, last)));
      expect(after.size).toBe(BigInt(last));
      // Growing the copy has not changed what was saved.
      expect(saved).toEqual(before.saved());
      expect(hex(before.root())).toBe(hex(NAIVE.hash(0, first)));
      // Nor does growing the original.
      const roots = saved.roots.map(hex);
      before.append(new Uint8Array());
      expect(saved.roots.map(hex)).toEqual(roots);
    }),
  );
});

test("restored: other hashes than the size has are a broken promise", () => {
  const hash = sha256(new Uint8Array());
  const restore = (size: bigint, roots: Uint8Array[]) => () =>
    TreeFrontier.restored(size, roots, sha256);
  expect(restore(3n, [hash, hash])).not.toThrow();
  expect(restore(3n, [hash])).toThrow(InvariantError);
  expect(restore(4n, [hash, hash])).toThrow(InvariantError);
  expect(restore(-1n, [])).toThrow(InvariantError);
  expect(restore(1n, [hash.subarray(1)])).toThrow(InvariantError);
});

test("pushSubtree: grows the same tree in whatever pieces it comes", () => {
  const levels = fc.array(fc.integer({ max: 6, min: 0 }), { maxLength: 60 });
  fc.assert(
    fc.property(levels, (wanted) => {
      const tree = new TreeFrontier(sha256);
      for (const level of wanted) {
        const [at, width] = [Number(tree.size), 2 ** level];
        if (at + width > SIZES) break;
        const subtree = NAIVE.hash(at, at + width);
        if (at % width === 0) tree.pushSubtree(level, subtree);
        else expect(() => tree.pushSubtree(level, subtree)).toThrow(InvariantError);
      }
      expect(hex(tree.root())).toBe(hex(NAIVE.hash(0, Number(tree.size))));
    }),
  );
});
