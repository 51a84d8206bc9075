/**
 * Goal: a snapshot comes back as it was saved or not at all, and an owner whose term is over cannot put
 * an older one in its place. Method: a real Postgres, saves in every order, rows changed by hand.
 */
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";

import { testDatabase } from "../cli/provision/vitest-servers.ts";
import type { ShardPosition, WorkspaceSnapshot } from "./ports.ts";
import { migrate } from "./postgres/migrate.ts";
import { openSnapshots, type PostgresSnapshots } from "./snapshots.ts";

let snapshots: PostgresSnapshots;
let pool: pg.Pool;

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
  return { ws, seq, hash: "ab".repeat(32), nextExpiryAt: undefined, state };
}

test("load: nothing was ever cut", async () => {
  expect(await snapshots.load(1, 1)).toBeUndefined();
});

test("save: what comes back is what was saved, of any size and script", async () => {
  const large = JSON.stringify({ words: "Müller 🚀 ".repeat(100_000), zero: "\0" });
  const changed = [
    workspace("a", 7n, large),
    { ...workspace("b", 9n), nextExpiryAt: 1_700_000_123 },
  ];
  expect(await snapshots.save(position(2, 10), changed)).toBe("saved");
  expect(await snapshots.load(2, 1)).toEqual({ position: position(2, 10), workspaces: changed });
  expect(await snapshots.load(2, 2)).toBeUndefined();
});

test("save: an actor that did not change stays as it was cut before", async () => {
  await snapshots.save(position(3, 10), [workspace("a", 7n), workspace("b", 9n)]);
  await snapshots.save(position(3, 20), [workspace("b", 12n, "later")]);
  expect(await snapshots.load(3, 1)).toEqual({
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
  const loaded = await snapshots.load(4, 1);
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
    const loaded = await snapshots.load(shard, 1);
    expect(loaded?.position.seq).toBe(20);
    expect(loaded?.workspaces).toEqual([workspace("a", 2n)]);
  }
});

test("load: a state that is not what was saved is refused by its workspace", async () => {
  await snapshots.save(position(6, 10), [workspace("a", 7n), workspace("b", 7n)]);
  await pool.query("UPDATE snapshots SET seq = 8 WHERE shard = 6 AND ws = 'b'");
  await expect(snapshots.load(6, 1)).rejects.toThrow(
    /workspace b at entry 8 is not what was written/,
  );
});

test("load: a snapshot of another version is refused, with what to do", async () => {
  await snapshots.save(position(7, 10), [workspace("a", 7n)]);
  await pool.query("UPDATE snapshots SET version = 999 WHERE shard = 7");
  await expect(snapshots.load(7, 1)).rejects.toThrow(/version 999.*DELETE FROM snapshots/s);
});

test("away: faults are typed, and a save says that its end is unknown", async () => {
  const away = openSnapshots("postgresql://nobody@127.0.0.1:1/none");
  await expect(away.load(1, 1)).rejects.toMatchObject({
    code: "postgres-unavailable",
    outcome: "none",
  });
  await expect(away.save(position(1, 1), [])).rejects.toMatchObject({ outcome: "unknown" });
  await away.close();
});
