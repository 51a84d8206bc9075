/**
 * Follows a ledger line by line: bytes, chain, balances, and every decision again. The first line that
 * cannot be believed ends it, and the lines around that one tell what was done to it.
 */
import { isUtf8 } from "node:buffer";
import { type Facts, Redecider } from "../../actors/redecide.ts";
import type { Mismatch } from "../../actors/redecide-report.ts";
import { createWorkspace } from "../../actors/workspace.ts";
import { InvariantError } from "../../ledger/assert.ts";
import { type ChainHead, EMPTY_CHAIN } from "../../ledger/chain.ts";
import { encodeEntry } from "../../ledger/codec.ts";
import { type Entry, entrySchema } from "../../ledger/entries.ts";
import { parseJson } from "../../ledger/schema.ts";
import { type EntryFault, entryFault } from "./faults.ts";
import type { HashedLine } from "./hashed-lines.ts";
import { type Opening, PeriodBalances } from "./period-balances.ts";

/** What a follower may know before it sees the first line. */
export interface FollowerStart {
  /** Entries that the checkpoint covers. */
  readonly size?: bigint;
  /** Of a period: what stood before its first line. */
  readonly opening?: Opening;
}

/** A line as far as it can be read; `isCanonical` only once someone has written it again. */
type Reading =
  | { readonly ok: true; readonly entry: Entry; readonly line: string }
  | { readonly ok: false; readonly problem: string };

/** How many fields of a wrong decision are told. */
const MISMATCHES_TOLD = 4;

export class LedgerFollower {
  readonly #size: bigint | undefined;
  readonly #period: PeriodBalances | undefined;
  #redecider: Redecider | undefined;
  #head: ChainHead;
  /** `prev` of the entry that was accepted last: what the one before it hashes to. */
  #headBefore: string;
  #previous: Entry | undefined;

  constructor({ size, opening }: FollowerStart = {}) {
    this.#size = size;
    this.#period = opening === undefined ? undefined : new PeriodBalances(opening);
    this.#head =
      opening === undefined ? EMPTY_CHAIN : { hash: opening.prev, seq: opening.first_seq - 1n };
    this.#headBefore = "";
  }

  /** The last entry that was believed. */
  get head(): ChainHead {
    return this.#head;
  }

  /** The workspace; `undefined` before the first entry. */
  get ws(): string | undefined {
    return this.#previous?.ws;
  }

  /** What was taken as it stands; `undefined` where nothing was decided again. */
  get facts(): Facts | undefined {
    return this.#redecider?.facts;
  }

  /** The state that the entries make; `undefined` of a period, and before the first entry. */
  get state(): Redecider["state"] | undefined {
    return this.#redecider?.state;
  }

  /** True where more of what one command wrote must stand behind the last line. */
  get isInside(): boolean {
    return this.#redecider?.isInside === true;
  }

  /**
   * Takes the next line; `following` is the one behind it, as far as there is one.
   * @returns what is wrong with it, or with the line before it, if anything is
   */
  next(line: HashedLine, following: HashedLine | undefined): EntryFault | undefined {
    const read = readLine(line.bytes, this.#redecider);
    if (!read.ok) return this.#unreadable(read.problem, following);
    const { entry } = read;
    const seq = this.#head.seq + 1n;
    const fault = this.#place(entry, line, following);
    const decided = fault === undefined ? this.#follow({ ...read, hash: line.hash }) : undefined;
    // What was written again byte for byte is canonical; everything else is looked at by itself.
    if (decided?.isSpelled !== true && encodeEntry(entry) !== read.line) {
      return this.#unreadable("it is not in canonical form (RFC 8785)", following);
    }
    const found = fault ?? decided?.fault;
    if (found !== undefined) return found.seq === seq ? retold(found, line, following) : found;
    this.#headBefore = entry.prev;
    this.#head = { hash: line.hash, seq };
    this.#previous = entry;
    return undefined;
  }

  #unreadable(problem: string, following: HashedLine | undefined): EntryFault {
    const seq = this.#head.seq + 1n;
    return peek(following)?.seq === seq + 1n
      ? entryFault(
          seq,
          "changed",
          `its bytes were changed, and entry ${seq + 1n} follows: ${problem}`,
        )
      : entryFault(seq, "format", problem);
  }

