import { headers, type NatsConnection } from "@nats-io/nats-core";

import { eventSubject } from "../bus/subjects.ts";
import type { Batch } from "./projector-batch.ts";

/** Sequence of the entry in its workspace, and SHA-256 of its bytes, hex. */
const SEQ_HEADER = "Tarmac-Seq";
const HASH_HEADER = "Tarmac-Hash";
/** The stream keeps an hour; an older entry, met on a rebuild, would be gone at once. ms */
const LIVE_MS = 3_600_000;
/** How long the server may take to have taken a batch in before the next one goes out, in ms. */
const FLUSH_MS = 1_000;

/**
 * Sends entries out live, after they can be looked up. No answer is waited for: who watches sees a gap
 * in the sequence and fills it from Postgres. The message id keeps an entry that two projectors sent
 * from being seen twice.
 */
export async function publishEntries(
  nc: NatsConnection,
  batch: Batch,
  nowMs: number,
): Promise<void> {
  if (nc.isClosed()) return;
  let sent = false;
  for (const entry of batch.rows) {
    if (nowMs - entry.storedAt > LIVE_MS) continue;
    const header = headers();
    header.set("Nats-Msg-Id", `${entry.ws}/${entry.seq}`);
    header.set(SEQ_HEADER, entry.seq);
    header.set(HASH_HEADER, entry.hash);
    nc.publish(eventSubject(entry.ws, entry.kind, entry.agent), entry.line, { headers: header });
    sent = true;
  }
  if (!sent) return;
  // Keeps what waits in the client below one batch. A server that is away loses it, which is allowed.
  const timer = new AbortController();
  await Promise.race([nc.flush().catch(() => undefined), pause(FLUSH_MS, timer.signal)]);
  timer.abort();
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
  });
}
