/** SHA-256 of bytes; the edge passes it in. */
export type Sha256 = (bytes: Uint8Array) => Uint8Array;

const LEAF_PREFIX = 0x00;
const NODE_PREFIX = 0x01;
const HASH_BYTES = 32;

/** RFC 6962 §2.1: the hash of a leaf is `SHA-256(0x00 || leaf)`. */
export function leafHash(leaf: Uint8Array, sha256: Sha256): Uint8Array {
  const prefixed = new Uint8Array(leaf.length + 1);
  prefixed[0] = LEAF_PREFIX;
  prefixed.set(leaf, 1);
  return sha256(prefixed);
}

/** RFC 6962 §2.1: the hash of an inner node is `SHA-256(0x01 || left || right)`. */
function nodeHash(left: Uint8Array, right: Uint8Array, sha256: Sha256): Uint8Array {
  const bytes = new Uint8Array(1 + 2 * HASH_BYTES);
  bytes[0] = NODE_PREFIX;
  bytes.set(left, 1);
  bytes.set(right, 1 + HASH_BYTES);
  return sha256(bytes);
}

/**
 * A growing RFC 6962 tree, kept as the roots of its complete subtrees: one 32-byte hash for each bit
 * that is set in its size, largest subtree first.
 */
export class TreeFrontier {
  #size = 0n;
  readonly #roots: Uint8Array[] = [];
  readonly #sha256: Sha256;

  constructor(sha256: Sha256) {
    this.#sha256 = sha256;
  }

  get size(): bigint {
    return this.#size;
  }

  /** Adds the next leaf's bytes. */
  append(leaf: Uint8Array): void {
    let hash = leafHash(leaf, this.#sha256);
    // Each trailing one bit of the size is a complete subtree of the same height: they join.
    for (let size = this.#size; size % 2n === 1n; size /= 2n) {
      const left = this.#roots.pop() as Uint8Array;
      hash = nodeHash(left, hash, this.#sha256);
    }
    this.#roots.push(hash);
    this.#size += 1n;
  }

  /** The root over all leaves so far; of an empty tree the hash of nothing. */
  root(): Uint8Array {
    let root: Uint8Array | undefined;
    for (const subtree of this.#roots.toReversed()) {
      root = root === undefined ? subtree : nodeHash(subtree, root, this.#sha256);
    }
    return root ?? this.#sha256(new Uint8Array(0));
  }
}
