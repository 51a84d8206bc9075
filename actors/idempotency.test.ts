/**
 * Goal: what was decided stays decided: one answer per id, one call per idempotency key.
 * Method: repeats and siblings at every stage of a call's life, in memory and after a restart.
 */
import { describe, expect, test } from "vitest";
import { authorizationId } from "../ledger/ids.ts";
import { bound } from "./testing/prices.ts";
import { agent, START, sha256Hex, usd, World } from "./testing/world.ts";
import { forget } from "./workspace.ts";

const KEY_A = sha256Hex("key and idempotency key");
const USAGE = { input: 100n, output: 100n };

describe("the same id", () => {
  test("repeat: is answered with the first, without an entry (R3)", () => {
    const world = new World();
    const call = world.call();
    const first = world.send(call);
    world.pass(5_000);
    const again = world.turn(call);
    expect(again.answer).toEqual(first);
    expect(again.entries).toEqual([]);
    // It stands on an entry that may still be under way: it waits for the block like the first.
    expect(again.waitsFor).toBe("block");
  });

  test("repeat: a refusal stays one, also when there is room since (R3)", () => {
    const world = new World({ agents: { bot: agent({ caps: { month: usd("0") } }) } });
    const call = world.call();
    const first = world.send(call);
    expect(first).toMatchObject({ outcome: "hold" });
    world.setAgent("bot", { caps: {} });
    expect(world.send(call)).toEqual(first);
    expect(world.authorize().outcome).toBe("admit");
  });

  test("repeat: carries where the authorization stands now", () => {
    const world = new World();
    const call = world.call();
    const first = world.send(call);
    world.settle(call.authorization, { usage: USAGE });
    expect(world.send(call)).toEqual({ ...first, state: "settled" });
  });

  test("repeat: with another payload is a conflict that names the entry (R3)", () => {
    const world = new World();
    const call = world.call();
    world.send(call);
    const seq = world.last("authorize").seq;
    expect(world.send({ ...call, usage_bound: bound(1n, 1n) })).toEqual({
      authorization: call.authorization,
      code: "idempotency-conflict",
      kind: "refused",
      message: "This id was authorized with another payload. A new request needs a new id.",
      seq,
    });
  });
});

describe("the time of an id", () => {
  const at = (ms: number) => authorizationId(ms, new Uint8Array(16).fill(7));

  test.each([
    ["2 minutes old", -120_000, "decided"],
    ["a millisecond older", -120_001, "refused"],
    ["30 seconds ahead", 30_000, "decided"],
    ["a millisecond further", 30_001, "refused"],
  ])("stale: an id %s is so or not", (_, ms, kind) => {
    const world = new World();
    const answer = world.send(world.call({ authorization: at(START + ms) }));
    expect(answer.kind).toBe(kind);
    if (kind === "refused") expect(answer).toMatchObject({ code: "stale" });
  });

  test("stale: a known id is answered, however old", () => {
    const world = new World();
    const call = world.call();
    const first = world.send(call);
    world.send({ authorizations: [call.authorization], kind: "renew" });
    for (let i = 0; i < 20; i++) {
      world.pass(20_000);
      world.send({ authorizations: [call.authorization], kind: "renew" });
    }
    expect(world.send(call)).toEqual(first);
  });
});

describe("a second call under one idempotency key", () => {
  test("sibling: while the first is under way is refused in-progress", () => {
    const world = new World();
    const first = world.authorize({ idempotency: KEY_A });
    const result = world.turn(world.call({ idempotency: KEY_A }));
    expect(result.entries).toEqual([]);
    expect(result.answer).toEqual({
      authorization: first.authorization,
      code: "in-progress",
      kind: "refused",
      message: `The first call with this idempotency key, ${first.authorization}, is still under way.`,
      seq: first.seq,
    });
  });

  test.each<[string, (world: World, id: string) => void]>([
    ["settled", (world, id) => world.settle(id, { usage: USAGE })],
    ["voided", (world, id) => world.void(id)],
    ["expired", (world) => world.pass(30_000)],
  ])("sibling: after the first is %s is refused already-settled", (state, end) => {
    const world = new World();
    const first = world.authorize({ idempotency: KEY_A });
    end(world, first.authorization);
    expect(world.send(world.call({ idempotency: KEY_A }))).toMatchObject({
      authorization: first.authorization,
      code: "already-settled",
      message: `The call with this idempotency key was made as ${first.authorization} and is ${state}.`,
      seq: first.seq,
    });
  });

  test("sibling: of a refused call gets the same refusal", () => {
    const world = new World({ agents: { bot: agent({ caps: { month: usd("0") } }) } });
    const first = world.authorize({ idempotency: KEY_A });
    world.setAgent("bot", { caps: {} });
    expect(world.send(world.call({ idempotency: KEY_A }))).toEqual(first);
  });

  test("sibling: another key or none is another call", () => {
    const world = new World();
    world.authorize({ idempotency: KEY_A });
    expect(world.authorize({ idempotency: sha256Hex("other") }).outcome).toBe("admit");
    expect(world.authorize().outcome).toBe("admit");
  });

  test("sibling: is still found after a restart that left the first one out", () => {
    const world = new World();
    const first = world.authorize({ idempotency: KEY_A });
    world.settle(first.authorization, { usage: USAGE });
    world.takeOver("snapshot");
    expect(world.state.authorizations.has(first.authorization)).toBe(false);
    expect(world.send(world.call({ idempotency: KEY_A }))).toMatchObject({
      authorization: first.authorization,
      code: "already-settled",
    });
    expect(world.fetches).toBe(1);
  });

  test("sibling: a key is kept as long as its id; then it may be used again", () => {
    const world = new World();
    const first = world.authorize({ idempotency: KEY_A });
    world.settle(first.authorization, { usage: USAGE });
    world.pass(120_001);
    forget(world.state, world.state.head.seq, world.now);
    expect(world.state.idempotency.size).toBe(0);
    const second = world.authorize({ idempotency: KEY_A });
    expect(second.state).toBe("open");
    // The old call comes back to memory for a late part, and leaves the key to the new one.
    world.settle(first.authorization, { final: false, part: "2", usage: USAGE });
    const third = world.call({ idempotency: KEY_A });
    expect(world.send(third)).toMatchObject({
      authorization: second.authorization,
      code: "in-progress",
    });
    forget(world.state, world.state.head.seq, world.now);
    expect(world.state.authorizations.has(first.authorization)).toBe(false);
    expect(world.send(third)).toMatchObject({
      authorization: second.authorization,
      code: "in-progress",
    });
  });

  test("sibling: after a replay that forgets nothing, the newest call has the key", () => {
    const world = new World();
    const first = world.authorize({ idempotency: KEY_A });
    world.settle(first.authorization, { usage: USAGE });
    world.pass(120_001);
    forget(world.state, world.state.head.seq, world.now);
    const second = world.authorize({ idempotency: KEY_A });
    world.takeOver("journal");
    expect(world.state.authorizations.has(first.authorization)).toBe(true);
    expect(world.send(world.call({ idempotency: KEY_A }))).toMatchObject({
      authorization: second.authorization,
      code: "in-progress",
    });
  });
});
