/**
 * Goal: a checkpoint says what the journal and Postgres both hold, and nothing else is ever signed: not
 * what one of them lacks, not a tree that is inconsistent with the last, not the same place twice.
 * Method: real actors' entries through a real nats-server and Postgres; roots are computed anew from the
 * actors' own lines; tables are changed by hand, keepers race, and threads are killed at any moment.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import pg from "pg";
import { afterEach, beforeAll, expect, test } from "vitest";

import type { World } from "../../actors/testing/world.ts";
import type { NatsConnection } from "../../bus/connect.ts";
import { testDatabase, testNats } from "../../cli/provision/vitest-servers.ts";
import { parseCheckpoint } from "../../ledger/checkpoint.ts";
import { leafHash, TreeFrontier } from "../../ledger/merkle.ts";
import { verifyConsistency, verifyInclusion } from "../../ledger/merkle-proofs.ts";
import { rootOfRange } from "../../ledger/range-proof.ts";
import { parseNote, parseVkey, verifyNote } from "../../ledger/signed-note.ts";
import { parseTlogProof } from "../../ledger/tlog-proof.ts";
import { newLogKeyLine } from "../../readmodel/log-keys.ts";
import { ed25519Verify, sha256 } from "../../readmodel/node-crypto.ts";
import { openReadModel } from "../../readmodel/read-model.ts";
import type { SignedCheckpoint } from "../../readmodel/transparency.ts";
import { migrate } from "../postgres/migrate.ts";
import { ERA, TestLedger } from "../postgres/testing/test-ledger.ts";
import { type Projector, startProjector } from "../projector.ts";
import type { ProjectorLog } from "../projector-log.ts";
import type { ToProjector } from "../projector-thread.ts";
import { connectAs, login, prepareStreams } from "../testing/bus-fixture.ts";
import { type CheckpointKeeper, type KeeperOptions, startKeeper } from "./keeper.ts";

const SHARDS = 16;
const KEY = newLogKeyLine();
const nats = await testNats({ shards: SHARDS });
let nc: NatsConnection;
let shards = 0;
const open: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  nc = await connectAs(nats, "node");
  await prepareStreams(nc, SHARDS);
  return async () => {
    await nc.close();
  };
});

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

/** A database, a shard with workspaces of its own, and the views on it. */
async function prepare(workspaces = 1) {
  const url = await testDatabase();
  await migrate(url);
  const shard = shards++;
  const names = Array.from({ length: workspaces }, (_, i) => `ws-${shard}-${i}`);
  const ledger = new TestLedger(nc, shard, names);
  await ledger.claim();
  const model = openReadModel(url);
  const tables = new pg.Pool({ connectionString: url, max: 2 });
  open.push(
    () => model.close(),
    () => tables.end(),
  );
  const logs: ProjectorLog[] = [];
  return { url, ledger, names, model, tables, logs };
}

type Prepared = Awaited<ReturnType<typeof prepare>>;

function options({ url, logs }: Prepared, own: Partial<KeeperOptions> = {}): KeeperOptions {
  return {
    postgresUrl: url,
    nats: login(nats, "node"),
    host: "log.example",
    keys: [{ variable: "KEY", text: KEY }],
    onLog: (line) => logs.push(line),
    passMs: 20,
    restMs: 40,
    ...own,
  };
}

async function keep(prepared: Prepared, own: Partial<KeeperOptions> = {}) {
  const keeper = await startKeeper(options(prepared, own));
  open.push(() => keeper.stop());
  return keeper;
}

async function project(
  { url, ledger, logs }: Prepared,
  ...keepers: readonly CheckpointKeeper[]
): Promise<Projector> {
  const projector = await startProjector({
    postgresUrl: url,
    nats: login(nats, "node"),
    era: ERA,
    onLog: (line) => logs.push(line),
    onDurable: (shard, heads) => {
      for (const keeper of keepers) keeper.durable(shard, heads);
    },
  });
  open.push(() => projector.stop());
  projector.own(ledger.shard);
  return projector;
}

