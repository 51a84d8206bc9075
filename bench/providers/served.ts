/** The vendors whose wire formats are spoken. */
export type Provider = "anthropic" | "openai";

/**
 * What one request is billed, in disjoint buckets: they stand side by side and their costs add up.
 * All are tokens but `web_search`, which counts searches. `output` contains thinking.
 */
export interface Bill {
  readonly input: number;
  readonly cache_read: number;
  readonly cache_write_5m: number;
  readonly cache_write_1h: number;
  readonly output: number;
  readonly web_search: number;
}

export const NOTHING: Bill = {
  input: 0,
  cache_read: 0,
  cache_write_5m: 0,
  cache_write_1h: 0,
  output: 0,
  web_search: 0,
};

/** One request as the provider remembers it: the other side of the gateway's receipt. */
export interface ServedRecord {
  /** Place in the log, from 0. */
  readonly seq: number;
  /** Request id, as sent in `request-id` (Anthropic) or `x-request-id` (OpenAI). */
  readonly id: string;
  /** Id of the message or completion; `null` when none was begun. */
  readonly reply_id: string | null;
  /** `x-sim-tag` of the request. */
  readonly tag: string | null;
  readonly provider: Provider;
  /** `messages`, `chat.completions`, `embeddings`, `count_tokens`, `models`, `unknown`. */
  readonly route: string;
  readonly started_at: string;
  readonly ended_at: string;
  /** HTTP status; 0 when the connection ended before one was sent. */
  readonly status: number;
  /** Error type or code in the envelope or the error event. */
  readonly error: string | null;
  readonly asked_model: string | null;
  /** Model that served, as named in the answer. The bill is at this model's price. */
  readonly model: string | null;
  readonly service_tier: string | null;
  readonly stream: boolean;
  readonly outcome: Outcome;
  readonly usage: Bill;
  /** How much of the usage was put on the wire. `partial`: Anthropic's `message_start` only. */
  readonly usage_reported: "complete" | "partial" | "none";
  /** The request's own maximum of output tokens over all choices; `null` when it had none. */
  readonly output_max: number | null;
  /** Where the key stood, and its last four characters: enough to tell keys apart. */
  readonly key: { readonly scheme: "bearer" | "x-api-key" | "none"; readonly tail: string };
  /** Names of headers that only a gateway should have seen, or that hold one of its keys. */
  readonly leaked: readonly string[];
}

/** `refused`: an error status before any answer. Otherwise how the answer ended. */
export type Outcome =
  | "completed"
  | "client-gone"
  | "refused"
  | "reset"
  | "cut"
  | "stalled"
  | "error-event";

/** Counters over the whole life of a log, also over records that were dropped to bound memory. */
export interface ServedCounts {
  readonly requests: number;
  readonly by_status: Readonly<Record<string, number>>;
  readonly by_outcome: Readonly<Record<string, number>>;
  /** Requests received and not yet recorded. */
  readonly in_flight: number;
  readonly leaks: number;
}

/** Append-only log of what was served. */
export class Served {
  readonly #keep: number;
  readonly #records: ServedRecord[] = [];
  /** Records dropped from the front; the first one kept has this `seq`. */
  #dropped = 0;
  #inFlight = 0;
  #leaks = 0;
  readonly #byStatus: Record<string, number> = {};
  readonly #byOutcome: Record<string, number> = {};
  readonly #waiters = new Set<() => void>();

  /** `keep` bounds the memory: of older records only the counters stay. Infinity keeps all. */
  constructor(keep = Number.POSITIVE_INFINITY) {
    this.#keep = keep;
  }

  /** All records kept, oldest first. */
  get records(): readonly ServedRecord[] {
    return this.#records;
  }

  get length(): number {
    return this.#dropped + this.#records.length;
  }

  get counts(): ServedCounts {
    return {
      requests: this.length,
      by_status: { ...this.#byStatus },
      by_outcome: { ...this.#byOutcome },
      in_flight: this.#inFlight,
      leaks: this.#leaks,
    };
  }

  /** Records with a `seq` of at least the one given. @throws RangeError when some were dropped. */
  since(seq: number): readonly ServedRecord[] {
    if (seq < this.#dropped) {
      throw new RangeError(
        `records before ${this.#dropped} were dropped: only ${this.#keep} are kept`,
      );
    }
    return this.#records.slice(seq - this.#dropped);
  }

  /** Sum of the bills, of all records or of those chosen, by `provider/model`. */
  totals(choose: (record: ServedRecord) => boolean = () => true): Map<string, Bill> {
    const sums = new Map<string, Bill>();
    for (const record of this.#records) {
      if (record.model === null || !choose(record)) continue;
      const key = `${record.provider}/${record.model}`;
      sums.set(key, addBills(sums.get(key) ?? NOTHING, record.usage));
    }
    return sums;
  }

  /** Notes that a request has arrived. */
  begin(): void {
    this.#inFlight += 1;
  }

  /** Appends the one record of a request that was begun. */
  append(record: Omit<ServedRecord, "seq">): ServedRecord {
    const kept = { seq: this.length, ...record };
    this.#records.push(kept);
    // Dropping in lots keeps an append O(1) on average.
    if (this.#records.length >= this.#keep * 2) {
      this.#dropped += this.#records.splice(0, this.#records.length - this.#keep).length;
    }
    this.#inFlight -= 1;
    this.#byStatus[kept.status] = (this.#byStatus[kept.status] ?? 0) + 1;
    this.#byOutcome[kept.outcome] = (this.#byOutcome[kept.outcome] ?? 0) + 1;
    if (kept.leaked.length > 0) this.#leaks += 1;
    for (const wake of this.#waiters) wake();
    return kept;
  }

  /** Resolves once `holds` is true, asked after each record. @throws Error after the timeout. */
  async until(holds: () => boolean, timeoutMs = 5_000): Promise<void> {
    if (holds()) return;
    await new Promise<void>((resolve, reject) => {
      const finish = () => {
        clearTimeout(timer);
        this.#waiters.delete(check);
      };
      const check = () => {
        if (!holds()) return;
        finish();
        resolve();
      };
      const timer = setTimeout(() => {
        finish();
        reject(new Error(`not so after ${timeoutMs} ms; served: ${JSON.stringify(this.counts)}`));
      }, timeoutMs);
      this.#waiters.add(check);
    });
  }

  /** Resolves when nothing is in flight: every request has its record. */
  async idle(timeoutMs = 5_000): Promise<void> {
    await this.until(() => this.#inFlight === 0, timeoutMs);
  }
}

/** Adds two bills bucket by bucket. */
export function addBills(a: Bill, b: Bill): Bill {
  return {
    input: a.input + b.input,
    cache_read: a.cache_read + b.cache_read,
    cache_write_5m: a.cache_write_5m + b.cache_write_5m,
    cache_write_1h: a.cache_write_1h + b.cache_write_1h,
    output: a.output + b.output,
    web_search: a.web_search + b.web_search,
  };
}
