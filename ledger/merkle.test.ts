/**
 * Goal: the root is that of RFC 6962, whatever the size.
 * Method: the reference leaves and roots of the Certificate Transparency project (merkle_tree_test.cc of
 * google/certificate-transparency), and the recursive definition of RFC 6962 §2.1 beside it.
 */
import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { leafHash, TreeFrontier } from "./merkle.ts";

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
