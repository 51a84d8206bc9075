/**
 * Goal: a bench knows who owns which shard, and has workspaces in each.
 * Method: values of leases as owners write them, and the placement that they follow.
 */
import { expect, test } from "vitest";
import { shardOf } from "../../actors/placement.ts";
import { namesInEveryShard, wantedMap, workerOfLease } from "./shard-map.ts";

test.each(["node-1/0-0a1b2c3d", '{"owner":"node-1/0-0a1b2c3d","member":"node-1-0","epoch":"3"}'])(
  "workerOfLease: %s is of worker 0 of node-1",
  (value) => {
    expect(workerOfLease(value)).toBe("node-1/0");
  },
);

test("wantedMap: every shard is some worker's, and nobody's without workers", () => {
  const nodes = [
    { name: "node-1", workers: 2 },
    { name: "node-2", workers: 1 },
  ];
  const workers = new Set(wantedMap(nodes, 64));
  expect([...workers].toSorted()).toEqual(["node-1/0", "node-1/1", "node-2/0"]);
  expect(wantedMap([], 2)).toEqual([undefined, undefined]);
});

test("namesInEveryShard: each shard has as many", () => {
  const names = namesInEveryShard(8, 3);
  expect(new Set(names).size).toBe(24);
  const shards = Array.from({ length: 8 }, (_, shard) => shard);
  const counts = shards.map((shard) => names.filter((name) => shardOf(name, 8) === shard).length);
  expect(counts).toEqual(shards.map(() => 3));
});
