import { type Behavior, type BehaviorPatch, PLAIN } from "./behavior.ts";
import type { Provider } from "./served.ts";

/** Which requests a queued behaviour is for; what is left out matches all. */
export interface Match {
  readonly provider?: Provider;
  readonly model?: string;
  readonly tag?: string;
}

/** A behaviour for the next `times` requests that match. */
export interface Once {
  readonly patch: BehaviorPatch;
  readonly times?: number;
  readonly match?: Match;
}

interface Queued {
  readonly patch: BehaviorPatch;
  readonly match: Match;
  left: number;
}

/** What the control shows of itself. */
export interface ControlStatus {
  /** Calls that are silent before their first byte, waiting for a release. */
  readonly waiting: number;
  /** Queued behaviours that no request has taken yet, counted by their remaining times. */
  readonly queued: number;
  readonly defaults: Behavior;
}

/**
 * Decides how requests are answered. Later wins: the defaults, then the first queued behaviour that
 * matches, then the request's own `x-sim-…` headers.
 */
export class Control {
  readonly #first: Behavior;
  #defaults: Behavior;
  #queue: Queued[] = [];
  /** Calls in `hold`, oldest first; each entry lets one go. */
  readonly #waiting = new Set<() => void>();
  readonly #watchers = new Set<() => void>();

  constructor(defaults: BehaviorPatch = {}) {
    this.#first = { ...PLAIN, ...defaults };
    this.#defaults = this.#first;
  }

  /** Changes the defaults from the next request on. Calls that wait go on waiting. */
  set(patch: BehaviorPatch): void {
    this.#defaults = { ...this.#defaults, ...patch };
  }

  /** Queues a behaviour for the next requests that match. */
  next(patch: BehaviorPatch, options: Omit<Once, "patch"> = {}): void {
    this.#queue.push({ patch, match: options.match ?? {}, left: options.times ?? 1 });
  }

  /** Lets the oldest `count` waiting calls go on; all of them by default. Returns how many went. */
  release(count = Number.POSITIVE_INFINITY): number {
    let released = 0;
    for (const go of this.#waiting) {
      if (released >= count) break;
      this.#waiting.delete(go);
      go();
      released += 1;
    }
    return released;
  }

  /** Puts the defaults of the start back, empties the queue and lets every waiting call go on. */
  reset(): void {
    this.#defaults = this.#first;
    this.#queue = [];
    this.release();
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  get status(): ControlStatus {
    const queued = this.#queue.reduce((sum, entry) => sum + entry.left, 0);
    return { waiting: this.waiting, queued, defaults: this.#defaults };
  }

  /** Resolves once `count` calls wait at the same time. @throws Error after the timeout. */
  async untilWaiting(count: number, timeoutMs = 10_000): Promise<void> {
    if (this.waiting >= count) return;
    await new Promise<void>((resolve, reject) => {
      const check = () => {
        if (this.waiting < count) return;
        clearTimeout(timer);
        this.#watchers.delete(check);
        resolve();
      };
      const timer = setTimeout(() => {
        this.#watchers.delete(check);
        reject(new Error(`${this.waiting} of ${count} calls wait after ${timeoutMs} ms`));
      }, timeoutMs);
      this.#watchers.add(check);
    });
  }

  /** The behaviour for one request; takes a queued one off the queue. */
  behaviorFor(request: Required<Match>, headers: BehaviorPatch | undefined): Behavior {
    const queued = this.#queue.length === 0 ? undefined : this.#take(request);
    if (queued === undefined && headers === undefined) return this.#defaults;
    return { ...this.#defaults, ...queued, ...headers };
  }

  /** Waits for a release, or until `leave` is called by the caller because its client has gone. */
  wait(): { readonly released: Promise<void>; readonly leave: () => void } {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.add(resolve);
    for (const check of this.#watchers) check();
    const leave = () => {
      this.#waiting.delete(resolve);
      resolve();
    };
    return { released: promise, leave };
  }

  #take(request: Required<Match>): BehaviorPatch | undefined {
    const index = this.#queue.findIndex(
      ({ match }) =>
        (match.provider ?? request.provider) === request.provider &&
        (match.model ?? request.model) === request.model &&
        (match.tag ?? request.tag) === request.tag,
    );
    const entry = this.#queue[index];
    if (entry === undefined) return undefined;
    entry.left -= 1;
    if (entry.left <= 0) this.#queue.splice(index, 1);
    return entry.patch;
  }
}
