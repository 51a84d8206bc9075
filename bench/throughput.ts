/**
 * How many holds a second the engine places flat out over 50 workspaces, and how far the projector is
 * behind at the end.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { jetstreamManager } from "@nats-io/jetstream";
import { connectBus } from "../bus/connect.ts";
import { FIRST_ERA, journalStream } from "../bus/subjects.ts";
import { openReadModel } from "../readmodel/read-model.ts";
import { type BenchCluster, startBenchCluster } from "./cluster/cluster.ts";
import { type BenchWorkspace, benchWorkspace } from "./cluster/workspaces.ts";
import { flatOut } from "./load/flat-out.ts";
import { type BenchOptions, type BenchRun, note, versionsOf } from "./measure/bench-run.ts";
import { reportHead } from "./measure/report.ts";

const WORKSPACES = 50;
const HOLDS_PER_S_MIN = 8_000;
const WARM_UP_MS = 4_000;

export async function throughput(options: BenchOptions): Promise<BenchRun> {
  const { nodes, shards } = options;
  const cluster = await startBenchCluster({ nodes, shards });
  try {
    const workspaces = Array.from({ length: WORKSPACES }, (_, i) => benchWorkspace(`bench-${i}`));
    note(`configuring ${WORKSPACES} workspaces`);
    for (const workspace of workspaces) await cluster.configure(workspace);
    const { client } = await cluster.engine();
    note("warming up");
    await flatOut(client, workspaces, WARM_UP_MS);
    const before = await journalMessages(cluster, shards);
    note(`flat out for ${options.seconds} s`);
    const { holds, seconds } = await flatOut(client, workspaces, options.seconds * 1_000);
    const backlog = await projectorBacklog(cluster, workspaces);
    const blocks = (await journalMessages(cluster, shards)) - before;
    const holdsPerSecond = Math.round(holds / seconds);
    note(`  ${holdsPerSecond} holds/s; the projector is ${backlog} entries behind`);
    const drained = await untilDrained(cluster, workspaces);
    note(`  the projector had caught up after ${drained} s more`);
    return {
      ...reportHead("throughput", await versionsOf(cluster)),
      entries_per_block: Math.round((holds / blocks) * 10) / 10,
      holds_per_s: holdsPerSecond,
      pass: holdsPerSecond >= HOLDS_PER_S_MIN,
      projector_backlog: backlog,
      projector_drained_after_s: drained,
      shards,
      workers: nodes,
      workspaces: WORKSPACES,
    };
  } finally {
    await cluster.stop();
  }
}

async function journalMessages(cluster: BenchCluster, shards: number): Promise<number> {
  const nc = await connectBus({ ...cluster.servers.nats.logins.operator, name: "bench journal" });
  try {
    const manager = await jetstreamManager(nc);
    let messages = 0;
    for (let shard = 0; shard < shards; shard += 1) {
      messages += (await manager.streams.info(journalStream(shard, FIRST_ERA))).state.messages;
    }
    return messages;
  } finally {
    await nc.close();
  }
}

/** Entries that the engine has and the projection has not. */
async function projectorBacklog(
  cluster: BenchCluster,
  workspaces: readonly BenchWorkspace[],
): Promise<number> {
  const model = openReadModel(cluster.postgresUrl, "bench");
  try {
    const projected = new Map((await model.workspaces()).map(({ ws, seq }) => [ws, seq]));
    let behind = 0n;
    for (const { ws } of workspaces) {
      const answer = await cluster.session.request(ws, { kind: "inspect" });
      if (answer.kind !== "inspected") throw new Error(`inspect answered ${answer.kind}`);
      behind += answer.seq - (projected.get(ws) ?? 0n);
    }
    return Number(behind);
  } finally {
    await model.close();
  }
}

async function untilDrained(
  cluster: BenchCluster,
  workspaces: readonly BenchWorkspace[],
): Promise<number> {
  const start = performance.now();
  while ((await projectorBacklog(cluster, workspaces)) > 0) {
    if (performance.now() - start > 120_000) throw new Error("the projector does not catch up");
    await sleep(250);
  }
  return Math.round((performance.now() - start) / 100) / 10;
}
