import type { SealedEntry } from "../ledger/chain.ts";
import type { Sha256Hex } from "../ledger/codec.ts";
import type { PeriodsAt } from "../ledger/periods.ts";
import type { Answer } from "./commands.ts";

/** Everything a turn of a workspace takes from outside. */
export interface TurnContext {
  /** Ledger time in ms: the stamp of the owner's claim, advanced by its monotonic clock. */
  readonly now: number;
  /** Wall clock in ms, written down for people. */
  readonly recordedAt: number;
  readonly epoch: bigint;
  /** The claim under which this owner writes. */
  readonly term: { readonly owner: string; readonly claimSeq: bigint; readonly claimAt: number };
  readonly periodsAt: PeriodsAt;
  readonly sha256Hex: Sha256Hex;
  /** 16 fresh random bytes, hex. */
  readonly salt: () => string;
  /** SHA-256 of the command's bytes as they came, hex: what makes a repeat the same request. */
  readonly payloadHash: string;
  /** The answer to an earlier `fetch` of this command. */
  readonly fetched?: Fetched;
}

/** What Postgres knew: the canonical entry lines of one authorization, in order. Empty: never seen. */
export interface Fetched {
  readonly authorization: string;
  readonly lines: readonly string[];
}

/** What one turn comes to. Entries are already applied to the state when it returns. */
export type TurnResult =
  | {
      readonly kind: "answered";
      readonly answer: Answer;
      /** To be appended, in order, in one block. May be empty. */
      readonly entries: readonly SealedEntry[];
      /**
       * `block`: the answer leaves when a block that was sent after the request arrived is acked.
       * `none`: it may leave at once, since nobody acts on it.
       */
      readonly waitsFor: "block" | "none";
    }
  /**
   * Memory cannot tell: read the entries of this authorization (or of the one behind this idempotency
   * key) and run the same command again with `fetched`. Expiries that fell due meanwhile are in `entries`.
   */
  | {
      readonly kind: "fetch";
      readonly authorization?: string;
      readonly idempotency?: string;
      readonly entries: readonly SealedEntry[];
    };
