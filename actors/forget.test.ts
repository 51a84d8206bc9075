/**
 * Goal: memory forgets only what Postgres has, and what was forgotten answers as if it had not been.
 * Method: lives that are closed, forgotten and touched again, beside the same lives kept in memory.
 */
import { describe, expect, test } from "vitest";
import type { Command } from "./commands.ts";
import { encodeSnapshot } from "./snapshot.ts";
import { agent, sha256Hex, usd, World } from "./testing/world.ts";
import { forget, forgetOld, runTurn } from "./workspace.ts";

const DAY = 86_400_000;
const USAGE = { input: 100n, output: 100n };
const known = (world: World, id: string) => world.state.authorizations.has(id);
const counter = (world: World, cap: string, period: string) =>
  world.state.counters.get({ cap, period });
const forgetAll = (world: World) => forget(world.state, world.state.head.seq, world.now);

describe("when", () => {
  test("forget: a closed record goes when no repeat can come any more and Postgres has it", () => {
    const world = new World();
    const { authorization } = world.authorize();
    world.settle(authorization, { usage: USAGE });
    const closed = world.state.head.seq;
    world.pass(120_000);
    forgetAll(world);
    expect(known(world, authorization)).toBe(true);
    world.pass(1);
    forget(world.state, closed - 1n, world.now);
    expect(known(world, authorization)).toBe(true);
    forget(world.state, closed, world.now);
    expect(known(world, authorization)).toBe(false);
    expect(world.state.fading).toEqual([]);
    expect(counter(world, "agent:bot/run", authorization)).toBeUndefined();
  });

  test("forget: an open hold stays, and one that ended by time until it is settled", () => {
    const world = new World();
    const { authorization } = world.authorize();
    world.pass(30_000 + 10 * DAY);
    const open = world.authorize().authorization;
    forgetAll(world);
    expect([known(world, authorization), known(world, open)]).toEqual([true, true]);
    world.settle(authorization, { usage: USAGE });
    forgetAll(world);
    expect(known(world, authorization)).toBe(false);
  });

  test("forget: a refused or shut id goes as well", () => {
    const world = new World({ agents: { bot: agent({ caps: { run: usd("0") } }) } });
    const refused = world.authorize().authorization;
    const shut = world.id();
    world.void(shut);
    world.pass(120_001);
    forgetAll(world);
    expect(world.state.authorizations.size).toBe(0);
    expect([refused, shut].some((id) => known(world, id))).toBe(false);
  });

  test.each<[string, (world: World, id: string) => unknown]>([
    [
      "a part that came late",
      (world, id) => world.settle(id, { final: false, part: "2", usage: USAGE }),
    ],
    ["an operator's correction", (world, id) => world.adjust(id, usd("0.001"))],
  ])("forget: %s keeps a closed record until Postgres has that too", (_, post) => {
    const world = new World();
    const { authorization } = world.authorize();
    world.settle(authorization, { usage: USAGE });
    world.pass(120_001);
    const durable = world.state.head.seq;
    post(world, authorization);
    forget(world.state, durable, world.now);
    expect(known(world, authorization)).toBe(true);
    forgetAll(world);
    expect(known(world, authorization)).toBe(false);
  });

  test("forget old: run counters go after 35 days, unsettled ends after 400 (R6a)", () => {
    const world = new World();
    const { authorization } = world.authorize({ run: "r1" });
    world.pass(30_000);
    const ended = world.state.head.seq;
    world.now += 35 * DAY - 1;
    forgetOld(world.state, world.state.head.seq, world.now);
    expect(counter(world, "agent:bot/run", "r1")).toBeDefined();
    world.now += 1;
    forgetOld(world.state, world.state.head.seq, world.now);
    expect(counter(world, "agent:bot/run", "r1")).toBeUndefined();
    world.now += 366 * DAY;
    forgetOld(world.state, ended - 1n, world.now);
    expect(known(world, authorization)).toBe(true);
    forgetOld(world.state, ended, world.now);
    expect(known(world, authorization)).toBe(false);
    expect(counter(world, "agent:bot/month", "2026-11@UTC")).toBeDefined();
  });

  test("forget old: what came back from Postgres goes by whichever way is first", () => {
    const world = new World();
    const { authorization } = world.authorize();
    world.pass(30_000);
    world.now += 401 * DAY;
    for (const first of ["old", "closed"]) {
      forgetOld(world.state, world.state.head.seq, world.now);
      expect(known(world, authorization)).toBe(false);
      expect(world.void(authorization).state).toBe("expired");
      expect(known(world, authorization)).toBe(true);
      if (first === "old") forgetOld(world.state, world.state.head.seq, world.now);
      forgetAll(world);
      expect(known(world, authorization)).toBe(false);
      expect(world.state.fading).toEqual([]);
    }
  });

  test("forget old: an open hold and a young end stay", () => {
    const world = new World();
    const ended = world.authorize().authorization;
    world.pass(30_000);
    const open = world.authorize().authorization;
    forgetOld(world.state, world.state.head.seq, world.now + 399 * DAY);
    expect([known(world, ended), known(world, open)]).toEqual([true, true]);
  });
});

