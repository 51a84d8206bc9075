import { decodeEntry, encodeEntry, type Sha256Hex } from "./codec.ts";
import { ENTRY_VERSION, type Entry, type EntryBody, type EntryRef } from "./entries.ts";

/** `prev` of the first entry. */
export const GENESIS_HASH = "0".repeat(64);

/** The end of a workspace's chain: the next entry stands at `seq + 1` and names `hash`. */
export interface ChainHead {
  readonly seq: bigint;
  readonly hash: string;
}

export const EMPTY_CHAIN: ChainHead = { seq: 0n, hash: GENESIS_HASH };

/** What an entry gets from its surroundings when it is sealed. */
export interface SealContext {
  readonly ws: string;
  readonly epoch: bigint;
  /** Ledger time, ms. */
  readonly at: number;
  /** Wall clock, ms. */
  readonly recordedAt: number;
  /** 16 random bytes, hex. */
  readonly salt: string;
}

/** An entry in its place, with its canonical bytes and their hash. */
export interface SealedEntry {
  readonly entry: Entry;
  readonly line: string;
  readonly hash: string;
}

/** Puts a body behind the head of its chain. */
export function sealEntry(
  head: ChainHead,
  body: EntryBody,
  context: SealContext,
  sha256Hex: Sha256Hex,
): SealedEntry {
  const entry = {
    ...body,
    at: context.at,
    epoch: context.epoch,
    prev: head.hash,
    recorded_at: context.recordedAt,
    salt: context.salt,
    seq: head.seq + 1n,
    v: ENTRY_VERSION,
    ws: context.ws,
  } as Entry;
  const line = encodeEntry(entry);
  return { entry, line, hash: sha256Hex(line) };
}

/** The reference by which later entries name this one. */
export function refOf(sealed: SealedEntry): EntryRef {
  return { hash: sealed.hash, seq: sealed.entry.seq };
}

/** Why a line does not continue a chain. */
export interface ChainFault {
  /** The sequence at which the chain breaks. */
  readonly seq: bigint;
  readonly problem: string;
}

/**
 * Checks that a line is the next entry of a chain: canonical, in sequence, naming the hash before it,
 * of the same workspace, with time and epoch that do not go back.
 */
export function followChain(
  head: ChainHead,
  previous: Entry | undefined,
  line: string,
  sha256Hex: Sha256Hex,
): { readonly sealed: SealedEntry } | { readonly fault: ChainFault } {
  const seq = head.seq + 1n;
  const fault = (problem: string) => ({ fault: { seq, problem } });
  const parsed = decodeEntry(line);
  if (!parsed.ok) return fault(`entry cannot be read: ${parsed.problems.join("; ")}`);
  const entry = parsed.value;
  if (entry.seq !== seq) return fault(`seq is ${entry.seq} where ${seq} is due`);
  if (entry.prev !== head.hash) return fault(`prev is not the hash of entry ${head.seq}`);
  if (previous !== undefined) {
    if (entry.ws !== previous.ws) return fault(`workspace changes to ${entry.ws}`);
    if (entry.at < previous.at) return fault("ledger time goes back");
    if (entry.epoch < previous.epoch) return fault("epoch goes back");
  }
  return { sealed: { entry, line, hash: sha256Hex(line) } };
}
