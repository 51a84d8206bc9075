/**
 * Goal: what a change of members moved is counted rightly, and hashing moves a fair share and no more.
 * Method: small maps by hand; then hashing over many sets of names.
 */
import { expect, test } from "vitest";
import { joinOverSeeds, movedBetween } from "./moved-share.ts";

test("movedBetween: counts what moved, and apart what moved between others", () => {
  const before = ["a", "a", "b", "b", "b", "a", "a", "b"];
  expect(movedBetween(before, ["c", "a", "b", "c", "b", "a", "a", "b"], "c", 3)).toEqual({
    ideal_share: 0.3333,
    moved_share: 0.25,
    shards: 8,
    stray: 0,
  });
  expect(movedBetween(before, ["c", "b", "b", "b", "b", "a", "a", "b"], "c", 3)).toMatchObject({
    moved_share: 0.25,
    stray: 1,
  });
});

test("movedBetween: a leave moves only what the leaving one had", () => {
  expect(movedBetween(["a", "b", "c"], ["a", "b", "a"], "c", 3)).toMatchObject({ stray: 0 });
  expect(movedBetween(["a", "b", "c"], ["b", "b", "a"], "c", 3)).toMatchObject({ stray: 1 });
});

test.each([2, 3, 4])(
  "joinOverSeeds: the %dth member takes 1/N in the mean, from all",
  (members) => {
    const found = joinOverSeeds(members, 16, 500);
    expect(found.stray).toBe(0);
    // 8,000 draws: a mean further off than this would happen once in millions of sets of names.
    expect(Math.abs(found.mean_share - 1 / members)).toBeLessThan(0.03);
    expect(found.p99_share).toBeGreaterThanOrEqual(found.mean_share);
  },
);
