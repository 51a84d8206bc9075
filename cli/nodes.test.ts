/**
 * Goal: `tarmac nodes` tells a person which worker decides which shard, what moves, and what to do about a
 * shard that nobody decides; as JSON it has every field that scripts read.
 * Method: maps as the buckets would give them, rendered as text and as JSON.
 */
import { describe, expect, test } from "vitest";

import type { ClusterMap, MapShard } from "../bus/cluster-map.ts";
import { mapJson, mapLines } from "./nodes.ts";

const FORMAT = { reads: 1, writes: 1 };
const NOW = Date.parse("2026-11-22T12:00:00Z");
const shard = (number: number, fields: Partial<MapShard> = {}): MapShard => ({
  shard: number,
  phase: "owned",
  owner: "one-0",
  epoch: 3n,
  wanted: "one-0",
  ready: undefined,
  reason: undefined,
  ...fields,
});
const member = (node: string, shards: readonly number[]): ClusterMap["members"][number] => ({
  id: `${node}-0`,
  node,
  weight: 2,
  shards,
  about: {
    version: "1.2.3",
    worker: 0,
    shards: 4,
    run: "r",
    startedAt: NOW - 300_000,
    journal: FORMAT,
    snapshot: FORMAT,
  },
});
const lines = (map: ClusterMap) => mapLines(map, NOW).join("\n");

describe("tarmac nodes", () => {
  test("text: workers with their shards, shards with their owner and where they go", () => {
    const moving = shard(1, { wanted: "two-0", phase: "moving", ready: "two-0" });
    const text = lines({
      members: [member("one", [0, 1]), member("two", [])],
      shards: [shard(0), moving],
    });
    expect(text).toMatch(/^one-0 +2 +1\.2\.3 +5 min +0 1$/m);
    expect(text).toMatch(/^two-0 .* none$/m);
    expect(text).toMatch(/0 +owned +one-0 +3$/m);
    expect(text).toMatch(/1 +moving +one-0 +3 +goes to two-0, which is ready$/m);
    expect(text).not.toMatch(/halted|nobody/);
  });

  test("text: a shard that is halted says why, one that is free what to look at", () => {
    const gone = { owner: undefined, epoch: undefined };
    const text = lines({
      members: [member("one", [])],
      shards: [
        shard(0, { ...gone, phase: "halted", reason: "one-0: the journal went back" }),
        shard(1, { ...gone, phase: "free" }),
      ],
    });
    expect(text).toMatch(/0 +halted +nobody +one-0: the journal went back/);
    expect(text).toMatch(/Shard 0: halted.*restart that node/);
    expect(text).toMatch(/Shard 1: decided by nobody.*Postgres/);
  });

  test("text: a worker of a version that says nothing of itself, and no worker at all", () => {
    const old = { ...member("old", [0]), about: undefined };
    expect(lines({ members: [old], shards: [shard(0)] })).toMatch(/^old-0 +2 +earlier +0$/m);
    expect(lines({ members: [], shards: [] })).toMatch(/No node runs.*tarmac node/);
  });

  test("JSON: members and shards with what scripts read", () => {
    const json = mapJson({ members: [member("one", [0])], shards: [shard(0)] });
    expect(json.members[0]).toMatchObject({
      id: "one-0",
      node: "one",
      worker: 0,
      weight: 2,
      version: "1.2.3",
      shards: [0],
    });
    expect(json.shards[0]).toMatchObject({ shard: 0, owner: "one-0", epoch: 3n, phase: "owned" });
  });
});
