/** Two engine nodes of one worker each under a steady load, for what is killed and handed over. */
import { type ConnectOptions, connectBus, type NatsConnection } from "../../bus/connect.ts";
import type { RunningChild } from "../../cli/provision/processes.ts";
import { type BenchCluster, startBenchCluster } from "../cluster/cluster.ts";
import {
  namesInEveryShard,
  readShardMap,
  type ShardMap,
  untilPlaced,
} from "../cluster/shard-map.ts";
import { benchWorkspace } from "../cluster/workspaces.ts";
import { SteadyLoad } from "../load/steady-load.ts";
import { note } from "../measure/bench-run.ts";

/** As many NATS servers as a cluster of Tarmac may have: one, or three with every stream on all. */
export type ServerCount = 1 | 3;

export interface Stand {
  readonly cluster: BenchCluster;
  readonly shards: number;
  /** A connection with a node's rights, which no kill of a node ends. */
  readonly nc: NatsConnection;
  readonly load: SteadyLoad;
  /** Who owns what now. */
  map(): Promise<ShardMap>;
  node(number: number): RunningChild;
  /** Starts a node again that has ended, and waits until its shards are its own. */
  restart(number: number): Promise<void>;
  /** Waits until both nodes have their shards and each shard answers; starts one that had ended. */
  untilWhole(): Promise<void>;
  /** The last words of nodes that had ended by themselves. */
  readonly ended: readonly string[];
  stop(): Promise<void>;
}

const NODES = [1, 2];
const WORKSPACES_A_SHARD = 2;

/** @param rate holds a second, over all shards */
export async function startStand(
  servers: ServerCount,
  shards: number,
  rate: number,
): Promise<Stand> {
  note(`${servers} NATS server${servers === 1 ? "" : "s"}, ${NODES.length} nodes, ${rate} holds/s`);
  const cluster = await startBenchCluster({ nodes: NODES.length, servers, shards });
  try {
    const nc = await connectBus(nodeLogin(cluster, "bench node"));
    const running = new Map(cluster.nodes.map((node, index) => [index + 1, node]));
    const placed = NODES.map((number) => ({ name: `node-${number}`, workers: 1 }));
    await untilPlaced(nc, placed, shards);
    const names = namesInEveryShard(shards, WORKSPACES_A_SHARD);
    const workspaces = names.map((name) => benchWorkspace(name));
    for (const workspace of workspaces) await cluster.configure(workspace);
    const { client } = await cluster.engine();
    const load = new SteadyLoad({ engine: client, rate, shards, workspaces });
    const ended: string[] = [];
    const startAgain = async (number: number) => {
      running.set(number, await cluster.startNode(number));
    };
    const untilWhole = async () => {
      for (const [number, node] of running) {
        if (node.exit() === undefined) continue;
        // As whatever runs the nodes does; the bench says how often it had to.
        const last = (await node.output()).trim().split("\n").at(-1) ?? "";
        note(`  ${node.name} had ended by itself: ${last}`);
        ended.push(last);
        await startAgain(number);
      }
      await untilPlaced(nc, placed, shards);
      const now = performance.now();
      const all = Array.from({ length: shards }, (_, shard) => load.firstAnswerAfter(shard, now));
      await Promise.all(all);
    };
    await untilWhole();
    return {
      cluster,
      shards,
      nc,
      load,
      map: () => readShardMap(nc, shards),
      node: (number) => required(running.get(number), `node ${number}`),
      async restart(number) {
        await startAgain(number);
        await untilWhole();
      },
      untilWhole,
      ended,
      async stop() {
        try {
          await load.stop();
        } finally {
          await nc.close();
          await cluster.stop();
        }
      },
    };
  } catch (error) {
    for (const node of cluster.nodes) note(`${node.name} said:\n${await node.output()}`);
    await cluster.stop();
    throw error;
  }
}

/** How a bench connects with a node's rights. */
export function nodeLogin(cluster: BenchCluster, name: string, servers?: string): ConnectOptions {
  const { node } = cluster.servers.nats.logins;
  return { name, pass: node.pass, servers: servers ?? node.servers, user: node.user };
}

/** @throws Error naming what is missing */
export function required<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`there is no ${what}`);
  return value;
}

/** The shards a node owns by a map. */
export function shardsOf(map: ShardMap, node: string): number[] {
  return map.flatMap((worker, shard) => (worker?.split("/")[0] === node ? [shard] : []));
}
