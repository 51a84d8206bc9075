/** A journal and a projection of it in memory, under a clock that tests move, for properties of terms. */
import { decodeOwnEntry } from "../../ledger/codec.ts";
import { decodeBlock } from "../block.ts";
import type { Claim, Journal, JournalMessage, StreamSeq } from "../journal.ts";
import type { Clock } from "../ports.ts";
import { MemoryStores } from "./shard-fixture.ts";

/** Both clocks of a machine, moved by hand. */
export class HandClock implements Clock {
  now = 0;
  readonly startedAt: number;

  constructor(startedAt: number) {
    this.startedAt = startedAt;
  }

  monotonicMs(): number {
    return this.now;
  }

  wallMs(): number {
    return this.startedAt + this.now;
  }
}

export class MemoryJournal implements Journal {
  readonly messages: JournalMessage[] = [];
  readonly #clock: Clock;
  #epoch = 0n;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The entries of one workspace, in order. */
  linesOf(ws: string): string[] {
    return this.lines().filter((line) => decodeOwnEntry(line).ws === ws);
  }

  lines(): string[] {
    return this.messages.flatMap((message) =>
      message.kind === "block" ? decodeBlock(message.bytes).lines : [],
    );
  }

  async claim(owner: string): Promise<Claim> {
    this.#epoch += 1n;
    const at = this.#clock.wallMs();
    const claim = { epoch: this.#epoch, seq: this.messages.length + 1, at, owner };
    this.messages.push({ kind: "claim", seq: claim.seq, epoch: claim.epoch, at });
    return await Promise.resolve(claim);
  }

  async end(): Promise<StreamSeq> {
    return await Promise.resolve(this.messages.length);
  }

  async replay(from: StreamSeq, until: StreamSeq, each: (message: JournalMessage) => void) {
    await Promise.resolve();
    for (const message of this.messages.slice(from, until)) each(message);
  }

  async append(block: Uint8Array, tail: StreamSeq, claim: Claim) {
    await Promise.resolve();
    if (tail !== this.messages.length || claim.epoch !== this.#epoch) {
      return { kind: "conflict", seq: this.messages.length } as const;
    }
    this.messages.push({ kind: "block", seq: tail + 1, bytes: block });
    return { kind: "appended", seq: tail + 1 } as const;
  }

  async resolve() {
    return await Promise.resolve("foreign" as const);
  }
}

/** Postgres with a projection that is always up to the journal, and durable. */
export class ProjectedStores extends MemoryStores {
  readonly #journal: MemoryJournal;
  /** How often states were asked for. */
  loads = 0;

  constructor(journal: MemoryJournal) {
    super();
    this.#journal = journal;
  }

  override async states(shard: number, era: number, names: readonly string[]) {
    this.loads += 1;
    return await super.states(shard, era, names);
  }

  override async entriesOf(ws: string, authorization: string) {
    if (this.away !== undefined) throw this.away;
    const found = this.#journal.linesOf(ws).filter((line) => {
      const entry = decodeOwnEntry(line);
      return "authorization" in entry && entry.authorization === authorization;
    });
    return await Promise.resolve(found);
  }

  override async durablePosition() {
    if (this.away !== undefined) throw this.away;
    return await Promise.resolve(this.#journal.messages.length);
  }
}
