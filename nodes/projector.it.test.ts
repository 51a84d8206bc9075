/**
 * Goal: what Postgres says is what the entries come to, whatever ends in the middle: nothing lost, nothing
 * twice, nothing out of order; and a journal that contradicts itself stops the projection of its shard.
 * Method: real actors make entries, real blocks go through a real nats-server, and the tables of a real
 * Postgres are compared with the actors' own state.
 */
import { randomBytes } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { DeliverPolicy, jetstream } from "@nats-io/jetstream";
import pg from "pg";
import { afterEach, beforeAll, expect, test } from "vitest";

import type { NatsConnection } from "../bus/connect.ts";
import { journalStream } from "../bus/subjects.ts";
import { testDatabase, testNats } from "../cli/provision/vitest-servers.ts";
import { migrate } from "./postgres/migrate.ts";
import { differences } from "./postgres/testing/audit.ts";
import { ERA, TestLedger } from "./postgres/testing/test-ledger.ts";
import { type Projector, startProjector } from "./projector.ts";
import type { ProjectorLog } from "./projector-log.ts";
import type { FromProjector, ToProjector } from "./projector-thread.ts";
import { connectAs, login, prepareStreams } from "./testing/bus-fixture.ts";

const ON_LINUX = process.platform === "linux";
const nats = await testNats({ shards: 16 });
let nc: NatsConnection;
/** Each test takes shards of its own, and a database of its own. */
let shards = 0;
const open: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  nc = await connectAs(nats, "node");
  await prepareStreams(nc, 16);
  return async () => {
    await nc.close();
  };
});

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function freshDatabase(): Promise<string> {
  const url = await testDatabase();
  await migrate(url);
  return url;
}

/** Workspaces of names that no other test has. */
function newLedger(count = 3): TestLedger {
  const shard = shards++;
  const names = Array.from({ length: count }, (_, i) => `ws-${shard}-${i}`);
  return new TestLedger(nc, shard, names);
}

async function project(url: string, ledgers: readonly TestLedger[], logs: ProjectorLog[] = []) {
  const projector = await startProjector({
    postgresUrl: url,
    nats: login(nats, "node"),
    era: ERA,
    onLog: (line) => logs.push(line),
  });
  open.push(() => projector.stop());
  for (const { shard } of ledgers) projector.own(shard);
  return projector;
}

async function positionOf(url: string, shard: number): Promise<number> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const found = await client.query<{ stream_seq: string }>(
    "SELECT stream_seq FROM projector_positions WHERE shard = $1",
    [shard],
  );
  await client.end();
  return Number(found.rows[0]?.stream_seq ?? 0);
}

