/**
 * The projection checks what it folds: every block against the one before it, every entry against its
 * workspace's chain. What does not fit was not written by an owner, or not stored as it was written.
 */
import { hash } from "node:crypto";

import { EMPTY_CHAIN } from "../ledger/chain.ts";
import { type Block, blockHash, decodeBlock } from "./block.ts";
import type { Batch, Position, ProjectedHead, WireEntry } from "./projector-batch.ts";

/** The journal and what has been projected from it disagree, at one message of one shard. */
export class ProjectionFault extends Error {
  override readonly name = "ProjectionFault";
  readonly code = "projection-fault";
  readonly outcome = "none";
  readonly streamSeq: number;

  constructor(streamSeq: number, message: string, cause?: unknown) {
    super(message, { cause });
    this.streamSeq = streamSeq;
  }
}

/** What a message of a journal is known by. */
export interface JournalRecord {
  readonly streamSeq: number;
  readonly bytes: Uint8Array;
  /** When the server stored it, ms since 1970. */
  readonly storedAt: number;
}

/** A new head of each workspace that a block moved; nothing is taken over before the whole block fits. */
interface VerifiedEntry {
  readonly entry: WireEntry;
  readonly line: string;
  readonly hash: string;
  readonly head: ProjectedHead;
}

const NO_HEAD: ProjectedHead = { ...EMPTY_CHAIN, epoch: 0n, at: "" };

/**
 * Verifies one block and adds its entries to a batch. When it throws, nothing of the block is written:
 * batch and heads are untouched, or the batch is spoiled.
 * @param heads the chains of the shard's workspaces, moved on by the block.
 * @throws ProjectionFault naming the entry and what is wrong with it.
 */
export function projectBlock(
  batch: Batch,
  heads: Map<string, ProjectedHead>,
  record: JournalRecord,
  journal: { readonly shard: number; readonly era: number },
): void {
  const { streamSeq } = record;
  const block = readBlock(record);
  const problem = headerProblem(block, batch.to, journal.shard, journal.era);
  if (problem !== undefined) throw new ProjectionFault(streamSeq, problem);
  const entries = verifyEntries(block, heads, streamSeq);
  for (const { entry, line, hash: lineHash, head } of entries) {
    try {
      batch.add(entry, { line, hash: lineHash, streamSeq, storedAt: record.storedAt }, head);
    } catch (cause) {
      // Half of the block is in the batch now. Nothing of the batch is written: the journal has it all.
      batch.spoil();
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new ProjectionFault(
        streamSeq,
        `entry ${entry.seq} of workspace ${entry.ws} cannot be folded: ${reason}`,
        cause,
      );
    }
    heads.set(entry.ws, head);
  }
  batch.to = { streamSeq, blockHash: blockHash(record.bytes), epoch: block.header.epoch };
}

/**
 * Moves a batch past a claim. Claims are in the stream but not in the chain of blocks.
 * @throws ProjectionFault when the claim does not raise the epoch.
 */
export function projectClaim(batch: Batch, streamSeq: number, epoch: bigint): void {
  const before = batch.to;
  if (epoch <= before.epoch) {
    throw new ProjectionFault(streamSeq, `a claim of epoch ${epoch} follows epoch ${before.epoch}`);
  }
  batch.to = { streamSeq, blockHash: before.blockHash, epoch };
}

function readBlock(record: JournalRecord): Block {
  try {
    return decodeBlock(record.bytes);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ProjectionFault(record.streamSeq, `it is no block: ${reason}`, cause);
  }
}

function headerProblem(
  block: Block,
  before: Position,
  shard: number,
  era: number,
): string | undefined {
  const { header } = block;
  if (header.shard !== shard || header.era !== era) {
    return `its header names shard ${header.shard} of era ${header.era}`;
  }
  // The fence keeps an older owner from appending; a block of an older epoch means that it did not.
  if (header.epoch < before.epoch) {
    return `it was written in epoch ${header.epoch}, after epoch ${before.epoch} had begun`;
  }
  if (header.prev !== before.blockHash) return "it does not name the block before it";
  return undefined;
}

function verifyEntries(
  block: Block,
  heads: ReadonlyMap<string, ProjectedHead>,
  streamSeq: number,
): VerifiedEntry[] {
  const moved = new Map<string, ProjectedHead>();
  return block.lines.map((line, index) => {
    const entry = readEntry(line);
    if (typeof entry === "string") {
      throw new ProjectionFault(streamSeq, `line ${index + 1} of its entries ${entry}`);
    }
    const head = moved.get(entry.ws) ?? heads.get(entry.ws) ?? NO_HEAD;
    const problem = entryProblem(entry, head, block.header.epoch);
    if (problem !== undefined) {
      throw new ProjectionFault(
        streamSeq,
        `entry ${entry.seq} of workspace ${entry.ws} (line ${index + 1}) ${problem}`,
      );
    }
    const lineHash = hash("sha256", line);
    const next = { seq: head.seq + 1n, hash: lineHash, epoch: block.header.epoch, at: entry.at };
    moved.set(entry.ws, next);
    return { entry, line, hash: lineHash, head: next };
  });
}

const KINDS: ReadonlySet<string> = new Set<WireEntry["kind"]>([
  "adjust",
  "authorize",
  "configure",
  "expire",
  "policy",
  "price",
  "release",
  "settle",
  "takeover",
  "void",
]);

/** The entry on a line, or what keeps it from being read. */
function readEntry(line: string): WireEntry | string {
  let entry: Partial<WireEntry> | null;
  try {
    entry = JSON.parse(line) as Partial<WireEntry> | null;
  } catch (cause) {
    return `is not JSON: ${cause instanceof Error ? cause.message : String(cause)}`;
  }
  for (const field of ["ws", "seq", "prev", "at", "epoch", "kind"] as const) {
    if (typeof entry?.[field] !== "string") return `has no ${field}`;
  }
  if (!KINDS.has(entry?.kind ?? "")) {
    return `is of kind ${entry?.kind}, which this version does not know: start the newer one`;
  }
  return entry as WireEntry;
}

function entryProblem(
  entry: WireEntry,
  head: ProjectedHead,
  blockEpoch: bigint,
): string | undefined {
  const due = String(head.seq + 1n);
  if (entry.seq !== due) return `stands where entry ${due} is due`;
  if (entry.prev !== head.hash) return `does not name the hash of entry ${head.seq} as its prev`;
  if (entry.epoch !== String(blockEpoch)) {
    return `is of epoch ${entry.epoch} in a block of epoch ${blockEpoch}`;
  }
  if (entry.at < head.at) return `has a ledger time before that of entry ${head.seq}`;
  return undefined;
}
