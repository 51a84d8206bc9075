/** How long after it began an answer is given to others who ask the same, in ms. */
const SHARED_MS = 500;
const KEYS_MAX = 1_000;

interface SharedRead {
  readonly began: number;
  readonly result: Promise<unknown>;
  done: boolean;
}

/**
 * Reads that several pages ask for at the same moment are made once: while one is under way, and for half
 * a second after it began. A fault is not kept.
 */
export class SharedReads {
  readonly #reads = new Map<string, SharedRead>();

  read<T>(key: string, read: () => Promise<T>): Promise<T> {
    const now = performance.now();
    const known = this.#reads.get(key);
    if (known !== undefined && (!known.done || now - known.began < SHARED_MS)) {
      // The key names one kind of read, so what it gave has its type.
      return known.result as Promise<T>;
    }
    if (this.#reads.size >= KEYS_MAX) this.#reads.clear();
    const result = read();
    const entry: SharedRead = { began: now, result, done: false };
    this.#reads.set(key, entry);
    result.then(
      () => {
        entry.done = true;
      },
      () => {
        if (this.#reads.get(key) === entry) this.#reads.delete(key);
      },
    );
    return result;
  }
}
