/**
 * Goal: a journal, a snapshot or a projection that contradict each other stop the shard they belong to
 * and no other, which says what it found and where to look; and it goes on when the contradiction is
 * gone. Method: one real node with two shards. Postgres is altered behind its back, and a block that no
 * owner wrote is put into a journal by the one user that may write there.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { shardOf } from "../../actors/placement.ts";
import { connectBus, type NatsConnection, parseNatsUrl } from "../../bus/connect.ts";
import { EngineClient, EngineUnreachable } from "../../bus/engine-client.ts";
import { blockSubject, FIRST_ERA } from "../../bus/subjects.ts";
import { testDatabase } from "../../cli/provision/vitest-servers.ts";
import type { BenchWorkspace } from "../cluster/workspaces.ts";
import { Machine } from "./testing/machine.ts";
import { authorizeOf, cappedWorkspace } from "./testing/zombie-stage.ts";

const SHARDS = 2;
const POLL = { interval: 100, timeout: 60_000 } as const;
const postgresUrl = await testDatabase();
const postgres = new pg.Client(postgresUrl);
/** One in each shard. */
const workspaces = [0, 1].map((shard) => inShard(shard));
let machine: Machine;
let gateway: NatsConnection;
let engine: EngineClient;

beforeAll(async () => {
  machine = await Machine.create({ postgresUrl, shards: SHARDS });
  await machine.startNats();
  await machine.startNode(1);
  gateway = await connectBus(parseNatsUrl(machine.natsUrl("gateway"), "gateway"));
  engine = new EngineClient(gateway);
  for (const workspace of workspaces) await machine.configure(workspace);
  await postgres.connect();
});

afterAll(async () => {
  await gateway?.close();
  await machine?.close();
  await postgres?.end();
});

function inShard(shard: number): BenchWorkspace {
  for (let n = 0; ; n += 1) {
    const ws = `halts-${n}`;
    if (shardOf(ws, SHARDS) === shard) return cappedWorkspace(ws, 10n ** 15n);
  }
}

/** `admit`, or why there is no decision. */
async function decide(shard: number): Promise<string> {
  const workspace = workspaces[shard];
  if (workspace === undefined) throw new Error(`no workspace in shard ${shard}`);
  try {
    const limits = { deadlineMs: 1_000, tryTimeoutMs: 400 };
    const answer = await engine.request(workspace.ws, authorizeOf(workspace), limits);
    return answer.kind === "decided" ? answer.outcome : answer.kind;
  } catch (error) {
    if (!(error instanceof EngineUnreachable)) throw error;
    return "unreachable";
  }
}

interface ShardHealth {
  readonly shard: number;
  readonly phase: string;
  readonly reason?: string;
}

async function health(shard: number): Promise<ShardHealth | undefined> {
  const text = await readFile(join(machine.dir, "nodes", "node-1.json"), "utf8").catch(() => "{}");
  const { shards = [] } = JSON.parse(text) as { shards?: readonly ShardHealth[] };
  return shards.find((one) => one.shard === shard);
}

/** Only this shard is halted: it says why, to people and in the health file, and the other decides. */
async function expectHalted(shard: number, why: RegExp): Promise<void> {
  await expect.poll(() => health(shard), POLL).toMatchObject({ phase: "halted" });
  expect((await health(shard))?.reason).toMatch(why);
  expect(await machine.logOf("node-1")).toMatch(/"level":"alarm","message":"shard halted"/);
  await expect.poll(() => decide(1 - shard), POLL).toBe("admit");
  expect(await decide(shard)).toBe("unreachable");
}

/** Stops the node with a snapshot of both shards behind it: out of breath, a hand-over goes without. */
async function stopWithSnapshots(): Promise<void> {
  for (;;) {
    await machine.stop("node-1");
    const found = await postgres.query("SELECT shard FROM snapshot_positions");
    if (found.rowCount === SHARDS) return;
    await machine.startNode(1);
    for (const shard of [0, 1]) await expect.poll(() => decide(shard), POLL).toBe("admit");
  }
}

/** A shard's snapshot position says something else. @returns what it said, and what puts it right */
async function alter(
  shard: number,
  column: "block_hash" | "stream_seq",
  value: string,
): Promise<{ readonly was: string; readonly restore: () => Promise<unknown> }> {
  const found = await postgres.query<{ was: string }>(
    `SELECT ${column}::text AS was FROM snapshot_positions WHERE shard = $1`,
    [shard],
  );
  const was = found.rows[0]?.was ?? "";
  const set = (to: string) =>
    postgres.query(`UPDATE snapshot_positions SET ${column} = $1 WHERE shard = $2`, [to, shard]);
  await set(value);
  return { restore: () => set(was), was };
}

test("snapshot: one that disagrees with the journal halts its shard alone, until it is right again", async () => {
  for (const shard of [0, 1]) await expect.poll(() => decide(shard), POLL).toBe("admit");
  await stopWithSnapshots();
  const forged = "f".repeat(64);
  const other = await alter(0, "block_hash", forged);
  await machine.startNode(1);
  await expectHalted(
    0,
    new RegExp(`${other.was}.*snapshot was cut at a block with hash ${forged}`),
  );

  // The first is put right, and the other's snapshot has messages that its journal lost.
  await machine.stop("node-1");
  await other.restore();
  const ahead = await alter(1, "stream_seq", "1000000");
  await machine.startNode(1);
  await expectHalted(1, /the journal of shard 1 (went back|ends before)/);

  await machine.stop("node-1");
  await ahead.restore();
  await machine.startNode(1);
  for (const shard of [0, 1]) await expect.poll(() => decide(shard), POLL).toBe("admit");
});

test("journal: a block that no owner wrote ends the term, and halts its shard alone", async () => {
  const node = await connectBus(parseNatsUrl(machine.natsUrl("node"), "intruder"));
  const line = `${JSON.stringify({ count: 0, epoch: "1", era: 1, number: 1, owner: "intruder", prev: "0".repeat(64), shard: 1, v: 1 })}\n`;
  await node.request(blockSubject(1, FIRST_ERA), line, { timeout: 10_000 });
  await node.close();
  await decide(1);
  await expectHalted(1, /shard 1 halts: block \d+ /);
});
