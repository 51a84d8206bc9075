/**
 * The worker thread of a node: shards, with connections of their own, since none can be shared between
 * threads. It is started by `main.ts` and tells it what it owns.
 */
import { parentPort, workerData } from "node:worker_threads";

import { assert } from "../ledger/assert.ts";
import { jsonLog } from "./log.ts";
import { openRecords } from "./records.ts";
import type { OwnerStats } from "./shard-owner.ts";
import { ShardWorker, type ShardWorkerOptions } from "./shard-worker.ts";
import { openSnapshots } from "./snapshots.ts";

/** What the thread is started with. */
export interface WorkerStart extends ShardWorkerOptions {
  readonly postgresUrl: string;
}

export type FromWorker =
  | { readonly kind: "started" }
  | { readonly kind: "ownership"; readonly shard: number; readonly owned: boolean }
  /** The projection should become durable soon: a hand-over waits for it. */
  | { readonly kind: "hurry" }
  | {
      readonly kind: "stats";
      readonly index: number;
      /** Shards that this worker should own and that nobody decides yet. */
      readonly missing: readonly number[];
      readonly shards: readonly OwnerStats[];
    };

export interface ToWorker {
  readonly kind: "drain";
}

const STATS_MS = 500;

const port = parentPort;
assert(port !== null, "a node's worker is started as a thread");
const options = workerData as WorkerStart;
const { postgresUrl, node, index } = options;
const say = (message: FromWorker) => port.postMessage(message);
const snapshots = openSnapshots(postgresUrl);
const records = openRecords(postgresUrl);

const worker = await ShardWorker.start(options, {
  snapshots,
  records,
  log: jsonLog({ node, worker: index }),
  ownership: (shard, owned) => say({ kind: "ownership", shard, owned }),
  hurry: () => say({ kind: "hurry" }),
});
const telling = setInterval(() => {
  say({ kind: "stats", index, missing: worker.missing, shards: worker.stats });
}, STATS_MS);

port.on("message", (_message: ToWorker) => {
  clearInterval(telling);
  void worker
    .drain()
    .then(() => Promise.all([snapshots.close(), records.close()]))
    .then(() => port.close());
});
say({ kind: "started" });
