/** Holds a second by nodes and workers, with the processor time of each hold by who spent it. */
import { startBenchCluster } from "../cluster/cluster.ts";
import { namesInEveryShard } from "../cluster/shard-map.ts";
import { benchWorkspace } from "../cluster/workspaces.ts";
import { flatOut } from "../load/flat-out.ts";
import { note, type Versions, versionsOf } from "../measure/bench-run.ts";
import { type ClusterCpu, perHold, predicted, readClusterCpu } from "./cluster-cpu.ts";

/** How many nodes there are, and workers in each. */
export interface Size {
  readonly nodes: number;
  readonly workers: number;
  /** NATS servers; 1 unless given. */
  readonly servers?: 1 | 3;
}

export interface ScaleRow extends Required<Size> {
  readonly shards: number;
  readonly holds_per_s: number;
  readonly cpu_us_per_hold: ClusterCpu & { readonly total: number };
  /** Cores that were at work. */
  readonly cores_used: number;
  /** Holds a second that one core of each kind could carry by these figures. */
  readonly predicts: Readonly<Record<string, number>>;
}

const WORKSPACES_A_SHARD = 2;
const WARM_UP_MS = 3_000;

/** Measures one size in a cluster of its own: what an earlier one left open would expire in a later. */
export async function measureSize(
  size: Size,
  shards: number,
  seconds: number,
): Promise<{ readonly row: ScaleRow; readonly versions: Versions }> {
  const cluster = await startBenchCluster({ ...size, shards });
  try {
    const workspaces = namesInEveryShard(shards, WORKSPACES_A_SHARD).map((name) =>
      benchWorkspace(name),
    );
    for (const workspace of workspaces) await cluster.configure(workspace);
    const { client } = await cluster.engine();
    await flatOut(client, workspaces, Math.min(WARM_UP_MS, seconds * 1_000));
    const before = await readClusterCpu(cluster, cluster.nodes);
    const { holds, seconds: took } = await flatOut(client, workspaces, seconds * 1_000);
    const after = await readClusterCpu(cluster, cluster.nodes);
    const row = rowOf(size, shards, holds / took, perHold(before, after, holds));
    const { nodes, workers, holds_per_s: rate, cpu_us_per_hold: cpu } = row;
    note(`  ${nodes} × ${workers}: ${rate} holds/s, ${cpu.total} µs of processor a hold`);
    return { row, versions: await versionsOf(cluster) };
  } finally {
    await cluster.stop();
  }
}

function rowOf(size: Size, shards: number, rate: number, cpu: ClusterCpu): ScaleRow {
  const { client, nats, node_rest, postgres, projectors, workers } = cpu;
  const total = client + nats + node_rest + postgres + projectors + workers;
  return {
    ...size,
    cores_used: Math.round((total * rate) / 10_000) / 100,
    cpu_us_per_hold: { ...cpu, total: Math.round(total * 10) / 10 },
    holds_per_s: Math.round(rate),
    predicts: predicted(cpu),
    servers: size.servers ?? 1,
    shards,
  };
}
