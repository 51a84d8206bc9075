import { createHash, hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { createWorkspace, replayEntry, type WorkspaceState } from "../actors/workspace.ts";
import { InvariantError } from "../ledger/assert.ts";
import { type ChainFault, EMPTY_CHAIN, followChain } from "../ledger/chain.ts";
import type { Entry } from "../ledger/entries.ts";
import { TreeFrontier } from "../ledger/merkle.ts";

/** What a ledger came to. */
export type VerifiedLedger =
  | {
      readonly ok: true;
      readonly entries: bigint;
      readonly ws: string;
      /** RFC 6962 root over the entries' bytes, base64. */
      readonly root: string;
      /** SHA-256 of the last entry, hex. */
      readonly head: string;
    }
  | { readonly ok: false; readonly entries: bigint; readonly fault: ChainFault };

const sha256Hex = (text: string) => hash("sha256", text, "hex");
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest();

/**
 * Checks a ledger from its first entry: each line is canonical and names the hash of the one before,
 * sequence, time and epoch go on, and the balances that every entry states are what all entries before
 * it add up to, with no admit over a cap (R1).
 *
 * A fault names the first sequence at which the ledger cannot be believed. What is cut off at the end
 * leaves no trace in the entries themselves.
 */
export class LedgerVerifier {
  #head = EMPTY_CHAIN;
  #previous: Entry | undefined;
  #state: WorkspaceState | undefined;
  readonly #tree = new TreeFrontier(sha256);
  readonly #bytes = new TextEncoder();

  get entries(): bigint {
    return this.#head.seq;
  }

  /** Takes the next line, without its line end. @returns what is wrong with it, if anything is */
  next(line: string): ChainFault | undefined {
    const followed = followChain(this.#head, this.#previous, line, sha256Hex);
    if ("fault" in followed) return followed.fault;
    const { sealed } = followed;
    this.#state ??= createWorkspace(sealed.entry.ws);
    try {
      replayEntry(this.#state, sealed);
    } catch (error) {
      if (!(error instanceof InvariantError)) throw error;
      return { problem: error.message, seq: sealed.entry.seq };
    }
    this.#tree.append(this.#bytes.encode(line));
    this.#head = { hash: sealed.hash, seq: sealed.entry.seq };
    this.#previous = sealed.entry;
    return undefined;
  }

  result(): Extract<VerifiedLedger, { ok: true }> {
    return {
      entries: this.#head.seq,
      head: this.#head.hash,
      ok: true,
      root: Buffer.from(this.#tree.root()).toString("base64"),
      ws: this.#previous?.ws ?? "",
    };
  }
}

/** Where a ledger is said to end. */
export interface KnownHead {
  readonly entries: bigint;
  /** SHA-256 of the last entry, hex. */
  readonly head: string;
}

/**
 * Checks a `ledger.jsonl`, and against `known` that it ends where it should. `onProgress` hears the
 * count now and then.
 * @throws when the file cannot be read.
 */
export async function verifyLedgerFile(
  path: string,
  known: KnownHead | undefined,
  onProgress: (entries: bigint) => void,
): Promise<VerifiedLedger> {
  const verifier = new LedgerVerifier();
  // Where a byte is broken, `utf8` decoding puts U+FFFD: then the line is not what was hashed.
  const lines = createInterface({ crlfDelay: Infinity, input: createReadStream(path, "utf8") });
  const reader = lines[Symbol.asyncIterator]();
  let reported = performance.now();
  for (let next = await reader.next(); next.done !== true; next = await reader.next()) {
    const line = next.value;
    const fault = verifier.next(line);
    if (fault !== undefined) {
      const after = await reader.next();
      const following = after.done === true ? known?.head : prevOf(after.value);
      return { entries: verifier.entries, fault: blame(fault, line, following), ok: false };
    }
    if (performance.now() - reported > 1_000) {
      reported = performance.now();
      onProgress(verifier.entries);
    }
  }
  const result = verifier.result();
  const fault = known === undefined ? undefined : faultAtEnd(result, known);
  return fault === undefined ? result : { entries: result.entries, fault, ok: false };
}

function faultAtEnd(
  result: { readonly entries: bigint; readonly head: string },
  known: KnownHead,
): ChainFault | undefined {
  if (result.entries < known.entries) {
    const seq = result.entries + 1n;
    return { problem: `entries ${seq} to ${known.entries} are cut off at the end`, seq };
  }
  if (result.entries > known.entries) {
    return { problem: "an entry stands behind the end of the ledger", seq: known.entries + 1n };
  }
  if (result.head !== known.head) {
    return { problem: "the last entry is not the one the export ended with", seq: known.entries };
  }
  return undefined;
}

/** `prev` of a line, as far as it can be read. */
function prevOf(line: string): string | undefined {
  return /"prev":"([0-9a-f]{64})"/.exec(line)?.[1];
}

/**
 * Says which of two neighbours was changed when a line does not name the hash of the one before it:
 * where the line after still names this line's own hash, this one is intact and the one before is not.
 */
function blame(fault: ChainFault, line: string, following: string | undefined): ChainFault {
  if (fault.seq <= 1n || !fault.problem.startsWith("prev is not")) return fault;
  if (following !== sha256Hex(line)) return fault;
  const problem = `its bytes were changed: entry ${fault.seq} names another hash for it`;
  return { problem, seq: fault.seq - 1n };
}
