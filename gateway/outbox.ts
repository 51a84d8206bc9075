/**
 * What this gateway still owes the ledger, in an append-only file of its own.
 *
 *   noted ── settle or void acked ─────────────▶ done
 *     ├─ not acked in time ─▶ owed (synced) ───▶ delivered ─▶ done
 *     └─ gateway restarts ──▶ owed (assumed, or by the provider's last word)
 *
 * A note is a plain write before the call goes out: it survives the process. What is owed is synced
 * before anything depends on it: it survives the machine. Delivery is repeated until the engine acks;
 * (authorization, part) is the key, so a second delivery is answered with the first.
 *
 * If an append fails, nothing is known to be in the file: a note that fails keeps the call from going
 * out; an owed settle that fails stays in memory and is delivered all the same, while the note still
 * covers it.
 */
import type { SettleCommand } from "../actors/commands.ts";
import {
  decodeRecord,
  encodeRecord,
  type OutboxRecord,
  type OwedCommand,
  partOf,
} from "./outbox-records.ts";
import type { OutboxStorage } from "./outbox-storage.ts";
import type { Clock, Log } from "./ports.ts";

/** What a delivery came to. `refused` is final: sending it again changes nothing. */
export type Delivery = "delivered" | "retry" | { readonly refused: string };
export type Deliver = (ws: string, command: OwedCommand) => Promise<Delivery>;

/** A settle or void on its way, with when it may be tried next. */
interface Owed {
  readonly ws: string;
  readonly command: OwedCommand;
  readonly at: number;
  tries: number;
  busy: boolean;
}

interface Noted {
  readonly ws: string;
  readonly at: number;
  usage?: { readonly settle: SettleCommand; readonly complete: boolean };
}

interface Waiting {
  readonly line: string;
  readonly sync: boolean;
  readonly done: () => void;
  readonly failed: (cause: unknown) => void;
}

/** Bounds of the pause between two deliveries of one item, in ms. */
const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 10_000;
/** Items delivered at once. */
const DELIVERIES_MAX = 16;
/** A line that may be lost waits so long for another to be written with, in ms. */
const LAZY_MS = 50;
/** The file is rewritten once it is this large and mostly done, in bytes. */
const COMPACT_BYTES = 4 * 1024 * 1024;

/** What reading the file found. */
export interface Recovered {
  /** Calls that were in flight when the last process ended. */
  readonly inFlight: number;
  /** Settles and voids that had not been acked. */
  readonly owed: number;
  /** Lines that were cut or changed and could not be read. */
  readonly damaged: number;
}

export class Outbox {
  readonly #storage: OutboxStorage;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #notes = new Map<string, Noted>();
  readonly #owed = new Map<string, Owed>();
  readonly #queue: Waiting[] = [];
  /** Lines that nobody waits for; they go with the next write. */
  #lazy: string[] = [];
  #writing: Promise<void> | undefined;
  /** The file may end in half a line, so the next line begins on a new one. */
  #torn = false;
  #bytes = 0;
  #deliver: Deliver | undefined;
  #onSettled: (ws: string, authorization: string) => void = () => undefined;
  #busy = 0;
  #closed = false;

  private constructor(storage: OutboxStorage, clock: Clock, log: Log) {
    this.#storage = storage;
    this.#clock = clock;
    this.#log = log;
  }

  /** Reads the file and takes over what processes before this one left behind. */
  static async open(
    storage: OutboxStorage,
    clock: Clock,
    log: Log,
  ): Promise<{ readonly outbox: Outbox; readonly recovered: Recovered }> {
    const outbox = new Outbox(storage, clock, log);
    const recovered = await outbox.#recover();
    return { outbox, recovered };
  }

  /** Settles and voids that the engine has not acked. */
  get owedCount(): number {
    return this.#owed.size;
  }

  /** Owed settles with their workspaces: their holds are renewed until they are posted. */
  *owedSettles(): Generator<{ readonly ws: string; readonly authorization: string }> {
    for (const { ws, command } of this.#owed.values()) {
      if (command.kind === "settle") yield { ws, authorization: command.authorization };
    }
  }

  /** Starts to deliver. `onSettled` is called when an owed settle needs its hold no longer. */
  start(deliver: Deliver, onSettled: (ws: string, authorization: string) => void): void {
    this.#deliver = deliver;
    this.#onSettled = onSettled;
    this.#pump();
  }

