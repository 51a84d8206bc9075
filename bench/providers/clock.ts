import { seeded } from "./prose.ts";

/** Sleeps that end early when the server stops, and the randomness by which they vary. */
export class Clock {
  readonly random: () => number;
  readonly #sleeping = new Set<() => void>();
  #stopped = false;

  constructor(seed: number) {
    this.random = seeded(seed);
  }

  /** Sleeps so many milliseconds; `wake` ends the sleep at once. */
  sleep(ms: number): { readonly slept: Promise<void>; readonly wake: () => void } {
    const { promise, resolve } = Promise.withResolvers<void>();
    if (this.#stopped) {
      resolve();
      return { slept: promise, wake: resolve };
    }
    const wake = () => {
      clearTimeout(timer);
      this.#sleeping.delete(wake);
      resolve();
    };
    const timer = setTimeout(wake, ms);
    this.#sleeping.add(wake);
    return { slept: promise, wake };
  }

  /** Wakes everyone; from now on nobody sleeps. */
  stop(): void {
    this.#stopped = true;
    for (const wake of this.#sleeping) wake();
  }
}
