/** How often the loop proves that it turns, in ms. */
const BEAT_MS = 25;
/** A beat this late means that the process stood still: stopped, swapped out, or its machine paused. ms */
const STALL_MS = 100;
/** After a standstill the socket is read in several turns; for so long its messages may be old. ms */
const AFTERMATH_MS = 100;

/**
 * Says since when a message that is read now may have been lying here. A process that stood still finds
 * in its socket what came meanwhile, and would take old requests for new ones.
 */
export class Arrivals {
  readonly #now: () => number;
  readonly #timer: NodeJS.Timeout;
  #beatAt: number;
  #stalledFrom = 0;
  #oldUntil = 0;

  constructor(now: () => number) {
    this.#now = now;
    this.#beatAt = now();
    this.#timer = setInterval(() => this.#beat(), BEAT_MS);
    this.#timer.unref();
  }

  /** The monotonic time from when on a message read now counts as arrived, ms. */
  arrivedAt(): number {
    const now = this.#now();
    if (now - this.#beatAt > STALL_MS) this.#beat();
    return now < this.#oldUntil ? this.#stalledFrom : now;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #beat(): void {
    const now = this.#now();
    if (now - this.#beatAt > STALL_MS) {
      this.#stalledFrom = this.#beatAt;
      this.#oldUntil = now + AFTERMATH_MS;
    }
    this.#beatAt = now;
  }
}
