/**
 * What one hold costs in a cluster that has grown, beside a small one on the same machine: single holds
 * go to both in turn, so that whatever else the machine does slows both alike.
 */
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { EngineClient } from "../../bus/engine-client.ts";
import type { RunningChild } from "../../cli/provision/processes.ts";
import type { BenchCluster } from "../cluster/cluster.ts";
import type { BenchWorkspace } from "../cluster/workspaces.ts";
import { placeHold, settleHold } from "../load/holds.ts";
import { threadCpuUs } from "../measure/cpu.ts";
import { type Latencies, latencies } from "../measure/latencies.ts";

/** One cluster that is measured: its only node, and the workspace that holds are placed in. */
export interface Side {
  readonly cluster: BenchCluster;
  readonly node: RunningChild;
  readonly client: EngineClient;
  readonly workspace: BenchWorkspace;
}

/** A grown cluster beside a small one. */
export interface FlatFound {
  readonly hold_ms: Latencies;
  readonly baseline_ms: Latencies;
  /** Of the medians. */
  readonly ratio_p50: number;
  /** Processor time of the thread that decides, for a hold and its settle. µs */
  readonly worker_us: number;
  readonly baseline_worker_us: number;
  readonly node_memory_mb: number;
  readonly baseline_node_memory_mb: number;
}

/** Places holds in both sides in turn; each is settled before the next. */
export async function compare(small: Side, grown: Side, pairs: number): Promise<FlatFound> {
  await Promise.all([untilQuiet(small.node.pid), untilQuiet(grown.node.pid)]);
  const found = { grown: [] as number[], small: [] as number[] };
  const warmUp = Math.ceil(pairs / 10);
  let before = { grown: 0, small: 0 };
  for (let pair = -warmUp; pair < pairs; pair += 1) {
    if (pair === 0) {
      found.grown.length = 0;
      found.small.length = 0;
      before = await workerUsOf(small, grown);
    }
    // Which is first changes, since the first may find the machine's caches cold.
    const smallFirst = pair % 2 === 0;
    if (smallFirst) found.small.push(await callOnce(small));
    found.grown.push(await callOnce(grown));
    if (!smallFirst) found.small.push(await callOnce(small));
  }
  const after = await workerUsOf(small, grown);
  const [hold, baseline] = [latencies(found.grown), latencies(found.small)];
  const each = (us: number) => Math.round(us / pairs);
  return {
    baseline_ms: baseline,
    baseline_node_memory_mb: await memoryMb(small.node.pid),
    baseline_worker_us: each(after.small - before.small),
    hold_ms: hold,
    node_memory_mb: await memoryMb(grown.node.pid),
    ratio_p50: Math.round((hold.p50 / baseline.p50) * 100) / 100,
    worker_us: each(after.grown - before.grown),
  };
}

async function callOnce({ client, workspace }: Side): Promise<number> {
  const startMs = performance.now();
  const authorization = await placeHold(client, workspace);
  const tookMs = performance.now() - startMs;
  await settleHold(client, workspace, authorization);
  return tookMs;
}

async function workerUsOf(small: Side, grown: Side): Promise<{ grown: number; small: number }> {
  const [ofSmall, ofGrown] = await Promise.all([workerUs(small.node), workerUs(grown.node)]);
  return { grown: ofGrown, small: ofSmall };
}

async function workerUs({ pid }: RunningChild): Promise<number> {
  return (await threadCpuUs(pid)).get("worker 0") ?? 0;
}

async function memoryMb(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1_024);
}

const QUIET_LOOK_MS = 500;
/** Shares of a core, of all threads of a node together. */
const QUIET_SHARE = 0.08;
const QUIET_LOOKS = 3;
const QUIET_MS_MAX = 600_000;

/** Waits until a node has done what growing it brought with it. Gives up in the end, without a fault. */
async function untilQuiet(pid: number): Promise<void> {
  const deadline = performance.now() + QUIET_MS_MAX;
  let last = await nodeUs(pid);
  for (let quiet = 0; quiet < QUIET_LOOKS && performance.now() < deadline; ) {
    await sleep(QUIET_LOOK_MS);
    const now = await nodeUs(pid);
    quiet = now - last < QUIET_SHARE * QUIET_LOOK_MS * 1_000 ? quiet + 1 : 0;
    last = now;
  }
}

async function nodeUs(pid: number): Promise<number> {
  return [...(await threadCpuUs(pid)).values()].reduce((sum, us) => sum + us, 0);
}
