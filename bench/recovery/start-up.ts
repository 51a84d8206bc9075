/**
 * A long journal, and what a node makes of it: how fast it is read back, and how long a node takes from
 * its start to its answers when its snapshots are a little behind.
 */
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { connectBus } from "../../bus/connect.ts";
import { ensureJournals, replicasFor } from "../../bus/streams.ts";
import { FIRST_ERA } from "../../bus/subjects.ts";
import type { RunningChild } from "../../cli/provision/processes.ts";
import { migrate } from "../../nodes/postgres/migrate.ts";
import { type BenchCluster, startBenchCluster } from "../cluster/cluster.ts";
import { untilProjected } from "../cluster/node-health.ts";
import { namesInEveryShard } from "../cluster/shard-map.ts";
import { type BenchWorkspace, benchWorkspace } from "../cluster/workspaces.ts";
import { placeHold, settleHold } from "../load/holds.ts";
import { SteadyLoad } from "../load/steady-load.ts";
import { note, type Versions, versionsOf } from "../measure/bench-run.ts";
import { CALL_ENTRIES, makeJournals } from "./journal-maker.ts";
import { type Replayed, replayShard } from "./replay.ts";
import { nodeLogin } from "./stand.ts";

export interface LongJournalOptions {
  readonly shards: number;
  /** Entries in all journals together. */
  readonly entries: number;
  /** Entries that the snapshots do not have. */
  readonly behind: number;
  readonly replays: number;
  /** Starts of the node; none skips all that only they need. */
  readonly starts: number;
}

export interface LongJournal {
  readonly entries: number;
  readonly bytesPerEntry: number;
  readonly madePerSecond: number;
  readonly replays: readonly Replayed[];
  /** From the start of the process to the first answer of the last shard. ms */
  readonly startMs: readonly number[];
  readonly versions: Versions;
}

const WORKSPACES_A_SHARD = 4;
const NODE = "node-1";
/** Holds a second and shard while a node starts: fine enough to see when it answers. */
const PROBES_A_SHARD = 25;
const PROBE_DEADLINE_MS = 400;
/** Calls under way while the tail behind the snapshots is written. */
const TAIL_IN_FLIGHT = 32;
/** The lease of a killed node has run out, with a second to spare. ms */
const LEASE_GONE_MS = 4_000;
/** The projector's own pace is some ten thousand entries a second. */
const PROJECTED_PER_S_MIN = 500;

/** Makes a journal, reads it back, and starts a node on it. On one NATS server. */
export async function longJournal(options: LongJournalOptions): Promise<LongJournal> {
  const { shards, entries, behind, replays, starts } = options;
  const cluster = await startBenchCluster({ nodes: 0, shards });
  try {
    const workspaces = namesInEveryShard(shards, WORKSPACES_A_SHARD).map((name) =>
      benchWorkspace(name),
    );
    const node = nodeLogin(cluster, "bench maker");
    const nc = await connectBus(node);
    await ensureJournals(nc, { era: FIRST_ERA, replicas: replicasFor(nc), shards }, true);
    await nc.close();
    await migrate(cluster.postgresUrl);
    const calls = Math.ceil((entries - behind) / workspaces.length / CALL_ENTRIES);
    const made = await makeJournals({
      node,
      shards,
      workspaces: workspaces.map((workspace) => ({ ...workspace, calls })),
    });
    const madePerSecond = Math.round(made.entries / made.seconds);
    note(`  ${made.entries} entries made, ${madePerSecond} a second`);
    const { postgresUrl } = cluster;
    const replayed = await replayShard({ node, postgresUrl, shard: 0, shards, times: replays });
    for (const { cpuMs, entries: count, ms } of replayed) {
      note(`  ${count} entries replayed in ${Math.round(ms)} ms, ${Math.round(cpuMs)} at work`);
    }
    const startMs = starts === 0 ? [] : await startsOf(cluster, workspaces, options, made.entries);
    return {
      bytesPerEntry: Math.round(made.bytes / made.entries),
      entries: made.entries + (starts === 0 ? 0 : behind),
      madePerSecond,
      replays: replayed,
      startMs,
      versions: await versionsOf(cluster),
    };
  } finally {
    await cluster.stop();
  }
}

