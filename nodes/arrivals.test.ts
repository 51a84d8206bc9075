/**
 * Goal: a process that stood still does not take old requests for new ones.
 * Method: vitest's clock, set forward without running timers, as a stopped process sees it.
 */
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { Arrivals } from "./arrivals.ts";

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

test("arrivedAt: now, while the loop turns", () => {
  const arrivals = new Arrivals(() => Date.now());
  for (let i = 0; i < 20; i++) {
    vi.advanceTimersByTime(20);
    expect(arrivals.arrivedAt()).toBe(Date.now());
  }
  arrivals.stop();
});

test("arrivedAt: when the loop was last seen turning, after a standstill; then now again", () => {
  const arrivals = new Arrivals(() => Date.now());
  vi.advanceTimersByTime(100);
  const lastSeen = Date.now();
  vi.setSystemTime(lastSeen + 10_000);
  expect(arrivals.arrivedAt()).toBeLessThanOrEqual(lastSeen);
  vi.advanceTimersByTime(50);
  expect(arrivals.arrivedAt()).toBeLessThanOrEqual(lastSeen);
  vi.advanceTimersByTime(100);
  expect(arrivals.arrivedAt()).toBe(Date.now());
  arrivals.stop();
});
