/**
 * Goal: a snapshot and the journal's tail come to the state that never stopped.
 * Method: states full of everything written down and read back; damaged snapshots refused.
 */
import { describe, expect, test } from "vitest";
import { authorizationId } from "../ledger/ids.ts";
import { decodeSnapshot, encodeSnapshot, SnapshotUnreadable } from "./snapshot.ts";
import { whatMatters } from "./testing/what-matters.ts";
import { agent, sha256Hex, usd, World } from "./testing/world.ts";
import { createWorkspace } from "./workspace.ts";

const USAGE = { input: 100n, output: 100n };

/** A workspace in which everything is under way at once. */
function busyWorld(): World {
  const world = new World({
    agents: {
      bot: agent(),
      saver: agent({ cost_center: "labs", on_expiry: "capture", team: "core" }),
    },
    caps: { month: usd("100") },
    changes: [
      { id: "labs", item: "cost_center", value: { caps: {}, title: "Labs" } },
      { id: "core", item: "team", value: { caps: { year: usd("9") } } },
      { id: "acme", item: "provider", value: { credential: "env:ACME" } },
    ],
    policy: { rebalancing: [{ P3: "S", pace_from: 1n }], rules: [] },
  });
  world.authorize({ agent: "saver" });
  world.authorize();
  world.pass(30_000);
  const partly = world.authorize({ idempotency: sha256Hex("i"), run: "r1" });
  world.settle(partly.authorization, { final: false, usage: USAGE });
  world.adjust(partly.authorization, usd("0.001"), "a-part-name-of-32-characters-----");
  world.settle(world.authorize().authorization);
  world.void(world.authorize().authorization);
  world.void(world.id());
  const base = { base_seq: world.state.configSeq, by: "ops", kind: "configure" as const };
  const changes = [[{ id: "t", item: "team" as const, value: { caps: {} } }]];
  world.send({ ...base, changes, commit: false, stage: "s1" });
  world.send({ authorizations: [partly.authorization], kind: "renew" });
  return world;
}

describe("round trip", () => {
  test("snapshot: reads back as what matters, and writes the same bytes again", () => {
    const world = busyWorld();
    const text = encodeSnapshot(world.state);
    const read = decodeSnapshot(text);
    expect(whatMatters(read)).toEqual(whatMatters(world.state));
    expect(encodeSnapshot(read)).toBe(text);
  });

  test("snapshot: leaves closed authorizations and their own runs to Postgres", () => {
    const world = busyWorld();
    const read = decodeSnapshot(encodeSnapshot(world.state));
    const states = [...read.authorizations.values()].map((record) => record.state);
    expect(states.sort()).toEqual(["expired", "expired", "open"]);
    const closed = [...world.state.authorizations.values()].find((one) => one.state === "settled");
    const run = { cap: "agent:bot/run", period: closed?.authorization ?? "" };
    expect(world.state.counters.get(run)).toBeDefined();
    expect(read.counters.get(run)).toBeUndefined();
  });

  test("snapshot: commands after it come to the same bytes as without it", () => {
    const lines = [true, false].map((cut) => {
      const world = busyWorld();
      if (cut) world.state = decodeSnapshot(encodeSnapshot(world.state));
      for (const record of [...world.state.authorizations.values()]) {
        if (record.state !== "open" && record.state !== "expired") continue;
        world.settle(record.authorization, { part: "9", usage: USAGE });
      }
      world.configure([], { stage: "s1" });
      world.authorize({ run: "r1" });
      world.pass(100_000);
      return world.entries.map(({ line }) => line);
    });
    expect(lines[0]).toEqual(lines[1]);
  });

  test("snapshot: a workspace that has only staged parts, or nothing, is written too", () => {
    const empty = createWorkspace("acme");
    expect(whatMatters(decodeSnapshot(encodeSnapshot(empty)))).toEqual(whatMatters(empty));
    const world = new World({ founded: false });
    const team = { id: "t", item: "team" as const, value: { caps: {} } };
    expect(world.configure([team], { commit: false }).kind).toBe("configured");
    expect(world.state.staged.size).toBe(1);
    expect(whatMatters(decodeSnapshot(encodeSnapshot(world.state)))).toEqual(
      whatMatters(world.state),
    );
  });
});

test("snapshot: a void of an id from the end of time leaves it readable", () => {
  const world = new World();
  world.void(authorizationId(2 ** 48 - 1, new Uint8Array(16)));
  expect(whatMatters(decodeSnapshot(encodeSnapshot(world.state)))).toEqual(
    whatMatters(world.state),
  );
});

describe("damage", () => {
  test.each<[string, (text: string) => string]>([
    ["nothing", () => ""],
    ["another version", (text) => text.replace('"v":1', '"v":2')],
    ["an unknown field", (text) => text.replace('"v":1', '"v":1,"x":1')],
    ["half of it", (text) => text.slice(0, text.length / 2)],
  ])("snapshot: %s is unreadable, so that the journal is read instead", (_, damage) => {
    const text = encodeSnapshot(busyWorld().state);
    expect(() => decodeSnapshot(damage(text))).toThrow(SnapshotUnreadable);
  });
});
