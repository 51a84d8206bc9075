/**
 * Goal: a tree that is continued from its tiles is the tree over all leaves, and every tile is cut as
 * C2SP tlog-tiles says. Method: compare with the tree grown leaf by leaf, over sizes of three levels.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { type SavedFrontier, TreeFrontier } from "../../ledger/merkle.ts";
import { sha256 } from "../../readmodel/node-crypto.ts";
import { edgeOf, type FullTile, GrowingTree, TILE_WIDTH } from "./growing-tree.ts";

const leaf = (index: number) => sha256(Buffer.from(String(index)));
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

const SIZE = TILE_WIDTH ** 2 + 3 * TILE_WIDTH + 17;
const LEAVES = Array.from({ length: SIZE }, (_, index) => leaf(index));

const tree = new GrowingTree(0n, [], sha256);
/** The tree grown leaf by leaf, as it was after each 256 of them. */
const frontier = new TreeFrontier(sha256);
const saved: SavedFrontier[] = [];
for (const [i, own] of LEAVES.entries()) {
  if (i % TILE_WIDTH === 0) saved.push(frontier.saved());
  tree.append(own);
  frontier.pushSubtree(0, own);
}
const tiles = new Map(tree.full.map((tile) => [`${tile.level}/${tile.index}`, tile]));

function rootOver(leaves: number): Uint8Array {
  const { size, roots } = saved[Math.floor(leaves / TILE_WIDTH)] as SavedFrontier;
  const rest = TreeFrontier.restored(size, roots, sha256);
  for (const own of LEAVES.slice(Number(size), leaves)) rest.pushSubtree(0, own);
  return rest.root();
}

/** The roots that a tree of a size is continued from. */
function edgeRoots(size: bigint): Uint8Array[] {
  return edgeOf(size).flatMap(({ level, first, end }) =>
    Array.from({ length: Number(end - first) }, (_, i) => {
      return tiles.get(`${level}/${first + BigInt(i)}`)?.root as Uint8Array;
    }),
  );
}

describe("GrowingTree", () => {
  test("tiles: one for every 256 hashes of a level, with their root", () => {
    expect(tiles.size).toBe(TILE_WIDTH + 3 + 1);
    const first = tiles.get("0/1") as FullTile;
    expect(hex(first.hashes.slice(0, 32))).toBe(hex(leaf(256)));
    expect(hex(first.hashes.slice(-32))).toBe(hex(leaf(511)));
    const above = tiles.get("1/0") as FullTile;
    expect(hex(above.hashes.slice(32, 64))).toBe(hex(first.root));
    expect(hex(above.root)).toBe(hex(rootOver(TILE_WIDTH ** 2)));
    expect(tiles.has("2/0")).toBe(false);
    expect(hex(tree.root())).toBe(hex(frontier.root()));
  });

  test("continue: from any full tile on it is the same tree with the same tiles", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: Math.floor(SIZE / TILE_WIDTH) }),
        fc.integer({ min: 0, max: 700 }),
        (full, more) => {
          const start = full * TILE_WIDTH;
          const end = Math.min(SIZE, start + more);
          const own = new GrowingTree(BigInt(start), edgeRoots(BigInt(start)), sha256);
          for (const hash of LEAVES.slice(start, end)) own.append(hash);
          expect(own.size).toBe(BigInt(end));
          for (const tile of own.full) {
            expect(tile).toEqual(tiles.get(`${tile.level}/${tile.index}`));
          }
          expect(hex(own.root())).toBe(hex(rootOver(end)));
        },
      ),
      { numRuns: 40 },
    );
  });

  test("edge: the largest subtrees first, as few tiles as there are", () => {
    expect(edgeOf(0n)).toEqual([]);
    expect(edgeOf(512n)).toEqual([{ level: 0, first: 0n, end: 2n }]);
    expect(edgeOf(BigInt(TILE_WIDTH ** 2))).toEqual([{ level: 1, first: 0n, end: 1n }]);
    expect(edgeOf(BigInt(2 * TILE_WIDTH ** 2 + 256))).toEqual([
      { level: 1, first: 0n, end: 2n },
      { level: 0, first: 512n, end: 513n },
    ]);
    expect(() => edgeOf(255n)).toThrow("does not end a full tile");
    expect(() => new GrowingTree(512n, [leaf(1)], sha256)).toThrow("do not make a tree of 512");
  });
});
