import type { RunningChild } from "../../cli/provision/processes.ts";
import type { BenchCluster } from "../cluster/cluster.ts";
import { processCpuUs, threadCpuUs, treeCpuUs } from "../measure/cpu.ts";

/** Processor time by what used it, in µs; those of all nodes are added up. */
export interface ClusterCpu {
  readonly nats: number;
  readonly postgres: number;
  /** Threads that own shards: all that decides. */
  readonly workers: number;
  readonly projectors: number;
  /** The nodes' other threads: garbage collection, compiling, their main threads. */
  readonly node_rest: number;
  /** The load generator, this process. */
  readonly client: number;
}

/** What all processes of a cluster have used so far. */
export async function readClusterCpu(
  cluster: BenchCluster,
  nodes: readonly RunningChild[],
): Promise<ClusterCpu> {
  const { nats, postgres } = cluster.servers;
  const servers = await Promise.all(nats.members.map(({ pid }) => processCpuUs(pid)));
  let workers = 0;
  let projectors = 0;
  let rest = 0;
  for (const node of nodes) {
    for (const [name, us] of await threadCpuUs(node.pid)) {
      if (name.startsWith("worker ")) workers += us;
      else if (name === "projector") projectors += us;
      else rest += us;
    }
  }
  const { system, user } = process.cpuUsage();
  return {
    client: system + user,
    nats: servers.reduce((sum, us) => sum + us, 0),
    node_rest: rest,
    postgres: await treeCpuUs(postgres.pid),
    projectors,
    workers,
  };
}

/** What was used between two readings for each of so many holds, in µs with one decimal. */
export function perHold(before: ClusterCpu, after: ClusterCpu, holds: number): ClusterCpu {
  const each = (use: keyof ClusterCpu) =>
    Math.round(((after[use] - before[use]) / Math.max(1, holds)) * 10) / 10;
  return {
    client: each("client"),
    nats: each("nats"),
    node_rest: each("node_rest"),
    postgres: each("postgres"),
    projectors: each("projectors"),
    workers: each("workers"),
  };
}

/** What one core of each kind could carry, in holds a second, when it did nothing else. */
export function predicted(cpu: ClusterCpu): Readonly<Record<string, number>> {
  const carries = (us: number) => Math.round(1_000_000 / Math.max(us, 0.1));
  return {
    holds_per_s_per_nats_core: carries(cpu.nats),
    holds_per_s_per_postgres_core: carries(cpu.postgres),
    holds_per_s_per_projector_core: carries(cpu.projectors),
    holds_per_s_per_worker_core: carries(cpu.workers + cpu.node_rest),
  };
}
