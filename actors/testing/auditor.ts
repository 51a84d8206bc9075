import { capKind, counterKey } from "../../ledger/caps.ts";
import type { Entry, EntryOf } from "../../ledger/entries.ts";

const RUN_KEPT_MS = 35 * 24 * 3_600_000;

type Life = Extract<Entry, { readonly authorization: string }>;

interface Sum {
  settled: bigint;
  held: bigint;
  lastAt: number;
  /** The greatest limit there ever was; `undefined` once there was none. */
  peak: bigint | undefined;
  /** What the ledger itself shows as late, above its hold, or adjusted upward. */
  excess: bigint;
}

interface Hold {
  held: bigint;
  legs: readonly string[];
}

/**
 * Reads entries as an auditor would, with nothing but ledger rules R1 and R6a: balances are sums of the
 * entries before, held money is that of the holds that are open, and no cap is passed but by what the
 * ledger shows. It shares no code with the actors.
 */
export class Auditor {
  readonly sums = new Map<string, Sum>();
  readonly holds = new Map<string, Hold>();
  #seq = 0n;
  #at = 0;
  #epoch = 0n;

  /** Checks one entry. @throws Error that names the entry and the rule. */
  read(entry: Entry): void {
    this.#check(entry.seq === this.#seq + 1n, entry, "seq is not the next");
    this.#check(entry.at >= this.#at, entry, "ledger time goes back");
    this.#check(entry.epoch >= this.#epoch, entry, "epoch goes back");
    const changed = entry.epoch > this.#epoch && this.#epoch > 0n;
    this.#check(changed === (entry.kind === "takeover"), entry, "a term begins with a takeover");
    this.#seq = entry.seq;
    this.#at = entry.at;
    this.#epoch = entry.epoch;
    if ("authorization" in entry) this.#readLife(entry);
  }

  #check(condition: boolean, entry: Entry, what: string): void {
    if (!condition) throw new Error(`entry ${entry.seq} (${entry.kind}): ${what}`);
  }

  #readLife(entry: Life): void {
    const move = movement(entry);
    const hold = this.#holdOf(entry);
    for (const leg of entry.legs) {
      const key = counterKey(leg.cap, leg.period);
      const sum = this.#sumOf(key, capKind(leg.cap) === "run", entry.at);
      sum.settled += move.settled;
      sum.held += move.held;
      sum.lastAt = entry.at;
      if (entry.kind === "settle") sum.excess += entry.overage;
      if (entry.kind === "adjust" && entry.amount > 0n) sum.excess += entry.amount;
      if (entry.kind === "authorize") this.#readLimit(sum, leg.limit);
      const agrees = leg.settled === sum.settled && leg.held === sum.held;
      this.#check(agrees, entry, `${key} is not the sum of its entries (R1)`);
      this.#check(sum.held >= 0n, entry, `${key} holds less than nothing (R1)`);
      const admits = entry.kind === "authorize" && entry.outcome !== "hold";
      const within = leg.limit === undefined || sum.settled + sum.held <= leg.limit;
      this.#check(!admits || within, entry, `admits over ${key} (R1)`);
      const bounded = sum.peak === undefined || sum.settled + sum.held <= sum.peak + sum.excess;
      this.#check(bounded, entry, `${key} passes its cap by more than the ledger shows (R1)`);
    }
    hold.held += move.held;
    this.#check(hold.held >= 0n, entry, "a hold gives back more than it set aside");
  }

  #readLimit(sum: Sum, limit: bigint | undefined): void {
    if (limit === undefined) sum.peak = undefined;
    else if (sum.peak !== undefined && limit > sum.peak) sum.peak = limit;
  }

  #holdOf(entry: Life): Hold {
    const known = this.holds.get(entry.authorization);
    const legs = entry.legs.map((leg) => counterKey(leg.cap, leg.period));
    if (known !== undefined) {
      this.#check(entry.kind !== "authorize", entry, "authorizes an id twice (R3)");
      const same = String(legs) === String(known.legs);
      this.#check(same, entry, "moves other periods than its hold (R4)");
      return known;
    }
    const opens = entry.kind === "authorize" || (entry.kind === "void" && !entry.opened);
    this.#check(opens, entry, "closes what was never opened");
    const hold = { held: 0n, legs };
    this.holds.set(entry.authorization, hold);
    return hold;
  }

  #sumOf(key: string, isRun: boolean, at: number): Sum {
    const known = this.sums.get(key);
    const over = isRun && known?.held === 0n && known.lastAt + RUN_KEPT_MS <= at;
    if (known !== undefined && !over) return known;
    const fresh: Sum = { settled: 0n, held: 0n, lastAt: at, peak: 0n, excess: 0n };
    this.sums.set(key, fresh);
    return fresh;
  }

  /** What all open holds set aside on one counter. */
  heldBy(key: string): bigint {
    let held = 0n;
    for (const hold of this.holds.values()) if (hold.legs.includes(key)) held += hold.held;
    return held;
  }
}

function movement(entry: Life): { readonly held: bigint; readonly settled: bigint } {
  switch (entry.kind) {
    case "authorize":
      return { held: entry.held, settled: 0n };
    case "settle":
      return { held: entry.overage - entry.amount, settled: entry.amount };
    case "release":
    case "void":
      return { held: -entry.amount, settled: 0n };
    case "expire":
      return { held: -entry.amount, settled: captured(entry) };
    case "adjust":
      return { held: 0n, settled: entry.amount };
  }
}

function captured(entry: EntryOf<"expire">): bigint {
  return entry.on_expiry === "capture" ? entry.amount : 0n;
}
