import { assert } from "./assert.ts";
import {
  HASH_BYTES,
  hashBetween,
  nodeHash,
  type Sha256,
  type Subtree,
  type SubtreeReader,
  subtreesBetween,
} from "./merkle.ts";

/** Leaves from `start` to before `end` under one node of the tree. */
interface Stretch {
  readonly start: bigint;
  readonly end: bigint;
}

/** RFC 6962 splits n > 1 leaves at the largest power of two that is less than n. */
function splitOf({ start, end }: Stretch): bigint {
  let width = 1n;
  while (width * 2n < end - start) width *= 2n;
  return start + width;
}

/** The siblings on the way from a leaf up to the root: PATH of RFC 6962 §2.1.1. */
function inclusionStretches(index: bigint, size: bigint): Stretch[] {
  const stretches: Stretch[] = [];
  let node: Stretch = { end: size, start: 0n };
  while (node.end - node.start > 1n) {
    const split = splitOf(node);
    const [left, right] = [
      { end: split, start: node.start },
      { end: node.end, start: split },
    ] as const;
    stretches.push(index < split ? right : left);
    node = index < split ? left : right;
  }
  return stretches.toReversed();
}

/**
 * PROOF of RFC 6962 §2.1.2, from the bottom up. Where the old tree is itself a node of the new one
 * nothing but siblings is in it; otherwise the first stretch is the old tree's last complete subtree.
 */
function consistencyStretches(from: bigint, to: bigint): Stretch[] {
  // Every tree continues the empty one, and itself.
  if (from === 0n || from === to) return [];
  const stretches: Stretch[] = [];
  let node: Stretch = { end: to, start: 0n };
  while (node.end !== from) {
    const split = splitOf(node);
    const [left, right] = [
      { end: split, start: node.start },
      { end: node.end, start: split },
    ] as const;
    stretches.push(from <= split ? right : left);
    node = from <= split ? left : right;
  }
  if (node.start > 0n) stretches.push(node);
  return stretches.toReversed();
}

function subtreesOf(stretches: readonly Stretch[]): Subtree[] {
  return stretches.flatMap(({ start, end }) => subtreesBetween(start, end));
}

function checkInclusion(index: bigint, size: bigint): void {
  assert(index >= 0n && index < size, `a tree of ${size} leaves has no leaf ${index}`);
}

function checkConsistency(from: bigint, to: bigint): void {
  assert(from >= 0n && from <= to, `a tree of ${to} leaves has no older one of ${from}`);
}

/**
 * The complete subtrees that `inclusionProof` will read.
 * @throws InvariantError when the tree has no such leaf.
 */
export function subtreesOfInclusion(index: bigint, size: bigint): readonly Subtree[] {
  checkInclusion(index, size);
  return subtreesOf(inclusionStretches(index, size));
}

/**
 * The complete subtrees that `consistencyProof` will read.
 * @throws InvariantError when `from` is greater than `to`.
 */
export function subtreesOfConsistency(from: bigint, to: bigint): readonly Subtree[] {
  checkConsistency(from, to);
  return subtreesOf(consistencyStretches(from, to));
}

/** Complete subtrees that cover what lies before and behind a range, each left to right. */
export interface SubtreesOfRange {
  readonly left: readonly Subtree[];
  readonly right: readonly Subtree[];
}

/**
 * The complete subtrees that a proof of the leaves from `first` to before `end` is made of.
 * @throws InvariantError when the range does not lie in the tree.
 */
export function subtreesOfRange(first: bigint, end: bigint, size: bigint): SubtreesOfRange {
  assert(
    first >= 0n && first <= end && end <= size,
    `a tree of ${size} leaves has no range from ${first} to ${end}`,
  );
  return { left: subtreesBetween(0n, first), right: subtreesBetween(end, size) };
}

/**
 * The audit path of RFC 6962 §2.1.1, from the leaf's sibling to the root's child.
 * @throws InvariantError when the tree has no such leaf.
 */
export function inclusionProof(
  index: bigint,
  size: bigint,
  read: SubtreeReader,
  sha256: Sha256,
): Uint8Array[] {
  checkInclusion(index, size);
  const stretches = inclusionStretches(index, size);
  return stretches.map(({ start, end }) => hashBetween(start, end, read, sha256));
}

/**
 * The proof of RFC 6962 §2.1.2 that the tree of `to` leaves continues the one of `from`; empty when
 * one of them is empty or they are the same.
 * @throws InvariantError when `from` is greater than `to`.
 */
export function consistencyProof(
  from: bigint,
  to: bigint,
  read: SubtreeReader,
  sha256: Sha256,
): Uint8Array[] {
  checkConsistency(from, to);
  const stretches = consistencyStretches(from, to);
  return stretches.map(({ start, end }) => hashBetween(start, end, read, sha256));
}

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, i) => byte === right[i]);
}

const isHash = (hash: Uint8Array) => hash.length === HASH_BYTES;

export interface InclusionClaim {
  readonly index: bigint;
  readonly size: bigint;
  /** The leaf's hash. */
  readonly leaf: Uint8Array;
  readonly path: readonly Uint8Array[];
  readonly root: Uint8Array;
}

/** Whether the path leads from the leaf's hash, in its place, to the root. */
export function verifyInclusion(claim: InclusionClaim, sha256: Sha256): boolean {
  const { index, size, leaf, path, root } = claim;
  if (index < 0n || index >= size || !isHash(leaf) || !path.every(isHash)) return false;
  const stretches = inclusionStretches(index, size);
  if (stretches.length !== path.length) return false;
  let hash = leaf;
  for (const [i, sibling] of path.entries()) {
    const onTheRight = (stretches[i] as Stretch).start > index;
    hash = onTheRight ? nodeHash(hash, sibling, sha256) : nodeHash(sibling, hash, sha256);
  }
  return sameBytes(hash, root);
}

export interface ConsistencyClaim {
  readonly from: bigint;
  readonly fromRoot: Uint8Array;
  readonly to: bigint;
  readonly toRoot: Uint8Array;
  readonly path: readonly Uint8Array[];
}

/** Whether the path shows that the tree of `toRoot` begins with all leaves of the one of `fromRoot`. */
export function verifyConsistency(claim: ConsistencyClaim, sha256: Sha256): boolean {
  const { from, fromRoot, to, toRoot, path } = claim;
  if (from < 0n || from > to || !isHash(toRoot) || !path.every(isHash)) return false;
  const stretches = consistencyStretches(from, to);
  if (stretches.length !== path.length) return false;
  if (from === to) return sameBytes(fromRoot, toRoot);
  if (from === 0n) return sameBytes(fromRoot, sha256(new Uint8Array(0)));
  const [lowest] = stretches as [Stretch, ...Stretch[]];
  // The old tree is a node of the new one where all siblings lie behind it.
  const isNode = lowest.end !== from;
  const seed = isNode ? fromRoot : (path[0] as Uint8Array);
  let [older, newer] = [seed, seed];
  for (const [i, sibling] of path.entries()) {
    if (i === 0 && !isNode) continue;
    if ((stretches[i] as Stretch).start >= from) {
      newer = nodeHash(newer, sibling, sha256);
    } else {
      older = nodeHash(sibling, older, sha256);
      newer = nodeHash(sibling, newer, sha256);
    }
  }
  return sameBytes(older, fromRoot) && sameBytes(newer, toRoot);
}