async function startsOf(
  cluster: BenchCluster,
  workspaces: readonly BenchWorkspace[],
  { shards, behind, starts }: LongJournalOptions,
  entries: number,
): Promise<number[]> {
  await writeSnapshots(cluster, workspaces, shards, entries);
  const node = await cluster.startNode(1);
  await writeTail(cluster, workspaces, behind);
  await kill(node);
  const found: number[] = [];
  for (let start = 0; start < starts; start += 1) {
    await sleep(LEASE_GONE_MS);
    found.push(await startOnce(cluster, workspaces, shards));
  }
  return found;
}

/** A node reads everything, projects it and ends in order, which writes its snapshots. */
async function writeSnapshots(
  cluster: BenchCluster,
  workspaces: readonly BenchWorkspace[],
  shards: number,
  entries: number,
): Promise<void> {
  note(`  ${NODE} reads and projects all of it once, to write its snapshots`);
  const node = await cluster.startNode(1);
  const withinMs = 60_000 + (entries / PROJECTED_PER_S_MIN) * 1_000;
  let told = 0;
  const projected = () =>
    untilProjected(cluster.servers.dir, NODE, shards, withinMs, (behind) => {
      if (performance.now() - told < 10_000) return;
      told = performance.now();
      note(`    ${behind} blocks to go`);
    });
  // Only what is owned is projected.
  await projected();
  // A term that has written nothing leaves the snapshots as they were.
  await writeTail(cluster, workspaces, CALL_ENTRIES * workspaces.length);
  await projected();
  await node.stop();
  const { code } = await node.exited;
  if (code !== 0) throw new Error(`${NODE} ended with ${code}:\n${await node.output()}`);
  const written = await snapshotsIn(cluster.postgresUrl);
  if (written !== shards) throw new Error(`${written} of ${shards} shards have a snapshot`);
}

async function snapshotsIn(postgresUrl: string): Promise<number> {
  const client = new pg.Client(postgresUrl);
  await client.connect();
  const found = await client.query<{ n: string }>("SELECT count(*) AS n FROM snapshot_positions");
  await client.end();
  return Number(found.rows[0]?.n ?? 0);
}

/** Calls by a client: entries that no snapshot has, since none is due so soon. */
async function writeTail(
  cluster: BenchCluster,
  workspaces: readonly BenchWorkspace[],
  entries: number,
): Promise<void> {
  const { client } = await cluster.engine();
  const calls = Math.ceil(entries / CALL_ENTRIES);
  let next = 0;
  const lanes = Array.from({ length: TAIL_IN_FLIGHT }, async () => {
    while (next < calls) {
      const workspace = workspaces[next % workspaces.length];
      next += 1;
      if (workspace === undefined) return;
      await settleHold(client, workspace, await placeHold(client, workspace));
    }
  });
  await Promise.all(lanes);
}

async function startOnce(
  cluster: BenchCluster,
  workspaces: readonly BenchWorkspace[],
  shards: number,
): Promise<number> {
  const { client, nc } = await cluster.engine();
  const rate = PROBES_A_SHARD * shards;
  const deadlineMs = PROBE_DEADLINE_MS;
  const load = new SteadyLoad({ deadlineMs, engine: client, rate, shards, workspaces });
  const startedMs = performance.now();
  const node = await cluster.startNode(1);
  const answers = await Promise.all(
    Array.from({ length: shards }, (_, shard) => load.firstAnswerAfter(shard, startedMs)),
  );
  const ms = Math.max(...answers);
  await load.stop();
  await nc.close();
  const taken = (await node.output()).match(/"message":"shard taken".*/g)?.length ?? 0;
  note(`  ${NODE} answered on all its shards after ${Math.round(ms)} ms (${taken} taken)`);
  await kill(node);
  return ms;
}

async function kill(node: RunningChild): Promise<void> {
  process.kill(-node.pid, "SIGKILL");
  await node.exited;
}