/** Asks until it is so, or the test's time is up. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await sleep(20);
}

test("project: the tables say what the entries come to, over terms and blocks of any size", async () => {
  const url = await freshDatabase();
  const ledgers = [newLedger(), newLedger(1)];
  const projector = await project(url, ledgers);
  for (const blockBytes of [9_000, 40_000, 262_144]) {
    for (const ledger of ledgers) {
      await ledger.claim();
      ledger.work(150);
      for (const world of ledger.worlds) ledger.reconfigure(world);
      await ledger.append(blockBytes);
    }
  }
  await projector.flush();
  expect(await differences(url, ledgers)).toEqual([]);
  const backlog = await projector.backlog();
  expect(backlog.map(({ behind, written, durable }) => [behind, durable === written])).toEqual([
    [0, true],
    [0, true],
  ]);
});

test("project: an empty block moves the position and nothing else", async () => {
  const url = await freshDatabase();
  const ledger = newLedger(1);
  const projector = await project(url, [ledger]);
  await ledger.claim();
  await ledger.append();
  await ledger.append();
  await ledger.append();
  await projector.flush();
  expect(await positionOf(url, ledger.shard)).toBe(4);
  expect(await differences(url, [ledger])).toEqual([]);
});

test("publish: every entry goes out once, in order, after it can be looked up", async () => {
  const url = await freshDatabase();
  const ledger = newLedger(2);
  await ledger.claim();
  ledger.work(60);
  await ledger.append(20_000);
  const reader = new pg.Client({ connectionString: url });
  await reader.connect();
  open.push(() => reader.end());
  const seen: string[] = [];
  let missing = 0;
  const watcher = await jetstream(nc).consumers.get("EVENTS", {
    deliver_policy: DeliverPolicy.All,
    filter_subjects: ledger.worlds.map((world) => `events.${world.state.ws}.>`),
  });
  const messages = await watcher.consume();
  const watching = (async () => {
    for await (const message of messages) {
      const { ws, seq } = JSON.parse(message.string()) as { ws: string; seq: string };
      seen.push(`${ws}/${seq}`);
      expect(message.headers?.get("Tarmac-Seq")).toBe(seq);
      const found = await reader.query("SELECT 1 FROM entries WHERE ws = $1 AND seq = $2", [
        ws,
        seq,
      ]);
      missing += found.rowCount === 1 ? 0 : 1;
    }
  })();
  const projector = await project(url, [ledger]);
  await projector.flush();
  await until(() => seen.length === ledger.size);
  messages.stop();
  await watching;
  expect(missing).toBe(0);
  for (const { state } of ledger.worlds) {
    const own = seen.filter((name) => name.startsWith(`${state.ws}/`));
    expect(own).toEqual(Array.from({ length: own.length }, (_, i) => `${state.ws}/${i + 1}`));
  }
});

test("restart: threads killed at any moment lose nothing and double nothing", async () => {
  const url = await freshDatabase();
  const ledgers = [newLedger(), newLedger()];
  for (const ledger of ledgers) await ledger.claim();
  for (let round = 0; round < 6; round++) {
    const thread = startThread(url, ledgers);
    for (const ledger of ledgers) {
      ledger.work(120);
      await ledger.append(8_000);
    }
    await sleep(40 + round * 60);
    await thread.terminate();
  }
  const projector = await project(url, ledgers);
  await projector.flush();
  expect(await differences(url, ledgers)).toEqual([]);
});

function startThread(url: string, ledgers: readonly TestLedger[]): Worker {
  const thread = new Worker(new URL("projector-thread.ts", import.meta.url), {
    workerData: { postgresUrl: url, nats: login(nats, "node"), era: ERA },
  });
  for (const { shard } of ledgers) thread.postMessage({ own: shard } satisfies ToProjector);
  return thread;
}

test("thread: it tells its backlog, flushes, stops, and is alone in its low priority", async () => {
  const url = await freshDatabase();
  const ledger = newLedger();
  await ledger.claim();
  ledger.work(20);
  await ledger.append();
  const before = await niceness();
  const thread = startThread(url, [ledger]);
  const said: FromProjector[] = [];
  thread.on("message", (message: FromProjector) => said.push(message));
  await until(() => said.some((message) => "started" in message));
  const during = await niceness();
  // One thread more is nice; all others, the main one among them, are as they were.
  expect(during.filter((nice) => nice === 10)).toHaveLength(ON_LINUX ? 1 : 0);
  expect(during[0]).toBe(before[0]);
  const niced = said.some((message) => "started" in message && message.niceness === 10);
  expect(niced).toBe(ON_LINUX);
  thread.postMessage({ flush: 7 } satisfies ToProjector);
  await until(() => said.some((message) => "flushed" in message));
  expect(said.find((message) => "flushed" in message)).toEqual({ flushed: 7 });
  expect(await differences(url, [ledger])).toEqual([]);
  await until(() => said.some((message) => "backlog" in message));
  const told = said.find((message) => "backlog" in message);
  expect(told).toMatchObject({ backlog: [{ shard: ledger.shard, behind: 0 }] });
  const ended = new Promise((resolve) => thread.once("exit", resolve));
  thread.postMessage({ stop: true } satisfies ToProjector);
  expect(await ended).toBe(0);
  expect(said.at(-1)).toEqual({ stopped: true });
});

/** The niceness of each thread of this process, the main one first. Field 19 of its stat file. */
async function niceness(): Promise<number[]> {
  if (!ON_LINUX) return [];
  // Ids of threads come round again, so a younger thread may have a lesser one.
  const main = String(process.pid);
  const others = (await readdir("/proc/self/task")).filter((id) => id !== main);
  const stats = await Promise.all(
    [main, ...others].map((id) => readFile(`/proc/self/task/${id}/stat`, "utf8").catch(() => "")),
  );
  return stats
    .filter((stat) => stat !== "")
    .map((stat) => Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[16]));
}

