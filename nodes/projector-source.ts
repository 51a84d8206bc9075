import { setTimeout as sleep } from "node:timers/promises";
import { type JetStreamManager, jetstreamManager, type StoredMsg } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";

import { journalStream } from "../bus/subjects.ts";
import { blockHash } from "./block.ts";
import type { Position } from "./projector-batch.ts";
import { ProjectionFault } from "./projector-verify.ts";

/** Asked for at a time and shard: many blocks, far below the 64 MiB at which a server cuts a reader. */
const BATCH_BYTES = 4 * 1024 ** 2;
const BATCH_MESSAGES = 1_000;
/** How long a journal that had nothing new is left alone, in ms: less than a transaction's pace. */
const POLL_MS = 100;
/** Pause before another try at a server that is away, in ms. */
const RETRY_MS = 500;
const API_MS = 5_000;
/**
 * A leader that was cut off answers from the past for up to 7 s after another one was elected, so a
 * journal that seems to have gone back is asked again for this long before it is believed. ms
 */
const STALE_MS = 15_000;

/** One journal as the projector reads it. */
export interface Source {
  readonly nc: NatsConnection;
  readonly shard: number;
  readonly era: number;
  readonly stream: string;
}

/** The journal of a shard, over a connection that carries nothing else of importance. */
export function journalSource(nc: NatsConnection, shard: number, era: number): Source {
  return { nc, shard, era, stream: journalStream(shard, era) };
}

function manager(source: Source): Promise<JetStreamManager> {
  return jetstreamManager(source.nc, { checkAPI: false, timeout: API_MS });
}

/** Last message of the stream. @throws what the client says when the server or the stream is away. */
export async function lastSeq(source: Source): Promise<number> {
  return (await (await manager(source)).streams.info(source.stream)).state.last_seq;
}

/**
 * Checks that the journal still holds what was projected from it.
 * @throws ProjectionFault when it ends before the position, or holds another block there.
 */
export async function verifyPosition(source: Source, position: Position): Promise<void> {
  const { streamSeq } = position;
  if (streamSeq === 0) return;
  const deadline = performance.now() + STALE_MS;
  const jsm = await manager(source);
  for (;;) {
    const message = await jsm.streams.getMessage(source.stream, { seq: streamSeq });
    if (message !== null) {
      const isBlock = message.subject.endsWith(".block");
      if (!isBlock || blockHash(message.data) === position.blockHash) return;
      throw new ProjectionFault(
        streamSeq,
        `it is not the block that was projected from there (SHA-256 ${position.blockHash})`,
      );
    }
    if (performance.now() > deadline) {
      throw new ProjectionFault(
        streamSeq,
        "it was projected and is no longer in the journal: the journal went back",
      );
    }
    await sleep(RETRY_MS);
  }
}

/**
 * Follows a journal from behind `after`, message by message, without a gap, until `signal` is aborted.
 * It asks for all there is every so often: a consumer that hands out each block as it comes costs the
 * server, the client and this thread a wake-up for each. Servers and streams that are away are waited for.
 * @throws ProjectionFault when a message is missing for good.
 */
export async function* followJournal(
  source: Source,
  after: number,
  signal: AbortSignal,
  onTrouble: (what: string) => void,
): AsyncGenerator<StoredMsg, void, undefined> {
  let last = after;
  while (!signal.aborted) {
    const before = last;
    try {
      const messages = await readBatch(source, last + 1);
      for await (const message of messages) {
        if (signal.aborted) return;
        if (message.seq <= last) continue;
        if (message.seq > last + 1) {
          await refuseGap(source, last + 1);
          break;
        }
        last = message.seq;
        yield message;
      }
    } catch (fault) {
      if (fault instanceof ProjectionFault) throw fault;
      if (signal.aborted) return;
      if (!isEmptyBatch(fault)) {
        onTrouble(fault instanceof Error ? fault.message : String(fault));
        await sleep(RETRY_MS);
      }
    }
    if (last === before) await pause(POLL_MS, signal);
  }
}

/** What stands behind a position, as far as one answer goes. */
async function readBatch(source: Source, seq: number): Promise<AsyncIterable<StoredMsg>> {
  const { direct } = await manager(source);
  return direct.getBatch(source.stream, { batch: BATCH_MESSAGES, max_bytes: BATCH_BYTES, seq });
}

/** Nothing stands there yet: the server says so with a 404. */
function isEmptyBatch(fault: unknown): boolean {
  return fault instanceof Error && /no results|message not found|404/i.test(fault.message);
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}

/** A lagging copy may skip; a journal may not. @throws ProjectionFault when the message is not there. */
async function refuseGap(source: Source, seq: number): Promise<void> {
  const jsm = await manager(source);
  if ((await jsm.streams.getMessage(source.stream, { seq })) !== null) return;
  throw new ProjectionFault(seq, "it is missing, and later ones are there");
}
