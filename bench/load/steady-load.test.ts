/**
 * Goal: the gap after a fault ends with the first answer to what was asked after it, not with a late
 * answer to what was asked before.
 * Method: samples made up around one moment.
 */
import { expect, test } from "vitest";
import { firstAnswer, type HoldSample, sentBetween } from "./steady-load.ts";

const sample = (sentMs: number, endedMs: number, shard = 0, answered = true): HoldSample => ({
  answered,
  endedMs,
  sentMs,
  shard,
});

test("firstAnswer: passes over other shards, refusals and what was sent before", () => {
  const samples = [
    sample(90, 101),
    sample(100, 150, 1),
    sample(100, 160, 0, false),
    sample(110, 200),
    sample(105, 190),
  ];
  expect(firstAnswer(samples, 0, 100)).toBe(190);
  expect(firstAnswer(samples, 2, 100)).toBeUndefined();
});

test("sentBetween: by when a hold was sent, answered or not", () => {
  const samples = [sample(9, 30), sample(10, 15), sample(20, 50), sample(20, 60, 0, false)];
  expect(sentBetween(samples, 10, 20)).toEqual({ tookMs: [5, 30], unanswered: 1 });
});
