/**
 * One shard as one worker sees it, from wanting it to giving it up.
 *
 *   idle → standing (another decides; the journal is folded meanwhile) → taking → owning
 *   idle → taking (lease, claim, replay) → owning (commands)
 *   owning → offered (a snapshot is cut; it still decides) → giving (flush, release) → idle
 *   taking or owning → halted, when the journal contradicts what is known of it: only a person ends that
 */

import type { ConfigWriter } from "../bus/config-writer.ts";
import { encodeMark } from "../bus/membership.ts";
import { InvariantError } from "../ledger/assert.ts";
import { writeBehind } from "./config-catch-up.ts";
import { CutNotSaved, Housekeeping, type KeepingStats } from "./housekeeping.ts";
import { JournalBroken, type StreamSeq } from "./journal.ts";
import type { KeptKey } from "./kept-key.ts";
import type { Lease } from "./lease.ts";
import type { ShardRequest } from "./mailbox.ts";
import { recoverShard, type ShardPlace } from "./recovery.ts";
import { type ShardPorts, type ShardStats, ShardTerm } from "./shard.ts";
import { Standby } from "./standby.ts";

/** The commands of one shard, heard on the bus. */
export interface CommandFeed {
  /**
   * Hears commands from now on. The function it returns takes no more and settles when all it took
   * are delivered.
   */
  subscribe(shard: number, receive: (request: ShardRequest) => void): () => Promise<void>;
}

export interface OwnerPorts extends Omit<ShardPorts, "publishConfig" | "mayDecide"> {
  readonly config: ConfigWriter;
  readonly feed: CommandFeed;
  readonly lease: Lease;
  /** Keys that tell the other workers that this one is ready for the shard, or will not own it. */
  readonly readyMark: KeptKey;
  readonly haltedMark: KeptKey;
  /** This worker among the members. */
  readonly member: string;
  /** Told when the shard is owned here, and when no more. */
  readonly ownership: (shard: number, owned: boolean) => void;
  /** Told when the worker should look again at what this shard needs. */
  readonly changed: () => void;
  /** Asks the projection to become durable soon. */
  readonly hurry: () => void;
}

export type OwnerPhase = "idle" | "standing" | "taking" | "owning" | "giving" | "halted";

/** What a shard owner tells of itself. */
export interface OwnerStats {
  readonly shard: number;
  readonly phase: OwnerPhase;
  readonly term?: ShardStats;
  /** What waits for Postgres. */
  readonly keeping?: KeepingStats;
  readonly reason?: string;
}

/** `cutting` a snapshot; `done`; or it `failed`, as it does without Postgres. */
type Offer = "cutting" | "done" | "failed";

/** A hand-over takes at most this long, then what is left is dropped: unanswered, hence undecided. ms */
const GIVE_MS = 2_000;
/** What did not work is not tried again before, in ms. */
const RETRY_MS = 400;
const OFFER_RETRY_MS = 2_000;

export class ShardOwner {
  readonly #place: ShardPlace;
  readonly #ports: OwnerPorts;
  #phase: OwnerPhase = "idle";
  #term: ShardTerm | undefined;
  #work: Promise<void> = Promise.resolve();
  #busy = false;
  #reason: string | undefined;
  #wanted = false;
  #renewing = false;
  #standby: Standby | undefined;
  #offer: Offer | undefined;
  #housekeeping: Housekeeping | undefined;
  #unsubscribe: (() => Promise<void>) | undefined;
  /** When the lease was last known to be ours, monotonic ms. */
  #leasedAt = 0;
  /** Before these nothing is tried again, monotonic ms. */
  #retryAt = 0;
  #offerAt = 0;
  /** Messages below this one were known to be in the journal when the last term ended. */
  #known: StreamSeq = 0;

  constructor(place: ShardPlace, ports: OwnerPorts) {
    this.#place = place;
    this.#ports = ports;
  }

  get phase(): OwnerPhase {
    return this.#phase;
  }

  /** True when nothing is under way and nothing is held. */
  get isIdle(): boolean {
    return !this.#busy && (this.#phase === "idle" || this.#phase === "halted");
  }

  /** How far the preparations for giving it up are, here. */
  get offered(): Offer | undefined {
    return this.#offer;
  }

