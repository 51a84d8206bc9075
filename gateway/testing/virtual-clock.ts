import type { Clock, Log } from "../ports.ts";

/** A clock that moves only when it is told to. Timers run in the order of their time. */
export class VirtualClock implements Clock {
  #now = 0;
  #timers: { at: number; call: () => void }[] = [];

  monotonicMs(): number {
    return this.#now;
  }

  wallMs(): number {
    return Date.UTC(2026, 10, 22) + this.#now;
  }

  after(ms: number, call: () => void): () => void {
    const timer = { at: this.#now + ms, call };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Moves on, running what falls due and what that leads to. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    for (;;) {
      await settle();
      const due = this.#timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#now = Math.max(this.#now, due.at);
      this.#timers = this.#timers.filter((timer) => timer !== due);
      due.call();
    }
    this.#now = until;
    await settle();
  }
}

/** Lets every promise that can go on do so. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
  await new Promise((resolve) => setImmediate(resolve));
}

/** A log that keeps its messages. */
export function memoryLog(): Log & { readonly messages: string[] } {
  const messages: string[] = [];
  const at = (level: string) => (_fields: unknown, message: string) => {
    messages.push(`${level}: ${message}`);
  };
  return { messages, info: at("info"), warn: at("warn"), error: at("error") };
}
