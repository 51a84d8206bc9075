import { setTimeout as sleep } from "node:timers/promises";
import { sentBetween } from "../load/steady-load.ts";
import { note } from "../measure/bench-run.ts";
import type { Stand } from "./stand.ts";

const CALM_MS = 1_000;
/** Requests sent for so long after a hand-over still count as sent during it, in ms. */
const AFTER_MS = 500;

/** What requests met that were sent while shards moved as planned. ms, but for `unanswered` */
export interface HandOvers {
  /** The slowest request of each hand-over. */
  readonly slowest: readonly number[];
  /** Every request sent during one. */
  readonly requests: readonly number[];
  /** Requests that got no answer within a gateway's patience. */
  readonly unanswered: number;
}

/** What was met when nodes left on SIGTERM, and when they came again. */
export interface HandOverRounds {
  readonly leaving: HandOvers;
  readonly joining: HandOvers;
}

/** Ends the nodes in turn with SIGTERM and starts each again. */
export async function handOvers(stand: Stand, rounds: number): Promise<HandOverRounds> {
  const leaving = new Windows(stand);
  const joining = new Windows(stand);
  for (let round = 1; round <= rounds; round += 1) {
    await sleep(CALM_MS);
    const number = 1 + (round % 2);
    const node = stand.node(number);
    const left = await leaving.during(async () => {
      process.kill(node.pid, "SIGTERM");
      const { code } = await node.exited;
      if (code !== 0) throw new Error(`${node.name} ended with ${code}:\n${await node.output()}`);
    });
    await sleep(CALM_MS);
    const joined = await joining.during(() => stand.restart(number));
    note(`  ${node.name}: slowest request while it left ${left} ms, while it came ${joined} ms`);
  }
  return { joining: foundIn(joining), leaving: foundIn(leaving) };
}

function foundIn({ slowest, requests, unanswered }: Windows): HandOvers {
  return { requests, slowest, unanswered };
}

class Windows implements HandOvers {
  readonly slowest: number[] = [];
  readonly requests: number[] = [];
  unanswered = 0;
  readonly #stand: Stand;

  constructor(stand: Stand) {
    this.#stand = stand;
  }

  /** Runs something while the load goes on. @returns the slowest request sent meanwhile, whole ms */
  async during(work: () => Promise<void>): Promise<number> {
    const fromMs = performance.now();
    await work();
    await sleep(AFTER_MS);
    const toMs = performance.now();
    // What was sent last may still be waiting for its answer.
    await sleep(PATIENCE_MS);
    const { tookMs, unanswered } = sentBetween(this.#stand.load.samples, fromMs, toMs);
    const slowest = Math.max(0, ...tookMs);
    this.slowest.push(slowest);
    for (const ms of tookMs) this.requests.push(ms);
    this.unanswered += unanswered;
    return Math.round(slowest);
  }
}

/** A request ends by then, answered or not; see `load/steady-load.ts`. */
const PATIENCE_MS = 3_000;
