import type { ClientPort, Clock, ProviderReply } from "./ports.ts";
import { ProviderFault } from "./ports.ts";
import type { StreamGate } from "./stream-gate.ts";

/** How far a provider is followed once its client has left. */
export interface DrainLimits {
  readonly ms: number;
  readonly bytes: number;
}

/** Ten minutes is the longest a vendor's SDK would have waited; 64 MiB is more than any answer. */
export const DRAIN_LIMITS: DrainLimits = { ms: 600_000, bytes: 64 * 1024 * 1024 };

/** Bytes of a whole answer at most; a longer one is broken off. */
const WHOLE_BYTES_MAX = 64 * 1024 * 1024;

/**
 * Follows a provider's answer to its end, within bounds once nobody listens, so that its real usage
 * arrives. `endBy` shortens the bound when the hold is about to end.
 */
export class Drain {
  readonly #limits: DrainLimits;
  readonly #clock: Clock;
  readonly #abort: () => void;
  #cancel: (() => void) | undefined;
  #endsAt = Number.POSITIVE_INFINITY;
  #bytes = 0;
  #draining = false;

  constructor(limits: DrainLimits, clock: Clock, abort: () => void) {
    this.#limits = limits;
    this.#clock = clock;
    this.#abort = abort;
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** The client has left. */
  begin(): void {
    this.#draining = true;
    this.endBy(this.#limits.ms);
  }

  /** The provider is broken off in so many ms, or earlier if that was said before. */
  endBy(ms: number): void {
    const at = this.#clock.monotonicMs() + ms;
    if (at >= this.#endsAt) return;
    this.#endsAt = at;
    this.#cancel?.();
    this.#cancel = this.#clock.after(ms, this.#abort);
  }

  /** Counts what came while nobody listened. */
  count(bytes: number): void {
    if (!this.#draining) return;
    this.#bytes += bytes;
    if (this.#bytes > this.#limits.bytes) this.#abort();
  }

  stop(): void {
    this.#cancel?.();
  }
}

/** A whole answer, or as much of it as came. */
export interface WholeBody {
  readonly bytes: Buffer;
  /** Why it is not whole. */
  readonly fault: ProviderFault | undefined;
}

/** Gathers an answer that is no stream. */
export async function gatherBody(reply: ProviderReply, drain: Drain): Promise<WholeBody> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of reply.body) {
      drain.count(chunk.length);
      size += chunk.length;
      if (size > WHOLE_BYTES_MAX) {
        // Leaving the loop breaks the provider off.
        const message = `The answer is larger than ${WHOLE_BYTES_MAX} bytes.`;
        const fault = new ProviderFault("provider-broken", "unknown", message);
        return { bytes: Buffer.concat(chunks), fault };
      }
      chunks.push(chunk);
    }
  } catch (cause) {
    return { bytes: Buffer.concat(chunks), fault: asFault(cause) };
  }
  return { bytes: Buffer.concat(chunks), fault: undefined };
}

/** What a stream's relay tells its call. */
export interface StreamEvents {
  /** After each piece: what is known of the usage may be written down. */
  readonly progressed: () => void;
  /** Once, before the last byte: at the end marker, or where the stream stops without one. */
  readonly ending: () => Promise<void>;
}

/**
 * Passes a stream on as it comes. The end marker, and the end itself, wait until `ending` is done.
 * A stream that breaks is cut at the client too, so that nobody takes it for whole.
 */
export async function relayStream(
  reply: ProviderReply,
  gate: StreamGate,
  client: ClientPort,
  drain: Drain,
  events: StreamEvents,
): Promise<void> {
  let fault: ProviderFault | undefined;
  let settled = false;
  const pass = async (pieces: readonly Buffer[]) => {
    for (const piece of pieces) if (!client.gone) await client.write(piece);
  };
  try {
    for await (const chunk of reply.body) {
      drain.count(chunk.length);
      const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      await pass(gate.push(bytes));
      events.progressed();
      if (gate.ended && !settled) {
        settled = true;
        await events.ending();
        await pass(gate.release());
      }
    }
  } catch (cause) {
    fault = asFault(cause);
  }
  if (!settled) await events.ending();
  await pass(gate.release());
  if (client.gone) return;
  // Behind its end marker an answer is whole, however the connection ends.
  if (fault === undefined || settled) client.end();
  else client.cut();
}

function asFault(cause: unknown): ProviderFault {
  if (cause instanceof ProviderFault) return cause;
  const message = "The provider broke off.";
  return new ProviderFault("provider-broken", "unknown", message, cause);
}
