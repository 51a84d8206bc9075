/**
 * The latest entries of one workspace in their order, whatever order they arrive in. What is lost on
 * the way shows as a hole, which is filled from elsewhere or given up by name; what comes twice is
 * dropped. Pure: it asks nobody and knows no clock.
 */
import { assert } from "../../ledger/assert.ts";
import type { Fact } from "./fact.ts";

export interface Hole {
  readonly from: bigint;
  readonly to: bigint;
}

/** What follows a place: facts without a hole between them, or a hole that was given up, or nothing yet. */
export type Following =
  | { readonly kind: "facts"; readonly facts: readonly Fact[] }
  | { readonly kind: "hole"; readonly hole: Hole }
  /** The place lies before everything that is kept. */
  | { readonly kind: "forgotten"; readonly first: bigint };

/** One place of the order: a fact, or `undefined` where a hole was given up. */
type Slot = Fact | undefined;

export class Timeline {
  readonly #keep: number;
  /** Facts from `#first` on, without a hole but those given up. */
  #slots: Slot[] = [];
  #first = 1n;
  /** Beyond the head, waiting for what lies between. */
  readonly #ahead = new Map<bigint, Fact>();
  #begun = false;
  /** The greatest sequence that is known to exist. */
  #known = 0n;

  /** @param keep how many facts are kept for who comes back. */
  constructor(keep: number) {
    this.#keep = keep;
  }

  /** The last sequence up to which everything is here; before {@link begin} nothing is. */
  get head(): bigint {
    return this.#first - 1n + BigInt(this.#slots.length);
  }

  get known(): bigint {
    return this.#known > this.head ? this.#known : this.head;
  }

  get begun(): boolean {
    return this.#begun;
  }

  /** The first sequence that is kept. */
  get first(): bigint {
    return this.#first;
  }

  /** Says where to begin: everything up to `head` can be read elsewhere. Facts may have come before. */
  begin(head: bigint): void {
    assert(!this.#begun, "a timeline begins once");
    this.#begun = true;
    this.#first = head + 1n;
    for (const seq of this.#ahead.keys()) if (seq <= head) this.#ahead.delete(seq);
    this.know(head);
    this.#absorb();
  }

  /** Takes a fact in, from wherever it comes. */
  take(fact: Fact): void {
    if (this.#begun && fact.seq <= this.head) return;
    this.know(fact.seq);
    // While a hole stays open, what is beyond it is kept within bounds, and the rest is filled as well.
    if (this.#ahead.size >= this.#keep && fact.seq !== this.head + 1n) return;
    this.#ahead.set(fact.seq, fact);
    if (this.#begun) this.#absorb();
  }

  /** Says that entries up to `seq` exist. */
  know(seq: bigint): void {
    if (seq > this.#known) this.#known = seq;
  }

  /** The first hole, up to the next fact that is here; undefined while everything known is here. */
  missing(): Hole | undefined {
    if (!this.#begun || this.#known <= this.head) return undefined;
    const from = this.head + 1n;
    let to = this.#known;
    for (const seq of this.#ahead.keys()) if (seq <= to) to = seq - 1n;
    return { from, to };
  }

  /** Gives a hole up that begins behind the head: who watches is told. */
  giveUp(to: bigint): void {
    while (this.head < to && !this.#ahead.has(this.head + 1n)) this.#slots.push(undefined);
    this.#absorb();
  }

  /** Puts facts before the first, which they must reach without a hole. @returns false when they do not */
  prepend(facts: readonly Fact[]): boolean {
    const joined = facts.filter(({ seq }) => seq < this.#first);
    const from = this.#first - BigInt(joined.length);
    if (!joined.every(({ seq }, index) => seq === from + BigInt(index))) return false;
    this.#slots = [...joined, ...this.#slots];
    this.#first = from;
    return true;
  }

  /** What follows `after`, at most to the next hole that was given up. */
  following(after: bigint): Following {
    const next = after + 1n;
    if (next < this.#first) return { kind: "forgotten", first: this.#first };
    const index = Number(next - this.#first);
    if (index >= this.#slots.length) return { kind: "facts", facts: [] };
    const isHole = this.#slots[index] === undefined;
    let end = index;
    while (end < this.#slots.length && (this.#slots[end] === undefined) === isHole) end += 1;
    if (isHole) {
      return { kind: "hole", hole: { from: next, to: this.#first + BigInt(end) - 1n } };
    }
    return { kind: "facts", facts: this.#slots.slice(index, end) as readonly Fact[] };
  }

  /** Forgets what is older than is kept, a good part at a time. */
  #trim(): void {
    const excess = this.#slots.length - this.#keep;
    if (excess < this.#keep / 4) return;
    this.#slots = this.#slots.slice(excess);
    this.#first += BigInt(excess);
  }

  #absorb(): void {
    for (;;) {
      const next = this.head + 1n;
      const fact = this.#ahead.get(next);
      if (fact === undefined) break;
      this.#ahead.delete(next);
      this.#slots.push(fact);
    }
    this.#trim();
  }
}
