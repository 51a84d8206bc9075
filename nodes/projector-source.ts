import { setTimeout as sleep } from "node:timers/promises";
import {
  type ConsumerMessages,
  DeliverPolicy,
  type JetStreamManager,
  type JsMsg,
  jetstream,
  jetstreamManager,
} from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";

import { journalStream } from "../bus/subjects.ts";
import { blockHash } from "./block.ts";
import type { Position } from "./projector-batch.ts";
import { ProjectionFault } from "./projector-verify.ts";

/** Bytes asked for at a time and shard. Several blocks; far below the 64 MiB at which a server cuts a reader. */
const PULL_BYTES = 2 * 1024 ** 2;
/** A consumer that is silent for so long while the stream has more is made anew, in ms. */
const QUIET_MS = 5_000;
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
  /** Says `reconnect` when the connection was lost and made again. */
  readonly reconnects: EventTarget;
}

/** The journal of a shard, over a connection that carries nothing else of importance. */
export function journalSource(
  nc: NatsConnection,
  shard: number,
  era: number,
  reconnects: EventTarget,
): Source {
  return { nc, shard, era, stream: journalStream(shard, era), reconnects };
}

/** Passes a connection's reconnects on to whoever listens, until it is closed. */
export async function watchReconnects(nc: NatsConnection, reconnects: EventTarget): Promise<void> {
  for await (const status of nc.status()) {
    if (status.type === "reconnect") reconnects.dispatchEvent(new Event("reconnect"));
  }
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
 * Servers and streams that are away are waited for.
 * @throws ProjectionFault when a message is missing for good.
 */
export async function* followJournal(
  source: Source,
  after: number,
  signal: AbortSignal,
  onTrouble: (what: string) => void,
): AsyncGenerator<JsMsg, void, undefined> {
  let last = after;
  while (!signal.aborted) {
    let consumption: ConsumerMessages | undefined;
    let watchdog: NodeJS.Timeout | undefined;
    let stopped = () => {};
    try {
      const consumer = await jetstream(source.nc).consumers.get(source.stream, {
        deliver_policy: DeliverPolicy.StartSequence,
        opt_start_seq: last + 1,
      });
      consumption = await consumer.consume({ max_bytes: PULL_BYTES });
      // An abort that came while the consumer was made is not heard by a listener added after it.
      if (signal.aborted) return;
      const stop = consumption.stop.bind(consumption);
      stopped = () => stop();
      signal.addEventListener("abort", stopped);
      // A server that was killed has forgotten the consumer; by itself the client would find out in 30 s.
      source.reconnects.addEventListener("reconnect", stopped);
      let heardAt = performance.now();
      watchdog = setInterval(() => {
        if (performance.now() - heardAt < QUIET_MS) return;
        heardAt = performance.now();
        lastSeq(source).then(
          (end) => {
            if (end > last) stop();
          },
          () => undefined,
        );
      }, QUIET_MS / 2);
      for await (const message of consumption) {
        if (signal.aborted) return;
        heardAt = performance.now();
        if (message.seq <= last) continue;
        if (message.seq > last + 1) {
          await refuseGap(source, last + 1);
          break;
        }
        last = message.seq;
        yield message;
        // However long the message was worked on, that was not the consumer's silence.
        heardAt = performance.now();
      }
    } catch (fault) {
      if (fault instanceof ProjectionFault) throw fault;
      if (signal.aborted) return;
      onTrouble(fault instanceof Error ? fault.message : String(fault));
      await sleep(RETRY_MS);
    } finally {
      clearInterval(watchdog);
      signal.removeEventListener("abort", stopped);
      source.reconnects.removeEventListener("reconnect", stopped);
      consumption?.stop();
    }
  }
}

/** A consumer may skip; a journal may not. @throws ProjectionFault when the message is not there. */
async function refuseGap(source: Source, seq: number): Promise<void> {
  const jsm = await manager(source);
  if ((await jsm.streams.getMessage(source.stream, { seq })) !== null) return;
  throw new ProjectionFault(seq, "it is missing, and later ones are there");
}
