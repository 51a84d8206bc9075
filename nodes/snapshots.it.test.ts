/**
 * Goal: a snapshot comes back as it was saved or not at all, and an owner whose term is over cannot put
 * an older one in its place. Method: a real Postgres, saves in every order, rows changed by hand.
 */
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";

import { encodeSnapshot } from "../actors/snapshot.ts";
import { sha256Hex, World } from "../actors/testing/world.ts";
import { testDatabase } from "../cli/provision/vitest-servers.ts";
import type { ShardPosition, WorkspaceSnapshot } from "./ports.ts";
import { migrate } from "./postgres/migrate.ts";
import { openSnapshots, type PostgresSnapshots } from "./snapshots.ts";
import { StateText } from "./state-text.ts";

let snapshots: PostgresSnapshots;
let pool: pg.Pool;
const HASH = "ab".repeat(32);

beforeAll(async () => {
  const url = await testDatabase();
  await migrate(url);
  snapshots = openSnapshots(url);
  pool = new pg.Pool({ connectionString: url, max: 1 });
});

afterAll(async () => {
  await snapshots.close();
  await pool.end();
});

function position(shard: number, seq: number, over: Partial<ShardPosition> = {}): ShardPosition {
  const blockHash = seq.toString(16).padStart(64, "0");
  return { shard, era: 1, seq, blockHash, epoch: 1n, at: 1_700_000_000_123, ...over };
}

function workspace(ws: string, seq: bigint, state = "{}"): WorkspaceSnapshot {
  return {
    ws,
    seq,
    hash: HASH,
    nextExpiryAt: undefined,
    configSeq: 3n,
    state: Buffer.from(state, "utf8"),
  };
}

/** A position with all its actors whole. */
async function load(shard: number, era: number) {
  const index = await snapshots.index(shard, era);
  if (index === undefined) return undefined;
  const names = index.workspaces.map(({ ws }) => ws);
  const states = await snapshots.states(shard, era, names);
  const workspaces = states.map((loaded) => {
    if ("fault" in loaded) throw loaded.fault;
    return loaded.snapshot;
  });
  const byName = (a: { ws: string }, b: { ws: string }) => (a.ws < b.ws ? -1 : 1);
  workspaces.sort(byName);
  expect(index.workspaces).toEqual(workspaces.map(({ state: _, ...head }) => head));
  return { position: index.position, workspaces };
}

test("index: nothing was ever cut", async () => {
  expect(await snapshots.index(1, 1)).toBeUndefined();
});

test("save: what comes back is what was saved, of any size and script", async () => {
  const large = JSON.stringify({ words: "Müller 🚀 ".repeat(100_000), zero: "\0" });
  const changed = [
    workspace("a", 7n, large),
    { ...workspace("b", 9n), nextExpiryAt: 1_700_000_123 },
  ];
  expect(await snapshots.save(position(2, 10), changed)).toBe("saved");
  expect(await load(2, 1)).toEqual({ position: position(2, 10), workspaces: changed });
  expect(await load(2, 2)).toBeUndefined();
});

test("save: an actor that did not change stays as it was cut before", async () => {
  await snapshots.save(position(3, 10), [workspace("a", 7n), workspace("b", 9n)]);
  await snapshots.save(position(3, 20), [workspace("b", 12n, "later")]);
  expect(await load(3, 1)).toEqual({
    position: position(3, 20),
    workspaces: [workspace("a", 7n), workspace("b", 12n, "later")],
  });
});

test("save: an older position, an older epoch and another block at the same place are stale", async () => {
  await snapshots.save(position(4, 20, { epoch: 5n }), [workspace("a", 7n)]);
  const stale = [
    position(4, 19, { epoch: 5n }),
    position(4, 30, { epoch: 4n }),
    position(4, 20, { epoch: 5n, blockHash: "f".repeat(64) }),
  ];
  for (const older of stale) {
    expect(await snapshots.save(older, [workspace("a", 99n)])).toBe("stale");
  }
  const loaded = await load(4, 1);
  expect(loaded?.workspaces).toEqual([workspace("a", 7n)]);
  expect(loaded?.position.seq).toBe(20);
});

test("save: the same again is saved, so a save whose end was not heard can be repeated", async () => {
  const cut = position(5, 20);
  expect(await snapshots.save(cut, [workspace("a", 7n)])).toBe("saved");
  expect(await snapshots.save(cut, [workspace("a", 7n)])).toBe("saved");
});

test("save: of two at once, the position is never the lesser one", async () => {
  for (let round = 0; round < 20; round++) {
    const shard = 100 + round;
    await Promise.all([
      snapshots.save(position(shard, 10), [workspace("a", 1n)]),
      snapshots.save(position(shard, 20), [workspace("a", 2n)]),
    ]);
    const loaded = await load(shard, 1);
    expect(loaded?.position.seq).toBe(20);
    expect(loaded?.workspaces).toEqual([workspace("a", 2n)]);
  }
});

