/**
 * The floor under a hold on this machine: one request-reply plus one synced publish, with nothing
 * decided, through the same server and with entries of the same size.
 */
import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { jetstreamManager } from "@nats-io/jetstream";
import { headers, type NatsConnection } from "@nats-io/nats-core";
import { type ConnectOptions, connectBus } from "../../bus/connect.ts";
import { type Latencies, latencies } from "./latencies.ts";
import { openLoop } from "./open-loop.ts";

const STREAM = "JOURNAL_9999_1";
const PUBLISH_SUBJECT = "journal.9999.1.block";
/** Nothing is mapped to this shard, so no engine answers on it. */
const REQUEST_SUBJECT = "shard.9999.inspect.floor";
/** A block of one hold: an authorize entry of some 2.5 KB. */
const BLOCK_BYTES = 2_500;
const RATE = 250;

interface ResponderData {
  readonly node: ConnectOptions;
}

/** Measures the floor at 250 a second. Leaves an unused stream on the server. */
export async function measureFloor(
  node: ConnectOptions,
  client: NatsConnection,
  durationMs: number,
): Promise<Latencies> {
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { node } });
  await new Promise((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
  const samples: number[] = [];
  const payload = new Uint8Array(700);
  await openLoop(RATE, durationMs, async ({ sentMs, number }) => {
    await client.request(REQUEST_SUBJECT, payload, { timeout: 5_000 });
    if (number > RATE / 2) samples.push(performance.now() - sentMs);
  });
  await worker.terminate();
  return latencies(samples);
}

/** Answers each request after one synced publish, one at a time, as an owner of one shard does. */
async function respond({ node }: ResponderData): Promise<void> {
  const commands = await connectBus({ ...node, name: "floor commands" });
  const appends = await connectBus({ ...node, name: "floor appends" });
  const manager = await jetstreamManager(appends);
  await manager.streams.add({ name: STREAM, subjects: ["journal.9999.1.*"], storage: "file" });
  const block = new Uint8Array(BLOCK_BYTES).fill(120);
  let tail = 0;
  let last: Promise<unknown> = Promise.resolve();
  commands.subscribe(REQUEST_SUBJECT, {
    callback: (_, message) => {
      last = last.then(async () => {
        const fence = headers();
        fence.set("Nats-Expected-Last-Sequence", String(tail));
        await appends.request(PUBLISH_SUBJECT, block, { headers: fence, timeout: 5_000 });
        tail += 1;
        message.respond(block.subarray(0, 400));
      });
    },
  });
  await commands.flush();
  parentPort?.postMessage("ready");
}

if (!isMainThread) await respond(workerData as ResponderData);