/** Some calls, in the journal. */
async function work({ ledger }: Prepared, calls: number): Promise<void> {
  ledger.work(calls);
  await ledger.append(20_000);
}

function worldOf({ ledger }: Prepared, index = 0): World {
  return ledger.worlds[index] as World;
}

/** The root over the first lines of a workspace, from the actor's own bytes. */
function rootOver(world: World, size: bigint): Uint8Array {
  const tree = new TreeFrontier(sha256);
  for (const { line } of world.entries.slice(0, Number(size))) tree.append(Buffer.from(line));
  return tree.root();
}

async function signedUpTo(prepared: Prepared, index = 0): Promise<SignedCheckpoint> {
  const world = worldOf(prepared, index);
  const { seq } = world.state.head;
  const found = await prepared.model.log.checkpointAtLeast(world.state.ws, seq, 15_000);
  if (found === undefined) throw new Error(prepared.logs.map(({ message }) => message).join("\n"));
  return found;
}

/** A checkpoint is that of the actor's entries, and its note says so under its key. */
async function expectTrue(world: World, found: SignedCheckpoint): Promise<void> {
  expect(Buffer.from(found.root)).toEqual(Buffer.from(rootOver(world, found.size)));
  const keys = found.vkeys.map((vkey) => parseVkey(vkey, sha256));
  const { text, by } = await verifyNote(found.note, keys, ed25519Verify);
  expect(by).toHaveLength(keys.length);
  const { origin, size, root } = parseCheckpoint(text);
  expect({ origin, size }).toEqual({
    origin: `log.example/ws/${world.state.ws}`,
    size: found.size,
  });
  expect(Buffer.from(root)).toEqual(Buffer.from(found.root));
}

async function sizes({ tables }: Prepared, ws: string) {
  const found = await tables.query<{ size: string; follows: string; note: string | null }>(
    "SELECT size, follows, note FROM checkpoints WHERE ws = $1 ORDER BY size",
    [ws],
  );
  return found.rows;
}

const alarms = ({ logs }: Prepared) =>
  logs.filter(({ level }) => level === "alarm").map(({ message }) => message);

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await sleep(20);
}

test("sign: a checkpoint within seconds after entries, of each workspace, and a chain of them", async () => {
  const prepared = await prepare(3);
  const keeper = await keep(prepared, { passMs: 1_000, restMs: 2_000 });
  await project(prepared, keeper);
  for (let round = 0; round < 2; round++) {
    await work(prepared, 200);
    const began = performance.now();
    for (const [index, world] of prepared.ledger.worlds.entries()) {
      await expectTrue(world, await signedUpTo(prepared, index));
    }
    expect(performance.now() - began).toBeLessThan(8_000);
  }
  for (const ws of prepared.names) {
    const rows = await sizes(prepared, ws);
    expect(rows.map(({ follows }) => follows)).toEqual(
      ["0", ...rows.map(({ size }) => size)].slice(0, -1),
    );
  }
  expect(alarms(prepared)).toEqual([]);
});

test("prove: any entry, range and older size leads to what was signed, over tiles of two levels", async () => {
  const prepared = await prepare();
  const keeper = await keep(prepared, { entriesMax: 700n });
  const projector = await project(prepared, keeper);
  await work(prepared, 900);
  const { ws } = worldOf(prepared).state;
  const { log } = prepared.model;
  await signedUpTo(prepared);
  await work(prepared, 500);
  await projector.flush(20_000);
  const found = await signedUpTo(prepared);
  await expectTrue(worldOf(prepared), found);
  expect(found.size).toBeGreaterThan(1_500n);
  const lines = worldOf(prepared).entries.map(({ line }) => Buffer.from(line));
  const leaf = (seq: bigint) => leafHash(lines[Number(seq) - 1] as Buffer, sha256);
  const pick = (most: bigint) => 1n + BigInt(Math.floor(Math.random() * Number(most)));
  for (let i = 0; i < 60; i++) {
    const size = i < 20 ? found.size : pick(found.size);
    const root = rootOver(worldOf(prepared), size);
    const seq = i === 0 ? 1n : i === 1 ? size : pick(size);
    const path = await log.inclusion(ws, seq, size);
    const index = seq - 1n;
    expect(verifyInclusion({ index, size, leaf: leaf(seq), path, root }, sha256)).toBe(true);
    const proof = await log.consistency(ws, size, found.size);
    const grown = { from: size, fromRoot: root, to: found.size, toRoot: found.root, path: proof };
    expect(verifyConsistency(grown, sha256)).toBe(true);
    const range = await log.range(ws, seq, size, found.size);
    const leaves = lines.slice(Number(seq) - 1, Number(size)).map((line) => leafHash(line, sha256));
    expect(Buffer.from(rootOfRange(range, leaves, sha256))).toEqual(Buffer.from(found.root));
  }
  await expect(log.inclusion(ws, 1n, found.size + 1n)).rejects.toMatchObject({
    code: "not-in-log",
  });
  await expect(log.inclusion(ws, 9n, 8n)).rejects.toThrow("is not among the first 8");
});

