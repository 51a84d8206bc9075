import { setTimeout as sleep } from "node:timers/promises";

/** One send of an open loop: when it was due, and when it went. ms of the monotonic clock */
export interface Send {
  readonly number: number;
  readonly dueMs: number;
  readonly sentMs: number;
}

/**
 * Calls `send` at a fixed rate, whether the ones before have ended or not, so that a slow answer does
 * not slow the questions down. Settles when all have ended.
 * @param rate sends per second
 * @returns how late each send was, in ms: the generator's own error
 */
export async function openLoop(
  rate: number,
  durationMs: number,
  send: (send: Send) => Promise<void>,
): Promise<number[]> {
  const late: number[] = [];
  const inFlight: Promise<void>[] = [];
  const total = Math.round((rate * durationMs) / 1_000);
  const startMs = performance.now() + 20;
  let number = 0;
  while (number < total) {
    const nowMs = performance.now();
    let dueMs = startMs + (number * 1_000) / rate;
    while (number < total && dueMs <= nowMs) {
      const sentMs = performance.now();
      late.push(sentMs - dueMs);
      inFlight.push(send({ dueMs, number, sentMs }));
      number += 1;
      dueMs = startMs + (number * 1_000) / rate;
    }
    if (number < total) await sleep(Math.max(0, dueMs - performance.now()));
  }
  await Promise.all(inFlight);
  return late;
}
