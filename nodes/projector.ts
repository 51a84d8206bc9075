/**
 * The projector brings the journals of its shards into Postgres, and then sends each entry out live. It
 * is polite, because it shares a machine with the owners: transactions are few and do not wait for the
 * disk, and what is behind catches up in between.
 *
 *   journals ─▶ verified, gathered per shard ─▶ one transaction ─▶ events
 *
 * A transaction is due 150 ms after something came, or when 2,000 rows have. Postgres away: it waits
 * and says so; nothing is skipped, and the owners go on deciding.
 */
import { setTimeout as sleep } from "node:timers/promises";

import { connectBus, type NatsConnection } from "../bus/connect.ts";
import { PostgresUnavailable } from "../readmodel/connect.ts";
import type { DurableHead } from "./checkpoints/keeper.ts";
import { ProjectionStore } from "./postgres/projection-store.ts";
import type { Batch } from "./projector-batch.ts";
import { publishEntries } from "./projector-events.ts";
import type { ProjectorLog } from "./projector-log.ts";
import { ShardProjection } from "./projector-shard.ts";
import { journalSource, lastSeq, type Source } from "./projector-source.ts";

/** The longest wait of an entry before it is written, in ms: some seven transactions a second. */
const GATHER_MS = 150;
/** Rows that make a transaction due at once. */
const GATHER_ROWS = 2_000;
/** The same for entries of the largest kind: UTF-16 units of all lines. */
const GATHER_LENGTH = 8 * 1024 ** 2;
/** The longest wait of what is written before it is durable, in ms. */
const DURABLE_MS = 1_000;
/** Bounds of the pause before Postgres is tried again, in ms. */
const AWAY_MS_MIN = 100;
const AWAY_MS_MAX = 2_000;
/** How often a flush looks whether it is done, in ms. */
const FLUSH_POLL_MS = 5;
const FLUSH_MS = 10_000;

export interface ProjectorOptions {
  readonly postgresUrl: string;
  readonly nats: { readonly servers: string; readonly user?: string; readonly pass?: string };
  readonly era: number;
  readonly onLog: (line: ProjectorLog) => void;
  /** Hears of the workspaces that a shard's durable tables have gone on with. */
  readonly onDurable?: (shard: number, heads: ReadonlyMap<string, DurableHead>) => void;
}

/** How far the projection of one shard is. */
export interface ShardBacklog {
  readonly shard: number;
  /** Messages of the journal that are not in Postgres yet; `undefined` while NATS does not say. */
  readonly behind: number | undefined;
  /** Position up to which the tables are, and up to which they are durable. */
  readonly written: number;
  readonly durable: number;
  /** Why it stands still, when it does. */
  readonly halted?: string;
}

export interface Projector {
  /** Begins to project a shard; owning it twice is owning it once. */
  own(shard: number): void;
  /** Ends it. What was read and not written yet is left to the next owner. */
  release(shard: number): void;
  backlog(): Promise<readonly ShardBacklog[]>;
  /**
   * Resolves when all that the owned shards' journals held at the call is durable in Postgres and sent
   * out. @throws FlushFailed when that takes too long or a shard is halted.
   */
  flush(withinMs?: number): Promise<void>;
  /** Ends everything, without waiting for what is not written: the journal has it. */
  stop(): Promise<void>;
}

/** Not everything was projected. Nothing is lost: it is in the journal. */
export class FlushFailed extends Error {
  override readonly name = "FlushFailed";
  readonly code = "flush-failed";
  readonly outcome = "none";
}

/**
 * Starts a projector. Postgres may be away; NATS has to answer.
 * @throws BusUnreachable when NATS does not.
 */
export async function startProjector(options: ProjectorOptions): Promise<Projector> {
  const nc = await connectBus({ ...options.nats, name: "tarmac projector" });
  return new PoliteProjector(options, nc);
}

class PoliteProjector implements Projector {
  readonly #options: ProjectorOptions;
  readonly #nc: NatsConnection;
  readonly #store: ProjectionStore;
  readonly #shards = new Map<number, ShardProjection>();
  readonly #loop: Promise<void>;
  #stopping = false;
  /** Flushes under way: nothing is gathered longer than it must. */
  #hurry = 0;
  /** When the first of what waits came; monotonic ms. */
  #waitingSince: number | undefined;
  #undurable = false;
  #durableAt = 0;
  #awake = Promise.withResolvers<void>();
  /** Resolved when a transaction takes what is gathered. */
  #roomy = Promise.withResolvers<void>();

  constructor(options: ProjectorOptions, nc: NatsConnection) {
    this.#options = options;
    this.#nc = nc;
    this.#store = new ProjectionStore(options.postgresUrl, options.era);
    this.#loop = this.#run();
  }

  #source(shard: number): Source {
    return journalSource(this.#nc, shard, this.#options.era);
  }

