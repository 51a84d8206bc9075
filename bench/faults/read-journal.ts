/**
 * A shard's journal as the stream gives it, read from its first message by other code than an owner's:
 * epochs rise with every claim, every block is of the last claim's epoch and follows the block before it.
 */
import { createHash } from "node:crypto";
import { DeliverPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";

import { FIRST_ERA, fenceSubject, journalStream } from "../../bus/subjects.ts";

export interface JournalAudit {
  readonly messages: number;
  readonly claims: number;
  readonly problems: readonly string[];
}

/** A message that does not come for so long was lost by the consumer, which is made anew. ms */
const QUIET_MS = 10_000;

/** Reads a journal to its present end, and gives each line with the epoch of its block. */
export async function readJournal(
  nc: NatsConnection,
  shard: number,
  each: (line: string, epoch: string) => void,
): Promise<JournalAudit> {
  const stream = journalStream(shard, FIRST_ERA);
  const manager = await jetstreamManager(nc, { checkAPI: false });
  const { state } = await manager.streams.info(stream);
  const reader = new BlockReader(shard, each);
  while (reader.last < state.last_seq) {
    const consumer = await jetstream(nc).consumers.get(stream, {
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: reader.last + 1,
    });
    const messages = await consumer.consume({ max_bytes: 8 * 1024 ** 2 });
    let quiet = setTimeout(() => messages.stop(), QUIET_MS);
    for await (const message of messages) {
      clearTimeout(quiet);
      quiet = setTimeout(() => messages.stop(), QUIET_MS);
      reader.take(message.seq, message.subject, message.data);
      if (message.seq >= state.last_seq) break;
    }
    clearTimeout(quiet);
  }
  return { claims: reader.claims, messages: reader.last, problems: reader.problems };
}

/** Follows the messages of one journal. */
export class BlockReader {
  last = 0;
  claims = 0;
  readonly problems: string[] = [];
  readonly #shard: number;
  readonly #each: (line: string, epoch: string) => void;
  #epoch = 0n;
  #prev = "0".repeat(64);

  constructor(shard: number, each: (line: string, epoch: string) => void) {
    this.#shard = shard;
    this.#each = each;
  }

  take(seq: number, subject: string, data: Uint8Array): void {
    if (seq !== this.last + 1) this.#problem(seq, `comes after ${this.last}`);
    this.last = seq;
    const text = Buffer.from(data).toString("utf8");
    if (subject === fenceSubject(this.#shard, FIRST_ERA)) {
      this.#claim(seq, text);
      return;
    }
    const [head = "", ...lines] = text.slice(0, -1).split("\n");
    const header = JSON.parse(head) as { epoch: string; prev: string; count: number };
    if (header.epoch !== String(this.#epoch)) {
      this.#problem(seq, `is of epoch ${header.epoch} in the term of ${this.#epoch}`);
    }
    if (header.prev !== this.#prev) this.#problem(seq, "does not follow the block before it");
    if (header.count !== lines.length) this.#problem(seq, `has ${lines.length} entries`);
    this.#prev = createHash("sha256").update(data).digest("hex");
    for (const line of lines) this.#each(line, header.epoch);
  }

  #claim(seq: number, text: string): void {
    const epoch = BigInt((JSON.parse(text) as { epoch: string }).epoch);
    if (epoch <= this.#epoch) this.#problem(seq, `claims epoch ${epoch} after ${this.#epoch}`);
    this.#epoch = epoch;
    this.claims += 1;
  }

  #problem(seq: number, what: string): void {
    this.problems.push(`message ${seq} of shard ${this.#shard} ${what}`);
  }
}
