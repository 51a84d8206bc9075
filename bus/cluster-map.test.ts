/**
 * Goal: the map says who has which shard, who should, and why one is halted, whatever version wrote it.
 * Method: buckets as lists of keys; the owner that is wanted is compared with hashing itself.
 */
import { describe, expect, test } from "vitest";

import { rendezvous } from "../actors/placement.ts";
import type { BucketEntry } from "./bucket.ts";
import { mapOf } from "./cluster-map.ts";
import { encodeLease, encodeMark, encodeMember } from "./membership.ts";

const FORMAT = { reads: 1, writes: 1 };
const entry = (key: string, value: string, note?: string): BucketEntry => {
  return { key, value, note, revision: 1, ranOut: false };
};
const member = (node: string, worker = 0): BucketEntry => {
  const formats = { journal: FORMAT, snapshot: FORMAT };
  const about = { version: "1.0.0", worker, shards: 4, run: "r", startedAt: 1, ...formats };
  const { value, note } = encodeMember({ node, weight: 1, about });
  return entry(`${node}-${worker}`, value, note);
};
const lease = (shard: number, by: string, phase: "taking" | "owning" | "giving") =>
  entry(`${shard}.1`, encodeLease({ owner: `${by}/0-r`, member: `${by}-0`, epoch: 3n, phase }));

describe("map", () => {
  const alive = [member("one"), member("two")];
  const ids = [
    { id: "one-0", weight: 1 },
    { id: "two-0", weight: 1 },
  ];

  test("shards: have their owner, its epoch and phase, and who is wanted", () => {
    const leases = [
      lease(0, "one", "owning"),
      lease(1, "one", "giving"),
      lease(2, "two", "taking"),
      entry("ready.1.1", encodeMark({ member: "two-0", reason: undefined })),
    ];
    const { shards } = mapOf(alive, leases);
    expect(shards.map(({ phase }) => phase)).toEqual(["owned", "moving", "taking", "free"]);
    expect(shards.map(({ owner }) => owner)).toEqual(["one-0", "one-0", "two-0", undefined]);
    expect(shards[1]).toMatchObject({ ready: "two-0", epoch: 3n });
    for (const { shard, wanted } of shards) expect(wanted).toBe(rendezvous(shard, ids));
  });

  test("members: have their shards, in the order of their names", () => {
    const leases = [
      lease(3, "two", "owning"),
      lease(0, "two", "owning"),
      lease(1, "one", "owning"),
    ];
    const { members } = mapOf(alive.toReversed(), leases);
    expect(members.map(({ id, shards }) => [id, shards])).toEqual([
      ["one-0", [1]],
      ["two-0", [0, 3]],
    ]);
  });

  test("halted: says who will not own it and why, until somebody does", () => {
    const halted = entry("halted.2.1", encodeMark({ member: "one-0", reason: "it went back" }));
    expect(mapOf(alive, [halted]).shards[2]).toMatchObject({
      phase: "halted",
      owner: undefined,
      reason: "one-0: it went back",
    });
    expect(mapOf(alive, [halted, lease(2, "two", "owning")]).shards[2]?.phase).toBe("owned");
  });

  test("first version: a lease that is only a name, and a member without a note", () => {
    const old = entry("old-0", '{"node":"old","weight":1}');
    const { members, shards } = mapOf([old], [entry("1.1", "old/0-ab12")]);
    expect(members).toMatchObject([{ id: "old-0", about: undefined }]);
    expect(shards.map(({ phase }) => phase)).toEqual(["free", "owned"]);
    expect(shards[1]).toMatchObject({ owner: "old/0-ab12", wanted: "old-0", epoch: undefined });
  });

  test("empty: no members, no shards", () => {
    expect(mapOf([], [])).toEqual({ members: [], shards: [] });
  });
});
