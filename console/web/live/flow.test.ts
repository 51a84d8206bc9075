/**
 * Goal: the charts add up: what Postgres counted and what frames bring is each counted once.
 * Method: a made-up world counted whole, against the same world in part counted and in part streamed.
 */
import { expect, test } from "vitest";
import { FakeWorld } from "../../../bench/console/fake-world.ts";
import { Flow } from "./flow.ts";

const START = Date.UTC(2026, 10, 22, 12);
const MINUTE = 60_000;
const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);

test("columns: a count and the frames behind it are the same as one count of all", () => {
  const world = new FakeWorld("acme");
  world.run(START, START + 5 * MINUTE, 3);
  const flow = new Flow();
  flow.begin(world.overview(START + 5 * MINUTE));
  let after = world.head;
  const end = START + 8 * MINUTE;
  for (let at = START + 5 * MINUTE; at < end; at += 500) {
    world.run(at, at + 500, 4);
    const frame = world.frame(after);
    if (frame === undefined) continue;
    flow.take(frame);
    after = BigInt(frame.to_seq);
  }
  const whole = new Flow();
  whole.begin(world.overview(end));
  const [streamed, counted] = [flow.columns(end), whole.columns(end)];
  expect(streamed.times).toEqual(counted.times);
  expect(streamed.admit).toEqual(counted.admit);
  expect(sum(streamed.burn)).toBeCloseTo(sum(counted.burn), 6);
});

test("begin: a later count does not take frames in twice, nor drop those behind it", () => {
  const world = new FakeWorld("acme");
  const flow = new Flow();
  flow.begin(world.overview(START));
  let after = 0n;
  for (let at = START; at < START + MINUTE; at += 100) {
    world.run(at, at + 100, 20);
    const frame = world.frame(after);
    if (frame === undefined) continue;
    flow.take(frame);
    after = BigInt(frame.to_seq);
    // Postgres is asked now and then, and stands where the frames do.
    if (at % 7_000 === 0) flow.begin(world.overview(at));
  }
  const { admit, hold, throttle } = flow.columns(START + MINUTE + 5_000);
  const told = sum([...admit, ...hold, ...throttle]) * 5;
  expect(told).toBeCloseTo(world.decisions({ limit: "100000" }).rows.length, 6);
});

test("columns: time moves on while nothing happens", () => {
  const world = new FakeWorld("acme");
  world.run(START, START + MINUTE, 2);
  const flow = new Flow();
  flow.begin(world.overview(START + MINUTE));
  expect(sum(flow.columns(START + 2 * MINUTE).admit)).toBeGreaterThan(0);
  const later = flow.columns(START + 20 * MINUTE);
  expect(sum([...later.admit, ...later.burn])).toBe(0);
  expect(later.times).toHaveLength(180);
  expect((later.times.at(-1) ?? 0) * 1_000).toBe(START + 20 * MINUTE - 5_000);
});

test("rates: are over the time that has passed", () => {
  const world = new FakeWorld("acme");
  world.run(START - 5 * MINUTE, START, 10);
  const flow = new Flow();
  flow.begin(world.overview(START));
  const { admit, burnPerMinute, hold, throttle } = flow.rates(START);
  expect(admit + hold + throttle).toBeGreaterThan(8);
  expect(admit + hold + throttle).toBeLessThan(12);
  expect(burnPerMinute).toBeGreaterThan(0n);
});
