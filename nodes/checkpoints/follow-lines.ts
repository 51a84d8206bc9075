import { hash } from "node:crypto";

import { EMPTY_CHAIN } from "../../ledger/chain.ts";
import { LogFault } from "./log-fault.ts";

/** An entry as Postgres has it. */
export interface StoredLine {
  readonly seq: bigint;
  /** The canonical bytes. */
  readonly line: Buffer;
  /** What the table says is their SHA-256, hex. */
  readonly hash: string;
}

/** The end of a piece of a chain. */
export interface ChainEnd {
  readonly seq: bigint;
  /** SHA-256 of the line at `seq`, hex. */
  readonly hash: string;
}

interface WireLink {
  readonly seq?: unknown;
  readonly ws?: unknown;
  readonly prev?: unknown;
}

/**
 * Checks that stored lines are entries in a row, each naming the hash of the one before it. That they
 * are those that were written follows when the last one is.
 * @param first the sequence that is due first; its `prev` is checked only where that is 1.
 * @returns the end of the piece, or `undefined` for no lines.
 * @throws LogFault at the first line that is not what it should be.
 */
export function followLines(
  ws: string,
  first: bigint,
  lines: readonly StoredLine[],
): ChainEnd | undefined {
  let end: ChainEnd | undefined = first === 1n ? EMPTY_CHAIN : undefined;
  let due = first;
  for (const { seq, line, hash: told } of lines) {
    if (seq !== due) throw new LogFault(ws, due, `entry ${due} is missing in Postgres`);
    const lineHash = hash("sha256", line);
    if (lineHash !== told) {
      throw new LogFault(ws, seq, `the line of entry ${seq} is not what its hash says`);
    }
    const link = linkOf(line);
    if (link?.ws !== ws || link.seq !== String(seq)) {
      throw new LogFault(ws, seq, `the line of entry ${seq} is not that of this entry`);
    }
    if (end !== undefined && link.prev !== end.hash) {
      throw new LogFault(ws, seq, `entry ${seq} does not name the hash of entry ${seq - 1n}`);
    }
    end = { seq, hash: lineHash };
    due += 1n;
  }
  return lines.length === 0 ? undefined : end;
}

function linkOf(line: Buffer): WireLink | undefined {
  try {
    return JSON.parse(line.toString("utf8")) as WireLink;
  } catch {
    // What is no JSON is no entry, and is named so.
    return undefined;
  }
}
