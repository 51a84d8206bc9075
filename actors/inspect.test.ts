/**
 * Goal: a question about the present is answered with it, at once, and changes nothing.
 * Method: balances, one authorization, and what is over or unknown.
 */
import { expect, test } from "vitest";
import { agent, sha256Hex, usd, World } from "./testing/world.ts";

const USAGE = { input: 100n, output: 100n };

function inspected(world: World, question: { agent?: string; authorization?: string } = {}) {
  const result = world.turn({ kind: "inspect", ...question });
  expect(result.waitsFor).toBe("none");
  expect(result.entries).toEqual([]);
  if (result.answer.kind !== "inspected") throw new Error(`not inspected: ${result.answer.kind}`);
  return result.answer;
}

test("inspect: says where the journal stands, and counts the holds that are open", () => {
  const world = new World();
  const [first, second] = [world.authorize(), world.authorize()];
  world.authorize();
  world.settle(first.authorization, { usage: USAGE });
  world.void(second.authorization);
  const { balances: _, ...answer } = inspected(world);
  expect(answer).toEqual({
    config_seq: 2n,
    epoch: 1n,
    head: world.state.head.hash,
    kind: "inspected",
    open_holds: 1,
    seq: world.state.head.seq,
  });
  world.takeOver("snapshot");
  expect(inspected(world).open_holds).toBe(1);
  world.now += 60_000;
  // It ends nothing by itself.
  expect(inspected(world).open_holds).toBe(1);
  world.pass(0);
  expect(inspected(world).open_holds).toBe(0);
});

test("inspect: balances are those of the periods, and of one agent also those of its runs", () => {
  const world = new World({ agents: { bot: agent(), "bot-2": agent() } });
  world.authorize({ run: "r1" });
  world.authorize({ agent: "bot-2" });
  const held = usd("0.048");
  expect(inspected(world).balances?.map(({ cap }) => cap)).toEqual([
    "agent:bot/month",
    "workspace:acme/month",
    "agent:bot/year",
    "workspace:acme/year",
    "agent:bot-2/month",
    "agent:bot-2/year",
  ]);
  expect(inspected(world, { agent: "bot" }).balances).toEqual([
    { cap: "agent:bot/run", held, period: "r1", settled: 0n },
    { cap: "agent:bot/month", held, period: "2026-11@UTC", settled: 0n },
    { cap: "agent:bot/year", held, period: "2026@UTC", settled: 0n },
  ]);
  world.pass(30_000);
  world.now += 35 * 86_400_000;
  expect(inspected(world, { agent: "bot" }).balances?.map(({ cap }) => cap)).toEqual([
    "agent:bot/month",
    "agent:bot/year",
  ]);
});

test("inspect: lists as many balances as a message holds", () => {
  const world = new World();
  for (let i = 0; i < 2_100; i++) {
    const counter = {
      cap: "agent:bot/run",
      kind: "run" as const,
      lastAt: world.now,
      period: `r${i}`,
    };
    world.state.counters.set({ ...counter, held: usd("0"), settled: usd("1") });
  }
  expect(inspected(world, { agent: "bot" }).balances).toHaveLength(2_000);
});

test("inspect: an authorization is its decision and where it stands", () => {
  const world = new World();
  const call = world.call({ idempotency: sha256Hex("i"), run: "r1" });
  const answer = world.send(call);
  if (answer.kind !== "decided") throw new Error("not decided");
  world.settle(call.authorization, { final: false, usage: USAGE });
  const { expires_ms: _, kind: __, ...decided } = answer;
  expect(inspected(world, { authorization: call.authorization }).authorization).toEqual({
    ...decided,
    agent: "bot",
    at: world.now,
    run: "r1",
    settled: usd("0.0048"),
    state: "open",
    still_held: usd("0.0432"),
  });
});

test("inspect: an id that is unknown or shut is said to be so", () => {
  const world = new World();
  const shut = world.id();
  world.void(shut);
  for (const authorization of [shut, world.id()]) {
    expect(world.send({ authorization, kind: "inspect" })).toEqual({
      authorization,
      code: "unknown-authorization",
      kind: "refused",
      message: `No authorization ${authorization} in memory; its receipt may be in the read model.`,
    });
  }
});
