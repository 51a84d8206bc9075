import type { Claim, Clock } from "./ports.ts";

/** Ledger time this far from the wall clock raises an alarm, in ms. */
export const DRIFT_MS_MAX = 2_000;

/**
 * The time of a term: the server's stamp on the claim, moved on by the monotonic clock. A wall clock
 * that is set back or forward moves no money; two owners in turn agree on the server's time.
 */
export class ActorClock {
  readonly #clock: Clock;
  readonly #base: number;

  /** `claimedAt`: the monotonic clock when the claim's stamp had been read. */
  constructor(clock: Clock, claim: Claim, claimedAt: number) {
    this.#clock = clock;
    this.#base = claim.at - claimedAt;
  }

  /** Whole ms since 1970. */
  now(): number {
    return Math.floor(this.#base + this.#clock.monotonicMs());
  }

  /** How far ledger time is ahead of the wall clock, in ms; behind is negative. */
  driftMs(): number {
    return this.now() - this.#clock.wallMs();
  }
}

/** The clocks of this machine. */
export const machineClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
};