test("receipt: the file has the line, and its path leads to the newest checkpoint", async () => {
  const prepared = await prepare();
  await project(prepared, await keep(prepared));
  await work(prepared, 300);
  const found = await signedUpTo(prepared);
  const { ws } = worldOf(prepared).state;
  const { log } = prepared.model;
  for (const seq of [1n, 256n, found.size]) {
    const text = await log.receiptProof(ws, seq);
    const { index, path, extra, checkpoint } = parseTlogProof(text ?? "");
    const { line } = worldOf(prepared).entries[Number(seq) - 1] ?? {};
    expect(Buffer.from(extra ?? []).toString()).toBe(line);
    const { size, root } = parseCheckpoint(parseNote(checkpoint).text);
    const leaf = leafHash(Buffer.from(line ?? ""), sha256);
    expect(verifyInclusion({ index, size, leaf, path, root }, sha256)).toBe(true);
  }
  expect(await log.receiptProof(ws, found.size + 1n)).toBeUndefined();
  expect(await log.receiptProof("nobody", 1n)).toBeUndefined();
  expect(await log.vkeys("nobody")).toEqual([]);
  await prepared.tables.query("UPDATE entries SET line = line || ' ' WHERE ws = $1 AND seq = 7", [
    ws,
  ]);
  await expect(log.receiptProof(ws, 7n)).rejects.toMatchObject({ code: "log-broken" });
});

test("restart: threads killed at any moment leave one chain of checkpoints, all of them true", async () => {
  const prepared = await prepare(2);
  for (let round = 0; round < 5; round++) {
    const { onLog: _log, ...own } = options(prepared);
    const thread = new Worker(new URL("../projector-thread.ts", import.meta.url), {
      workerData: { ...own, era: ERA, log: { host: own.host, keys: own.keys } },
    });
    thread.postMessage({ own: prepared.ledger.shard } satisfies ToProjector);
    await work(prepared, 150);
    await sleep(900 + round * 330);
    await thread.terminate();
  }
  await project(prepared, await keep(prepared));
  for (const [index, world] of prepared.ledger.worlds.entries()) {
    await expectTrue(world, await signedUpTo(prepared, index));
    const rows = await sizes(prepared, world.state.ws);
    expect(rows.length).toBeGreaterThan(1);
    for (const { size, note } of rows.filter((row) => row.note !== null)) {
      const { root } = parseCheckpoint(parseNote(note ?? "").text);
      expect(Buffer.from(root)).toEqual(Buffer.from(rootOver(world, BigInt(size))));
    }
  }
});

test("race: two keepers make one chain, and every checkpoint of it is true", async () => {
  const prepared = await prepare(2);
  const keepers = [await keep(prepared, { restMs: 1 }), await keep(prepared, { restMs: 1 })];
  await project(prepared, ...keepers);
  for (let round = 0; round < 10; round++) {
    await work(prepared, 40);
    await sleep(150);
  }
  for (const [index, world] of prepared.ledger.worlds.entries()) {
    await expectTrue(world, await signedUpTo(prepared, index));
    const rows = await sizes(prepared, world.state.ws);
    expect(rows.map(({ follows }) => follows)).toEqual(
      ["0", ...rows.map(({ size }) => size)].slice(0, -1),
    );
  }
  expect(alarms(prepared)).toEqual([]);
});