  get stats(): OwnerStats {
    return {
      shard: this.#place.shard,
      phase: this.#phase,
      ...(this.#term === undefined ? {} : { term: this.#term.stats }),
      ...(this.#housekeeping === undefined ? {} : { keeping: this.#housekeeping.stats }),
      ...(this.#reason === undefined ? {} : { reason: this.#reason }),
    };
  }

  /**
   * Tries to own the shard, once; does nothing when it is owned, halted, or another has the lease.
   * `freeAt` is the revision at which the lease was seen to be free.
   */
  take(freeAt?: number): Promise<void> {
    const isFree = this.#phase === "idle" || this.#phase === "standing";
    if (!isFree || this.#busy || this.#now() < this.#retryAt) return this.#work;
    this.#wanted = true;
    return this.#do(() => this.#take(freeAt));
  }

  /** Another decides and should not: folds the journal, to be ready when the lease is free. */
  standBy(): void {
    if (this.#phase !== "idle" || this.#busy || this.#now() < this.#retryAt) return;
    this.#phase = "standing";
    const { readyMark: mark, member } = this.#ports;
    const standby = new Standby(this.#place, member, { ...this.#ports, mark }, (error) => {
      if (this.#standby === standby) this.#failed(error);
    });
    this.#standby = standby;
  }

  /** The shard is another's after all. */
  standDown(): void {
    this.#wanted = false;
    this.#leaveStandby();
    if (this.#phase === "standing") this.#phase = "idle";
  }

  /**
   * The shard should be another's: cuts a snapshot while it is still decided here, which also shows that
   * Postgres is there, without which nobody could take it.
   */
  offer(): void {
    const { log, lease } = this.#ports;
    const isPossible = this.#phase === "owning" && this.#now() >= this.#offerAt;
    if (!isPossible || (this.#offer !== undefined && this.#offer !== "failed")) return;
    const housekeeping = this.#housekeeping;
    if (housekeeping === undefined) return;
    this.#offer = "cutting";
    lease.say({ epoch: this.#term?.claim.epoch, phase: "giving" });
    housekeeping.cutNow().then(
      () => this.#offerEnded("done", housekeeping),
      (error: unknown) => {
        if (this.#housekeeping !== housekeeping) return;
        if (error instanceof CutNotSaved) {
          // Postgres is there and only behind. Who stands by has folded the journal and needs no snapshot.
          log.info("no snapshot for the hand-over: the projection is behind", this.#about({}));
          this.#offerEnded("done", housekeeping);
          return;
        }
        log.warn("no snapshot for the hand-over: is Postgres there?", this.#about({ error }));
        this.#offerAt = this.#now() + OFFER_RETRY_MS;
        this.#offerEnded("failed", housekeeping);
      },
    );
  }

  #offerEnded(offer: Offer, housekeeping: Housekeeping): void {
    if (this.#housekeeping !== housekeeping || this.#offer !== "cutting") return;
    this.#offer = offer;
    this.#ports.changed();
  }

  /** The shard is to stay here after all. */
  keep(): void {
    if (this.#offer === undefined || this.#phase !== "owning") return;
    this.#offer = undefined;
    this.#ports.lease.say({ epoch: this.#term?.claim.epoch, phase: "owning" });
  }

  /**
   * Gives the shard up in order: what is decided is appended and answered, then the lease is free. When it
   * is for nobody, the last of it is written down as well.
   */
  async give(forNobody = false): Promise<void> {
    this.#wanted = false;
    this.#leaveStandby();
    await this.#work;
    const term = this.#term;
    if (this.#phase !== "owning" || term === undefined) return;
    this.#phase = "giving";
    await this.#do(() => this.#give(term, forNobody));
  }

  /**
   * Renews the lease of a shard that is owned or being taken. A lost one ends the term, and so does one
   * that could not be renewed in time: nobody could renew holds meanwhile either, and only the claim of
   * a new term gives them the time to.
   */
  async renew(): Promise<void> {
    if (this.#phase === "halted") this.#tellHalted();
    if (this.#phase !== "owning" && this.#phase !== "taking") return;
    // While NATS is slow, renewals would else pile up, and each would count from when it was asked for.
    if (this.#endsOverdueTerm() || this.#renewing) return;
    this.#renewing = true;
    const startedAt = this.#now();
    // NATS may be away: then nothing can be appended either, and the next renewal tries again.
    const renewed = await this.#ports.lease.renew().catch(() => undefined);
    this.#renewing = false;
    if (renewed === false) this.#term?.abandon("the lease was lost to another worker");
    if (renewed !== true || this.#endsOverdueTerm()) return;
    this.#leasedAt = Math.max(this.#leasedAt, startedAt);
  }

  /** A worker that stops being one has nothing more to say of shards. */
  async forget(): Promise<void> {
    this.standDown();
    await this.#ports.haltedMark.drop().catch(() => undefined);
  }

  #endsOverdueTerm(): boolean {
    const { lease } = this.#ports;
    if (this.#term === undefined) return false;
    if (this.#now() - this.#leasedAt <= lease.lastsMs) return false;
    this.#term.abandon("the lease ran out: it could not be renewed in time");
    return true;
  }

  #do(work: () => Promise<void>): Promise<void> {
    const before = this.#phase;
    this.#busy = true;
    this.#work = work()
      .catch((error: unknown) => this.#failed(error))
      .finally(() => {
        this.#busy = false;
        // A try that led to nothing is repeated by the clock, not at once.
        if (this.#phase !== before || !this.#wanted) this.#ports.changed();
      });
    return this.#work;
  }

  async #take(freeAt: number | undefined): Promise<void> {
    const { lease, log } = this.#ports;
    const { shard } = this.#place;
    const startedAt = this.#now();
    lease.say({ epoch: undefined, phase: "taking" });
    // Who stands by goes on doing so when another was faster.
    if (!(await lease.acquire(freeAt))) return;
    this.#leasedAt = startedAt;
    this.#phase = "taking";
    const standby = this.#standby;
    this.#standby = undefined;
    const isWanted = () => this.#wanted;
    const recovered =
      standby === undefined
        ? await recoverShard(this.#place, { ...this.#ports, isWanted })
        : await standby.takeOver(isWanted);
    if (recovered.claim.seq <= this.#known) {
      throw new JournalBroken(`the journal of shard ${shard} ends before message ${this.#known}`);
    }
    const tookMs = Math.round(this.#now() - startedAt);
    this.#begin(recovered);
    log.info("shard taken", {
      shard,
      epoch: recovered.claim.epoch,
      workspaces: this.#term?.actors.size,
      entries: recovered.replayed,
      stood_by: standby !== undefined,
      took_ms: tookMs,
    });
  }

  #begin(recovered: Awaited<ReturnType<typeof recoverShard>>): void {
    const { config, lease, feed, ownership } = this.#ports;
    const { shard } = this.#place;
    const term = new ShardTerm(this.#place, recovered, {
      ...this.#ports,
      publishConfig: (ws, items) => config.write(ws, items),
      mayDecide: () => !this.#endsOverdueTerm(),
    });
    this.#term = term;
    this.#housekeeping = new Housekeeping(this.#place, term, recovered, this.#ports);
    this.#unsubscribe = feed.subscribe(shard, (request) => term.receive(request));
    this.#phase = "owning";
    this.#reason = undefined;
    ownership(shard, true);
    // The bucket may have missed the last commits of the owner before.
    void writeBehind(term, config);
    void term.ended.then((end) => this.#ended(term, end.kind, "reason" in end ? end.reason : ""));
    lease.say({ epoch: term.claim.epoch, phase: "owning" });
    void this.renew();
  }

  async #give(term: ShardTerm, forNobody: boolean): Promise<void> {
    const { log, lease } = this.#ports;
    const startedAt = this.#now();
    await this.#unsubscribe?.();
    const late = setTimeout(() => term.abandon("the hand-over took too long"), GIVE_MS);
    await term.stop();
    clearTimeout(late);
    // After anything but an orderly stop, memory holds what the journal may not.
    const end = await term.ended;
    if (forNobody && end.kind === "stopped" && this.#offer === "done") {
      await this.#housekeeping?.handOver().catch((error: unknown) => {
        log.warn("no last snapshot; who starts next replays more", this.#about({ error }));
      });
    }
    const snapshot = this.#offer === "done";
    this.#close(term);
    await lease.release().catch((error: unknown) => {
      log.warn("the lease could not be freed and has to run out", this.#about({ error }));
    });
    this.#phase = "idle";
    const tookMs = Math.round(this.#now() - startedAt);
    log.info("shard given up", this.#about({ snapshot, took_ms: tookMs }));
  }

  /** The term ended by itself: a conflict, a lost lease, a fault. */
  #ended(term: ShardTerm, kind: string, reason: string): void {
    if (this.#term !== term || this.#phase === "giving") return;
    this.#ports.log.warn("term over", this.#about({ kind, reason }));
    // A connection that is gone has ended the subscription too.
    this.#unsubscribe?.().catch(() => undefined);
    this.#close(term);
    this.#phase = "idle";
    this.#ports.changed();
  }

  #close(term: ShardTerm): void {
    this.#known = Math.max(this.#known, term.tail.seq);
    this.#housekeeping?.stop();
    this.#housekeeping = undefined;
    this.#unsubscribe = undefined;
    this.#offer = undefined;
    this.#term = undefined;
    this.#ports.ownership(this.#place.shard, false);
  }

  #leaveStandby(): void {
    this.#standby?.stop();
    this.#standby = undefined;
  }

  #failed(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    const wasStanding = this.#phase === "standing";
    if (this.#term !== undefined) this.#close(this.#term);
    this.#leaveStandby();
    this.#retryAt = this.#now() + RETRY_MS;
    // Nothing that a second look would find otherwise: another owner would come to the same. Who only
    // stands by has no say in it, while the shard has an owner that goes on.
    if (!wasStanding && (error instanceof JournalBroken || error instanceof InvariantError)) {
      this.#phase = "halted";
      this.#reason = reason;
      this.#ports.log.alarm("shard halted", this.#about({ reason }));
      this.#tellHalted();
      return;
    }
    this.#phase = "idle";
    if (reason !== this.#reason) this.#ports.log.warn("shard not taken", this.#about({ reason }));
    this.#reason = reason;
    if (!wasStanding) this.#ports.lease.release().catch(() => undefined);
  }

  /** The others see that the shard is halted, and why, for as long as this worker says so. */
  #tellHalted(): void {
    const { haltedMark, member } = this.#ports;
    const value = encodeMark({ member, reason: this.#reason });
    haltedMark.put({ value }).catch(() => undefined);
  }

  #about<T extends object>(fields: T): T & { readonly shard: number } {
    return { shard: this.#place.shard, ...fields };
  }

  #now(): number {
    return this.#ports.clock.monotonicMs();
  }
}