test("save: many small ones and a large one come back, whatever statements they share", async () => {
  const many = Array.from({ length: 600 }, (_, i) =>
    workspace(`w-${String(i).padStart(4, "0")}`, 7n),
  );
  many.splice(300, 0, workspace("w-0299-large", 7n, "x".repeat(3_000_000)));
  await snapshots.save(position(8, 10), many);
  expect((await load(8, 1))?.workspaces).toEqual(many);
});

test("save: a state that was hashed while it was written is the same row", async () => {
  const text = new StateText();
  const pieces = ["{", '"words":"', "Müller 🚀".repeat(3_000), '"', "}"];
  for (const piece of pieces) text.add(piece);
  const { state, stateHash } = text.end();
  expect(Buffer.from(state).toString("utf8")).toBe(pieces.join(""));
  await snapshots.save(position(11, 10), [{ ...workspace("a", 7n), state, stateHash }]);
  expect((await load(11, 1))?.workspaces).toEqual([workspace("a", 7n, pieces.join(""))]);
});

test("states: what is not what was saved is refused by its workspace, and the others come", async () => {
  await snapshots.save(position(6, 10), [workspace("a", 7n), workspace("b", 7n)]);
  await pool.query("UPDATE snapshots SET seq = 8 WHERE shard = 6 AND ws = 'b'");
  const states = await snapshots.states(6, 1, ["a", "b", "gone"]);
  expect(states.find(({ ws }) => ws === "a")).toMatchObject({ snapshot: workspace("a", 7n) });
  await expect(load(6, 1)).rejects.toThrow(/workspace b at entry 8 is not what was written/);
  await pool.query("UPDATE snapshots SET seq = 7, config_seq = 4 WHERE shard = 6 AND ws = 'b'");
  await expect(load(6, 1)).rejects.toThrow(/is not what was written/);
});

test("states: a snapshot on another entry than the projection has is refused", async () => {
  const entry = (ws: string, hash: string) =>
    pool.query(
      `INSERT INTO entries (ws, seq, kind, at, epoch, line, hash, shard, era, stream_seq)
        VALUES ($1, 7, 'price', now(), 1, '', decode($2, 'hex'), 9, 1, 1)`,
      [ws, hash],
    );
  await snapshots.save(position(9, 10), [workspace("same", 7n), workspace("other", 7n)]);
  await entry("same", HASH);
  await entry("other", "cd".repeat(32));
  const states = await snapshots.states(9, 1, ["same", "other"]);
  expect(states.find(({ ws }) => ws === "same")).toHaveProperty("snapshot");
  expect(states.find(({ ws }) => ws === "other")).toMatchObject({
    fault: { code: "snapshot-disagrees" },
  });
});

test("index: a row of version 1 is read, its commit from its state", async () => {
  const { state: actor } = new World({ ws: "old" });
  const state = encodeSnapshot(actor);
  const { seq, hash } = actor.head;
  const facts = [1, "old", seq, hash, "none"].join("\n");
  await snapshots.save(position(10, 10), []);
  await pool.query(
    `INSERT INTO snapshots (shard, era, ws, version, seq, hash, state, content_hash)
      VALUES (10, 1, 'old', 1, $1, $2, $3, $4)`,
    [String(seq), hash, Buffer.from(state), sha256Hex(`${facts}\n${state}`)],
  );
  const read = { ws: "old", seq, hash, nextExpiryAt: undefined, configSeq: actor.configSeq };
  const loaded = await load(10, 1);
  expect(loaded?.workspaces).toEqual([{ ...read, state: Buffer.from(state) }]);
});

test("index: a snapshot of another version is refused, with what to do", async () => {
  await snapshots.save(position(7, 10), [workspace("a", 7n)]);
  await pool.query("UPDATE snapshots SET version = 999 WHERE shard = 7");
  await expect(snapshots.index(7, 1)).rejects.toThrow(/version 999.*DELETE FROM snapshots/s);
});

test("away: faults are typed, and a save says that its end is unknown", async () => {
  const away = openSnapshots("postgresql://nobody@127.0.0.1:1/none");
  const fault = { code: "postgres-unavailable", outcome: "none" };
  await expect(away.index(1, 1)).rejects.toMatchObject(fault);
  await expect(away.states(1, 1, ["a"])).rejects.toMatchObject(fault);
  await expect(away.save(position(1, 1), [])).rejects.toMatchObject({ outcome: "unknown" });
  await away.close();
});
