/**
 * One step of a log: from what Postgres has of it to the tree that may be signed, or to why it may not.
 * Pure but for hashes: what is read stands in {@link LogPiece}.
 */
import { leafHash } from "../../ledger/merkle.ts";
import { sha256 } from "../../readmodel/node-crypto.ts";
import { type ChainEnd, followLines, type StoredLine } from "./follow-lines.ts";
import { type FullTile, GrowingTree, TILE_WIDTH } from "./growing-tree.ts";
import { LogFault } from "./log-fault.ts";

/** A size of the log and the root it had. */
export interface LogPoint {
  readonly size: bigint;
  readonly root: Uint8Array;
}

/** The lines of a log from its last full tile before `last` on. */
export interface LogPiece {
  readonly ws: string;
  /** The checkpoint to continue; size 0 where there is none. */
  readonly last: LogPoint;
  /** Roots of the tiles that the tree is continued from, as `edgeOf(startOf(last.size))` lists them. */
  readonly edge: readonly Uint8Array[];
  /** The last leaf hash before the start, where the start is not 0. */
  readonly lastLeaf: Uint8Array | undefined;
  /** Lines from {@link firstLineOf} on, in order. */
  readonly lines: readonly StoredLine[];
}

/** What a piece comes to. */
export interface ExtendedLog {
  readonly point: LogPoint;
  /** Its last entry. Whoever signs makes sure that the journal has it. */
  readonly end: ChainEnd;
  /** Full tiles from the start on, those among them that are stored already. */
  readonly tiles: readonly FullTile[];
}

const WIDTH = BigInt(TILE_WIDTH);

/** Leaves that are in full tiles once `size` was signed: from there on the lines are read again. */
export function startOf(size: bigint): bigint {
  return size - (size % WIDTH);
}

/** The first line to be read: the last leaf of the full tiles, which ties them to the lines behind. */
export function firstLineOf(size: bigint): bigint {
  const start = startOf(size);
  return start === 0n ? 1n : start;
}

/**
 * Hashes a piece of a log again, chain and tree, and compares it with what was signed.
 * @throws LogFault when a line is missing or wrong, or the tree is not the one that was signed.
 */
export function extendLog(piece: LogPiece): ExtendedLog {
  const { ws, last, edge, lastLeaf, lines } = piece;
  const first = firstLineOf(last.size);
  const end = followLines(ws, first, lines);
  if (end === undefined || end.seq < last.size) {
    const missing = end === undefined ? first : end.seq + 1n;
    throw new LogFault(ws, missing, `entry ${missing} was signed and is missing in Postgres`);
  }
  const tree = new GrowingTree(startOf(last.size), edge, sha256);
  const compare = () => {
    if (tree.size === last.size && !isSame(tree.root(), last.root)) {
      throw new LogFault(
        ws,
        last.size,
        `the root over its first ${last.size} entries is not the one that was signed: the log forks`,
      );
    }
  };
  compare();
  for (const { seq, line } of lines) {
    const leaf = leafHash(line, sha256);
    if (seq > tree.size) tree.append(leaf);
    else if (lastLeaf === undefined || !isSame(leaf, lastLeaf)) {
      throw new LogFault(ws, seq, `entry ${seq} is not the leaf that its tile ends with`);
    }
    compare();
  }
  return { point: { root: tree.root(), size: tree.size }, end, tiles: tree.full };
}

function isSame(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0;
}
