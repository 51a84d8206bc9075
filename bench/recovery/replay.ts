/** How fast the shipped recovery reads a journal back: in a thread of its own, as a worker does. */
import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { type ConnectOptions, connectBus } from "../../bus/connect.ts";
import { FIRST_ERA } from "../../bus/subjects.ts";
import { machineClock } from "../../nodes/actor-clock.ts";
import { JetstreamJournal } from "../../nodes/jetstream-journal.ts";
import { openRecords } from "../../nodes/records.ts";
import { recoverShard } from "../../nodes/recovery.ts";
import { openSnapshots } from "../../nodes/snapshots.ts";

export interface ReplayOrder {
  readonly node: ConnectOptions;
  readonly postgresUrl: string;
  readonly shard: number;
  readonly shards: number;
  readonly times: number;
}

/** One recovery without a snapshot. */
export interface Replayed {
  readonly entries: number;
  readonly ms: number;
  /** Processor time of the thread in it, ms; the rest it waited, for NATS or for a core. */
  readonly cpuMs: number;
}

/** Recovers a shard again and again; each claims it anew. */
export function replayShard(order: ReplayOrder): Promise<Replayed[]> {
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: order });
  return new Promise((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
}

const quiet = () => undefined;

async function replay(order: ReplayOrder): Promise<Replayed[]> {
  const { node, postgresUrl, shard, shards, times } = order;
  const appends = await connectBus({ ...node, name: "bench appends" });
  const replayed = await connectBus({ ...node, name: "bench replay" });
  const snapshots = openSnapshots(postgresUrl);
  const records = openRecords(postgresUrl);
  const journal = new JetstreamJournal({ appends, era: FIRST_ERA, replay: replayed, shard });
  const found: Replayed[] = [];
  for (let time = 0; time < times; time += 1) {
    const startMs = performance.now();
    const before = process.threadCpuUsage();
    const recovered = await recoverShard(
      { era: FIRST_ERA, owner: "bench/replay", shard, shards },
      {
        clock: machineClock,
        journal,
        log: { alarm: quiet, info: quiet, warn: quiet },
        records,
        snapshots,
      },
    );
    const { system, user } = process.threadCpuUsage(before);
    const ms = performance.now() - startMs;
    found.push({ cpuMs: (system + user) / 1_000, entries: recovered.replayed, ms });
  }
  await Promise.all([appends.close(), replayed.close(), snapshots.close(), records.close()]);
  return found;
}

if (!isMainThread) parentPort?.postMessage(await replay(workerData as ReplayOrder));
