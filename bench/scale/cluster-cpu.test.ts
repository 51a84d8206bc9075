/**
 * Goal: processor time is shared out over the holds it was spent on, and predicts from it.
 * Method: two readings whose differences are known.
 */
import { expect, test } from "vitest";
import { perHold, predicted } from "./cluster-cpu.ts";

const before = { client: 5, nats: 10, node_rest: 0, postgres: 0, projectors: 1, workers: 100 };
const after = {
  client: 1_005,
  nats: 5_010,
  node_rest: 1_000,
  postgres: 0,
  projectors: 251,
  workers: 9_100,
};

test("perHold: each use by itself", () => {
  expect(perHold(before, after, 100)).toEqual({
    client: 10,
    nats: 50,
    node_rest: 10,
    postgres: 0,
    projectors: 2.5,
    workers: 90,
  });
});

test("predicted: what a core carries that does nothing else", () => {
  expect(predicted(perHold(before, after, 100))).toMatchObject({
    holds_per_s_per_nats_core: 20_000,
    holds_per_s_per_projector_core: 400_000,
    holds_per_s_per_worker_core: 10_000,
  });
});
