import type { ConfigItem } from "../bus/config-items.ts";
import { assert } from "../ledger/assert.ts";
import type { SealedEntry } from "../ledger/chain.ts";
import { ENTRY_BYTES_MAX } from "../ledger/entries.ts";
import { BLOCK_BYTES_MAX, HEADER_BYTES_MAX } from "./block.ts";

/** Bytes of a block that entries may take. */
const ROOM = BLOCK_BYTES_MAX - HEADER_BYTES_MAX;
/** Answers that wait for blocks not yet sent; beyond, commands stay in the mailbox. */
const WAITING_MAX = 10_000;

/** What one block carries and what is to be done when it is in the journal. */
export interface Batch {
  /** Counts the batches of a term, from 1. */
  readonly serial: number;
  readonly lines: string[];
  bytes: number;
  /** Sends the answers that stand on this block. Run in order, only after its acknowledgement. */
  readonly answers: (() => void)[];
  /** The last sequence this block brings each workspace to. */
  readonly heads: Map<string, bigint>;
  /** Configuration that comes into force with this block, for the gateways' bucket. */
  readonly configs: Map<string, readonly ConfigItem[]>;
}

/**
 * Decisions between the moment they are made and the moment their block is sent, in order. While one
 * block is in flight they gather here, so that the next carries them all.
 */
export class Batches {
  readonly #waiting: Batch[] = [];
  #serial = 0;
  #bytes = 0;
  #answers = 0;

  /** True when the next block is full: what comes now is decided later, not decided and kept. */
  isFull(): boolean {
    return this.#bytes >= ROOM || this.#answers >= WAITING_MAX;
  }

  isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** Serial of the newest batch there was. */
  get lastSerial(): number {
    return this.#serial;
  }

  /**
   * Adds the entries of one turn and the answer that stands on them. What a command decided stays in
   * one block; expiries and the takeover before it are facts of their own and may go ahead of it.
   * @throws InvariantError when a command's entries cannot fit a block.
   */
  add(
    ws: string,
    entries: readonly SealedEntry[],
    answer: (() => void) | undefined,
    config: readonly ConfigItem[] | undefined,
  ): void {
    let batch = this.#place(ws, entries);
    batch ??= this.#last() ?? this.#open();
    if (answer !== undefined) {
      batch.answers.push(answer);
      this.#answers += 1;
    }
    if (config !== undefined) batch.configs.set(ws, config);
  }

  /** Takes the oldest batch, to be sent. */
  take(): Batch | undefined {
    const batch = this.#waiting.shift();
    if (batch === undefined) return undefined;
    this.#bytes -= batch.bytes;
    this.#answers -= batch.answers.length;
    return batch;
  }

  #place(ws: string, entries: readonly SealedEntry[]): Batch | undefined {
    if (entries.length === 0) return undefined;
    let bytes = 0;
    for (const { line } of entries) bytes += sizeOf(line);
    if (bytes <= ROOM) return this.#put(ws, entries, bytes);
    let decided = 0;
    while (isFact(entries[decided])) decided += 1;
    let batch: Batch | undefined;
    for (const fact of entries.slice(0, decided)) batch = this.#put(ws, [fact], sizeOf(fact.line));
    const rest = entries.slice(decided);
    if (rest.length === 0) return batch;
    bytes = 0;
    for (const { line } of rest) bytes += sizeOf(line);
    assert(bytes <= ROOM, `one command of ${ws} makes ${bytes} bytes of entries`);
    return this.#put(ws, rest, bytes);
  }

  #put(ws: string, entries: readonly SealedEntry[], bytes: number): Batch {
    let batch = this.#last();
    if (batch === undefined || batch.bytes + bytes > ROOM) batch = this.#open();
    for (const { line, entry } of entries) {
      batch.lines.push(line);
      batch.heads.set(ws, entry.seq);
    }
    batch.bytes += bytes;
    this.#bytes += bytes;
    return batch;
  }

  #last(): Batch | undefined {
    return this.#waiting.at(-1);
  }

  #open(): Batch {
    const batch: Batch = {
      serial: ++this.#serial,
      lines: [],
      bytes: 0,
      answers: [],
      heads: new Map(),
      configs: new Map(),
    };
    this.#waiting.push(batch);
    return batch;
  }
}

/** Bytes of a line with its line end. @throws InvariantError when it is over an entry's limit. */
function sizeOf(line: string): number {
  const bytes = Buffer.byteLength(line, "utf8");
  assert(bytes <= ENTRY_BYTES_MAX, () => `an entry has ${bytes} bytes`);
  return bytes + 1;
}

function isFact(sealed: SealedEntry | undefined): boolean {
  const kind = sealed?.entry.kind;
  return kind === "expire" || kind === "takeover";
}
