/**
 * Money and decisions over the last minutes, in equal steps of ledger time: what the charts draw.
 * Begins with what Postgres has counted and goes on with the seconds that frames bring.
 */
import type { FrameMessage, FrameSecond, Overview } from "../../wire.ts";
import { chartDollars } from "../format.ts";

interface Step {
  settled: bigint;
  admit: number;
  throttle: number;
  hold: number;
}

/** Columns for uPlot: seconds since 1970, and one value for each. */
export interface FlowColumns {
  readonly times: number[];
  /** US dollars a minute. */
  readonly burn: number[];
  /** Decisions a second. */
  readonly admit: number[];
  readonly throttle: number[];
  readonly hold: number[];
}

/** Rates over the last stretch. */
export interface FlowRates {
  /** Nano-USD a minute. */
  readonly burnPerMinute: bigint;
  readonly admit: number;
  readonly throttle: number;
  readonly hold: number;
}

/** Frames that may have come while Postgres was counting; more than a few seconds' worth, at ten a second. */
const FRAMES_KEPT = 300;
/** Stretch over which the burn is told, and the one for decisions, in ms. */
const BURN_MS = 60_000;
const PACE_MS = 15_000;

/** A frame without its rows, which are the feed's. */
interface Counted {
  readonly from: bigint;
  readonly to: bigint;
  readonly seconds: readonly FrameSecond[];
}

const empty = (): Step => ({ settled: 0n, admit: 0, throttle: 0, hold: 0 });

export class Flow {
  #startMs = 0;
  #stepMs = 5_000;
  #length = 0;
  #head = 0n;
  /** By number of the step since `#startMs`. */
  #steps = new Map<number, Step>();
  /** The newest last. */
  #recent: Counted[] = [];

  get ready(): boolean {
    return this.#length > 0;
  }

  get stepMs(): number {
    return this.#stepMs;
  }

  /** Begins anew with a count that stands at its `head`; frames behind that are added again. */
  begin({ buckets, head }: Pick<Overview, "buckets" | "head">): void {
    this.#startMs = Date.parse(buckets.start);
    this.#stepMs = buckets.step_ms;
    this.#length = buckets.settled_nano.length;
    this.#head = BigInt(head);
    this.#steps = new Map(
      buckets.settled_nano.map((settled, index) => [
        index,
        {
          settled: BigInt(settled),
          admit: buckets.admit[index] ?? 0,
          throttle: buckets.throttle[index] ?? 0,
          hold: buckets.hold[index] ?? 0,
        },
      ]),
    );
    for (const frame of this.#recent) this.#addToSteps(frame);
  }

  /** Takes a frame in, once: whoever calls has made sure of that. */
  take(frame: FrameMessage): void {
    const counted = {
      from: BigInt(frame.from_seq),
      seconds: frame.seconds,
      to: BigInt(frame.to_seq),
    };
    this.#recent.push(counted);
    if (this.#recent.length > FRAMES_KEPT) this.#recent = this.#recent.slice(-FRAMES_KEPT / 2);
    if (this.ready) this.#addToSteps(counted);
  }

  #addToSteps({ from, seconds, to }: Counted): void {
    // A frame that straddles the count belongs to it by its greater part; the next count mends the rest.
    if (to <= this.#head || (from <= this.#head && this.#head - from >= to - this.#head)) return;
    for (const second of seconds) {
      const number = Math.floor((Date.parse(second.at) - this.#startMs) / this.#stepMs);
      add(this.#steps, number, second);
    }
  }

  /** Drops what lies before the window that ends at `nowMs`. */
  #forget(nowMs: number): number {
    const last = Math.floor((nowMs - this.#startMs) / this.#stepMs);
    for (const number of this.#steps.keys()) {
      if (number <= last - this.#length - 1) this.#steps.delete(number);
    }
    return last;
  }

  /** All whole steps of the window; the one still running would read as a fall. */
  columns(nowMs: number): FlowColumns {
    const last = this.#forget(nowMs);
    const columns: FlowColumns = { times: [], burn: [], admit: [], throttle: [], hold: [] };
    const perMinute = 60_000 / this.#stepMs;
    const perSecond = 1_000 / this.#stepMs;
    for (let number = last - this.#length; number < last; number += 1) {
      const step = this.#steps.get(number);
      columns.times.push((this.#startMs + number * this.#stepMs) / 1_000);
      columns.burn.push(step === undefined ? 0 : chartDollars(step.settled) * perMinute);
      columns.admit.push((step?.admit ?? 0) * perSecond);
      columns.throttle.push((step?.throttle ?? 0) * perSecond);
      columns.hold.push((step?.hold ?? 0) * perSecond);
    }
    return columns;
  }

  /** Rates over the last whole steps and the one that runs, over the time that they have taken. */
  rates(nowMs: number): FlowRates {
    this.#forget(nowMs);
    const burn = this.#sumSince(nowMs, BURN_MS);
    const pace = this.#sumSince(nowMs, PACE_MS);
    return {
      admit: pace.sum.admit / pace.seconds,
      burnPerMinute: (burn.sum.settled * 60_000n) / BigInt(Math.ceil(burn.seconds * 1_000)),
      hold: pace.sum.hold / pace.seconds,
      throttle: pace.sum.throttle / pace.seconds,
    };
  }

  #sumSince(nowMs: number, spanMs: number): { readonly sum: Step; readonly seconds: number } {
    const first = Math.floor((nowMs - spanMs - this.#startMs) / this.#stepMs) + 1;
    const sum = empty();
    for (const [number, step] of this.#steps) {
      if (number < first) continue;
      sum.settled += step.settled;
      sum.admit += step.admit;
      sum.throttle += step.throttle;
      sum.hold += step.hold;
    }
    const sinceMs = nowMs - (this.#startMs + first * this.#stepMs);
    return { seconds: Math.max(1, sinceMs / 1_000), sum };
  }
}

function add(steps: Map<number, Step>, key: number, second: FrameSecond): void {
  let step = steps.get(key);
  if (step === undefined) {
    step = empty();
    steps.set(key, step);
  }
  step.settled += BigInt(second.settled_nano);
  step.admit += second.admit;
  step.throttle += second.throttle;
  step.hold += second.hold;
}