test("overtake: two projectors on one shard write each entry once, and no position goes back", async () => {
  const url = await freshDatabase();
  const ledger = newLedger();
  await ledger.claim();
  const logs: ProjectorLog[] = [];
  const both = [await project(url, [ledger], logs), await project(url, [ledger], logs)];
  let position = 0;
  for (let round = 0; round < 8; round++) {
    ledger.work(60);
    await ledger.append(10_000);
    await sleep(60);
    const now = await positionOf(url, ledger.shard);
    expect(now).toBeGreaterThanOrEqual(position);
    position = now;
  }
  await Promise.all(both.map((projector: Projector) => projector.flush()));
  expect(await differences(url, [ledger])).toEqual([]);
  expect(logs.filter((line) => line.level === "alarm")).toEqual([]);
});

test("verify: an entry that was changed halts its shard at its seq, and the others go on", async () => {
  const url = await freshDatabase();
  const [good, bad] = [newLedger(1), newLedger(1)];
  const logs: ProjectorLog[] = [];
  const projector = await project(url, [good, bad], logs);
  for (const ledger of [good, bad]) {
    await ledger.claim();
    ledger.work(20);
    await ledger.append();
  }
  await projector.flush();
  const whole = bad.size;
  // Amounts are read as they stand: only the hash in the next entry tells that this one was another.
  bad.work(20);
  await bad.append(262_144, (lines) => {
    lines[3] = (lines[3] ?? "").replace(/"held":"\d+"/, '"held":"1"');
  });
  good.work(20);
  await good.append();
  await until(() => logs.some((line) => line.level === "alarm"));
  const alarm = logs.find((line) => line.level === "alarm");
  expect(alarm?.shard).toBe(bad.shard);
  expect(alarm?.message).toContain(`entry ${whole + 5} of workspace ${bad.worlds[0]?.state.ws}`);
  expect(alarm?.message).toContain(`nats stream get ${journalStream(bad.shard, ERA)} 3`);
  await expect(projector.flush()).rejects.toThrow("is halted");
  await until(async () => (await projector.backlog())[0]?.behind === 0);
  expect(await differences(url, [good])).toEqual([
    `entries: ${good.size + whole} where ${good.size} were appended`,
  ]);
});

test("verify: a journal with another block at the position halts before anything is written", async () => {
  const url = await freshDatabase();
  const ledger = newLedger(1);
  const first = await project(url, [ledger]);
  await ledger.claim();
  ledger.work(5);
  await ledger.append();
  await first.flush();
  await first.stop();
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  open.push(() => client.end());
  const other = randomBytes(32).toString("hex");
  await client.query("UPDATE projector_positions SET block_hash = $1", [other]);
  const logs: ProjectorLog[] = [];
  await project(url, [ledger], logs);
  await until(() => logs.length > 0);
  expect(logs[0]).toMatchObject({ level: "alarm", shard: ledger.shard });
  expect(logs[0]?.message).toContain("not the block that was projected");
});

test("write: what the tables refuse halts one shard, and the batch's others are written", async () => {
  const url = await freshDatabase();
  const [good, bad] = [newLedger(1), newLedger(1)];
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  open.push(() => client.end());
  await client.query(
    `INSERT INTO entries (ws, seq, kind, at, epoch, line, hash, shard, era, stream_seq)
      VALUES ($1, 3, 'takeover', now(), 1, '', '', $2, 1, 1)`,
    [bad.worlds[0]?.state.ws, bad.shard],
  );
  const logs: ProjectorLog[] = [];
  const projector = await project(url, [bad, good], logs);
  for (const ledger of [good, bad]) {
    await ledger.claim();
    ledger.work(20);
    await ledger.append();
  }
  await until(() => logs.some((line) => line.level === "alarm"));
  expect(logs.find((line) => line.level === "alarm")).toMatchObject({ shard: bad.shard });
  projector.release(bad.shard);
  await projector.flush();
  expect(await differences(url, [good])).toEqual([
    `entries: ${good.size + 1} where ${good.size} were appended`,
  ]);
});

test("release: a shard that is owned again goes on where the tables are", async () => {
  const url = await freshDatabase();
  const ledger = newLedger(1);
  const projector = await project(url, [ledger]);
  await ledger.claim();
  for (let round = 0; round < 4; round++) {
    ledger.work(30);
    await ledger.append(6_000);
    projector.release(ledger.shard);
    projector.own(ledger.shard);
  }
  await projector.flush();
  expect(await differences(url, [ledger])).toEqual([]);
});
