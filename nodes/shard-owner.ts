/**
 * One shard as one worker sees it, from wanting it to giving it up.
 *
 *   idle → taking (lease, claim, replay) → owning (commands) → giving (flush, snapshot, release) → idle
 *   taking or owning → halted, when the journal contradicts what is known of it: only a person ends that
 */

import type { ConfigWriter } from "../bus/config-writer.ts";
import { InvariantError } from "../ledger/assert.ts";
import { writeBehind } from "./config-catch-up.ts";
import { Housekeeping } from "./housekeeping.ts";
import { JournalBroken, type StreamSeq } from "./journal.ts";
import type { Lease } from "./lease.ts";
import type { ShardRequest } from "./mailbox.ts";
import { recoverShard, type ShardPlace } from "./recovery.ts";
import { type ShardPorts, type ShardStats, ShardTerm } from "./shard.ts";

/** The commands of one shard, heard on the bus. */
export interface CommandFeed {
  /**
   * Hears commands from now on. The function it returns takes no more and settles when all it took
   * are delivered.
   */
  subscribe(shard: number, receive: (request: ShardRequest) => void): () => Promise<void>;
}

export interface OwnerPorts extends Omit<ShardPorts, "publishConfig"> {
  readonly config: ConfigWriter;
  readonly feed: CommandFeed;
  readonly lease: Lease;
  /** Told when the shard is owned here, and when no more. */
  readonly ownership: (shard: number, owned: boolean) => void;
  /** Asks the projection to become durable soon. */
  readonly hurry: () => void;
}

export type OwnerPhase = "idle" | "taking" | "owning" | "giving" | "halted";

/** What a shard owner tells of itself. */
export interface OwnerStats {
  readonly shard: number;
  readonly phase: OwnerPhase;
  readonly term?: ShardStats;
  readonly reason?: string;
}

/** A hand-over takes at most this long, then what is left is dropped: unanswered, hence undecided. ms */
const GIVE_MS = 2_000;

export class ShardOwner {
  readonly #place: ShardPlace;
  readonly #ports: OwnerPorts;
  #phase: OwnerPhase = "idle";
  #term: ShardTerm | undefined;
  #work: Promise<void> = Promise.resolve();
  #reason: string | undefined;
  #wanted = false;
  #housekeeping: Housekeeping | undefined;
  #unsubscribe: (() => Promise<void>) | undefined;
  /** When the lease was last known to be ours, monotonic ms. */
  #leasedAt = 0;
  /** Messages below this one were known to be in the journal when the last term ended. */
  #known: StreamSeq = 0;

  constructor(place: ShardPlace, ports: OwnerPorts) {
    this.#place = place;
    this.#ports = ports;
  }

  get phase(): OwnerPhase {
    return this.#phase;
  }

