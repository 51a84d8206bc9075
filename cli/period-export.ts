import { CalendarDateTime, toZoned } from "@internationalized/date";
import { isLifeEntry, type LifeEntry, movementOf } from "../actors/record.ts";
import type { WorkspaceState } from "../actors/workspace.ts";
import { counterKey } from "../ledger/caps.ts";
import { decodeOwnEntry } from "../ledger/codec.ts";
import { leafHash, type Subtree, TreeFrontier } from "../ledger/merkle.ts";
import { subtreesOfRange } from "../ledger/merkle-proofs.ts";
import { nanoUsd, subtractUsd } from "../ledger/money.ts";
import { encodeRangeProof } from "../ledger/range-proof.ts";
import { sha256 } from "../readmodel/node-crypto.ts";
import { Failure } from "./output.ts";
import { type Opening, openingSchema } from "./verify/period-balances.ts";

const PERIOD = /^(\d{4})(?:-(0[1-9]|1[0-2]))?$/;
/** The first `at` of a line is the entry's own: no field before it holds free text. */
const AT = /"at":"([^"]+)"/;

/** A calendar month or year of a zone, half open, in ms of UTC. */
export interface PeriodAsked {
  readonly key: string;
  readonly from: number;
  readonly to: number;
}

/** Finds the period that was asked for. @throws Failure when it is neither a month nor a year */
export function periodAsked(asked: string, zone: string): PeriodAsked {
  const [, yearText, monthText] = PERIOD.exec(asked) ?? [];
  if (yearText === undefined) {
    throw new Failure(`--period ${asked}: give a month like 2026-11 or a year like 2026.`, 2);
  }
  const year = Number(yearText);
  const month = monthText === undefined ? 1 : Number(monthText);
  // Local midnight; where it is skipped the moment after the gap, where it comes twice the earlier.
  const begin = (y: number, m: number) =>
    toZoned(new CalendarDateTime(y, m, 1), zone, "compatible")
      .toDate()
      .getTime();
  const isYearsEnd = monthText === undefined || month === 12;
  return {
    from: begin(year, month),
    key: `${asked}@${zone}`,
    to: isYearsEnd ? begin(year + 1, 1) : begin(year, month + 1),
  };
}

/** Gathers what goes with the lines of a period while the whole ledger passes by. */
export class PeriodExport {
  readonly #asked: PeriodAsked;
  readonly #ws: string;
  readonly #size: bigint;
  readonly #tree = new TreeFrontier(sha256);
  #phase: "before" | "inside" | "behind" = "before";
  #first = 0n;
  #end = 0n;
  #prev: string;
  #left: readonly Uint8Array[] = [];
  /** Subtrees behind the period that are still to come, and the one that grows. */
  #right: readonly Subtree[] = [];
  readonly #rightRoots: Uint8Array[] = [];
  #growing = new TreeFrontier(sha256);
  #open: Opening["open"] = [];
  readonly #counters = new Map<string, Opening["counters"][number]>();

  /** @param size of the checkpoint that the proof leads to; `genesis` is `prev` of the first entry */
  constructor(ws: string, asked: PeriodAsked, size: bigint, genesis: string) {
    this.#ws = ws;
    this.#asked = asked;
    this.#size = size;
    this.#prev = genesis;
  }

  get key(): string {
    return this.#asked.key;
  }

  /**
   * Takes the next line, with the state before it and the hash of the entry before it.
   * @returns whether it belongs in
   */
  follow(line: string, state: WorkspaceState | undefined, head: string): boolean {
    const at = Date.parse(AT.exec(line)?.[1] ?? "");
    const isIn = at >= this.#asked.from && at < this.#asked.to;
    if (this.#phase === "before" && at >= this.#asked.from) this.#begin(state, head);
    if (this.#phase === "inside" && !isIn) this.#close();
    if (isIn) this.#move(line);
    const leaf = leafHash(Buffer.from(line, "utf8"), sha256);
    this.#tree.pushSubtree(0, leaf);
    if (this.#phase === "behind") this.#growRight(leaf);
    return isIn;
  }

  /** Ends the pass, with the hash of the last entry. */
  finish(head: string): void {
    if (this.#phase === "before") this.#begin(undefined, head);
    if (this.#phase === "inside") this.#close();
  }

  /** `opening.json`. */
  opening(): string {
    const { from, key, to } = this.#asked;
    const json = openingSchema.write({
      counters: [...this.#counters.values()],
      first_seq: this.#first + 1n,
      from,
      open: this.#open,
      period: key,
      prev: this.#prev,
      to,
      ws: this.#ws,
    });
    return `${json}\n`;
  }

  rangeProof(): string {
    return encodeRangeProof({
      end: this.#end,
      first: this.#first,
      left: this.#left,
      right: this.#rightRoots,
      size: this.#size,
    });
  }

  #begin(state: WorkspaceState | undefined, head: string): void {
    this.#phase = "inside";
    this.#first = this.#tree.size;
    this.#left = this.#tree.saved().roots;
    if (this.#first > 0n) this.#prev = head;
    this.#open = [...(state?.authorizations.values() ?? [])]
      .filter((record) => record.state === "open")
      .map(({ authorization, held }) => ({ authorization, held }));
  }

  #close(): void {
    this.#phase = "behind";
    this.#end = this.#tree.size;
    this.#right = subtreesOfRange(this.#first, this.#end, this.#size).right;
  }

  /** Each counter begins at what the first line that moves it leaves, less what that line moves. */
  #move(line: string): void {
    const entry = decodeOwnEntry(line);
    if (!isLifeEntry(entry)) return;
    const movement = movementOf(entry, coveredBy(entry));
    for (const { cap, held, period, settled } of entry.legs) {
      const key = counterKey(cap, period);
      if (this.#counters.has(key)) continue;
      this.#counters.set(key, {
        cap,
        held: subtractUsd(held, movement.held),
        period,
        settled: subtractUsd(settled, movement.settled),
      });
    }
  }

  #growRight(leaf: Uint8Array): void {
    this.#growing.pushSubtree(0, leaf);
    const [due, ...rest] = this.#right;
    if (due === undefined || this.#growing.size !== 1n << BigInt(due.level)) return;
    this.#rightRoots.push(this.#growing.root());
    this.#growing = new TreeFrontier(sha256);
    this.#right = rest;
  }
}

/** What of a settle its hold covered: so much it moves out of what is held. */
function coveredBy(entry: LifeEntry) {
  return entry.kind === "settle" ? subtractUsd(entry.amount, entry.overage) : nanoUsd(0n);
}
