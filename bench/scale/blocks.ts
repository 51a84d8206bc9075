/**
 * How many blocks a second a journal takes: one append in flight, fenced and synced, as owners send them.
 * It is what bounds a shard, whatever the owner decides.
 */
import { connectBus } from "../../bus/connect.ts";
import { ensureJournals, replicasFor } from "../../bus/streams.ts";
import { FIRST_ERA } from "../../bus/subjects.ts";
import { startTestNats } from "../../cli/provision/test-cluster.ts";
import { JetstreamJournal } from "../../nodes/jetstream-journal.ts";
import { note } from "../measure/bench-run.ts";
import { type Latencies, latencies } from "../measure/latencies.ts";

/** Shards that are written at once, by one process. */
export interface BlockRow {
  readonly nats_servers: number;
  readonly shards: number;
  readonly block_bytes: number;
  /** Of all shards together. */
  readonly blocks_per_s: number;
  readonly append_ms: Latencies;
}

/** All journals there are, of which the first so many are written. */
const SHARDS = 16;
const WRITTEN = [1, 4, 16];
/** A hold with its settle and release, and a block of some twenty of them. */
const BLOCK_BYTES = [6_000, 120_000];

export async function measureBlocks(servers: 1 | 3, seconds: number): Promise<BlockRow[]> {
  const nats = await startTestNats({ servers, shards: SHARDS });
  try {
    const { node } = nats.logins;
    const nc = await connectBus({ ...node, name: "bench blocks" });
    const replicas = replicasFor(nc);
    await ensureJournals(nc, { era: FIRST_ERA, replicas, shards: SHARDS }, true);
    const rows: BlockRow[] = [];
    for (const block_bytes of BLOCK_BYTES) {
      for (const shards of WRITTEN) {
        const tooks = await Promise.all(
          Array.from({ length: shards }, (_, shard) => {
            const journal = new JetstreamJournal({
              appends: nc,
              era: FIRST_ERA,
              replay: nc,
              shard,
            });
            return appendFor(journal, block_bytes, seconds * 1_000);
          }),
        );
        const append_ms = latencies(tooks.flat());
        const blocks_per_s = Math.round(tooks.flat().length / seconds);
        rows.push({ append_ms, block_bytes, blocks_per_s, nats_servers: servers, shards });
        note(
          `  ${servers} NATS server${servers === 1 ? "" : "s"}, ${shards} shards, ${block_bytes} bytes: ${blocks_per_s} blocks/s, p50 ${append_ms.p50} ms`,
        );
      }
    }
    await nc.close();
    return rows;
  } finally {
    await nats.stop();
  }
}

/** @returns how long each append took, in ms. @throws Error when one does not land */
async function appendFor(journal: JetstreamJournal, bytes: number, ms: number): Promise<number[]> {
  const claim = await journal.claim("bench/blocks");
  const block = new Uint8Array(bytes).fill(120);
  const took: number[] = [];
  let tail = claim.seq;
  const untilMs = performance.now() + ms;
  for (let nowMs = performance.now(); nowMs < untilMs; ) {
    const outcome = await journal.append(block, tail, claim);
    if (outcome.kind !== "appended") throw new Error(`an append was ${outcome.kind}`);
    tail = outcome.seq;
    const doneMs = performance.now();
    took.push(doneMs - nowMs);
    nowMs = doneMs;
  }
  return took;
}
