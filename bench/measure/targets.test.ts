/**
 * Goal: a bench passes when its figures are within their bounds, and is not judged by what it did not
 * measure.
 * Method: figures at, within and beyond a bound.
 */
import { expect, test } from "vitest";
import { latencies } from "./latencies.ts";
import { targetOf } from "./targets.ts";

test.each([
  [10, { most: 10 }, true],
  [10.1, { most: 10 }, false],
  [10, { least: 10 }, true],
  [9.9, { least: 10 }, false],
])("targetOf: %d against %o", (found, bound, pass) => {
  expect(targetOf("f", found, bound)).toMatchObject([{ figure: "f", found, pass }]);
});

test("targetOf: what was not measured is not judged", () => {
  expect(targetOf("f", undefined, { most: 1 })).toEqual([]);
});

test("latencies: nearest rank, whatever the order", () => {
  const samples = Array.from({ length: 100 }, (_, i) => 100 - i);
  expect(latencies(samples)).toEqual({ max: 100, p50: 50, p95: 95, p99: 99 });
  expect(latencies([7])).toEqual({ max: 7, p50: 7, p95: 7, p99: 7 });
});
