import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { RunningChild } from "../../cli/provision/processes.ts";

/** What of a node's health file a bench reads; see `nodes/health.ts`. */
export interface HealthRead {
  readonly ready: boolean;
  readonly projector: readonly {
    readonly shard: number;
    readonly behind?: number;
    readonly durable: number;
    readonly written: number;
  }[];
}

/** Reads the file a node writes every second; `undefined` while there is none. */
export async function readHealth(home: string, node: string): Promise<HealthRead | undefined> {
  const text = await readFile(join(home, "nodes", `${node}.json`), "utf8").catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as HealthRead);
}

const READY_MS_MAX = 60_000;

/** Waits until a node decides all its shards. @throws Error with what it said, if it ended or in the end */
export async function untilReady(home: string, node: RunningChild): Promise<void> {
  const deadline = performance.now() + READY_MS_MAX;
  while (performance.now() < deadline && node.exit() === undefined) {
    if ((await readHealth(home, node.name))?.ready === true) return;
    await sleep(50);
  }
  throw new Error(`${node.name} is not ready:\n${await node.output()}`);
}

/** Waits until one node has the entries of all shards durable in Postgres. @throws Error in the end */
export async function untilProjected(
  home: string,
  node: string,
  shards: number,
  withinMs: number,
  tell: (behind: number) => void = () => undefined,
): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (performance.now() < deadline) {
    const health = await readHealth(home, node);
    const told = health?.projector ?? [];
    const behind = told.reduce((sum, shard) => sum + (shard.behind ?? 1), 0);
    const durable = told.every((shard) => shard.durable === shard.written);
    if (told.length === shards && behind === 0 && durable) return;
    tell(behind);
    await sleep(1_000);
  }
  throw new Error(`${node} did not project its ${shards} shards within ${withinMs} ms`);
}
