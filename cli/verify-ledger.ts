import type { EntryFault } from "./verify/faults.ts";
import { LedgerFollower } from "./verify/ledger-follower.ts";
import { LineHasher, lineHash } from "./verify/line-hasher.ts";

/** What a ledger came to. */
export interface VerifiedLedger {
  readonly entries: bigint;
  readonly ws: string;
  /** RFC 6962 root over the entries' bytes, base64. */
  readonly root: string;
  /** SHA-256 of the last entry, hex. */
  readonly head: string;
}

/**
 * Checks a ledger as its lines come, from the first: chain, balances, and every decision again. Files are
 * checked by {@link verifyExport}, which sees the lines around a wrong one and says what was done.
 */
export class LedgerVerifier {
  readonly #follower = new LedgerFollower();
  readonly #tree = new LineHasher({ sizes: [] });

  get entries(): bigint {
    return this.#follower.head.seq;
  }

  /** SHA-256 of the last entry, hex. */
  get head(): string {
    return this.#follower.head.hash;
  }

  /** The state that the entries make so far; `undefined` before the first. */
  get state(): LedgerFollower["state"] {
    return this.#follower.state;
  }

  /** Takes the next line, without its line end. @returns what is wrong with it, if anything is */
  next(line: string): EntryFault | undefined {
    const bytes = Buffer.from(line, "utf8");
    const fault = this.#follower.next({ bytes, hash: lineHash(bytes) }, undefined);
    if (fault === undefined) this.#tree.append(bytes);
    return fault;
  }

  result(): VerifiedLedger {
    const { head, ws } = this.#follower;
    return {
      entries: head.seq,
      head: head.hash,
      root: Buffer.from(this.#tree.roots().root).toString("base64"),
      ws: ws ?? "",
    };
  }
}