describe("what was forgotten", () => {
  /** The same life in a world that forgets and in one that does not, then one command to both. */
  function both(command: (world: World, id: string) => Command, end: "settle" | "shut" | "void") {
    return [true, false].map((forgets) => {
      const world = new World();
      const call = world.call({ idempotency: sha256Hex("i") });
      const id = call.authorization;
      if (end !== "shut") world.send(call);
      if (end === "settle") world.settle(id, { usage: USAGE });
      else world.void(id);
      world.pass(200_000);
      if (forgets) forgetAll(world);
      expect(known(world, id)).toBe(!forgets);
      const result = world.turn(command(world, id));
      expect(world.fetches).toBe((forgets ? 1 : 0) + (end === "shut" ? 1 : 0));
      const entries = result.entries.map(({ line }) => line);
      return { answer: result.answer, entries, run: world.balance("agent:bot/run", id) };
    });
  }

  const settle = (part: string, final: boolean) => (_: World, authorization: string) =>
    ({ authorization, final, kind: "settle", part, usage: USAGE }) as const;

  test.each<[string, (world: World, id: string) => Command, "settle" | "shut" | "void"]>([
    ["the same settle again", settle("1", true), "settle"],
    ["another final settle", settle("2", true), "settle"],
    ["a late part", settle("2", false), "settle"],
    ["a late settle after a void", settle("1", true), "void"],
    ["a void again", (_, authorization) => ({ authorization, kind: "void", reason: "x" }), "void"],
    [
      "a void of what is settled",
      (_, authorization) => ({ authorization, kind: "void", reason: "x" }),
      "settle",
    ],
    [
      "a void of what is shut",
      (_, authorization) => ({ authorization, kind: "void", reason: "x" }),
      "shut",
    ],
    ["a settle of what is shut", settle("1", true), "shut"],
    [
      "a correction",
      (_, authorization) => ({
        amount: usd("0.001"),
        authorization,
        by: "o",
        kind: "adjust",
        part: "1",
        reason: "x",
      }),
      "settle",
    ],
    [
      "a correction of what is shut",
      (_, authorization) => ({
        amount: usd("0.001"),
        authorization,
        by: "o",
        kind: "adjust",
        part: "1",
        reason: "x",
      }),
      "shut",
    ],
  ])("fetch: %s gets the same answer and the same bytes (R3 R9)", (_, command, end) => {
    const [forgotten, kept] = both(command, end);
    expect(forgotten).toEqual(kept);
  });

  test("fetch: a run of its own counts on from its record, unless its 35 days are over (R6a)", () => {
    for (const [days, settled] of [
      [34, usd("0.0096")],
      [35, usd("0.0048")],
    ] as const) {
      for (const forgets of [true, false]) {
        const world = new World();
        const { authorization } = world.authorize();
        world.settle(authorization, { usage: USAGE });
        world.pass(days * DAY);
        // The ledger's time has moved on since its own last entry.
        world.void(world.id());
        if (forgets) forgetAll(world);
        world.settle(authorization, { final: false, part: "2", usage: USAGE });
        expect(world.balance("agent:bot/run", authorization).settled).toBe(settled);
      }
    }
  });

  test("fetch: a run of its own that began anew in between is restored as it began anew (R6a)", () => {
    for (const forgets of [true, false]) {
      const world = new World();
      const { authorization } = world.authorize();
      world.void(authorization);
      world.settle(authorization, { final: false, usage: USAGE });
      world.pass(36 * DAY);
      world.settle(authorization, { final: false, part: "2", usage: USAGE });
      world.pass(DAY);
      if (forgets) forgetAll(world);
      world.settle(authorization, { part: "3", usage: USAGE });
      expect(world.balance("agent:bot/run", authorization).settled).toBe(usd("0.0096"));
    }
  });

  test("fetch: an id that was seen by nobody is unknown", () => {
    const world = new World();
    const command: Command = { authorization: world.id(), final: true, kind: "settle", part: "1" };
    const result = runTurn(world.state, command, world.context(command));
    expect(result).toEqual({ authorization: command.authorization, entries: [], kind: "fetch" });
    expect(world.send(command)).toMatchObject({ code: "unknown-authorization" });
  });

  test("fetch: what came back into memory meanwhile is not read a second time", () => {
    const world = new World();
    const { authorization } = world.authorize();
    world.settle(authorization, { usage: USAGE });
    const lines = world.entries.slice(2, 3).map(({ line }) => line);
    const command: Command = { authorization, final: true, kind: "settle", part: "1" };
    const context = { ...world.context(command), fetched: { authorization, lines } };
    expect(runTurn(world.state, command, context)).toMatchObject({ answer: { state: "settled" } });
  });

  test("fetch: entries of another workspace, or of an open hold, are a fault", () => {
    const world = new World();
    const other = new World({ ws: "other" });
    const { authorization } = other.authorize();
    const lines = other.entries.slice(2).map(({ line }) => line);
    const command: Command = { authorization, kind: "void", reason: "x" };
    const context = (of: World) => ({ ...of.context(command), fetched: { authorization, lines } });
    expect(() => runTurn(world.state, command, context(world))).toThrow("something else");
    other.state.authorizations.clear();
    expect(() => runTurn(other.state, command, context(other))).toThrow("always in memory");
  });

  test("fetch: what expired meanwhile is in the entries of the turn", () => {
    const world = new World();
    world.authorize();
    world.now += 30_000;
    const command: Command = { authorization: world.id(), kind: "void", reason: "x" };
    const result = runTurn(world.state, command, world.context(command));
    expect(result.kind).toBe("fetch");
    expect(result.entries.map(({ entry }) => entry.kind)).toEqual(["expire"]);
  });

  test("snapshot: after one, a young id is fetched before it is decided or called stale (R3)", () => {
    const world = new World();
    const call = world.call();
    const first = world.send(call);
    world.settle(call.authorization, { usage: USAGE });
    world.takeOver("snapshot");
    expect(world.send(call)).toEqual({ ...first, state: "settled" });
    expect(world.fetches).toBe(1);
    // A new id of the time before the snapshot is asked for once, and then decided.
    expect(world.authorize().outcome).toBe("admit");
    expect(world.fetches).toBe(2);
    // A younger one than any there was cannot have been left out: nobody waits for Postgres.
    world.pass(1);
    expect(world.authorize().outcome).toBe("admit");
    expect(world.fetches).toBe(2);
    expect(world.authorize({ idempotency: sha256Hex("i") }).outcome).toBe("admit");
    expect(world.fetches).toBe(3);
    world.pass(120_000);
    expect(world.authorize({ idempotency: sha256Hex("j") }).outcome).toBe("admit");
    expect(world.fetches).toBe(3);
    expect(encodeSnapshot(world.state)).toContain('"v":1');
  });

  test("snapshot: after one, an id from ahead of its time is still fetched (R3)", () => {
    const world = new World();
    world.now += 29_000;
    const ahead = world.call();
    world.now -= 29_000;
    const first = world.send(ahead);
    world.settle(ahead.authorization, { usage: USAGE });
    world.takeOver("snapshot");
    world.pass(10_000);
    expect(world.send(ahead)).toEqual({ ...first, state: "settled" });
    expect(world.fetches).toBe(1);
  });

  test("snapshot: a void of an id from far ahead does not send every later id to Postgres", () => {
    const world = new World();
    world.now += 3_600_000;
    const ahead = world.id();
    world.now -= 3_600_000;
    world.send({ authorization: ahead, kind: "void", reason: "x" });
    const { fetches } = world;
    world.takeOver("snapshot");
    world.pass(30_001);
    expect(world.authorize().outcome).toBe("admit");
    expect(world.fetches).toBe(fetches);
  });
});
