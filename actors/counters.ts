import type { CapKind } from "../ledger/caps.ts";
import type { NanoUsd } from "../ledger/money.ts";

/** One cap in one period or run: what it has counted. Runs for every scope from first use, capped or not. */
export interface Counter {
  readonly cap: string;
  readonly kind: CapKind;
  readonly period: string;
  settled: NanoUsd;
  held: NanoUsd;
  /** Ledger time of the last entry that moved it, ms: run counters end 35 days after. */
  lastAt: number;
}

/** What a counter is called by. */
export type CounterName = Pick<Counter, "cap" | "period">;

/**
 * The counters of a workspace, by cap and then by period. A call looks up dozens: a key joined of both
 * would be made and hashed each time, which takes eight times as long as two look-ups.
 */
export class Counters {
  readonly #byCap = new Map<string, Map<string, Counter>>();

  get({ cap, period }: CounterName): Counter | undefined {
    return this.#byCap.get(cap)?.get(period);
  }

  /** Puts a counter in, in place of the one of its name. */
  set(counter: Counter): void {
    const ofCap = this.#byCap.get(counter.cap);
    if (ofCap === undefined) this.#byCap.set(counter.cap, new Map([[counter.period, counter]]));
    else ofCap.set(counter.period, counter);
  }

  delete({ cap, period }: CounterName): void {
    this.#byCap.get(cap)?.delete(period);
  }

  *values(): Generator<Counter> {
    for (const ofCap of this.#byCap.values()) yield* ofCap.values();
  }
}
