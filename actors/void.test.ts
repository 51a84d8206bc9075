/**
 * Goal: a void ends a hold unspent, shuts an id that is still on its way, and can be sent again.
 * Method: voids before, during and after an authorization's life.
 */
import { describe, expect, test } from "vitest";
import { agent, usd, World } from "./testing/world.ts";

const HELD = usd("0.048");
const USAGE = { input: 100n, output: 100n };
const COST = usd("0.0048");

describe("an open hold", () => {
  test("void: gives back what is held, and says so again when it is sent again (R3)", () => {
    const world = new World();
    const { authorization } = world.authorize();
    const answer = world.void(authorization);
    expect(answer).toEqual({
      amount: 0n,
      authorization,
      kind: "posted",
      released: HELD,
      seq: 4n,
      state: "voided",
    });
    expect(world.last("void")).toMatchObject({
      agent: "bot",
      amount: HELD,
      opened: { seq: 3n },
      reason: "test",
    });
    expect(world.balance("agent:bot/month")).toEqual({ held: 0n, settled: 0n });
    expect(world.void(authorization)).toEqual(answer);
    expect(world.entries).toHaveLength(4);
  });

  test("void: after a part gives back the rest and keeps what was spent", () => {
    const world = new World();
    const { authorization } = world.authorize();
    world.settle(authorization, { final: false, usage: USAGE });
    expect(world.void(authorization).released).toBe(HELD - COST);
    expect(world.balance("agent:bot/month")).toEqual({ held: 0n, settled: COST });
  });

  test("void: a repeated authorize says voided, so that nobody forwards it (R3)", () => {
    const world = new World();
    const call = world.call();
    world.send(call);
    world.void(call.authorization);
    expect(world.send(call)).toMatchObject({ kind: "decided", outcome: "admit", state: "voided" });
  });
});

describe("what is not open", () => {
  test.each<[string, (world: World, id: string) => void, string]>([
    ["settled", (world, id) => world.settle(id, { usage: USAGE }), "settled"],
    ["expired", (world) => world.pass(30_000), "expired"],
  ])("void: of a %s authorization does nothing and says where it stands", (_, end, state) => {
    const world = new World();
    const { authorization } = world.authorize();
    end(world, authorization);
    const count = world.entries.length;
    expect(world.void(authorization)).toMatchObject({
      amount: 0n,
      released: 0n,
      seq: BigInt(count),
      state,
    });
    expect(world.entries).toHaveLength(count);
  });

  test("void: of a refused one does nothing", () => {
    const world = new World({ agents: { bot: agent({ caps: { run: usd("0") } }) } });
    const { authorization, seq } = world.authorize();
    expect(world.void(authorization)).toMatchObject({ released: 0n, seq, state: "refused" });
  });
});

describe("an id that was never authorized", () => {
  test("void: shuts it with an entry; an authorize that comes later places no hold", () => {
    const world = new World();
    const call = world.call();
    const answer = world.void(call.authorization);
    expect(answer).toMatchObject({ amount: 0n, released: 0n, state: "voided" });
    expect(world.last("void")).toMatchObject({ amount: 0n, legs: [] });
    expect(world.last("void")).not.toHaveProperty("opened");
    expect(world.send(call)).toEqual({
      authorization: call.authorization,
      code: "idempotency-conflict",
      kind: "refused",
      message: "This id was voided before it was authorized; it stays shut. Make a new id.",
    });
    expect(world.balance("agent:bot/month")).toEqual({ held: 0n, settled: 0n });
  });

  test("void: again is answered with the first", () => {
    const world = new World();
    const id = world.id();
    const first = world.void(id);
    expect(world.void(id)).toEqual(first);
    expect(world.entries).toHaveLength(3);
  });

  test("void: never refused for age; a settle of a shut or unknown id posts nothing", () => {
    const world = new World();
    const id = world.id();
    const unknown = world.id();
    world.pass(86_400_000);
    world.void(id);
    for (const authorization of [id, unknown]) {
      const command = { authorization, final: true, kind: "settle" as const, part: "1" };
      expect(world.send(command)).toEqual({
        authorization,
        code: "unknown-authorization",
        kind: "refused",
        message: `No authorization ${authorization} in this workspace: nothing was posted.`,
      });
    }
  });
});
