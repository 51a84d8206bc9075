/**
 * Proofs that entries in a row are leaves of a tree, all of them and nothing between: the hashes of the
 * complete subtrees that cover what lies before and behind. Whoever has the entries grows the tree from
 * the left ones, appends the entries, pushes the right ones, and must come out at the root.
 */
import { assert } from "./assert.ts";
import { leafHash, type Sha256, type Subtree, TreeFrontier } from "./merkle.ts";
import { type SubtreesOfRange, subtreesOfRange } from "./merkle-proofs.ts";
import { hashLine, parseHash, parseSize } from "./proof-text.ts";
import { NoteProblem } from "./signed-note.ts";

export interface RangeProof {
  /** Index of the first leaf, from 0. */
  readonly first: bigint;
  /** Index of the leaf behind the last. */
  readonly end: bigint;
  /** Leaves of the whole tree. */
  readonly size: bigint;
  /** Hashes of the subtrees that cover [0, first), left to right. */
  readonly left: readonly Uint8Array[];
  /** Hashes of the subtrees that cover [end, size), left to right. */
  readonly right: readonly Uint8Array[];
}

/** The subtrees that the hashes of a proof stand for. @throws InvariantError when they do not match. */
function subtreesOfProof(proof: RangeProof): SubtreesOfRange {
  const { first, end, size, left, right } = proof;
  const subtrees = subtreesOfRange(first, end, size);
  assert(left.length === subtrees.left.length, `${left.length} hashes do not cover [0, ${first})`);
  assert(
    right.length === subtrees.right.length,
    `${right.length} hashes do not cover [${end}, ${size})`,
  );
  return subtrees;
}

/** The proof as text. @throws InvariantError when it has other hashes than its range needs. */
export function encodeRangeProof(proof: RangeProof): string {
  subtreesOfProof(proof);
  const { first, end, size, left, right } = proof;
  const before = left.map(hashLine).join("");
  const behind = right.map(hashLine).join("");
  return `range ${first} ${end} ${size}\n${before}\n${behind}`;
}

/**
 * Reads the text of a range proof.
 * @throws NoteProblem when it is not in the format, or has more or fewer hashes than the range needs.
 */
export function parseRangeProof(text: string): RangeProof {
  const [head = "", ...lines] = text.split("\n");
  const [, ...bounds] = /^range ([^ ]+) ([^ ]+) ([^ ]+)$/.exec(head) ?? [];
  const [first, end, size] = bounds.map((bound) => parseSize(bound, "range proof: first line"));
  if (first === undefined || end === undefined || size === undefined) {
    throw new NoteProblem("range proof: its first line must be range, first, end, and size");
  }
  if (first > end || end > size) {
    throw new NoteProblem(`range proof: [${first}, ${end}) is no range of ${size} entries`);
  }
  const subtrees = subtreesOfRange(first, end, size);
  const split = subtrees.left.length;
  const expected = split + subtrees.right.length;
  // An empty line stands between the two stretches, and the last line ends in a line feed.
  const shaped = lines.length === expected + 2 && lines[split] === "" && lines.at(-1) === "";
  if (!shaped) {
    throw new NoteProblem(
      `range proof: must have ${split} hashes, an empty line, and ${expected - split} hashes`,
    );
  }
  const hashes = lines
    .filter((_, i) => i !== split && i !== expected + 1)
    .map((line, i) => parseHash(line, `range proof: hash ${i + 1}`));
  return { end, first, left: hashes.slice(0, split), right: hashes.slice(split), size };
}

function pushAll(
  tree: TreeFrontier,
  subtrees: readonly Subtree[],
  hashes: readonly Uint8Array[],
): void {
  for (const [i, { level }] of subtrees.entries()) {
    tree.pushSubtree(level, hashes[i] as Uint8Array);
  }
}

/** Grows the tree that a range proof belongs to, entry by entry. */
export class RangeTree {
  readonly #proof: RangeProof;
  readonly #right: readonly Subtree[];
  readonly #tree: TreeFrontier;
  readonly #sha256: Sha256;

  /** @throws InvariantError when the proof has other hashes than its range needs. */
  constructor(proof: RangeProof, sha256: Sha256) {
    const { left, right } = subtreesOfProof(proof);
    this.#proof = proof;
    this.#right = right;
    this.#sha256 = sha256;
    this.#tree = new TreeFrontier(sha256);
    pushAll(this.#tree, left, proof.left);
  }

  /** Adds the bytes of the next entry. */
  append(leaf: Uint8Array): void {
    this.appendHash(leafHash(leaf, this.#sha256));
  }

  /** Adds the leaf hash of the next entry. */
  appendHash(hash: Uint8Array): void {
    this.#tree.pushSubtree(0, hash);
  }

  /**
   * The root that the checkpoint must have, once all entries are in.
   * @throws NoteProblem when they are more or fewer than the proof is about.
   */
  root(): Uint8Array {
    const { first, end, right } = this.#proof;
    if (this.#tree.size !== end) {
      const given = this.#tree.size - first;
      throw new NoteProblem(
        `range proof: is about ${end - first} entries, and ${given} were given`,
      );
    }
    const saved = this.#tree.saved();
    const whole = TreeFrontier.restored(saved.size, saved.roots, this.#sha256);
    pushAll(whole, this.#right, right);
    return whole.root();
  }
}

/**
 * The root that the leaves of a range lead to by their proof.
 * @throws NoteProblem when they are more or fewer than the proof is about.
 */
export function rootOfRange(
  proof: RangeProof,
  leafHashes: Iterable<Uint8Array>,
  sha256: Sha256,
): Uint8Array {
  const tree = new RangeTree(proof, sha256);
  for (const hash of leafHashes) tree.appendHash(hash);
  return tree.root();
}