  /**
   * Notes a call before it goes out.
   * @throws when the note is not written: then the call must not go out.
   */
  async note(ws: string, authorization: string): Promise<void> {
    const at = this.#clock.wallMs();
    // Known before it is written: the file may be rewritten in between.
    this.#notes.set(authorization, { ws, at });
    try {
      await this.#append({ record: "note", ws, authorization, at }, false);
    } catch (cause) {
      this.#notes.delete(authorization);
      throw cause;
    }
  }

  /** Writes down what a settle would say now; after the provider's last word nothing changes it. */
  noteUsage(ws: string, settle: SettleCommand, complete: boolean): void {
    const noted = this.#notes.get(settle.authorization);
    if (noted === undefined || noted.usage?.complete === true) return;
    noted.usage = { settle, complete };
    const at = this.#clock.wallMs();
    // Losing this line costs exactness after a crash, never the settle: the note itself stands.
    this.#append({ record: "usage", ws, settle, complete, at }, false).catch(this.#writeFailed);
  }

  /** The engine acked it: nothing is owed for this part. */
  done(authorization: string, part: string): void {
    this.#close(authorization, part);
    // Losing this line repeats an advice after a crash, which the engine answers with the first. So it
    // goes with another: a write of its own for every call costs more than the call's decision.
    if (this.#lazy.length === 0) this.#clock.after(LAZY_MS, () => this.#flush());
    const at = this.#clock.wallMs();
    this.#lazy.push(encodeRecord({ record: "done", authorization, part, at }));
  }

  /**
   * Takes over a settle or void until the engine has acked it. Resolves once it is on the disk; when
   * the disk refuses it, it is kept in memory, the fault is logged, and the note still covers a settle.
   */
  async owe(ws: string, command: OwedCommand): Promise<void> {
    const at = this.#clock.wallMs();
    const key = keyOf(command.authorization, partOf(command));
    if (this.#owed.has(key)) return;
    this.#owed.set(key, { ws, command, at, tries: 0, busy: false });
    try {
      await this.#append(oweRecord(ws, command, at), true);
    } catch (cause) {
      this.#writeFailed(cause);
    }
    this.#pump();
  }

  /** Waits until nothing is owed, at most `withinMs`; false when something still is. */
  async drained(withinMs: number): Promise<boolean> {
    const deadline = this.#clock.monotonicMs() + withinMs;
    while (this.#owed.size > 0 && this.#clock.monotonicMs() < deadline) {
      await new Promise<void>((resolve) => this.#clock.after(20, resolve));
    }
    return this.#owed.size === 0;
  }

  /** Ends after the writes under way; what is owed stays in the file for the next process. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#flush();
    await this.#writing;
    await this.#storage.close();
  }

  readonly #writeFailed = (cause: unknown): void => {
    this.#log.error({ cause: String(cause) }, "the outbox could not be written");
  };

  async #recover(): Promise<Recovered> {
    const bytes = await this.#storage.read();
    let damaged = 0;
    for (const line of bytes.toString("utf8").split("\n")) {
      if (line === "") continue;
      const record = decodeRecord(line);
      if (record === undefined) damaged++;
      else this.#replay(record);
    }
    const owed = this.#owed.size;
    const inFlight = this.#notes.size;
    for (const [authorization, { ws, at, usage }] of this.#notes) {
      // What the provider had not counted to its end is not measured: it settles at the hold (R11).
      const command: SettleCommand =
        usage?.complete === true
          ? usage.settle
          : { kind: "settle", authorization, part: "1", final: true };
      this.#owed.set(keyOf(authorization, command.part), {
        ws,
        command,
        at,
        tries: 0,
        busy: false,
      });
    }
    this.#notes.clear();
    if (bytes.length > 0) await this.#compact();
    return { inFlight, owed, damaged };
  }

  #replay(record: OutboxRecord): void {
    switch (record.record) {
      case "note":
        this.#notes.set(record.authorization, { ws: record.ws, at: record.at });
        return;
      case "usage": {
        const noted = this.#notes.get(record.settle.authorization);
        if (noted !== undefined) noted.usage = { settle: record.settle, complete: record.complete };
        return;
      }
      case "owe": {
        const command = record.settle ?? record.void;
        if (command === undefined) return;
        const key = keyOf(command.authorization, partOf(command));
        this.#owed.set(key, { ws: record.ws, command, at: record.at, tries: 0, busy: false });
        // What is owed says more than the note behind it.
        this.#notes.delete(command.authorization);
        return;
      }
      case "done":
        this.#close(record.authorization, record.part);
        return;
    }
  }

  #close(authorization: string, part: string): void {
    this.#owed.delete(keyOf(authorization, part));
    this.#notes.delete(authorization);
  }

  /** Gathers lines while a write is under way: one write, and at most one sync, for all of them. */
  #append(record: OutboxRecord, sync: boolean): Promise<void> {
    const line = encodeRecord(record);
    const written = new Promise<void>((done, failed) => {
      this.#queue.push({ line, sync, done, failed });
    });
    this.#flush();
    return written;
  }

  #flush(): void {
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
  }

  async #write(): Promise<void> {
    while (this.#queue.length + this.#lazy.length > 0) {
      const batch = this.#queue.splice(0);
      const lines = [...this.#lazy.splice(0), ...batch.map(({ line }) => line)];
      const bytes = Buffer.from((this.#torn ? "\n" : "") + lines.join(""));
      try {
        this.#torn = true;
        await this.#storage.append(bytes);
        this.#torn = false;
        this.#bytes += bytes.length;
        if (batch.some(({ sync }) => sync)) await this.#storage.sync();
        for (const { done } of batch) done();
      } catch (cause) {
        for (const { failed } of batch) failed(cause);
      }
      if (this.#bytes > COMPACT_BYTES) await this.#compact().catch(this.#writeFailed);
    }
  }

  /** Writes what still counts into a fresh file. */
  async #compact(): Promise<void> {
    const lines: string[] = [];
    for (const [authorization, { ws, at, usage }] of this.#notes) {
      lines.push(encodeRecord({ record: "note", ws, authorization, at }));
      if (usage !== undefined) lines.push(encodeRecord({ record: "usage", ws, at, ...usage }));
    }
    for (const { ws, command, at } of this.#owed.values()) {
      lines.push(encodeRecord(oweRecord(ws, command, at)));
    }
    const bytes = Buffer.from(lines.join(""));
    await this.#storage.replace(bytes);
    this.#bytes = bytes.length;
    this.#torn = false;
  }

  /** Starts deliveries that are due, as many as may run at once. */
  #pump(): void {
    if (this.#deliver === undefined || this.#closed) return;
    for (const [key, owed] of this.#owed) {
      if (this.#busy >= DELIVERIES_MAX) return;
      if (owed.busy) continue;
      owed.busy = true;
      this.#busy++;
      void this.#deliverOne(key, owed, this.#deliver);
    }
  }

  async #deliverOne(key: string, owed: Owed, deliver: Deliver): Promise<void> {
    let outcome: Delivery;
    try {
      outcome = await deliver(owed.ws, owed.command);
    } catch (cause) {
      this.#log.warn({ cause: String(cause) }, "a delivery of the outbox failed");
      outcome = "retry";
    }
    this.#busy--;
    if (outcome === "retry") {
      const pause = Math.min(RETRY_MS_MIN * 2 ** Math.min(owed.tries++, 10), RETRY_MS_MAX);
      this.#clock.after(pause, () => {
        owed.busy = false;
        this.#pump();
      });
    } else await this.#finish(key, owed, outcome);
    this.#pump();
  }

  async #finish(key: string, owed: Owed, outcome: Exclude<Delivery, "retry">): Promise<void> {
    const { authorization } = owed.command;
    const part = partOf(owed.command);
    const at = this.#clock.wallMs();
    const why = outcome === "delivered" ? {} : { why: outcome.refused.slice(0, 2_000) };
    if (outcome !== "delivered") {
      const fields = { ws: owed.ws, authorization, part, why: outcome.refused };
      this.#log.error(fields, "the engine refuses an owed settle or void; it needs a person");
    }
    this.#owed.delete(key);
    this.#notes.delete(authorization);
    if (owed.command.kind === "settle") this.#onSettled(owed.ws, authorization);
    await this.#append({ record: "done", authorization, part, at, ...why }, false).catch(
      this.#writeFailed,
    );
  }
}

function keyOf(authorization: string, part: string): string {
  return `${authorization}/${part}`;
}

function oweRecord(ws: string, command: OwedCommand, at: number): OutboxRecord {
  return command.kind === "settle"
    ? { record: "owe", ws, settle: command, at }
    : { record: "owe", ws, void: command, at };
}
