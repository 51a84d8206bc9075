/**
 * Holds at a steady rate, each followed by its settle, that go on whatever becomes of the engine: what
 * is not answered in time is counted, as a gateway's 503 would be.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { shardOf } from "../../actors/placement.ts";
import { type EngineClient, EngineUnreachable } from "../../bus/engine-client.ts";
import type { BenchWorkspace } from "../cluster/workspaces.ts";
import { placeHold, settleHold } from "./holds.ts";

/** One hold that was asked for. Times are of the monotonic clock, ms. */
export interface HoldSample {
  readonly shard: number;
  readonly sentMs: number;
  /** When its answer came, or when it was given up. */
  readonly endedMs: number;
  readonly answered: boolean;
}

export interface SteadyLoadOptions {
  readonly engine: EngineClient;
  readonly workspaces: readonly BenchWorkspace[];
  readonly shards: number;
  /** Holds a second, over all workspaces in turn. */
  readonly rate: number;
  /** What one hold waits for its answer in all, in ms; 3,000 as in a gateway unless given. */
  readonly deadlineMs?: number;
}

/** A gateway's own patience with one try, in ms. */
const TRY_TIMEOUT_MS = 400;
const DEADLINE_MS = 3_000;
const SETTLE_PATIENCE = { deadlineMs: 15_000, tryTimeoutMs: TRY_TIMEOUT_MS };
const LOOK_MS = 5;

export class SteadyLoad {
  readonly samples: HoldSample[] = [];
  readonly #options: SteadyLoadOptions;
  readonly #inFlight = new Set<Promise<void>>();
  readonly #running: Promise<void>;
  #stopped = false;
  #fault: Error | undefined;

  constructor(options: SteadyLoadOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  /** Ends when everything under way has ended. @throws what an answer should not have been. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
    await Promise.all(this.#inFlight);
    if (this.#fault !== undefined) throw this.#fault;
  }

  /**
   * The first answer to a hold of a shard that was sent after a moment, as ms from that moment.
   * @throws Error when there is none in time, or the load broke down.
   */
  async firstAnswerAfter(shard: number, momentMs: number, withinMs = 60_000): Promise<number> {
    const deadline = momentMs + withinMs;
    while (performance.now() < deadline && this.#fault === undefined) {
      const first = firstAnswer(this.samples, shard, momentMs);
      if (first !== undefined) return first - momentMs;
      await sleep(LOOK_MS);
    }
    if (this.#fault !== undefined) throw this.#fault;
    throw new Error(`shard ${shard} answered no hold for ${withinMs} ms`);
  }

  async #run(): Promise<void> {
    const { workspaces, rate } = this.#options;
    const startMs = performance.now();
    for (let number = 0; !this.#stopped; ) {
      const dueMs = startMs + (number * 1_000) / rate;
      const nowMs = performance.now();
      if (nowMs < dueMs) {
        await sleep(dueMs - nowMs);
        continue;
      }
      const workspace = workspaces[number % workspaces.length];
      number += 1;
      if (workspace === undefined) return;
      const sent = this.#send(workspace).catch((fault: unknown) => {
        this.#fault ??= fault instanceof Error ? fault : new Error(String(fault));
      });
      this.#inFlight.add(sent);
      void sent.then(() => this.#inFlight.delete(sent));
    }
  }

  async #send(workspace: BenchWorkspace): Promise<void> {
    const { engine, shards, deadlineMs = DEADLINE_MS } = this.#options;
    const patience = { deadlineMs, tryTimeoutMs: Math.min(TRY_TIMEOUT_MS, deadlineMs) };
    const shard = shardOf(workspace.ws, shards);
    const sentMs = performance.now();
    const answered = (authorization: string | undefined) => {
      const endedMs = performance.now();
      this.samples.push({ answered: authorization !== undefined, endedMs, sentMs, shard });
      return authorization;
    };
    const held = await unlessUnreachable(placeHold(engine, workspace, { patience }));
    const authorization = answered(held);
    if (authorization === undefined) return;
    // A hold whose settle does not get through expires; neither is measured here.
    await unlessUnreachable(settleHold(engine, workspace, authorization, SETTLE_PATIENCE).then(ok));
  }
}

const ok = () => "settled";

async function unlessUnreachable<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (!(error instanceof EngineUnreachable)) throw error;
    return undefined;
  }
}

/** When the first answer came to a hold of the shard that was sent at or after the moment. */
export function firstAnswer(
  samples: readonly HoldSample[],
  shard: number,
  momentMs: number,
): number | undefined {
  let first: number | undefined;
  for (const sample of samples) {
    if (!sample.answered || sample.shard !== shard || sample.sentMs < momentMs) continue;
    if (first === undefined || sample.endedMs < first) first = sample.endedMs;
  }
  return first;
}

/** How long holds took that were sent between two moments, in ms, and how many got no answer. */
export function sentBetween(
  samples: readonly HoldSample[],
  fromMs: number,
  toMs: number,
): { readonly tookMs: readonly number[]; readonly unanswered: number } {
  const within = samples.filter(({ sentMs }) => sentMs >= fromMs && sentMs <= toMs);
  return {
    tookMs: within.filter(({ answered }) => answered).map((s) => s.endedMs - s.sentMs),
    unanswered: within.filter(({ answered }) => !answered).length,
  };
}
