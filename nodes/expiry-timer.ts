import { ExpiryQueue } from "../actors/expiry-queue.ts";

/** Rings when a workspace may have a hold that is due; the workspace itself knows which. */
export class ExpiryTimer {
  readonly #queue = new ExpiryQueue();
  /** When each workspace stands in the queue next, ms of ledger time. */
  readonly #set = new Map<string, number>();
  readonly #now: () => number;
  readonly #ring: (ws: string) => void;
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #stopped = false;

  constructor(now: () => number, ring: (ws: string) => void) {
    this.#now = now;
    this.#ring = ring;
  }

  /** Has a workspace rung at a moment of ledger time, unless it rings before that anyway. */
  set(ws: string, at: number | undefined): void {
    if (at === undefined || at >= (this.#set.get(ws) ?? Number.POSITIVE_INFINITY)) return;
    this.#set.set(ws, at);
    this.#queue.push({ expiresAt: at, seq: 0n, authorization: ws });
    if (at < this.#timerAt) this.#arm();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const next = this.#queue.peek();
    this.#timerAt = next?.expiresAt ?? Number.POSITIVE_INFINITY;
    if (next === undefined || this.#stopped) return;
    // Timers take at most 2^31 − 1 ms; a hold lives an hour.
    const delayMs = Math.min(Math.max(next.expiresAt - this.#now(), 1), 3_600_000);
    this.#timer = setTimeout(() => this.#fire(), delayMs);
  }

  #fire(): void {
    const now = this.#now();
    for (;;) {
      const due = this.#queue.peek();
      if (due === undefined || due.expiresAt > now) break;
      this.#queue.pop();
      const ws = due.authorization;
      if (this.#set.get(ws) !== due.expiresAt) continue;
      this.#set.delete(ws);
      this.#ring(ws);
    }
    this.#arm();
  }
}
