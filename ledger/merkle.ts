import { assert } from "./assert.ts";

/** SHA-256 of bytes; the edge passes it in. */
export type Sha256 = (bytes: Uint8Array) => Uint8Array;

const LEAF_PREFIX = 0x00;
const NODE_PREFIX = 0x01;

/** Bytes of every hash in a tree. */
export const HASH_BYTES = 32;

/** RFC 6962 §2.1: the hash of a leaf is `SHA-256(0x00 || leaf)`. */
export function leafHash(leaf: Uint8Array, sha256: Sha256): Uint8Array {
  const prefixed = new Uint8Array(leaf.length + 1);
  prefixed[0] = LEAF_PREFIX;
  prefixed.set(leaf, 1);
  return sha256(prefixed);
}

/** RFC 6962 §2.1: the hash of an inner node is `SHA-256(0x01 || left || right)`. */
export function nodeHash(left: Uint8Array, right: Uint8Array, sha256: Sha256): Uint8Array {
  const bytes = new Uint8Array(1 + 2 * HASH_BYTES);
  bytes[0] = NODE_PREFIX;
  bytes.set(left, 1);
  bytes.set(right, 1 + HASH_BYTES);
  return sha256(bytes);
}

/** A complete subtree: the `2 ** level` leaves from leaf `index * 2 ** level` on. Its hash never changes. */
export interface Subtree {
  readonly level: number;
  readonly index: bigint;
}

/** The hash of a complete subtree. It throws when it has none: callers read ahead what will be asked. */
export type SubtreeReader = (level: number, index: bigint) => Uint8Array;

/**
 * The fewest complete subtrees that cover the leaves from `start` to before `end`, left to right: at
 * each position the largest one that is aligned there and ends within.
 */
export function subtreesBetween(start: bigint, end: bigint): Subtree[] {
  const subtrees: Subtree[] = [];
  let at = start;
  while (at < end) {
    let level = 0;
    let width = 1n;
    while (at % (width * 2n) === 0n && at + width * 2n <= end) {
      level += 1;
      width *= 2n;
    }
    subtrees.push({ index: at / width, level });
    at += width;
  }
  return subtrees;
}

/** Joins adjacent subtrees, given left to right, as RFC 6962 does: the smaller ones on the right first. */
function joined(subtrees: readonly Uint8Array[], sha256: Sha256): Uint8Array {
  let root: Uint8Array | undefined;
  for (const subtree of subtrees.toReversed()) {
    root = root === undefined ? subtree : nodeHash(subtree, root, sha256);
  }
  return root ?? sha256(new Uint8Array(0));
}

/**
 * The hash over the leaves from `start` to before `end`, where `start` is aligned as the splits of RFC
 * 6962 are; of no leaves the hash of nothing.
 */
export function hashBetween(
  start: bigint,
  end: bigint,
  read: SubtreeReader,
  sha256: Sha256,
): Uint8Array {
  const hashes = subtreesBetween(start, end).map(({ level, index }) => read(level, index));
  return joined(hashes, sha256);
}

/** The root of the tree over the first `size` leaves, from its complete subtrees. */
export function rootOf(size: bigint, read: SubtreeReader, sha256: Sha256): Uint8Array {
  return hashBetween(0n, size, read, sha256);
}

/** What is kept of a tree to go on growing it: a hash for each bit set in its size, largest subtree first. */
export interface SavedFrontier {
  readonly size: bigint;
  readonly roots: readonly Uint8Array[];
}

/** A growing RFC 6962 tree, kept as the roots of its complete subtrees. */
export class TreeFrontier {
  #size = 0n;
  /** One 32-byte hash for each bit that is set in the size, largest subtree first. */
  readonly #roots: Uint8Array[] = [];
  readonly #sha256: Sha256;

  constructor(sha256: Sha256) {
    this.#sha256 = sha256;
  }

  /**
   * The frontier that was `saved()`.
   * @throws InvariantError when the hashes are not those of a tree of that size.
   */
  static restored(size: bigint, roots: readonly Uint8Array[], sha256: Sha256): TreeFrontier {
    const subtrees = subtreesBetween(0n, size);
    assert(
      size >= 0n && subtrees.length === roots.length,
      `a tree of ${size} leaves has ${subtrees.length} complete subtrees, not ${roots.length}`,
    );
    const tree = new TreeFrontier(sha256);
    for (const [i, { level }] of subtrees.entries()) {
      tree.pushSubtree(level, roots[i] as Uint8Array);
    }
    return tree;
  }

  get size(): bigint {
    return this.#size;
  }

  /** Adds the next leaf's bytes. */
  append(leaf: Uint8Array): void {
    this.pushSubtree(0, leafHash(leaf, this.#sha256));
  }

  /**
   * Adds the next `2 ** level` leaves by the hash of their complete subtree; at level 0 a leaf's hash.
   * @throws InvariantError when no such subtree begins at the present size, or it is no hash.
   */
  pushSubtree(level: number, subtree: Uint8Array): void {
    const width = 1n << BigInt(level);
    assert(this.#size % width === 0n, `no subtree of ${width} leaves begins at ${this.#size}`);
    assert(subtree.length === HASH_BYTES, `a hash has 32 bytes, not ${subtree.length}`);
    let hash = subtree;
    // Each further one bit of the size is a complete subtree of the same height: they join.
    for (let units = this.#size / width; units % 2n === 1n; units /= 2n) {
      hash = nodeHash(this.#roots.pop() as Uint8Array, hash, this.#sha256);
    }
    this.#roots.push(hash);
    this.#size += width;
  }

  /** The root over all leaves so far; of an empty tree the hash of nothing. */
  root(): Uint8Array {
    return joined(this.#roots, this.#sha256);
  }

  /** What `restored` needs to go on from here. */
  saved(): SavedFrontier {
    return { roots: [...this.#roots], size: this.#size };
  }
}
