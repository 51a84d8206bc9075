/**
 * What a workspace's entries come to, worked out a second time and by other code than the engine's: the
 * chain, the epochs, every counter from the amounts alone, and R1 at every admit against the limits that
 * the run itself had configured. It is a witness, so it shares nothing with `actors/` or `ledger/`.
 */
import { createHash } from "node:crypto";

/** What was configured: the limit of a cap by its id, nano-USD. Caps that are not named have none. */
export type Limits = ReadonlyMap<string, bigint>;

/** What later questions need of one entry. */
export interface Fact {
  readonly kind: string;
  readonly authorization: string | undefined;
  /** Set aside by an authorize; posted by a settle; given back by a void, release or expiry. */
  readonly amount: bigint;
  readonly part: string | undefined;
  readonly outcome: string | undefined;
  /** SHA-256 of the line, hex. */
  readonly hash: string;
}

interface Counter {
  settled: bigint;
  held: bigint;
}

interface Opened {
  readonly hash: string;
  readonly seq: string;
  /** Counters of its legs, `cap|period`. */
  readonly counters: readonly string[];
  left: bigint;
  ended: boolean;
}

interface LineLeg {
  readonly cap: string;
  readonly period: string;
  readonly held: string;
  readonly settled: string;
  readonly limit?: string;
}

/** The fields of an entry's line that are looked at, as they stand in its JSON. */
interface Line {
  readonly ws: string;
  readonly seq: string;
  readonly prev: string;
  readonly epoch: string;
  readonly at: number;
  readonly kind: string;
  readonly authorization?: string;
  readonly outcome?: string;
  readonly held?: string;
  readonly amount?: string;
  readonly overage?: string;
  readonly part?: string;
  readonly late?: boolean;
  readonly due_at?: number;
  readonly holds_until?: number;
  readonly legs?: readonly LineLeg[];
  readonly opened?: { readonly hash: string; readonly seq: string };
}

const NO_HASH = "0".repeat(64);

export class LedgerFold {
  readonly ws: string;
  /** Everything that is wrong, in order; at most a hundred are kept. */
  readonly problems: string[] = [];
  /** By sequence, from 1: `facts[0]` is entry 1. */
  readonly facts: Fact[] = [];
  readonly #limits: Limits;
  readonly #counters = new Map<string, Counter>();
  readonly #opened = new Map<string, Opened>();
  readonly #parts = new Set<string>();
  #epoch = 0n;
  #at = 0;
  #head = NO_HASH;
  #holdsUntil = 0;
  /** Admits at which a limit was at stake: less than one more of the same would have fitted. */
  nearLimit = 0;

  constructor(ws: string, limits: Limits) {
    this.ws = ws;
    this.#limits = limits;
  }

  /** Counters that hold money, with how much. */
  get held(): readonly string[] {
    return [...this.#counters].flatMap(([name, { held }]) =>
      held === 0n ? [] : [`${name} holds ${held}`],
    );
  }

  /** Takes the next line, which an owner of this epoch wrote. */
  take(line: string, epoch: string): void {
    const entry = JSON.parse(line) as Line;
    const hash = createHash("sha256").update(line).digest("hex");
    this.#follow(entry, epoch);
    this.#count(entry);
    for (const leg of entry.legs ?? []) this.#compare(entry, leg);
    this.#head = hash;
    this.facts.push({
      amount: BigInt(entry.kind === "authorize" ? (entry.held ?? 0) : (entry.amount ?? 0)),
      authorization: entry.authorization,
      hash,
      kind: entry.kind,
      outcome: entry.outcome,
      part: entry.part,
    });
    if (entry.kind === "authorize" && entry.outcome !== "hold") this.#open(entry, hash);
  }

