/** Who owns each shard of a bench's cluster, as the leases in NATS say it. */
import { setTimeout as sleep } from "node:timers/promises";
import type { NatsConnection } from "@nats-io/nats-core";
import { rendezvous, shardOf } from "../../actors/placement.ts";
import { Bucket } from "../../bus/bucket.ts";
import { FIRST_ERA, LEASES_BUCKET } from "../../bus/subjects.ts";

/** The worker of each shard, like `node-1/0`; `undefined` while nobody has its lease. */
export type ShardMap = readonly (string | undefined)[];

/** One engine node and how many workers it has. */
export interface PlacedNode {
  readonly name: string;
  readonly workers: number;
}

/** The worker that a lease names: its value is the owner, or an object that says it and more. */
export function workerOfLease(value: string): string {
  const owner = value.startsWith("{") ? (JSON.parse(value) as { owner: string }).owner : value;
  // A worker adds random characters to its name, a start each.
  return owner.replace(/-[0-9a-f]{8}$/, "");
}

export function nodeOfWorker(worker: string): string {
  return worker.split("/")[0] ?? worker;
}

/** Reads all leases through their leader. @throws a timeout while NATS is electing one. */
export async function readShardMap(nc: NatsConnection, shards: number): Promise<ShardMap> {
  const leases = new Bucket(nc, LEASES_BUCKET);
  const keys = Array.from({ length: shards }, (_, shard) => `${shard}.${FIRST_ERA}`);
  const found = await Promise.all(keys.map((key) => leases.read(key)));
  return found.map(({ value }) => (value === undefined ? undefined : workerOfLease(value)));
}

/** What hashing gives each worker of these nodes. */
export function wantedMap(nodes: readonly PlacedNode[], shards: number): ShardMap {
  const workers = nodes.flatMap((node) =>
    Array.from({ length: node.workers }, (_, index) => `${node.name}/${index}`),
  );
  const names = new Map(workers.map((worker) => [worker.replace("/", "-"), worker]));
  const members = [...names.keys()].map((id) => ({ id, weight: 1 }));
  return Array.from({ length: shards }, (_, shard) => names.get(rendezvous(shard, members) ?? ""));
}

/** Waits until every shard is where hashing wants it. @throws Error when that takes too long. */
export async function untilPlaced(
  nc: NatsConnection,
  nodes: readonly PlacedNode[],
  shards: number,
  withinMs = 180_000,
): Promise<ShardMap> {
  const wanted = wantedMap(nodes, shards);
  const deadline = performance.now() + withinMs;
  let found: ShardMap = [];
  while (performance.now() < deadline) {
    // Without a leader the next look tells.
    found = await readShardMap(nc, shards).catch(() => []);
    if (wanted.every((worker, shard) => worker === found[shard])) return found;
    await sleep(50);
  }
  throw new Error(
    `shards did not come to their places: wanted ${wanted.join(" ")}, found ${found.join(" ")}`,
  );
}

/** Names of workspaces such that every shard has `each` of them. */
export function namesInEveryShard(shards: number, each: number, prefix = "bench"): string[] {
  const counts = new Map<number, number>();
  const names: string[] = [];
  for (let i = 0; names.length < shards * each; i += 1) {
    const name = `${prefix}-${i}`;
    const shard = shardOf(name, shards);
    const count = counts.get(shard) ?? 0;
    if (count === each) continue;
    counts.set(shard, count + 1);
    names.push(name);
  }
  return names;
}
