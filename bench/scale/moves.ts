import { connectBus } from "../../bus/connect.ts";
import { type BenchCluster, startBenchCluster } from "../cluster/cluster.ts";
import { type PlacedNode, type ShardMap, untilPlaced } from "../cluster/shard-map.ts";
import { note } from "../measure/bench-run.ts";
import { nodeLogin } from "../recovery/stand.ts";
import { type Moved, movedBetween } from "./moved-share.ts";

/** Shards that moved on each join and each leave. */
export interface Moves {
  readonly join: readonly Moved[];
  readonly leave: readonly Moved[];
}

/** Real nodes come one by one and leave one by one; the leases say what moved. */
export async function measureMoves(shards: number, nodesMax: number): Promise<Moves> {
  const cluster = await startBenchCluster({ nodes: 1, shards });
  try {
    return await moveAll(cluster, shards, nodesMax);
  } finally {
    await cluster.stop();
  }
}

async function moveAll(cluster: BenchCluster, shards: number, nodesMax: number): Promise<Moves> {
  const nc = await connectBus(nodeLogin(cluster, "bench moves"));
  const nodes = [...cluster.nodes];
  const placed = (): PlacedNode[] => nodes.map(({ name }) => ({ name, workers: 1 }));
  const join: Moved[] = [];
  const leave: Moved[] = [];
  let map = await untilPlaced(nc, placed(), shards);
  while (nodes.length < nodesMax) {
    const node = await cluster.startNode(nodes.length + 1);
    nodes.push(node);
    const next = await untilPlaced(nc, placed(), shards);
    join.push(toldOf("joins", map, next, node.name, nodes.length, nodes.length));
    map = next;
  }
  while (nodes.length > 1) {
    const all = nodes.length;
    const node = nodes.pop();
    if (node === undefined) break;
    await node.stop();
    const next = await untilPlaced(nc, placed(), shards);
    leave.push(toldOf("leaves", map, next, node.name, all, nodes.length));
    map = next;
  }
  await nc.close();
  return { join, leave };
}

function toldOf(
  what: string,
  before: ShardMap,
  after: ShardMap,
  node: string,
  all: number,
  members: number,
): Moved {
  // These nodes have one worker each.
  const moved = { ...movedBetween(before, after, `${node}/0`, all), members };
  note(
    `  ${node} ${what}: ${moved.moved_share} of the shards moved, 1/N is ${moved.ideal_share}, ${moved.stray} between others`,
  );
  return moved;
}