  own(shard: number): void {
    if (this.#shards.has(shard) || this.#stopping) return;
    const source = this.#source(shard);
    const host = {
      store: this.#store,
      onLog: this.#options.onLog,
      arrived: () => this.#arrived(),
      undurable: () => {
        this.#undurable = true;
        this.#awake.resolve();
      },
      room: () => this.#room(),
    };
    this.#shards.set(shard, new ShardProjection(source, host));
  }

  release(shard: number): void {
    this.#shards.get(shard)?.release();
    this.#shards.delete(shard);
  }

  backlog(): Promise<readonly ShardBacklog[]> {
    return Promise.all(
      [...this.#shards.values()].map(async ({ shard, written, durable, halted }) => {
        const end = await lastSeq(this.#source(shard)).catch(() => undefined);
        return {
          shard,
          behind: end === undefined ? undefined : Math.max(0, end - written.streamSeq),
          written: written.streamSeq,
          durable,
          ...(halted === undefined ? {} : { halted }),
        };
      }),
    );
  }

  async flush(withinMs = FLUSH_MS): Promise<void> {
    const deadline = performance.now() + withinMs;
    this.#hurry += 1;
    try {
      const targets = await Promise.all(
        [...this.#shards.values()].map(async (projection) => ({
          projection,
          end: await lastSeq(this.#source(projection.shard)),
        })),
      );
      for (const { projection, end } of targets) {
        while (projection.durable < end) {
          this.#awake.resolve();
          const { shard, halted } = projection;
          if (halted !== undefined) throw new FlushFailed(`shard ${shard} is halted at ${halted}`);
          if (this.#stopping || performance.now() > deadline) {
            throw new FlushFailed(
              `shard ${shard} is durable up to message ${projection.durable} of ${end} after ` +
                `${withinMs} ms`,
            );
          }
          await sleep(FLUSH_POLL_MS);
        }
      }
    } finally {
      this.#hurry -= 1;
    }
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#awake.resolve();
    this.#roomy.resolve();
    for (const projection of this.#shards.values()) projection.release();
    await this.#loop;
    await this.#store.close();
    await this.#nc.close();
  }

  /** The loop is woken for the first of what waits, which sets its timer, and when there is enough. */
  #arrived(): void {
    const isFirst = this.#waitingSince === undefined;
    this.#waitingSince ??= performance.now();
    if (isFirst || this.#hurry > 0 || this.#isFull()) this.#awake.resolve();
  }

  #isFull(): boolean {
    let rows = 0;
    let length = 0;
    for (const { pending } of this.#shards.values()) {
      rows += pending.rows.length;
      length += pending.length;
    }
    return rows >= GATHER_ROWS || length >= GATHER_LENGTH;
  }

  async #room(): Promise<void> {
    while (this.#isFull() && !this.#stopping) await this.#roomy.promise;
  }

  /** The one loop that writes: a transaction when one is due, then a durable commit when one is. */
  async #run(): Promise<void> {
    await this.#warnIfUnsafe();
    while (!this.#stopping) {
      const now = performance.now();
      const writeAt = this.#writeDue(now);
      const durableAt = this.#durableDue(now);
      const due = Math.min(writeAt, durableAt);
      if (due > now) {
        await this.#sleepUntil(due, now);
        continue;
      }
      if (writeAt <= now) await this.#writeGathered();
      if (this.#durableDue(performance.now()) <= performance.now()) await this.#makeDurable();
    }
  }

  #writeDue(now: number): number {
    if (this.#waitingSince === undefined) return Number.POSITIVE_INFINITY;
    return this.#hurry > 0 || this.#isFull() ? now : this.#waitingSince + GATHER_MS;
  }

  #durableDue(now: number): number {
    if (!this.#undurable) return Number.POSITIVE_INFINITY;
    return this.#hurry > 0 && this.#waitingSince === undefined ? now : this.#durableAt + DURABLE_MS;
  }

  async #sleepUntil(due: number, now: number): Promise<void> {
    this.#awake = Promise.withResolvers<void>();
    const isTimed = due !== Number.POSITIVE_INFINITY;
    const timer = isTimed ? setTimeout(this.#awake.resolve, due - now) : undefined;
    await this.#awake.promise;
    clearTimeout(timer);
  }

