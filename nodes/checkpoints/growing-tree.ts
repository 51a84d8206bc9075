import { assert } from "../../ledger/assert.ts";
import { HASH_BYTES, type Sha256, TreeFrontier } from "../../ledger/merkle.ts";

/** Hashes in a full tile, and the levels of the tree that one level of tiles spans. */
export const TILE_WIDTH = 256;
const TILE_HEIGHT = 8;

/** A full tile (C2SP tlog-tiles): `hashes` are roots of subtrees of 256 ** level leaves each. */
export interface FullTile {
  readonly level: number;
  readonly index: bigint;
  /** 256 hashes one behind the other. */
  readonly hashes: Uint8Array;
  /** The root over them: a hash of the level above. */
  readonly root: Uint8Array;
}

/** A stretch of full tiles of one level, from `first` to before `end`. */
export interface TileStretch {
  readonly level: number;
  readonly first: bigint;
  readonly end: bigint;
}

/**
 * The tiles whose roots a tree of `size` is continued from: at each level those under the tile that is
 * not full there yet, the highest level first. `size` must end a full tile.
 */
export function edgeOf(size: bigint): readonly TileStretch[] {
  const width = BigInt(TILE_WIDTH);
  assert(size >= 0n && size % width === 0n, `a tree of ${size} leaves does not end a full tile`);
  const stretches: TileStretch[] = [];
  let tiles = size / width;
  for (let level = 0; tiles > 0n; level += 1) {
    const first = tiles - (tiles % width);
    if (first < tiles) stretches.unshift({ level, first, end: tiles });
    tiles /= width;
  }
  return stretches;
}

/** A Merkle tree that grows by leaf hashes and hands out each tile that becomes full. */
export class GrowingTree {
  readonly #sha256: Sha256;
  readonly #frontier: TreeFrontier;
  /** By level of tiles: the hashes that are in no full tile yet. */
  readonly #edge: Uint8Array[][] = [];
  readonly #full: FullTile[] = [];

  /**
   * @param size leaves so far; it must end a full tile.
   * @param roots the roots of the tiles of `edgeOf(size)`, in that order.
   * @throws InvariantError when they are more or fewer.
   */
  constructor(size: bigint, roots: readonly Uint8Array[], sha256: Sha256) {
    this.#sha256 = sha256;
    this.#frontier = new TreeFrontier(sha256);
    let taken = 0;
    for (const { level, first, end } of edgeOf(size)) {
      const own = roots.slice(taken, taken + Number(end - first));
      taken += own.length;
      this.#edge[level + 1] = own;
      for (const root of own) this.#frontier.pushSubtree((level + 1) * TILE_HEIGHT, root);
    }
    assert(
      taken === roots.length && this.#frontier.size === size,
      `${roots.length} roots of tiles do not make a tree of ${size} leaves`,
    );
  }

  get size(): bigint {
    return this.#frontier.size;
  }

  /** Tiles that have become full since it was made, in the order in which they have. */
  get full(): readonly FullTile[] {
    return this.#full;
  }

  root(): Uint8Array {
    return this.#frontier.root();
  }

  /** Adds the next leaf by its hash. */
  append(leaf: Uint8Array): void {
    this.#frontier.pushSubtree(0, leaf);
    this.#add(0, leaf);
  }

  #add(level: number, hash: Uint8Array): void {
    const edge = this.#edge[level] ?? [];
    this.#edge[level] = edge;
    edge.push(hash);
    if (edge.length < TILE_WIDTH) return;
    this.#edge[level] = [];
    const below = BigInt(TILE_WIDTH) ** BigInt(level + 1);
    const tile = { level, index: this.size / below - 1n, ...packed(edge, this.#sha256) };
    this.#full.push(tile);
    this.#add(level + 1, tile.root);
  }
}

function packed(
  hashes: readonly Uint8Array[],
  sha256: Sha256,
): { readonly hashes: Uint8Array; readonly root: Uint8Array } {
  const bytes = new Uint8Array(TILE_WIDTH * HASH_BYTES);
  const subtree = new TreeFrontier(sha256);
  for (const [i, hash] of hashes.entries()) {
    bytes.set(hash, i * HASH_BYTES);
    subtree.pushSubtree(0, hash);
  }
  return { hashes: bytes, root: subtree.root() };
}
