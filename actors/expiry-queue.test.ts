/**
 * Goal: holds come out of the queue by (expires_at, seq), however they went in.
 * Method: random pushes and pops against a sorted list.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Due, ExpiryQueue } from "./expiry-queue.ts";

test("queue: gives out the earliest, and of equals the one that was opened first", () => {
  // Few distinct times, so that many are equal.
  const step = fc.oneof(
    { arbitrary: fc.integer({ max: 8, min: 0 }), weight: 3 },
    { arbitrary: fc.constant("pop" as const), weight: 2 },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120, size: "max" }), (steps) => {
      const queue = new ExpiryQueue();
      let sorted: Due[] = [];
      let seq = 0n;
      for (const one of steps) {
        if (one === "pop") {
          expect(queue.peek()).toEqual(sorted[0]);
          expect(queue.pop()).toEqual(sorted[0]);
          sorted = sorted.slice(1);
        } else {
          // Not in order of seq either: a renewal goes back in behind younger ones.
          seq += 7n;
          const due = { authorization: `a${seq}`, expiresAt: one, seq: (seq * 5n) % 1_009n };
          queue.push(due);
          sorted = [...sorted, due].sort(
            (a, b) => a.expiresAt - b.expiresAt || Number(a.seq - b.seq),
          );
        }
        expect(queue.size).toBe(sorted.length);
      }
      expect(sorted.map(() => queue.pop())).toEqual(sorted);
      expect(queue.pop()).toBeUndefined();
    }),
    { numRuns: 200 },
  );
});