  get stats(): OwnerStats {
    return {
      shard: this.#place.shard,
      phase: this.#phase,
      ...(this.#term === undefined ? {} : { term: this.#term.stats }),
      ...(this.#reason === undefined ? {} : { reason: this.#reason }),
    };
  }

  /** Tries to own the shard, once; does nothing when it is owned, halted, or another has the lease. */
  take(): Promise<void> {
    if (this.#phase !== "idle") return this.#work;
    this.#phase = "taking";
    this.#wanted = true;
    this.#work = this.#take().catch((error: unknown) => this.#failed(error));
    return this.#work;
  }

  /** Gives the shard up in order: what is decided is appended and answered, then the lease is free. */
  async give(): Promise<void> {
    this.#wanted = false;
    await this.#work;
    if (this.#phase !== "owning" || this.#term === undefined) return;
    this.#phase = "giving";
    this.#work = this.#give(this.#term).catch((error: unknown) => this.#failed(error));
    await this.#work;
  }

  /**
   * Renews the lease of a shard that is owned or being taken. A lost one ends the term, and so does one
   * that could not be renewed in time: nobody could renew holds meanwhile either, and only the claim of
   * a new term gives them the time to.
   */
  async renew(): Promise<void> {
    if (this.#phase !== "owning" && this.#phase !== "taking") return;
    const { lease, clock } = this.#ports;
    const startedAt = clock.monotonicMs();
    if (this.#endsOverdueTerm()) return;
    // NATS may be away: then nothing can be appended either, and the next renewal tries again.
    const renewed = await lease.renew().catch(() => undefined);
    if (renewed === false) this.#term?.abandon("the lease was lost to another worker");
    if (renewed !== true || this.#endsOverdueTerm()) return;
    this.#leasedAt = Math.max(this.#leasedAt, startedAt);
  }

  #endsOverdueTerm(): boolean {
    const { lease, clock } = this.#ports;
    if (this.#term === undefined) return false;
    if (clock.monotonicMs() - this.#leasedAt <= lease.lastsMs) return false;
    this.#term.abandon("the lease ran out: it could not be renewed in time");
    return true;
  }

  async #take(): Promise<void> {
    const { lease, log, clock } = this.#ports;
    const { shard } = this.#place;
    const startedAt = clock.monotonicMs();
    if (!(await lease.acquire())) {
      this.#phase = "idle";
      return;
    }
    this.#leasedAt = startedAt;
    const isWanted = () => this.#wanted;
    const recovered = await recoverShard(this.#place, { ...this.#ports, isWanted });
    if (recovered.claim.seq <= this.#known) {
      throw new JournalBroken(`the journal of shard ${shard} ends before message ${this.#known}`);
    }
    const replayedMs = Math.round(clock.monotonicMs() - startedAt);
    const config = this.#ports.config;
    const term = new ShardTerm(this.#place, recovered, {
      ...this.#ports,
      isLeased: () => clock.monotonicMs() - this.#leasedAt <= lease.lastsMs,
      publishConfig: (ws, items) => config.write(ws, items),
    });
    this.#term = term;
    this.#housekeeping = new Housekeeping(this.#place, term, recovered, this.#ports);
    // The bucket may have missed the last commits of the owner before.
    void writeBehind(term, config);
    this.#unsubscribe = this.#ports.feed.subscribe(shard, (request) => term.receive(request));
    this.#phase = "owning";
    this.#reason = undefined;
    this.#ports.ownership(shard, true);
    log.info("shard taken", {
      shard,
      epoch: recovered.claim.epoch,
      workspaces: term.actors.size,
      entries: recovered.replayed,
      took_ms: replayedMs,
    });
    void term.ended.then((end) => this.#ended(term, end.kind, "reason" in end ? end.reason : ""));
  }

  async #give(term: ShardTerm): Promise<void> {
    const { log, lease, clock } = this.#ports;
    const { shard } = this.#place;
    const startedAt = clock.monotonicMs();
    await this.#unsubscribe?.();
    const late = setTimeout(() => term.abandon("the hand-over took too long"), GIVE_MS);
    await term.stop();
    clearTimeout(late);
    try {
      // After anything but an orderly stop, memory holds what the journal may not.
      const end = await term.ended;
      if (end.kind === "stopped") this.#ports.hurry();
      if (end.kind === "stopped") await this.#housekeeping?.handOver();
    } catch (error) {
      log.warn("no snapshot at the hand-over; the next owner replays more", { shard, error });
    }
    await lease.release();
    this.#close(term);
    log.info("shard given up", { shard, took_ms: Math.round(clock.monotonicMs() - startedAt) });
  }

  /** The term ended by itself: a conflict, a lost lease, a fault. */
  #ended(term: ShardTerm, kind: string, reason: string): void {
    if (this.#term !== term || this.#phase === "giving") return;
    this.#ports.log.warn("term over", { shard: this.#place.shard, kind, reason });
    // A connection that is gone has ended the subscription too.
    this.#unsubscribe?.().catch(() => undefined);
    this.#close(term);
  }

  #close(term: ShardTerm): void {
    this.#known = Math.max(this.#known, term.tail.seq);
    this.#housekeeping?.stop();
    this.#housekeeping = undefined;
    this.#unsubscribe = undefined;
    this.#term = undefined;
    this.#phase = "idle";
    this.#ports.ownership(this.#place.shard, false);
  }

  #failed(error: unknown): void {
    const { shard } = this.#place;
    this.#reason = error instanceof Error ? error.message : String(error);
    if (this.#term !== undefined) this.#close(this.#term);
    // Nothing that a second look would find otherwise: another owner would come to the same.
    if (error instanceof JournalBroken || error instanceof InvariantError) {
      this.#phase = "halted";
      this.#ports.log.alarm("shard halted", { shard, reason: this.#reason });
      return;
    }
    this.#phase = "idle";
    this.#ports.log.warn("shard not taken", { shard, reason: this.#reason });
    this.#ports.lease.release().catch(() => undefined);
  }
}