test("write down: what was not signed any more is signed by the next keeper, as it was", async () => {
  const prepared = await prepare();
  const first = await keep(prepared);
  await project(prepared, first);
  await work(prepared, 60);
  const { ws } = worldOf(prepared).state;
  const found = await signedUpTo(prepared);
  await first.stop();
  await prepared.tables.query(
    "UPDATE checkpoints SET note = NULL, vkeys = NULL, signed_at = NULL WHERE ws = $1 AND size = $2",
    [ws, String(found.size)],
  );
  await project(prepared, await keep(prepared));
  expect((await signedUpTo(prepared)).note).toBe(found.note);
});

/** Changes the tables between two runs, so that nothing of it is in a keeper's memory. */
async function tampered(change: (prepared: Prepared, ws: string) => Promise<unknown>) {
  const prepared = await prepare(2);
  const first = await keep(prepared);
  const projector = await project(prepared, first);
  await work(prepared, 160);
  for (const index of [0, 1]) await signedUpTo(prepared, index);
  await first.stop();
  await work(prepared, 160);
  await projector.flush();
  await projector.stop();
  const { ws } = worldOf(prepared).state;
  await change(prepared, ws);
  const before = await sizes(prepared, ws);
  const keeper = await keep(prepared);
  await project(prepared, keeper);
  await expectTrue(worldOf(prepared, 1), await signedUpTo(prepared, 1));
  await until(() => keeper.halted().length > 0);
  expect(keeper.halted().map((log) => log.ws)).toEqual([ws]);
  expect(await sizes(prepared, ws)).toEqual(before);
  expect(alarms(prepared)).toHaveLength(1);
  expect(alarms(prepared)[0]).toContain(`the log of workspace ${ws} is HALTED at entry`);
  return keeper.halted()[0]?.reason;
}

const ofLine = (seq: string, set: string) => (prepared: Prepared, ws: string) =>
  prepared.tables.query(`UPDATE entries SET ${set} WHERE ws = $1 AND seq = (${seq})`, [ws]);
const HEAD = "SELECT seq - 3 FROM workspaces WHERE ws = $1";
const SIGNED = "SELECT max(size) FROM checkpoints WHERE ws = $1";

test.each<[string, (prepared: Prepared, ws: string) => Promise<unknown>, RegExp]>([
  [
    "a byte of a new line",
    ofLine(HEAD, "line = set_byte(line, 40, 7)"),
    /is not what its hash says/,
  ],
  [
    "a byte of a new line and its hash",
    ofLine(HEAD, "line = set_byte(line, 40, 65), hash = sha256(set_byte(line, 40, 65))"),
    /is not that of this entry|does not name the hash/,
  ],
  [
    "a byte of a line that was signed, and its hash",
    ofLine(SIGNED, "line = set_byte(line, 40, 65), hash = sha256(set_byte(line, 40, 65))"),
    /not that of this entry|does not name the hash|root over its first/,
  ],
  [
    "a row removed",
    ({ tables }, ws) => tables.query(`DELETE FROM entries WHERE ws = $1 AND seq = (${HEAD})`, [ws]),
    /is missing in Postgres/,
  ],
  [
    "a checkpoint beyond the log",
    ({ tables }, ws) =>
      tables.query(
        `INSERT INTO checkpoints (ws, size, follows, root) SELECT $1, 1000000, max(size),
          sha256('') FROM checkpoints WHERE ws = $1`,
        [ws],
      ),
    /a checkpoint was signed over 1000000 entries/,
  ],
  [
    "another root at the last checkpoint",
    ({ tables }, ws) =>
      tables.query(
        `UPDATE checkpoints SET root = sha256('other') WHERE ws = $1 AND size = (${SIGNED})`,
        [ws],
      ),
    /is not the one that was signed: the log forks/,
  ],
])("halt: %s", async (_, change, reason) => {
  expect(await tampered(change)).toMatch(reason);
});

