import { hash } from "node:crypto";
import { TreeFrontier } from "../../ledger/merkle.ts";
import { type RangeProof, RangeTree } from "../../ledger/range-proof.ts";
import { sha256 } from "../../readmodel/node-crypto.ts";

const LINE_FEED = 0x0a;
const HASH_BYTES = 32;
/** The longest entry and the prefix of a leaf. */
const LEAF_BYTES_MAX = 65_536;

/** What a hasher is to find out besides the hashes of the lines. */
export interface HashTask {
  /** Sizes at which the root over the lines so far is wanted. */
  readonly sizes: readonly bigint[];
  /** For lines out of the middle of a log: what stands before and behind them. */
  readonly range?: RangeProof;
}

/** What was found out of the tree, once all lines are in. */
export interface Roots {
  /** Roots at those of the sizes asked for that were reached. */
  readonly at: ReadonlyMap<bigint, Uint8Array>;
  /** The root over everything; of a range that of its log. */
  readonly root: Uint8Array;
}

/** Splits bytes at line feeds; what stands behind the last one is a line too. */
export function* linesOf(bytes: Uint8Array): Generator<Uint8Array, void, undefined> {
  let from = 0;
  while (from < bytes.length) {
    const at = bytes.indexOf(LINE_FEED, from);
    const end = at < 0 ? bytes.length : at;
    yield bytes.subarray(from, end);
    from = end + 1;
  }
}

/** Hashes lines and grows their tree: beside the reader, or in a thread of its own. */
export class LineHasher {
  readonly #range: RangeTree | undefined;
  readonly #tree = new TreeFrontier(sha256);
  readonly #wanted: ReadonlySet<bigint>;
  readonly #at = new Map<bigint, Uint8Array>();
  /** Prefix and bytes of one leaf; the prefix is the zero that is there. */
  readonly #leaf = new Uint8Array(LEAF_BYTES_MAX);

  constructor(task: HashTask) {
    this.#wanted = new Set(task.sizes);
    this.#range = task.range === undefined ? undefined : new RangeTree(task.range, sha256);
    this.#note();
  }

  /** Hashes the lines of a chunk. @returns their SHA-256, 32 bytes each, in order */
  chunk(bytes: Uint8Array): Uint8Array {
    const hashes: Uint8Array[] = [];
    for (const line of linesOf(bytes)) {
      hashes.push(sha256(line));
      this.append(line);
    }
    return Buffer.concat(hashes, hashes.length * HASH_BYTES);
  }

  /** Adds one line to the tree. */
  append(line: Uint8Array): void {
    const leaf = this.#leafHash(line);
    if (this.#range === undefined) {
      this.#tree.pushSubtree(0, leaf);
      this.#note();
    } else {
      this.#range.appendHash(leaf);
    }
  }

  /** @throws NoteProblem when a range proof is about another number of lines */
  roots(): Roots {
    return { at: this.#at, root: this.#range?.root() ?? this.#tree.root() };
  }

  #note(): void {
    const { size } = this.#tree;
    if (this.#wanted.has(size)) this.#at.set(size, this.#tree.root());
  }

  #leafHash(line: Uint8Array): Uint8Array {
    // A line that is too long for an entry is refused for that; its hash is nobody's.
    const bytes = line.length < LEAF_BYTES_MAX ? line : line.subarray(0, LEAF_BYTES_MAX - 1);
    this.#leaf.set(bytes, 1);
    return sha256(this.#leaf.subarray(0, bytes.length + 1));
  }
}

/** SHA-256 of a line, hex. */
export function lineHash(line: Uint8Array | string): string {
  return hash("sha256", line, "hex");
}

/** The hash at place `i` of what {@link LineHasher.chunk} gave, hex. */
export function hashAt(hashes: Uint8Array, i: number): string {
  return Buffer.from(hashes.buffer, hashes.byteOffset + i * HASH_BYTES, HASH_BYTES).toString("hex");
}
