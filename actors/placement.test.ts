/**
 * Goal: every process places a workspace and a shard alike, and a change of members moves only its share.
 * Method: published FNV-1a vectors; shares counted over many shards, before and after a member joins.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fnv1a32, type PlacementMember, rendezvous, shardOf } from "./placement.ts";

describe("shard", () => {
  // Landon Curt Noll's FNV test vectors, draft-eastlake-fnv-17 §C (FNV-1a, 32 bits).
  test.each([
    ["", 0x811c9dc5],
    ["a", 0xe40c292c],
    ["b", 0xe70c2de5],
    ["foobar", 0xbf9cf968],
  ])("hash: %j is the published one", (text, hash) => {
    expect(fnv1a32(text)).toBe(hash);
  });

  test("shard: is the hash modulo the number of shards", () => {
    expect(shardOf("foobar", 16)).toBe(0xbf9cf968 % 16);
    const shards = Array.from({ length: 4_000 }, (_, i) => shardOf(`ws-${i}`, 16));
    const counts = shards.reduce(
      (all, shard) => all.with(shard, (all[shard] ?? 0) + 1),
      Array<number>(16).fill(0),
    );
    expect(Math.min(...counts)).toBeGreaterThan(150);
    expect(Math.max(...counts)).toBeLessThan(350);
  });
});

describe("owner", () => {
  const members = (weights: readonly number[]): PlacementMember[] =>
    weights.map((weight, i) => ({ id: `worker-${i}`, weight }));
  const SHARDS = Array.from({ length: 4_000 }, (_, i) => i);
  const ownersOf = (among: readonly PlacementMember[]) =>
    SHARDS.map((shard) => rendezvous(shard, among));
  const share = (owners: readonly (string | undefined)[], id: string) =>
    owners.filter((owner) => owner === id).length / owners.length;

  test("rendezvous: nobody owns a shard among none", () => {
    expect(rendezvous(3, [])).toBeUndefined();
  });

  test("rendezvous: does not depend on the order in which members are named", () => {
    const few = fc.uniqueArray(fc.stringMatching(/^[a-z]{1,8}$/), { maxLength: 6, minLength: 1 });
    fc.assert(
      fc.property(few, fc.nat({ max: 63 }), (ids, shard) => {
        const named = ids.map((id) => ({ id, weight: 1 }));
        expect(rendezvous(shard, named)).toBe(rendezvous(shard, named.toReversed()));
        expect(ids).toContain(rendezvous(shard, named));
      }),
    );
  });

  test("rendezvous: a member that joins takes only its share, and from nobody else's to nobody else's", () => {
    const before = ownersOf(members([1, 1, 1]));
    const after = ownersOf(members([1, 1, 1, 1]));
    const moved = SHARDS.filter((shard) => before[shard] !== after[shard]);
    expect(moved.every((shard) => after[shard] === "worker-3")).toBe(true);
    expect(moved.length / SHARDS.length).toBeGreaterThan(0.2);
    expect(moved.length / SHARDS.length).toBeLessThan(0.3);
  });

  test("rendezvous: weight is share", () => {
    const owners = ownersOf(members([1, 2, 1]));
    expect(share(owners, "worker-1")).toBeGreaterThan(0.46);
    expect(share(owners, "worker-1")).toBeLessThan(0.54);
    expect(share(owners, "worker-0")).toBeGreaterThan(0.21);
  });

  const anyMembers = fc.uniqueArray(
    fc.record({
      id: fc.stringMatching(/^[a-z]{1,8}-[0-9]$/),
      weight: fc.integer({ min: 1, max: 1_000 }),
    }),
    { selector: ({ id }) => id, minLength: 2, maxLength: 8 },
  );

  test("rendezvous: whoever joins or leaves, with any weights, only its own shards move", () => {
    fc.assert(
      fc.property(anyMembers, fc.nat(), (all, pick) => {
        const who = all[pick % all.length] as PlacementMember;
        const without = all.filter(({ id }) => id !== who.id);
        for (let shard = 0; shard < 64; shard++) {
          const before = rendezvous(shard, without);
          const after = rendezvous(shard, all);
          // Read backwards this is the leave: what it had goes, the rest stays where it is.
          expect([before, who.id]).toContain(after);
        }
      }),
    );
  });

  test("rendezvous: a member whose weight grows only gains, and one whose weight shrinks only loses", () => {
    fc.assert(
      fc.property(anyMembers, fc.nat(), fc.integer({ min: 1, max: 1_000 }), (all, pick, more) => {
        const index = pick % all.length;
        const who = all[index] as PlacementMember;
        const grown = all.with(index, { ...who, weight: who.weight + more });
        for (let shard = 0; shard < 64; shard++) {
          const after = rendezvous(shard, grown);
          if (after !== who.id) expect(after).toBe(rendezvous(shard, all));
        }
      }),
    );
  });

  test("rendezvous: a join takes its fair share by weight, of any members", () => {
    const weights = fc.array(fc.integer({ min: 1, max: 10 }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(weights, fc.integer({ min: 1, max: 10 }), (before, joins) => {
        const after = members([...before, joins]);
        const owners = ownersOf(after);
        const ideal = joins / after.reduce((sum, { weight }) => sum + weight, 0);
        // Five standard deviations of that many draws.
        const slack = 5 * Math.sqrt((ideal * (1 - ideal)) / SHARDS.length);
        expect(Math.abs(share(owners, `worker-${before.length}`) - ideal)).toBeLessThan(
          slack + 0.01,
        );
      }),
      { numRuns: 30 },
    );
  });

  test("rendezvous: of equal draws the lesser id wins", () => {
    const idle = [
      { id: "b", weight: 0 },
      { id: "a", weight: 0 },
      { id: "c", weight: 0 },
    ];
    for (const order of [idle, idle.toReversed()]) expect(rendezvous(1, order)).toBe("a");
    expect(rendezvous(1, [...idle, { id: "z", weight: 1 }])).toBe("z");
  });
});
