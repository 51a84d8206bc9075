/**
 * What a term does beside deciding: it forgets what Postgres keeps, and writes its actors down so that
 * the next owner has less to replay.
 *
 * Memory forgets only what lies behind the projection's durable position, and a snapshot, which leaves
 * closed records out, is saved only once the projection is durable up to every entry in it.
 *
 * A snapshot is cut actor by actor, a turn of the event loop each, so that no command waits for all of
 * it. An actor may thus be ahead of the position that the cut names; replay passes over what it has.
 */
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";

import { snapshotPieces } from "../actors/snapshot.ts";
import { forget, forgetOld, nextExpiry, type WorkspaceState } from "../actors/workspace.ts";
import { DRIFT_MS_MAX } from "./actor-clock.ts";
import type { Batch } from "./batches.ts";
import type { Log } from "./log.ts";
import type {
  Clock,
  RecordStore,
  ShardPosition,
  SnapshotStore,
  StreamSeq,
  WorkspaceSnapshot,
} from "./ports.ts";
import type { Recovered, ShardPlace } from "./recovery.ts";
import type { ShardTerm } from "./shard.ts";
import { StateText } from "./state-text.ts";

const TICK_MS = 1_000;
/** A snapshot is due after so many entries, half a second of replay … */
const CUT_ENTRIES = 20_000;
/** … but not sooner than this after the one before: open holds cost some 10 µs each to write. ms */
const CUT_MS_MIN = 10_000;
/** … or after this time, if there was any entry. ms */
const CUT_MS_MAX = 60_000;
/** A hand-over waits so long for the projection to become durable, so that its cut can be saved. ms */
const HANDOVER_MS = 300;
const HANDOVER_POLL_MS = 25;
/** A cut that is asked for while the shard is owned is saved in this time, or not at all. ms */
const CUT_NOW_MS = 3_000;

/** A cut was asked for and could not be saved: what the projection lacks is not durable yet. */
export class CutNotSaved extends Error {
  override readonly name = "CutNotSaved";
  readonly code = "cut-not-saved";
  readonly outcome = "none";
}

export interface HousekeepingPorts {
  readonly snapshots: SnapshotStore;
  readonly records: RecordStore;
  readonly clock: Clock;
  readonly log: Log;
  /** Asks the projection to become durable soon. */
  readonly hurry?: () => void;
  /** An actor that nobody used for so long leaves memory, in ms; a minute unless given. */
  readonly idleMs?: number;
}

/** A state of so many bytes is remembered as large. */
const LARGE_BYTES = 1024 * 1024;
/** An actor that nobody used for so long leaves memory. ms */
const IDLE_MS = 60_000;

/** An alarm that goes on is repeated this often, in ms. */
const ALARM_MS = 60_000;

/** What waits for Postgres, and stays in memory until then. */
export interface KeepingStats {
  /** Workspaces that the next snapshot is to have. */
  readonly changed: number;
  /** Entries since the last snapshot was cut: what another owner would replay. */
  readonly entries: number;
  /** Closed authorizations in memory. */
  readonly closed: number;
  /** For how long Postgres has not answered; absent while it does. */
  readonly postgres_away_ms?: number;
}

/** How far each workspace was when the journal stood at `tail`. */
interface Mark {
  readonly tail: StreamSeq;
  readonly heads: ReadonlyMap<string, bigint>;
}

/** A cut that waits to become durable. */
interface Cut {
  readonly position: ShardPosition;
  readonly workspaces: readonly WorkspaceSnapshot[];
  /** Workspaces that are in it; they are due again when it cannot be saved. */
  readonly dirty: ReadonlySet<string>;
  /** The batch that the newest entry in it travels in. */
  readonly serial: number;
  /** Where that batch stands in the journal, once it does. */
  needs: StreamSeq | undefined;
}

/** Housekeeping of one term. */
export class Housekeeping {
  readonly #place: ShardPlace;
  readonly #term: ShardTerm;
  readonly #ports: HousekeepingPorts;
  readonly #timer: NodeJS.Timeout;
  /** Not yet behind the durable position, oldest first. */
  #marks: Mark[];
  #heads = new Map<string, bigint>();
  /** The sequence up to which each workspace's entries are durable in Postgres. */
  readonly #durable = new Map<string, bigint>();
  #dirty: Set<string>;
  #entries = 0;
  #cutAt: number;
  #cut: Cut | undefined;
  #hasBlock = false;
  /** Room that large states are given, by what they had the last time. */
  readonly #sizes = new Map<string, number>();
  #sweep: Iterator<WorkspaceState> | undefined;
  #ticking: Promise<void> | undefined;
  /** Since when Postgres does not answer, monotonic ms. */
  #awaySince: number | undefined;
  #awayAlarmAfter = 0;
  #alarmAfter = 0;