  #problem(entry: Line, what: string): void {
    if (this.problems.length < 100) this.problems.push(`${this.ws} entry ${entry.seq}: ${what}`);
  }

  /** The chain has no gap and no fork, and neither epochs nor ledger time go back. */
  #follow(entry: Line, epoch: string): void {
    const seq = String(this.facts.length + 1);
    if (entry.ws !== this.ws) this.#problem(entry, `is of ${entry.ws}`);
    if (entry.seq !== seq) this.#problem(entry, `stands where ${seq} belongs`);
    if (entry.prev !== this.#head) this.#problem(entry, `does not follow ${this.#head}`);
    if (entry.epoch !== epoch)
      this.#problem(entry, `is of epoch ${entry.epoch} in a block of ${epoch}`);
    if (BigInt(entry.epoch) < this.#epoch)
      this.#problem(entry, `goes back from epoch ${this.#epoch}`);
    if (entry.at < this.#at) this.#problem(entry, `goes back in time from ${this.#at}`);
    this.#epoch = BigInt(entry.epoch);
    this.#at = entry.at;
    this.#holdsUntil = Math.max(this.#holdsUntil, entry.holds_until ?? 0);
  }

  #count(entry: Line): void {
    const { authorization, kind } = entry;
    if (kind === "authorize") {
      if (this.#opened.has(authorization ?? ""))
        this.#problem(entry, `decides ${authorization} again`);
      if (entry.outcome !== "hold") this.#admit(entry);
      return;
    }
    if (authorization === undefined) return;
    const opened = this.#opened.get(authorization);
    if (opened === undefined) {
      // A void shuts an id that was never decided.
      if (kind !== "void") this.#problem(entry, `ends ${authorization}, which never was`);
      this.#opened.set(authorization, { counters: [], ended: true, hash: "", left: 0n, seq: "" });
      return;
    }
    if (entry.opened !== undefined && opened.hash !== "" && entry.opened.hash !== opened.hash) {
      this.#problem(entry, `names another opening than ${opened.seq}`);
    }
    if (kind === "settle") this.#settle(entry, opened);
    else if (kind === "release" || kind === "void" || kind === "expire")
      this.#giveBack(entry, opened);
  }

  #admit(entry: Line): void {
    const amount = BigInt(entry.held ?? "-1");
    if (amount < 0n) this.#problem(entry, "admits without an amount");
    for (const leg of entry.legs ?? []) {
      const counter = this.#counter(leg);
      counter.held += amount;
      const limit = this.#limits.get(leg.cap);
      if (String(limit ?? "none") !== (leg.limit ?? "none")) {
        this.#problem(entry, `says ${leg.cap} has the limit ${leg.limit}, and it is ${limit}`);
      }
      if (limit === undefined) continue;
      const over = counter.settled + counter.held - limit;
      // R1.
      if (over > 0n) this.#problem(entry, `admits ${over} over the limit of ${leg.cap}`);
      if (over > -amount) this.nearLimit += 1;
    }
  }

  #open(entry: Line, hash: string): void {
    this.#opened.set(entry.authorization ?? "", {
      counters: (entry.legs ?? []).map(nameOf),
      ended: false,
      hash,
      left: BigInt(entry.held ?? 0),
      seq: entry.seq,
    });
  }

  #settle(entry: Line, opened: Opened): void {
    const part = `${entry.authorization}/${entry.part}`;
    if (this.#parts.has(part)) this.#problem(entry, `settles ${part} twice`);
    this.#parts.add(part);
    if (entry.late === true && !opened.ended) this.#problem(entry, "is late, and its hold is open");
    if (entry.late !== true && opened.ended) this.#problem(entry, "settles what has ended");
    const amount = BigInt(entry.amount ?? 0);
    const taken = entry.late === true ? 0n : amount - BigInt(entry.overage ?? 0);
    this.#take(entry, opened, taken);
    for (const name of opened.counters) {
      const counter = this.#counters.get(name);
      if (counter !== undefined) counter.settled += amount;
    }
    if (opened.left === 0n) opened.ended = true;
  }

  #giveBack(entry: Line, opened: Opened): void {
    const amount = BigInt(entry.amount ?? 0);
    if (opened.ended && amount !== 0n)
      this.#problem(entry, `gives back ${amount} of what has ended`);
    // R13: after a takeover, no hold ends by time before its grace.
    if (entry.kind === "expire" && (entry.due_at ?? 0) < this.#holdsUntil) {
      this.#problem(entry, `was due at ${entry.due_at}, and holds live until ${this.#holdsUntil}`);
    }
    this.#take(entry, opened, amount);
    if (opened.left !== 0n) this.#problem(entry, `leaves ${opened.left} of ${opened.seq} held`);
    opened.ended = true;
  }

  #take(entry: Line, opened: Opened, amount: bigint): void {
    opened.left -= amount;
    if (opened.left < 0n)
      this.#problem(entry, `takes ${-opened.left} more than ${opened.seq} held`);
    for (const name of opened.counters) {
      const counter = this.#counters.get(name);
      if (counter !== undefined) counter.held -= amount;
    }
  }

  /** What the entry says of a counter is what the amounts come to. */
  #compare(entry: Line, leg: LineLeg): void {
    const { held, settled } = this.#counter(leg);
    if (leg.held === String(held) && leg.settled === String(settled)) return;
    const said = `${leg.settled} settled and ${leg.held} held`;
    this.#problem(entry, `says ${leg.cap} has ${said}; it has ${settled} and ${held}`);
  }

  #counter(leg: LineLeg): Counter {
    const name = nameOf(leg);
    const known = this.#counters.get(name);
    if (known !== undefined) return known;
    const made = { held: 0n, settled: 0n };
    this.#counters.set(name, made);
    return made;
  }
}

function nameOf({ cap, period }: LineLeg): string {
  return `${cap}|${period}`;
}
