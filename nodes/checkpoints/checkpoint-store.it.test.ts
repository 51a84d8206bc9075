/**
 * Goal: the checkpoints of a log are one chain, whoever adds to it at the same time or too late, and
 * what was signed stays. Method: two stores on one real Postgres, at the same place again and again.
 */
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";

import { testDatabase } from "../../cli/provision/vitest-servers.ts";
import { sha256 } from "../../readmodel/node-crypto.ts";
import { migrate } from "../postgres/migrate.ts";
import { CheckpointStore, type GrownLog } from "./checkpoint-store.ts";
import type { FullTile } from "./growing-tree.ts";

let pool: pg.Pool;
let stores: readonly [CheckpointStore, CheckpointStore];

beforeAll(async () => {
  const url = await testDatabase();
  await migrate(url);
  pool = new pg.Pool({ connectionString: url, max: 1 });
  stores = [new CheckpointStore(url), new CheckpointStore(url)];
});

afterAll(async () => {
  for (const store of stores) await store.close();
  await pool.end();
});

const rootOf = (word: string) => sha256(Buffer.from(word));

function log(ws: string, follows: bigint, size: bigint, tiles: readonly FullTile[] = []): GrownLog {
  return { ws, follows, point: { size, root: rootOf(`${ws} ${size}`) }, tiles };
}

async function chainOf(ws: string): Promise<string[]> {
  const found = await pool.query<{ size: string; follows: string }>(
    "SELECT size, follows FROM checkpoints WHERE ws = $1 ORDER BY size",
    [ws],
  );
  return found.rows.map(({ size, follows }) => `${follows}-${size}`);
}

function tile(word: string): FullTile {
  const hashes = Buffer.concat(Array.from({ length: 256 }, () => rootOf(word)));
  return { level: 0, index: 0n, hashes, root: rootOf(`root ${word}`) };
}

test("add: of two behind the same checkpoint one is written, whatever their sizes", async () => {
  let size = 0n;
  for (let round = 0; round < 40; round++) {
    const [more, most] = [size + 3n, size + 5n];
    const added = await Promise.all([
      stores[0].add([log("race", size, more), log("also", size, more)]),
      stores[1].add([log("also", size, most), log("race", size, most)]),
    ]);
    expect(added.map((some) => some.has("race")).filter(Boolean)).toHaveLength(1);
    expect(added[0].has("race")).toBe(added[0].has("also"));
    size = added[0].has("race") ? more : most;
  }
  const chain = await chainOf("race");
  expect(chain).toHaveLength(40);
  chain.forEach((link, i) => {
    expect(link.split("-")[0]).toBe(i === 0 ? "0" : chain[i - 1]?.split("-")[1]);
  });
});

test("add: a zombie behind an older checkpoint, or behind none, writes nothing", async () => {
  await stores[0].add([log("zombie", 0n, 10n)]);
  await stores[0].add([log("zombie", 10n, 20n)]);
  for (const [follows, size] of [
    [0n, 15n],
    [10n, 30n],
    [15n, 40n],
    [20n, 20n],
  ] as const) {
    const added = stores[1].add([log("zombie", follows, size)]);
    // What would not even be a step forward is refused by the table itself.
    if (follows === size) await expect(added).rejects.toThrow("checkpoints_size_check");
    else expect([...(await added)]).toEqual([]);
  }
  expect(await chainOf("zombie")).toEqual(["0-10", "10-20"]);
});

test("add: the same tile again is the same; another one is named and nothing is written", async () => {
  expect([...(await stores[0].add([log("tiles", 0n, 256n, [tile("a")])]))]).toEqual(["tiles"]);
  expect([...(await stores[1].add([log("tiles", 256n, 300n, [tile("a")])]))]).toEqual(["tiles"]);
  const other = stores[1].add([log("tiles", 300n, 400n, [tile("b")]), log("beside", 0n, 1n)]);
  await expect(other).rejects.toMatchObject({ name: "LogFault", ws: "tiles", seq: 256n });
  expect(await chainOf("tiles")).toEqual(["0-256", "256-300"]);
  expect(await chainOf("beside")).toEqual([]);
});

test("sign: the first note stays", async () => {
  await stores[0].add([log("signed", 0n, 7n)]);
  for (const note of ["first", "second"]) {
    await stores[1].sign([{ ws: "signed", size: 7n, note, vkeys: ["new", "old"] }]);
  }
  const found = await pool.query("SELECT note, vkeys FROM checkpoints WHERE ws = 'signed'");
  expect(found.rows).toEqual([{ note: "first", vkeys: ["new", "old"] }]);
});
