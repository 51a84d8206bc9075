import {
  type ClusterMap,
  type MapShard,
  MapUnreadable,
  readClusterMap,
} from "../bus/cluster-map.ts";
import { cliConfig } from "./config.ts";
import { EngineSession } from "./engine-session.ts";
import { Failure, print, printJson, table } from "./output.ts";

/** How long the buckets may take to be read, in ms: longer than an election in a cluster. */
const READ_MS = 12_000;

/** Prints which worker has which shard. Exit 1 when a shard is halted, or decided by nobody. */
export async function nodes(options: { readonly json?: boolean }): Promise<void> {
  const session = await EngineSession.open(cliConfig());
  try {
    const map = await readClusterMap(session.nc, READ_MS);
    if (options.json === true) printJson(mapJson(map));
    else for (const line of mapLines(map, Date.now())) print(line);
    if (map.shards.some(({ phase }) => phase === "halted" || phase === "free")) {
      process.exitCode = 1;
    }
  } catch (error) {
    if (!(error instanceof MapUnreadable)) throw error;
    throw new Failure(
      `${error.message}.\nHas a node ever run on this NATS? Is TARMAC_NATS_URL of the user operator? See: npx tarmac status`,
    );
  } finally {
    await session.close();
  }
}

/** The map as one JSON object; what is not known is left out. */
export function mapJson({ members, shards }: ClusterMap) {
  return {
    members: members.map(({ id, node, weight, about, shards: has }) => ({
      id,
      node,
      worker: about?.worker,
      weight,
      version: about?.version,
      started_at: about === undefined ? undefined : new Date(about.startedAt).toISOString(),
      journal_format: about?.journal.writes,
      snapshot_format: about?.snapshot.writes,
      shards: has,
    })),
    shards: shards.map(({ shard, owner, epoch, wanted, phase, ready, reason }) => {
      return { shard, owner, epoch, wanted, phase, ready, reason };
    }),
  };
}

/** The map for a person: workers, shards, and what wants attention. */
export function mapLines(map: ClusterMap, now: number): readonly string[] {
  const { members, shards } = map;
  if (members.length === 0) return ["No node runs: nothing is decided. Start one: npx tarmac node"];
  const workers = members.map(({ id, weight, about, shards: has }) => [
    id,
    String(weight),
    about?.version ?? "earlier",
    about === undefined ? "" : ago(now - about.startedAt),
    has.join(" ") || "none",
  ]);
  const rows = shards.map((shard) => [
    String(shard.shard),
    shard.phase,
    shard.owner ?? "nobody",
    shard.epoch === undefined ? "" : String(shard.epoch),
    remark(shard),
  ]);
  return [
    table([["WORKER", "WEIGHT", "VERSION", "UP", "SHARDS"], ...workers]),
    "",
    table([["SHARD", "PHASE", "OWNER", "EPOCH", ""], ...rows]),
    ...advice(shards),
  ];
}

function remark({ owner, wanted, ready, phase, reason }: MapShard): string {
  if (phase === "halted") return reason ?? "";
  if (wanted === undefined || wanted === owner || phase === "free") return "";
  return ready === wanted ? `goes to ${wanted}, which is ready` : `goes to ${wanted}`;
}

function advice(shards: readonly MapShard[]): string[] {
  const lines: string[] = [];
  const of = (phase: MapShard["phase"]) =>
    shards.filter((each) => each.phase === phase).map(({ shard }) => shard);
  const [halted, free] = [of("halted"), of("free")];
  if (halted.length > 0) {
    lines.push(
      `Shard ${halted.join(", ")}: halted, so its workspaces are refused. Look at the journal and at Postgres as the reason says; when it is put right, restart that node.`,
    );
  }
  if (free.length > 0) {
    lines.push(
      `Shard ${free.join(", ")}: decided by nobody. A takeover waits for Postgres; a lease that was not given up lasts 3 s, in a NATS cluster 10 s. See the logs of the nodes.`,
    );
  }
  return lines.length === 0 ? [] : ["", ...lines];
}

function ago(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3_600)} h`;
}