  /** Whether this line is the one that is due here, and if not, what was done. */
  #place(
    entry: Entry,
    line: HashedLine,
    following: HashedLine | undefined,
  ): EntryFault | undefined {
    const { hash: head, seq: last } = this.#head;
    const due = last + 1n;
    const { prev, seq } = entry;
    if (seq !== due) return this.#misplaced(entry, line, following);
    if (this.#size !== undefined && due > this.#size) {
      return entryFault(
        due,
        "surplus",
        `the checkpoint covers ${this.#size} entries, and more stand here`,
      );
    }
    if (prev !== head) {
      const isIntact = this.#previous !== undefined && peek(following)?.prev === line.hash;
      return isIntact
        ? entryFault(
            last,
            "changed",
            `its bytes were changed: entry ${due} names another hash for it`,
          )
        : entryFault(due, "changed", `its prev is not the hash of entry ${last}`);
    }
    return this.#envelope(entry);
  }

  /** A line that has another place than where it stands. */
  #misplaced(
    { prev, seq }: Entry,
    line: HashedLine,
    following: HashedLine | undefined,
  ): EntryFault {
    const last = this.#head.seq;
    const due = last + 1n;
    const next = peek(following)?.seq;
    if (next === due + 1n) {
      return entryFault(
        due,
        "changed",
        `it says that it is entry ${seq}, and entry ${next} follows`,
      );
    }
    if (seq === due + 1n && next === due) {
      return entryFault(due, "swapped", `entry ${seq} stands before it`);
    }
    if (seq > due) {
      const which =
        seq === due + 1n ? "it is missing" : `entries ${due} to ${seq - 1n} are missing`;
      return entryFault(due, "removed", `${which}: entry ${seq} stands here`);
    }
    if (line.hash === this.#head.hash) {
      return entryFault(seq, "doubled", "the same line stands here twice");
    }
    if (seq === last && prev === this.#headBefore) {
      return entryFault(
        seq,
        "inserted",
        `two lines are entry ${seq}; the first of them was put in`,
      );
    }
    return entryFault(seq, "inserted", `it stands where entry ${due} is due`);
  }

  /** What every entry has in common with those before it. */
  #envelope(entry: Entry): EntryFault | undefined {
    const previous = this.#previous;
    const wrong = (problem: string) => entryFault(entry.seq, "format", problem);
    const isTakeover = entry.kind === "takeover";
    if (previous === undefined) {
      const begins = isTakeover && this.#period === undefined;
      return begins ? wrong("a ledger does not begin with a takeover") : undefined;
    }
    if (entry.ws !== previous.ws) return wrong(`its workspace is ${entry.ws}, not ${previous.ws}`);
    if (entry.at < previous.at) return wrong("its at lies before that of the entry before");
    if (entry.epoch < previous.epoch) return wrong("its epoch goes back");
    if (entry.epoch > previous.epoch === isTakeover) return undefined;
    return wrong(
      isTakeover ? "a takeover must raise the epoch" : "its epoch is raised without a takeover",
    );
  }

  /** Balances, and what was decided. */
  #follow(sealed: { readonly entry: Entry; readonly hash: string; readonly line: string }): {
    readonly isSpelled: boolean;
    readonly fault?: EntryFault;
  } {
    const { entry } = sealed;
    if (this.#period !== undefined) {
      const problem = this.#period.next(entry);
      const fault =
        problem === undefined ? {} : { fault: entryFault(entry.seq, "balance", problem) };
      return { isSpelled: false, ...fault };
    }
    this.#redecider ??= new Redecider(createWorkspace(entry.ws));
    try {
      const { isSpelled, mismatches } = this.#redecider.next(sealed);
      const [first] = mismatches;
      return first === undefined
        ? { isSpelled }
        : { fault: faultOf(entry.seq, mismatches), isSpelled };
    } catch (error) {
      if (!(error instanceof InvariantError)) throw error;
      return { fault: entryFault(entry.seq, "balance", error.message), isSpelled: false };
    }
  }
}

/** Tells what must stand in an entry; a place that is not one in its life is a matter of balances. */
function faultOf(seq: bigint, mismatches: readonly Mismatch[]): EntryFault {
  const code = mismatches.some(({ about }) => about === "life") ? "balance" : "decision";
  const told = mismatches
    .slice(0, MISMATCHES_TOLD)
    .map(({ due, field, found }) => `${field} is ${cut(found)}, and must be ${cut(due)}`);
  const more = mismatches.length - told.length;
  const problem = [...told, ...(more > 0 ? [`and ${more} more`] : [])].join("; ");
  return { ...entryFault(seq, code, problem), mismatches };
}

function cut(value: string): string {
  return value.length > 200 ? `${value.slice(0, 200)}…` : value;
}

/** A line whose successor names another hash for it was changed after that was written. */
function retold(
  fault: EntryFault,
  line: HashedLine,
  following: HashedLine | undefined,
): EntryFault {
  const named = peek(following)?.prev;
  const isOfLine = fault.code === "balance" || fault.code === "decision" || fault.code === "format";
  if (!isOfLine || named === undefined || named === line.hash) return fault;
  const { problem, seq } = fault;
  return entryFault(seq, "changed", `entry ${seq + 1n} names another hash for it: ${problem}`);
}

function readLine(bytes: Uint8Array, redecider?: Redecider): Reading {
  if (!isUtf8(bytes)) return { ok: false, problem: "it is not UTF-8" };
  const line = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8");
  const foreseen = redecider?.foresee(line);
  if (foreseen !== undefined) return { entry: foreseen, line, ok: true };
  const parsed = parseJson(entrySchema, line);
  return parsed.ok
    ? { entry: parsed.value, line, ok: true }
    : { ok: false, problem: `it is not an entry: ${parsed.problems.slice(0, 3).join("; ")}` };
}

/** The line behind, where it is an entry at all. */
function peek(following: HashedLine | undefined): Entry | undefined {
  if (following === undefined) return undefined;
  const read = readLine(following.bytes);
  return read.ok && encodeEntry(read.entry) === read.line ? read.entry : undefined;
}
