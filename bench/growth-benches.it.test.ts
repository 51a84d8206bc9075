/**
 * Goal: the benches on recovery and scale run through and print what the contract names.
 * Method: the benches themselves, with as little to measure as they take. No figure is judged here.
 * Kills and hand-overs take their time, so those parts run with `npm run bench -- recovery --rounds 1`.
 */
import { expect, test } from "vitest";
import { readBenchLine } from "./measure/bench-options.ts";
import { recovery } from "./recovery.ts";
import { measureSize } from "./scale/rows.ts";
import { scale } from "./scale.ts";

const percentiles = {
  max: expect.any(Number),
  p50: expect.any(Number),
  p95: expect.any(Number),
  p99: expect.any(Number),
};

function optionsOf(line: string) {
  const { options, problems } = readBenchLine(line.split(" "));
  expect(problems).toEqual([]);
  return options;
}

test("recovery: a journal is made and read back", async () => {
  const line = "recovery --servers 1 --shards 2 --entries 1000 --only replay";
  const run = await recovery(optionsOf(line));
  expect(run).toMatchObject({
    bench: "recovery",
    replay_entries_per_s: expect.any(Number),
    servers: 1,
  });
  expect(run["entries"]).toBeGreaterThan(900);
}, 120_000);

test("scale: holds are counted with the processor time of each process", async () => {
  const { row } = await measureSize({ nodes: 1, workers: 2 }, 2, 0.3);
  expect(row.holds_per_s).toBeGreaterThan(0);
  expect(row.cpu_us_per_hold.workers).toBeGreaterThan(0);
  expect(row.cpu_us_per_hold.nats).toBeGreaterThan(0);
}, 120_000);

test("scale: a cluster with more workspaces is measured beside a small one", async () => {
  const line = "scale --workspaces 20 --seconds 0.2 --only workspaces";
  const run = await scale(optionsOf(line));
  expect(run).toMatchObject({
    bench: "scale",
    flat: [{ baseline_ms: percentiles, grown: "workspaces", hold_ms: percentiles, workspaces: 20 }],
  });
}, 120_000);