  async #writeGathered(): Promise<void> {
    this.#waitingSince = undefined;
    const batches: Batch[] = [];
    for (const projection of this.#shards.values()) {
      const batch = projection.take();
      if (batch !== undefined) batches.push(batch);
    }
    this.#roomy.resolve();
    this.#roomy = Promise.withResolvers<void>();
    if (batches.length > 0) await this.#write(batches);
  }

  /** Writes until each batch is written, overtaken, or refused as wrong. */
  async #write(batches: readonly Batch[]): Promise<void> {
    let left = batches;
    let awayMs = AWAY_MS_MIN;
    while (left.length > 0 && !this.#stopping) {
      try {
        // After a fault it is not known whether the transaction was committed: the positions say it.
        if (awayMs > AWAY_MS_MIN) left = await this.#resolve(left);
        left = await this.#attempt(left);
      } catch (fault) {
        if (!(fault instanceof PostgresUnavailable)) throw fault;
        if (awayMs === AWAY_MS_MIN) this.#log("alarm", `${fault.message}; the projection waits`);
        await sleep(awayMs);
        awayMs = Math.min(awayMs * 2, AWAY_MS_MAX);
        continue;
      }
    }
    if (awayMs > AWAY_MS_MIN) this.#log("info", "Postgres is back; the projection goes on");
  }

  /** One transaction. @returns what is still to be written. @throws PostgresUnavailable */
  async #attempt(batches: readonly Batch[]): Promise<readonly Batch[]> {
    if (batches.length === 0) return [];
    let overtaken: ReadonlySet<number>;
    try {
      const outcome = await this.#store.write(batches);
      if (outcome.kind === "written") {
        for (const batch of batches) await this.#written(batch);
        return [];
      }
      overtaken = new Set(outcome.shards);
    } catch (fault) {
      if (fault instanceof PostgresUnavailable) throw fault;
      await this.#refused(batches, fault);
      return [];
    }
    for (const shard of overtaken) this.#overtaken(shard);
    return batches.filter((batch) => !overtaken.has(batch.shard));
  }

  /** What Postgres will not take is found by writing each shard alone. @throws PostgresUnavailable */
  async #refused(batches: readonly Batch[], fault: unknown): Promise<void> {
    const [first, ...others] = batches;
    if (first === undefined) return;
    if (others.length === 0) {
      const reason = fault instanceof Error ? fault.message : String(fault);
      const { from, to } = first;
      this.#shards
        .get(first.shard)
        ?.refuse(
          from.streamSeq + 1,
          `Postgres does not take messages ${from.streamSeq + 1} to ${to.streamSeq}: ${reason}`,
        );
      return;
    }
    for (const batch of batches) await this.#write([batch]);
  }

  /** What became of batches whose transaction ended unheard. @throws PostgresUnavailable */
  async #resolve(batches: readonly Batch[]): Promise<readonly Batch[]> {
    const left: Batch[] = [];
    for (const batch of batches) {
      const position = await this.#store.position(batch.shard);
      if (position?.streamSeq === batch.to.streamSeq) await this.#written(batch);
      else if (position?.streamSeq === batch.from.streamSeq) left.push(batch);
      // Further on, or back at what the disk had when Postgres crashed.
      else this.#overtaken(batch.shard);
    }
    return left;
  }

  async #written(batch: Batch): Promise<void> {
    this.#undurable = true;
    this.#shards.get(batch.shard)?.wrote(batch);
    await publishEntries(this.#nc, batch, Date.now());
  }

  #overtaken(shard: number): void {
    this.#log(
      "warn",
      `shard ${shard} was projected by another projector; reading its position again`,
    );
    this.#shards.get(shard)?.reopen();
  }

  async #makeDurable(): Promise<void> {
    const steps = [...this.#shards.values()].map((projection) => ({
      projection,
      written: projection.written.streamSeq,
      moved: projection.takeMoved(),
    }));
    this.#undurable = false;
    this.#durableAt = performance.now();
    let positions: ReadonlyMap<number, number>;
    try {
      positions = await this.#store.makeDurable(steps.map(({ projection }) => projection.shard));
    } catch (fault) {
      // Tried again when it is due again; until then the owners keep in memory what is not durable.
      this.#undurable = true;
      for (const { projection, moved } of steps) projection.returnMoved(moved);
      const reason = fault instanceof Error ? fault.message : String(fault);
      this.#log("warn", `the projection is not durable yet: ${reason}`);
      return;
    }
    for (const { projection, written, moved } of steps) {
      const { shard } = projection;
      if (this.#shards.get(shard) !== projection) continue;
      if ((positions.get(shard) ?? 0) < written) {
        // Postgres crashed in between and came back without what was never durable.
        this.#overtaken(shard);
        continue;
      }
      projection.durable = Math.max(projection.durable, written);
      if (moved.size > 0) this.#options.onDurable?.(shard, moved);
    }
  }

  async #warnIfUnsafe(): Promise<void> {
    const syncs = await this.#store.syncs().catch(() => true);
    if (syncs) return;
    this.#log(
      "alarm",
      "Postgres runs with fsync = off: what is called durable may be lost with the machine",
    );
  }

  #log(level: ProjectorLog["level"], message: string): void {
    this.#options.onLog({ level, message });
  }
}
