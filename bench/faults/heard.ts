/** What clients were told, and when: what the ledger is held against afterwards. */

/** An answer that stands on an entry, as its client has it. */
export interface Told {
  readonly ws: string;
  readonly authorization: string;
  readonly kind: "authorize" | "settle" | "void";
  readonly seq: bigint;
  /** Held, or moved into spend; what a void gave back. */
  readonly amount: bigint;
  readonly outcome: string | undefined;
}

/** Longest times without an answer, by shard. */
export class Gaps {
  readonly #last: number[];
  readonly #gaps: { readonly shard: number; readonly from: number; readonly to: number }[] = [];

  /** `now`: monotonic ms, when answers are due from. */
  constructor(shards: number, now: number) {
    this.#last = Array.from({ length: shards }, () => now);
  }

  answered(shard: number, now: number): void {
    const last = this.#last[shard] ?? now;
    this.#last[shard] = now;
    if (now - last >= NOTED_MS) this.#gaps.push({ from: last, shard, to: now });
  }

  /** Whether every shard has answered since then. */
  allSince(from: number): boolean {
    return this.#last.every((last) => last > from);
  }

  /** The longest time that some shard gave no answer, of what falls into a stretch of time; ms. */
  longest(from: number, to: number): number {
    const open = this.#last.map((last, shard) => ({ from: last, shard, to }));
    const lengths = [...this.#gaps, ...open].map(
      (gap) => Math.min(gap.to, to) - Math.max(gap.from, from),
    );
    return Math.max(0, ...lengths);
  }
}

/** Shorter than this is the rhythm of the load, no gap. ms */
const NOTED_MS = 20;

/** Everything that was said to clients in a run. */
export class Heard {
  readonly told: Told[] = [];
  /** Authorizations that the client knows were never decided: `outcome` was `none`. */
  readonly undecided: { readonly ws: string; readonly authorization: string }[] = [];
  /** What no client should ever hear. */
  readonly oddities: string[] = [];
  /** Answers that came after this many ms count as late. */
  readonly lateMs = 400;
  late = 0;
  /** Requests without a decision: a gateway answers 503. */
  unreachable = 0;
  refused = 0;
  /** Not made, because too many were under way. */
  shed = 0;
  repeats = 0;

  odd(what: string, answer: unknown): void {
    const text = JSON.stringify(answer, (_, part: unknown) =>
      typeof part === "bigint" ? String(part) : part,
    );
    if (this.oddities.length < 100) this.oddities.push(`${what}: ${text}`);
  }
}
