import { setTimeout as sleep } from "node:timers/promises";

import { encodeMark } from "../bus/membership.ts";
import type { KeptKey } from "./kept-key.ts";
import {
  type PreparedShard,
  prepareShard,
  type Recovered,
  type RecoveryPorts,
  type ShardPlace,
} from "./recovery.ts";

/** How often it reads what the owner has appended since, in ms. */
const CATCH_UP_MS = 500;

export interface StandbyPorts extends Omit<RecoveryPorts, "isWanted"> {
  /** Tells the owner that this worker is ready. */
  readonly mark: Pick<KeptKey, "put" | "drop">;
}

/**
 * A worker that should own a shard and waits for its owner to give it up. It folds the journal meanwhile,
 * so that what is left to do between the two of them is a claim and a few blocks.
 *
 *   preparing → ready (marked, catching up) → taken over or stopped
 */
export class Standby {
  readonly #ports: StandbyPorts;
  readonly #stop = new AbortController();
  readonly #prepared: Promise<PreparedShard>;
  /** What is under way of catching up; a takeover goes on where it ends. */
  #running: Promise<void>;

  /** `failed` hears of what ended it; nothing else does but its owner. */
  constructor(
    place: ShardPlace,
    member: string,
    ports: StandbyPorts,
    failed: (error: unknown) => void,
  ) {
    this.#ports = ports;
    // A takeover also asks, when this is over: from then on its own caller says what is wanted.
    this.#prepared = prepareShard(place, { ...ports, isWanted: () => this.#isWanted() });
    const mark = encodeMark({ member, reason: undefined });
    this.#running = this.#run(mark).catch((error: unknown) => {
      if (!this.#stop.signal.aborted) failed(error);
    });
  }

  #isWanted: () => boolean = () => !this.#stop.signal.aborted;

  /**
   * Claims the shard and folds what is left. The lease has to be ours.
   * @throws what recovery throws.
   */
  async takeOver(isWanted: () => boolean): Promise<Recovered> {
    this.#isWanted = isWanted;
    this.#stop.abort();
    const prepared = await this.#prepared;
    await this.#running;
    this.#dropMark();
    return await prepared.takeOver();
  }

  stop(): void {
    this.#stop.abort();
    this.#dropMark();
  }

  async #run(mark: string): Promise<void> {
    const prepared = await this.#prepared;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await prepared.catchUp();
      if (signal.aborted) return;
      // Without an answer nobody knows that it is ready; it says so again.
      await this.#ports.mark.put({ value: mark }).catch(() => undefined);
      await sleep(CATCH_UP_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  #dropMark(): void {
    this.#ports.mark.drop().catch(() => undefined);
  }
}
