/**
 * Goal: proofs of a long log come in milliseconds, from whichever tiles and lines they need, and a tree
 * that is not stored that far gives none. Method: a tree of 200,000 leaves over three levels of tiles,
 * stored as a keeper stores it; its lines are there only behind the last full tile, so a proof that read
 * others would fail.
 */
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";

import { testDatabase } from "../cli/provision/vitest-servers.ts";
import { leafHash, type SavedFrontier, TreeFrontier } from "../ledger/merkle.ts";
import { verifyConsistency, verifyInclusion } from "../ledger/merkle-proofs.ts";
import { GrowingTree } from "../nodes/checkpoints/growing-tree.ts";
import { migrate } from "../nodes/postgres/migrate.ts";
import { sha256 } from "./node-crypto.ts";
import { openReadModel, type ReadModel } from "./read-model.ts";

const SIZE = Number(process.env["TARMAC_TEST_LEAVES"] ?? 200_000) + 77;
const WS = "long";
const lineOf = (seq: number) => Buffer.from(`{"seq":"${seq}"}`);
const leafOf = (seq: number) => leafHash(lineOf(seq), sha256);

let model: ReadModel;
let pool: pg.Pool;
/** The tree after each 1,000 leaves. */
const saved: SavedFrontier[] = [];

beforeAll(async () => {
  const url = await testDatabase();
  await migrate(url);
  pool = new pg.Pool({ connectionString: url, max: 1 });
  model = openReadModel(url);
  const tree = new GrowingTree(0n, [], sha256);
  const frontier = new TreeFrontier(sha256);
  for (let seq = 1; seq <= SIZE; seq++) {
    if ((seq - 1) % 1_000 === 0) saved.push(frontier.saved());
    const leaf = leafOf(seq);
    tree.append(leaf);
    frontier.pushSubtree(0, leaf);
  }
  await pool.query(
    `INSERT INTO tree_tiles (ws, level, index, hashes, root)
      SELECT $1, * FROM unnest($2::int[], $3::bigint[], $4::bytea[], $5::bytea[])`,
    [
      WS,
      tree.full.map(({ level }) => level),
      tree.full.map(({ index }) => String(index)),
      tree.full.map(({ hashes }) => Buffer.from(hashes)),
      tree.full.map(({ root }) => Buffer.from(root)),
    ],
  );
  const tail = Array.from({ length: SIZE % 256 }, (_, i) => SIZE - (SIZE % 256) + i + 1);
  await pool.query(
    `INSERT INTO entries (ws, seq, kind, at, epoch, line, hash, shard, era, stream_seq)
      SELECT $1, s.seq, 'void', now(), 1, s.line, sha256(s.line), 0, 1, 1
        FROM unnest($2::bigint[], $3::bytea[]) AS s(seq, line)`,
    [WS, tail.map(String), tail.map(lineOf)],
  );
});

afterAll(async () => {
  await model.close();
  await pool.end();
});

function rootOver(leaves: number): Uint8Array {
  const { size, roots } = saved[Math.floor(leaves / 1_000)] as SavedFrontier;
  const rest = TreeFrontier.restored(size, roots, sha256);
  for (let seq = Number(size) + 1; seq <= leaves; seq++) rest.pushSubtree(0, leafOf(seq));
  return rest.root();
}

test("prove: entries, ranges and older sizes anywhere in it, each in milliseconds", async () => {
  const toRoot = rootOver(SIZE);
  const size = BigInt(SIZE);
  const places = [1, 256, 257, 65_536, 65_537, 131_072, SIZE - 77, SIZE - 1, SIZE];
  while (places.length < 60) places.push(1 + Math.floor(Math.random() * SIZE));
  const times: number[] = [];
  for (const place of places) {
    const seq = BigInt(place);
    const began = performance.now();
    const path = await model.log.inclusion(WS, seq, size);
    const grown = await model.log.consistency(WS, seq, size);
    times.push((performance.now() - began) / 2);
    const leaf = leafOf(place);
    const index = seq - 1n;
    expect(verifyInclusion({ index, size, leaf, path, root: toRoot }, sha256)).toBe(true);
    const from = { from: seq, fromRoot: rootOver(place), path: grown };
    expect(verifyConsistency({ ...from, to: size, toRoot }, sha256)).toBe(true);
    const range = await model.log.range(WS, seq, size, size);
    expect(range).toMatchObject({ end: size, first: index, right: [] });
  }
  const median = times.sort((a, b) => a - b)[times.length >> 1] as number;
  expect(median).toBeLessThan(25);
});

test("refuse: a size beyond what is stored, whether a tile or a line is missing", async () => {
  const far = BigInt(SIZE) + 100_000n;
  for (const size of [BigInt(SIZE) + 1n, far]) {
    await expect(model.log.inclusion(WS, 3n, size)).rejects.toMatchObject({ code: "not-in-log" });
  }
  await expect(model.log.consistency(WS, far, far + 1n)).rejects.toThrow("does not reach entry");
  await expect(model.log.consistency(WS, 9n, 8n)).rejects.toThrow("continues none of 9");
  await expect(model.log.inclusion(WS, 0n, 8n)).rejects.toThrow("entry 0 is not among");
  expect(await model.log.latestCheckpoint(WS)).toBeUndefined();
  expect(await model.log.checkpointAtLeast(WS, 1n, 250)).toBeUndefined();
});
