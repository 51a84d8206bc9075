/** Three ways for a cluster to grow: entries in one workspace, holds open in one, workspaces. */
import { connectBus } from "../../bus/connect.ts";
import { ensureJournals, replicasFor } from "../../bus/streams.ts";
import { FIRST_ERA } from "../../bus/subjects.ts";
import { startBenchCluster } from "../cluster/cluster.ts";
import { untilProjected, untilReady } from "../cluster/node-health.ts";
import { benchWorkspace } from "../cluster/workspaces.ts";
import { placeHold } from "../load/holds.ts";
import { note } from "../measure/bench-run.ts";
import { CALL_ENTRIES, type MadeWorkspace, makeJournals } from "../recovery/journal-maker.ts";
import { nodeLogin } from "../recovery/stand.ts";
import { compare, type FlatFound, type Side } from "./flat.ts";

/** How large a cluster is. */
export interface ClusterSize {
  readonly entries: number;
  readonly open_holds: number;
  readonly workspaces: number;
}

export interface FlatRow extends ClusterSize, FlatFound {
  /** What was grown. */
  readonly grown: keyof ClusterSize;
  /** From the node's first start to the moment it decided all its shards: without a snapshot. ms */
  readonly replay_start_ms: number;
}

const SHARDS = 4;
const NODE = "node-1";
/** In the small cluster, and in a grown one where it did not grow. */
const WORKSPACES = 4;
const AGENTS_A_WORKSPACE = 5;
const CALLS = 100;
/** So that no hold of a run expires. */
const EXPIRY_MS = 3_600_000;
const OPENING_IN_FLIGHT = 256;
const PROJECTED_MS_MAX = 1_800_000;

/** A small cluster to compare with. Whoever starts it stops it. */
export function startSmall(): Promise<Started> {
  return startSide("entries", { entries: 0, open_holds: 0, workspaces: WORKSPACES });
}

/** Grows one cluster and measures it beside the small one. */
export async function growAndCompare(
  small: Side,
  grown: keyof ClusterSize,
  to: number,
  pairs: number,
): Promise<FlatRow> {
  const size = { entries: 0, open_holds: 0, workspaces: WORKSPACES, [grown]: to };
  note(`growing to ${to} ${grown.replace("_", " ")}`);
  const side = await startSide(grown, size);
  try {
    if (size.open_holds > 0) await openHolds(side, size.open_holds);
    const found = await compare(small, side, pairs);
    const { ratio_p50: ratio, hold_ms: hold, node_memory_mb: memory } = found;
    note(`  hold p50 ${hold.p50} ms, ${ratio} × the small one; the node has ${memory} MB`);
    return { ...size, ...found, entries: side.entries, grown, replay_start_ms: side.startMs };
  } finally {
    await side.cluster.stop();
  }
}

interface Started extends Side {
  readonly entries: number;
  readonly startMs: number;
}

/** Makes the journal of a cluster of that size, then starts the node. */
async function startSide(grown: keyof ClusterSize, size: ClusterSize): Promise<Started> {
  const cluster = await startBenchCluster({ nodes: 0, shards: SHARDS });
  try {
    const moreAgents = AGENTS_A_WORKSPACE - 1;
    const workspaces = Array.from({ length: size.workspaces }, (_, i) =>
      benchWorkspace(`bench-${i}`, { expiryMs: EXPIRY_MS, moreAgents }),
    );
    const login = nodeLogin(cluster, "bench maker");
    const nc = await connectBus(login);
    const plan = { era: FIRST_ERA, replicas: replicasFor(nc), shards: SHARDS };
    await ensureJournals(nc, plan, true);
    await nc.close();
    const [first, ...rest] = workspaces.map((workspace) => ({ ...workspace, calls: CALLS }));
    if (first === undefined) throw new Error("there is no workspace");
    const calls = Math.max(CALLS, Math.ceil(size.entries / CALL_ENTRIES));
    const made = await makeJournals({
      node: login,
      shards: SHARDS,
      workspaces: [{ ...first, calls }, ...idle(rest, grown)],
    });
    const startedMs = performance.now();
    const node = await cluster.startNode(1);
    await untilReady(cluster.servers.dir, node);
    const startMs = Math.round(performance.now() - startedMs);
    await untilProjected(cluster.servers.dir, NODE, SHARDS, PROJECTED_MS_MAX);
    const { client } = await cluster.engine();
    return { client, cluster, entries: made.entries, node, startMs, workspace: first };
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}

/** Of very many workspaces nearly all have been made and nothing more. */
function idle(rest: readonly MadeWorkspace[], grown: keyof ClusterSize): MadeWorkspace[] {
  return grown === "workspaces" ? rest.map((workspace) => ({ ...workspace, calls: 0 })) : [...rest];
}

async function openHolds({ client, workspace }: Side, holds: number): Promise<void> {
  let left = holds;
  const lanes = Array.from({ length: OPENING_IN_FLIGHT }, async () => {
    while (left > 0) {
      left -= 1;
      await placeHold(client, workspace);
    }
  });
  await Promise.all(lanes);
}
