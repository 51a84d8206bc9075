import { setTimeout as sleep } from "node:timers/promises";
import type { Fetched } from "../actors/turn.ts";
import type { Clock, RecordStore, StreamSeq } from "./ports.ts";

/** How long a look-up waits for the projection to reach the start of the term, in ms. */
const CATCH_UP_MS = 5_000;
const POLL_MS = 25;

/** The projection is not as far as this term's claim: what it does not show may still exist. */
export class ProjectionBehind extends Error {
  override readonly name = "ProjectionBehind";
  readonly code = "projection-behind";
  readonly outcome = "none";
}

/**
 * Lets look-ups pass once the projection has everything that stood in the journal when the term began.
 * A record that a snapshot left out may have later entries in the tail that was replayed over it; until
 * they can be read too, its answer would be that of the past. What this term writes stays in memory.
 */
export class ProjectionGate {
  readonly #reached: () => Promise<StreamSeq>;
  readonly #wanted: StreamSeq;
  readonly #clock: Clock;
  #open = false;

  /** `wanted`: sequence of the term's claim. */
  constructor(wanted: StreamSeq, reached: () => Promise<StreamSeq>, clock: Clock) {
    this.#wanted = wanted;
    this.#reached = reached;
    this.#clock = clock;
  }

  /** @throws ProjectionBehind when it does not get there in time; whatever Postgres throws. */
  async pass(): Promise<void> {
    const deadline = this.#clock.monotonicMs() + CATCH_UP_MS;
    while (!this.#open) {
      this.#open = (await this.#reached()) >= this.#wanted;
      if (this.#open) return;
      if (this.#clock.monotonicMs() > deadline) {
        throw new ProjectionBehind(`the projection has not reached message ${this.#wanted}`);
      }
      await sleep(POLL_MS);
    }
  }
}

/**
 * Reads the record of an authorization that memory has forgotten, or of the one that its idempotency
 * key belongs to. No lines: neither was ever seen.
 */
export async function fetchRecord(
  records: RecordStore,
  ws: string,
  wanted: { readonly authorization?: string; readonly idempotency?: string },
): Promise<Fetched> {
  const { authorization, idempotency } = wanted;
  if (authorization !== undefined) {
    const lines = await records.entriesOf(ws, authorization);
    if (lines.length > 0) return { authorization, lines };
  }
  if (idempotency !== undefined) {
    const sibling = await records.byIdempotency(ws, idempotency);
    if (sibling !== undefined) {
      return { authorization: sibling, lines: await records.entriesOf(ws, sibling) };
    }
  }
  return { authorization: authorization ?? "", lines: [] };
}