  constructor(
    place: ShardPlace,
    term: ShardTerm,
    recovered: Pick<Recovered, "dirty" | "tail" | "replayed">,
    ports: HousekeepingPorts,
  ) {
    this.#place = place;
    this.#term = term;
    this.#ports = ports;
    this.#dirty = new Set(recovered.dirty);
    this.#entries = recovered.replayed;
    this.#cutAt = ports.clock.monotonicMs();
    const heads = new Map<string, bigint>();
    for (const [ws, state] of term.workspaces) heads.set(ws, state.head.seq);
    this.#marks = [{ tail: recovered.tail, heads }];
    term.onAppended = (seq, batch) => this.#appended(seq, batch);
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** After the last block of a planned hand-over: writes down what changed, if that can be saved soon. */
  async handOver(): Promise<void> {
    this.stop();
    await this.#ticking;
    this.#dropCut();
    if (this.#dirty.size === 0 || !this.#hasBlock) return;
    await this.#makeCut();
    await this.#saveBy(this.#ports.clock.monotonicMs() + HANDOVER_MS);
  }

  #dropCut(): void {
    for (const ws of this.#cut?.dirty ?? []) this.#dirty.add(ws);
    this.#cut = undefined;
  }

  /**
   * While the shard is still owned: writes down what changed and sees it saved, so that who comes next
   * has next to nothing to replay.
   * @throws CutNotSaved when the projection is not durable in time; faults of Postgres.
   */
  async cutNow(): Promise<void> {
    while (this.#ticking !== undefined) await this.#ticking;
    const work = this.#cutAndSave();
    this.#ticking = work
      .catch(() => undefined)
      .finally(() => {
        this.#ticking = undefined;
      });
    await work;
  }

  async #cutAndSave(): Promise<void> {
    this.#dropCut();
    if (this.#dirty.size === 0 || !this.#hasBlock) return;
    await this.#makeCut();
    await this.#saveBy(this.#ports.clock.monotonicMs() + CUT_NOW_MS);
    if (this.#cut !== undefined) {
      throw new CutNotSaved(`shard ${this.#place.shard}: the projection is not durable yet`);
    }
  }

  /** Saves the cut as soon as it is durable, if that is before the deadline. */
  async #saveBy(deadline: number): Promise<void> {
    const { shard, era } = this.#place;
    let hurried = false;
    for (;;) {
      const { needs } = this.#cut ?? {};
      await this.#saveCut(await this.#ports.records.durablePosition(shard, era));
      if (this.#cut === undefined || this.#ports.clock.monotonicMs() > deadline) return;
      // Asked for once the entries are in the journal: before that it would make too little durable.
      if (needs !== undefined && !hurried) {
        hurried = true;
        this.#ports.hurry?.();
      }
      await sleep(HANDOVER_POLL_MS);
    }
  }

  #appended(seq: StreamSeq, batch: Batch): void {
    this.#hasBlock = true;
    for (const [ws, head] of batch.heads) {
      this.#heads.set(ws, head);
      this.#dirty.add(ws);
    }
    this.#entries += batch.lines.length;
    const cut = this.#cut;
    if (cut?.needs === undefined && cut !== undefined && batch.serial >= cut.serial) {
      cut.needs = seq;
    }
  }

  #tick(): void {
    if (this.#ticking !== undefined) return;
    this.#watchClock();
    void this.round();
  }

  /** One round of all there is to do, which also begins by itself every second. Never rejects. */
  async round(): Promise<void> {
    this.#ticking ??= this.#house()
      .then(
        () => this.#relieve(),
        (error: unknown) => this.#complain(error),
      )
      .finally(() => {
        this.#ticking = undefined;
      });
    await this.#ticking;
  }

  /** Postgres away: owners go on and memory grows, so it is said again and again, with how much it is. */
  #complain(error: unknown): void {
    const now = this.#ports.clock.monotonicMs();
    this.#awaySince ??= now;
    if (now < this.#awayAlarmAfter) return;
    this.#awayAlarmAfter = now + ALARM_MS;
    const { shard } = this.#place;
    this.#ports.log.alarm(
      "Postgres is away: decisions go on, snapshots wait, and memory keeps what it would forget",
      { shard, ...this.stats, error },
    );
  }

  #relieve(): void {
    if (this.#awaySince === undefined) return;
    this.#ports.log.info("Postgres is back: snapshots go on", {
      shard: this.#place.shard,
      ...this.stats,
    });
    this.#awaySince = undefined;
    this.#awayAlarmAfter = 0;
  }

  /** How much waits for Postgres. */
  get stats(): KeepingStats {
    let closed = 0;
    for (const state of this.#term.workspaces.values()) closed += state.fading.length;
    const since = this.#awaySince;
    const now = this.#ports.clock.monotonicMs();
    return {
      changed: this.#dirty.size + (this.#cut?.dirty.size ?? 0),
      entries: this.#entries,
      closed,
      ...(since === undefined ? {} : { postgres_away_ms: Math.round(now - since) }),
    };
  }

  async #house(): Promise<void> {
    const { shard, era } = this.#place;
    const { seq: tail } = this.#term.tail;
    if (this.#heads.size > 0) {
      this.#marks.push({ tail, heads: this.#heads });
      this.#heads = new Map();
    }
    const durable = await this.#ports.records.durablePosition(shard, era);
    this.#passMarks(durable);
    this.#forget();
    if (this.#cut === undefined && this.#isCutDue()) await this.#makeCut();
    await this.#saveCut(durable);
    this.#putAway();
  }

  #passMarks(durable: StreamSeq): void {
    let passed = 0;
    for (const mark of this.#marks) {
      if (mark.tail > durable) break;
      for (const [ws, head] of mark.heads) this.#durable.set(ws, head);
      passed += 1;
    }
    this.#marks.splice(0, passed);
  }

  #forget(): void {
    const now = this.#term.clock.now();
    for (const [ws, state] of this.#term.workspaces) {
      if (state.fading.length > 0) forget(state, this.#durableSeq(ws), now);
    }
    // What only weeks end is looked for in one workspace a tick.
    this.#sweep ??= this.#term.workspaces.values();
    const step: IteratorResult<WorkspaceState, unknown> = this.#sweep.next();
    if (step.done === true) this.#sweep = undefined;
    else forgetOld(step.value, this.#durableSeq(step.value.ws), now);
  }

  /** The entry of a workspace up to which all of it is durable in Postgres. */
  #durableSeq(ws: string): bigint {
    const seen = this.#durable.get(ws) ?? 0n;
    const saved = this.#term.actors.savedSeq(ws);
    return seen > saved ? seen : saved;
  }

  /** Those that nobody uses leave memory, once all of them is in Postgres. */
  #putAway(): void {
    const since = this.#ports.clock.monotonicMs() - (this.#ports.idleMs ?? IDLE_MS);
    for (const ws of this.#term.actors.putAway(since)) this.#durable.delete(ws);
  }

  #isCutDue(): boolean {
    if (!this.#hasBlock || this.#dirty.size === 0) return false;
    const sinceMs = this.#ports.clock.monotonicMs() - this.#cutAt;
    return sinceMs >= (this.#entries >= CUT_ENTRIES ? CUT_MS_MIN : CUT_MS_MAX);
  }

  async #makeCut(): Promise<void> {
    const { shard, era } = this.#place;
    const { seq, blockHash } = this.#term.tail;
    const at = this.#term.clock.now();
    const dirty = this.#dirty;
    this.#dirty = new Set();
    this.#entries = 0;
    this.#cutAt = this.#ports.clock.monotonicMs();
    const workspaces: WorkspaceSnapshot[] = [];
    for (const ws of dirty) {
      const state = this.#term.workspaces.get(ws);
      // A halted one keeps its last snapshot.
      if (state !== undefined) workspaces.push(await this.#snapshot(state));
    }
    const position = { shard, era, seq, blockHash, epoch: this.#term.claim.epoch, at };
    const serial = this.#term.lastSerial;
    const needs = this.#term.sentSerial >= serial ? this.#term.tail.seq : undefined;
    this.#cut = { position, workspaces, dirty, serial, needs };
  }

  /** Writes an actor down, a piece a turn of the event loop, so that no command waits for all of it. */
  async #snapshot(actor: WorkspaceState): Promise<WorkspaceSnapshot> {
    const { ws, head, configSeq } = actor;
    const nextExpiryAt = nextExpiry(actor);
    const text = new StateText(this.#sizes.get(ws));
    for (const piece of snapshotPieces(actor)) {
      text.add(piece);
      await turn();
    }
    const { state, stateHash } = text.end();
    if (state.length >= LARGE_BYTES) this.#sizes.set(ws, Math.ceil(1.25 * state.length));
    return { ws, seq: head.seq, hash: head.hash, nextExpiryAt, configSeq, state, stateHash };
  }

  async #saveCut(durable: StreamSeq): Promise<void> {
    const cut = this.#cut;
    if (cut?.needs === undefined || durable < cut.needs) return;
    this.#cut = undefined;
    try {
      const outcome = await this.#ports.snapshots.save(cut.position, cut.workspaces);
      if (outcome === "saved") {
        for (const { ws, seq } of cut.workspaces) this.#term.actors.saved(ws, seq);
        return;
      }
      this.#ports.log.warn("snapshot not saved: a later one stands", { seq: cut.position.seq });
    } catch (error) {
      for (const ws of cut.dirty) this.#dirty.add(ws);
      throw error;
    }
  }

  #watchClock(): void {
    const driftMs = this.#term.clock.driftMs();
    const now = this.#ports.clock.monotonicMs();
    if (Math.abs(driftMs) <= DRIFT_MS_MAX || now < this.#alarmAfter) return;
    this.#alarmAfter = now + ALARM_MS;
    this.#ports.log.alarm("ledger time and this machine's clock differ", { drift_ms: driftMs });
  }
}