test("journal: what only Postgres has is never signed", async () => {
  const prepared = await prepare(2);
  const keeper = await keep(prepared, { staleMs: 300 });
  const projector = await project(prepared);
  await work(prepared, 40);
  await projector.flush();
  await projector.stop();
  const [forged, honest] = prepared.ledger.worlds as [World, World];
  // Entries as an owner would make them, in Postgres alone.
  await prepared.tables.query("BEGIN");
  const { seq } = forged.state.head;
  forged.authorize({ authorization: forged.id() });
  for (const { entry, line, hash } of forged.entries.slice(Number(seq))) {
    await prepared.tables.query(
      `INSERT INTO entries (ws, seq, kind, at, epoch, line, hash, shard, era, stream_seq)
        VALUES ($1, $2, $3, now(), 1, $4, $5, $6, 1, $7)`,
      [
        forged.state.ws,
        String(entry.seq),
        entry.kind,
        Buffer.from(line),
        Buffer.from(hash, "hex"),
        prepared.ledger.shard,
        2,
      ],
    );
    await prepared.tables.query("UPDATE workspaces SET seq = $2, hash = $3 WHERE ws = $1", [
      forged.state.ws,
      String(entry.seq),
      hash,
    ]);
  }
  await prepared.tables.query("COMMIT");
  const heads = [forged, honest].map(
    ({ state }) => [state.ws, { ...state.head, fromJournal: false }] as const,
  );
  keeper.durable(prepared.ledger.shard, new Map(heads));
  await signedUpTo(prepared, 1);
  await until(() => keeper.halted().length > 0);
  expect(keeper.halted()[0]).toMatchObject({
    ws: forged.state.ws,
    reason: /not the one in the journal/,
  });
  expect(await sizes(prepared, forged.state.ws)).toEqual([]);
});

test("postgres: what the journal has and Postgres lacks is not signed before it is there", async () => {
  const prepared = await prepare();
  const keeper = await keep(prepared);
  const projector = await project(prepared, keeper);
  await work(prepared, 30);
  const found = await signedUpTo(prepared);
  await projector.stop();
  await work(prepared, 30);
  await sleep(400);
  const { ws } = worldOf(prepared).state;
  expect((await prepared.model.log.latestCheckpoint(ws))?.size).toBe(found.size);
  await project(prepared, keeper);
  await expectTrue(worldOf(prepared), await signedUpTo(prepared));
});

test("keys: a new key in the file signs beside the old one, until that is taken out", async () => {
  const prepared = await prepare();
  const folder = await mkdtemp(join(tmpdir(), "tarmac-log-key-"));
  open.push(() => rm(folder, { recursive: true }));
  const file = join(folder, "log-key");
  const [older, newer] = [newLogKeyLine(), newLogKeyLine()];
  await writeFile(file, `${older}\n`);
  const keeper = await keep(prepared, { keys: [{ file }] });
  await project(prepared, keeper);
  await work(prepared, 20);
  const first = await signedUpTo(prepared);
  await writeFile(file, `# rotated\n${newer}\n${older}\n`);
  await work(prepared, 20);
  const both = await signedUpTo(prepared);
  await writeFile(file, "not a key\n");
  await work(prepared, 20);
  const still = await signedUpTo(prepared);
  await writeFile(file, `${newer}\n`);
  await work(prepared, 20);
  const last = await signedUpTo(prepared);
  for (const found of [first, both, still, last]) await expectTrue(worldOf(prepared), found);
  expect(first.vkeys).toHaveLength(1);
  expect(both.vkeys).toEqual([...last.vkeys, ...first.vkeys]);
  expect(still.vkeys).toEqual(both.vkeys);
  expect(alarms(prepared)).toHaveLength(1);
  expect(alarms(prepared)[0]).toMatch(/line 1 is not an Ed25519 seed.*the keys stay/);
  expect(alarms(prepared)[0]).not.toContain("not a key");
});
