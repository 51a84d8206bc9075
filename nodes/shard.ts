/**
 * The owner of one shard for one term: it works the mailbox of every workspace in the shard, in order,
 * and answers when the journal has what the answer stands on.
 *
 *   active       commands are decided as they come; while a block is in flight, decisions gather for
 *                the next one (group commit)
 *   unresolved   the last append may have landed or not: commands are refused at once, as not decided,
 *                until the stream itself has told
 *   stopping     a planned hand-over: no new commands; what is decided is still appended and answered
 *   ended        a foreign message stands in the journal, or memory cannot be trusted: everything is
 *                dropped and nothing is answered; only a new claim starts a new term
 *
 *   active ⇄ unresolved → ended;  active → stopping → ended
 */
import { setTimeout as sleep } from "node:timers/promises";

import type { Command } from "../actors/commands.ts";
import { shardOf } from "../actors/placement.ts";
import type { Fetched, TurnContext, TurnResult } from "../actors/turn.ts";
import {
  createWorkspace,
  expireDue,
  isConfigured,
  nextExpiry,
  runTurn,
  TAKEOVER_GRACE_MS,
  type WorkspaceState,
} from "../actors/workspace.ts";
import { encodeAnswer, payloadHash } from "../bus/codec.ts";
import { type ConfigItem, configItemsOf } from "../bus/config-items.ts";
import type { SealedEntry } from "../ledger/chain.ts";
import type { Sha256Hex } from "../ledger/codec.ts";
import { NAME_PATTERN } from "../ledger/ids.ts";
import type { PeriodsAt } from "../ledger/periods.ts";
import { ActorClock } from "./actor-clock.ts";
import { type Batch, Batches } from "./batches.ts";
import { encodeBlock, type SealedBlock } from "./block.ts";
import { alarmsOf, type EntryAlarm } from "./entry-alarms.ts";
import { ExpiryTimer } from "./expiry-timer.ts";
import { type OwnerRefusal, readCommand, refuse } from "./intake.ts";
import type { Claim, Journal, StreamSeq } from "./journal.ts";
import type { Log } from "./log.ts";
import { type Letter, Mailbox, type ShardRequest, WaitingRoom } from "./mailbox.ts";
import type { Clock, RecordStore, SnapshotStore } from "./ports.ts";
import { fetchRecord, ProjectionGate } from "./record-lookup.ts";
import type { Recovered, ShardPlace } from "./recovery.ts";
import { ShardActors } from "./shard-actors.ts";

export interface ShardPorts {
  readonly journal: Journal;
  readonly records: RecordStore;
  readonly snapshots: SnapshotStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly periodsAt: PeriodsAt;
  readonly sha256Hex: Sha256Hex;
  readonly salt: () => string;
  /**
   * False when the lease ran out unnoticed, as it does for a worker that was stopped: the term is over, and
   * another owner may be deciding. Always true unless given.
   */
  readonly mayDecide?: () => boolean;
  /** Takes the configuration of a workspace once it is in the journal. */
  readonly publishConfig: (ws: string, items: readonly ConfigItem[]) => void;
}

export type TermEnd =
  | { readonly kind: "stopped" }
  | { readonly kind: "conflict"; readonly reason: string }
  | { readonly kind: "fault"; readonly reason: string };

interface InFlight {
  readonly batch: Batch;
  readonly block: SealedBlock;
  readonly lines: number;
}

/** Look-ups in Postgres at once; beyond, commands that need one are refused. */
const FETCHES_MAX = 1_000;
const RESOLVE_MS_MIN = 20;
/** Little beside an election of a NATS cluster, after which the journal is to be written again at once. */
const RESOLVE_MS_MAX = 200;
/** A workspace with a hold that may be due and that could not be loaded is tried again after this. ms */
const LOAD_AGAIN_MS = 1_000;

/** What a shard tells of itself, for health and logs. */
export interface ShardStats {
  readonly phase: "active" | "unresolved" | "stopping" | "ended";
  readonly epoch: bigint;
  readonly tail: StreamSeq;
  readonly workspaces: number;
  /** Those of them that are in memory. */
  readonly resident: number;
  readonly halted: number;
  readonly mailbox: number;
  /** Commands that wait for a workspace to be loaded. */
  readonly waiting: number;
  readonly blocks: number;
  readonly entries: number;
}

/** One term. Created after recovery; commands may come from then on. */
export class ShardTerm {
  readonly ended: Promise<TermEnd>;
  readonly actors: ShardActors;
  readonly clock: ActorClock;
  readonly claim: Claim;
  /** Told of each block that is in the journal, in order. */
  onAppended: ((seq: StreamSeq, batch: Batch) => void) | undefined;
  readonly #place: ShardPlace;
  readonly #ports: ShardPorts;
  readonly #halted: Map<string, string>;
  readonly #term: TurnContext["term"];
  readonly #timer: ExpiryTimer;
  readonly #batches = new Batches();
  readonly #mailbox = new Mailbox();
  readonly #waiting = new WaitingRoom();
  readonly #projection: ProjectionGate;
  #fetching = 0;
  #inFlight: InFlight | undefined;
  #flushDue = false;
  #phase: ShardStats["phase"] = "active";
  #tail: StreamSeq;
  #lastBlock: string;
  #sentSerial = 0;
  #number = 0;
  #entries = 0;
  #end: (end: TermEnd) => void;

  constructor(place: ShardPlace, recovered: Recovered, ports: ShardPorts) {
    this.#place = place;
    this.#ports = ports;
    this.claim = recovered.claim;
    this.clock = new ActorClock(ports.clock, recovered.claim, recovered.claimedAt);
    this.actors = new ShardActors(place, recovered, ports, {
      loaded: (ws, state) => this.#loaded(ws, state),
      missed: (ws) => this.#missed(ws),
      broken: (ws, reason) => this.#halt(ws, reason),
      outrun: (reason) => this.abandon(reason),
    });
    this.#halted = recovered.halted;
    this.#tail = recovered.tail;
    this.#lastBlock = recovered.lastBlock;
    this.#term = {
      owner: place.owner,
      claimSeq: BigInt(recovered.claim.seq),
      claimAt: recovered.claim.at,
    };
    const { shard, era } = place;
    this.#projection = new ProjectionGate(
      recovered.claim.seq,
      () => ports.records.durablePosition(shard, era),
      ports.clock,
    );
    const end = Promise.withResolvers<TermEnd>();
    this.ended = end.promise;
    this.#end = end.resolve;
    for (const [ws, reason] of this.#halted) this.#alarmHalted(ws, reason);
    this.#timer = new ExpiryTimer(
      () => this.clock.now(),
      (ws) => this.#expire(ws),
    );
    for (const [ws, state] of this.workspaces) this.#timer.set(ws, nextExpiry(state));
    // R13: until the grace is over there is no need to load them.
    const grace = recovered.claim.at + TAKEOVER_GRACE_MS;
    for (const [ws, { nextExpiryAt }] of this.actors.resting) {
      if (nextExpiryAt !== undefined) this.#timer.set(ws, Math.max(nextExpiryAt, grace));
    }
  }

  /** The actors in memory. */
  get workspaces(): ReadonlyMap<string, WorkspaceState> {
    return this.actors.residents;
  }

  get stats(): ShardStats {
    return {
      phase: this.#phase,
      epoch: this.claim.epoch,
      tail: this.#tail,
      workspaces: this.actors.size,
      resident: this.workspaces.size,
      halted: this.#halted.size,
      mailbox: this.#mailbox.size,
      waiting: this.#waiting.size,
      blocks: this.#number,
      entries: this.#entries,
    };
  }

  /** Where the journal stands: all up to here is acknowledged. */
  get tail(): { readonly seq: StreamSeq; readonly blockHash: string } {
    return { seq: this.#tail, blockHash: this.#lastBlock };
  }

  /** Serial of the newest batch with decisions that were made; it may not be sent yet. */
  get lastSerial(): number {
    return this.#batches.lastSerial;
  }

  /** Serial of the newest batch that is in the journal. */
  get sentSerial(): number {
    return this.#sentSerial;
  }

  /** Takes a command. Its answer comes through `respond`, or never when the term ends first. */
  receive(request: ShardRequest): void {
    this.#deliver({ request });
  }

  /**
   * Stops taking commands and sees to it that what was decided is appended and answered.
   * Settles when nothing is left; after a fault of the journal it may have dropped the rest.
   */
  async stop(): Promise<void> {
    if (this.#phase === "active" || this.#phase === "unresolved") {
      if (this.#phase === "active") this.#drain();
      this.#phase = "stopping";
      this.#refuseMailbox("fail-closed");
      this.#flush();
      if (this.#inFlight === undefined) this.#finish({ kind: "stopped" });
    }
    await this.ended;
  }

  /** Ends the term now, without answers: another owner may already be deciding. */
  abandon(reason: string): void {
    this.#finish({ kind: "conflict", reason });
  }

  #deliver(letter: Letter): void {
    if (this.#phase !== "active" || this.#ports.mayDecide?.() === false) {
      const code = this.#phase === "unresolved" ? "append-unresolved" : "fail-closed";
      refuse(letter.request, code);
    } else if (this.#mailbox.size === 0 && !this.#batches.isFull()) {
      this.#work(letter);
    } else if (this.#mailbox.isFull()) {
      refuse(letter.request, "fail-closed");
    } else {
      this.#mailbox.push(letter);
    }
  }

  /** Works the mailbox until the next block is full. */
  #drain(): void {
    while (!this.#batches.isFull()) {
      const letter = this.#mailbox.shift();
      if (letter === undefined) return;
      this.#work(letter);
    }
  }

  /** One command: checked, decided, its entries and its answer put into the next block. */
  #work(letter: Letter): void {
    const { request } = letter;
    const { ws, ttlMs, arrivedAt } = request;
    const now = this.#ports.clock.monotonicMs();
    if (ttlMs !== undefined && now - arrivedAt > ttlMs) {
      refuse(request, "too-late");
      return;
    }
    if (this.#halted.has(ws)) {
      refuse(request, "halted");
      return;
    }
    const known = this.workspaces.get(ws);
    if (known === undefined && this.actors.resting.has(ws)) {
      this.#wait(letter);
      return;
    }
    if (known === undefined && !this.#isOurs(ws)) {
      refuse(request, "misrouted");
      return;
    }
    const command = readCommand(request);
    if ("code" in command) {
      request.respond(encodeAnswer(command));
      return;
    }
    const state = known ?? createWorkspace(ws);
    const context = this.#context(payloadHash(request.bytes), letter.fetched);
    let result: TurnResult;
    try {
      result = runTurn(state, command, context);
    } catch (error) {
      this.#halt(ws, error);
      refuse(request, "halted");
      return;
    }
    if (known !== undefined || state.head.seq > 0n) this.actors.use(state, now);
    this.#settleTurn(letter, command, state, result);
  }

  #settleTurn(letter: Letter, command: Command, state: WorkspaceState, result: TurnResult): void {
    const { request } = letter;
    if (result.kind === "fetch") {
      this.#commit(state, result.entries, undefined);
      this.#fetch(request, result);
      return;
    }
    let bytes: Uint8Array;
    try {
      bytes = encodeAnswer(result.answer);
    } catch (error) {
      this.#halt(state.ws, error);
      refuse(request, "halted");
      return;
    }
    if (result.waitsFor === "none") {
      this.#commit(state, result.entries, undefined);
      request.respond(bytes);
      return;
    }
    const committed = this.#commit(state, result.entries, () => request.respond(bytes));
    if (!committed) refuse(request, "halted");
    else if (command.kind === "configure") this.#ports.log.info("configured", { ws: state.ws });
  }

  /** Puts a turn's entries into the next block. @returns false when they cannot be written. */
  #commit(
    state: WorkspaceState,
    entries: readonly SealedEntry[],
    answer: (() => void) | undefined,
  ): boolean {
    if (entries.length === 0 && answer === undefined) return true;
    const changed = entries.some(({ entry }) => entry.kind === "configure" && entry.commit);
    try {
      const config = changed && isConfigured(state) ? configItemsOf(state) : undefined;
      const alarms = alarmsOf(state.ws, entries);
      const onAppended = alarms.length === 0 ? answer : () => this.#alarm(alarms, answer);
      this.#batches.add(state.ws, entries, onAppended, config);
    } catch (error) {
      this.#halt(state.ws, error);
      return false;
    }
    this.#timer.set(state.ws, nextExpiry(state));
    this.#scheduleFlush();
    return true;
  }

  #alarm(alarms: readonly EntryAlarm[], answer: (() => void) | undefined): void {
    answer?.();
    for (const { message, fields } of alarms) this.#ports.log.alarm(message, fields);
  }

  #context(payload: string, fetched: Fetched | undefined): TurnContext {
    const { periodsAt, sha256Hex, salt, clock } = this.#ports;
    const context = {
      now: this.clock.now(),
      recordedAt: Math.floor(clock.wallMs()),
      epoch: this.claim.epoch,
      term: this.#term,
      periodsAt,
      sha256Hex,
      salt,
      payloadHash: payload,
    };
    return fetched === undefined ? context : { ...context, fetched };
  }

  /** Keeps a command until its workspace is in memory. */
  #wait(letter: Letter): void {
    const { request } = letter;
    if (this.#waiting.isFull()) {
      refuse(request, "fail-closed");
      return;
    }
    this.#waiting.push(letter);
    this.actors.want(request.ws);
  }

  #loaded(ws: string, state: WorkspaceState): void {
    if (this.#hasEnded()) return;
    this.#timer.set(ws, nextExpiry(state));
    for (const letter of this.#waiting.take(ws)) this.#deliver(letter);
  }

  #missed(ws: string): void {
    for (const { request } of this.#waiting.take(ws)) refuse(request, "fail-closed");
    const due = this.actors.resting.get(ws)?.nextExpiryAt;
    if (due !== undefined) this.#timer.set(ws, this.clock.now() + LOAD_AGAIN_MS);
  }

  /** The holds of a workspace may be due. */
  #expire(ws: string): void {
    if (this.actors.resting.get(ws)?.nextExpiryAt !== undefined) this.actors.want(ws);
    const state = this.workspaces.get(ws);
    if (state === undefined || this.#halted.has(ws) || this.#ports.mayDecide?.() === false) return;
    if (this.#phase !== "active" || this.#batches.isFull()) {
      this.#timer.set(ws, this.clock.now() + 50);
      return;
    }
    let entries: readonly SealedEntry[];
    try {
      entries = expireDue(state, this.#context("", undefined));
    } catch (error) {
      this.#halt(ws, error);
      return;
    }
    this.#commit(state, entries, undefined);
    this.#timer.set(ws, nextExpiry(state));
  }

  /** Reads from Postgres what memory has forgotten; the command is worked again with it. */
  #fetch(request: ShardRequest, wanted: { authorization?: string; idempotency?: string }): void {
    if (this.#fetching >= FETCHES_MAX) {
      refuse(request, "fail-closed");
      return;
    }
    this.#fetching += 1;
    this.#projection
      .pass()
      .then(() => fetchRecord(this.#ports.records, request.ws, wanted))
      .then(
        (fetched) => this.#deliver({ request, fetched }),
        (error: unknown) => {
          this.#ports.log.warn("a record could not be read from Postgres", { error });
          refuse(request, "fail-closed");
        },
      )
      .finally(() => {
        this.#fetching -= 1;
      });
  }

  /**
   * Sends the next block when what the sockets held has been worked. All of it shares the block: under
   * load a third fewer blocks than sending after each piece that was read, and when idle no later.
   */
  #scheduleFlush(): void {
    if (this.#flushDue || this.#inFlight !== undefined) return;
    this.#flushDue = true;
    setImmediate(() => {
      this.#flushDue = false;
      this.#flush();
    });
  }

  /** Sends the next block, if none is in flight. */
  #flush(): void {
    if (this.#inFlight !== undefined || this.#phase === "ended") return;
    const batch = this.#batches.take();
    if (batch === undefined) return;
    const { shard, era, owner } = this.#place;
    const epoch = this.claim.epoch;
    const header = { epoch, era, number: this.#number + 1, owner, prev: this.#lastBlock, shard };
    const block = encodeBlock(header, batch.lines);
    this.#inFlight = { batch, block, lines: batch.lines.length };
    this.#append(this.#inFlight).catch((error: unknown) => {
      this.#ports.log.alarm("an append broke down", { shard, error });
      this.#finish({ kind: "fault", reason: String(error) });
    });
  }

  async #append(inFlight: InFlight): Promise<void> {
    const { block } = inFlight;
    const outcome = await this.#ports.journal.append(block.bytes, this.#tail, this.claim);
    if (this.#hasEnded()) return;
    if (outcome.kind === "unknown") await this.#resolve(inFlight, outcome.cause);
    else if (outcome.kind === "conflict") this.#conflict(outcome.seq);
    else this.#appended(inFlight);
  }

  /**
   * Finds out what became of an append. Until then nothing else is tried and nothing is answered: the
   * block may be in the journal, and to decide it again would hold the same money twice.
   */
  async #resolve(inFlight: InFlight, cause: unknown): Promise<void> {
    const { shard } = this.#place;
    if (this.#phase === "active") this.#phase = "unresolved";
    this.#refuseMailbox("append-unresolved");
    const startedAt = this.#ports.clock.monotonicMs();
    this.#ports.log.warn("append unresolved", { shard, seq: this.#tail + 1, cause });
    let pauseMs = RESOLVE_MS_MIN;
    while (!this.#hasEnded()) {
      const found = await this.#look(inFlight);
      if (found === "foreign") return this.#conflict(this.#tail + 1);
      if (found === "ours") {
        const tookMs = Math.round(this.#ports.clock.monotonicMs() - startedAt);
        this.#ports.log.warn("append resolved", { shard, seq: this.#tail + 1, took_ms: tookMs });
        if (this.#phase === "unresolved") this.#phase = "active";
        return this.#appended(inFlight);
      }
      await sleep(pauseMs * (0.5 + Math.random()));
      pauseMs = Math.min(pauseMs * 2, RESOLVE_MS_MAX);
    }
  }

  /** Reads tail + 1; where nothing stands, sends the identical block again. */
  async #look(inFlight: InFlight): Promise<"ours" | "foreign" | "unknown"> {
    const { journal } = this.#ports;
    const { bytes } = inFlight.block;
    try {
      const found = await journal.resolve(bytes, this.#tail);
      if (found !== "absent") return found;
    } catch {
      // The leader cannot be read: it is asked again after a pause.
      return "unknown";
    }
    const outcome = await journal.append(bytes, this.#tail, this.claim);
    if (outcome.kind === "appended") return "ours";
    return outcome.kind === "conflict" ? "foreign" : "unknown";
  }

  /** The block is on the disk: its answers may leave. */
  #appended(inFlight: InFlight): void {
    if (this.#hasEnded()) return;
    // Who was stopped between append and acknowledgement wakes to a true acknowledgement, when another
    // owner may long have ended what these answers call open.
    if (this.#ports.mayDecide?.() === false) {
      this.#finish({
        kind: "conflict",
        reason: "the lease ran out before its answers could leave",
      });
      return;
    }
    const { batch, block } = inFlight;
    this.#tail += 1;
    this.#sentSerial = batch.serial;
    this.#number += 1;
    this.#lastBlock = block.hash;
    this.#entries += inFlight.lines;
    this.#inFlight = undefined;
    for (const answer of batch.answers) answer();
    for (const [ws, items] of batch.configs) this.#ports.publishConfig(ws, items);
    this.onAppended?.(this.#tail, batch);
    if (this.#phase === "active") {
      this.#drain();
      if (!this.#batches.isEmpty()) this.#scheduleFlush();
      return;
    }
    this.#flush();
    if (this.#phase === "stopping" && this.#inFlight === undefined) {
      this.#finish({ kind: "stopped" });
    }
  }

  #conflict(seq: StreamSeq): void {
    const { shard } = this.#place;
    const reason = `a foreign message stands at ${seq} where ${this.#tail + 1} was ours to write`;
    this.#ports.log.warn("term ended", { shard, epoch: this.claim.epoch, reason });
    this.#finish({ kind: "conflict", reason });
  }

  #finish(end: TermEnd): void {
    if (this.#phase === "ended") return;
    this.#phase = "ended";
    this.#timer.stop();
    this.actors.stop();
    this.#mailbox.takeAll();
    this.#waiting.takeAll();
    this.#end(end);
  }

  #hasEnded(): boolean {
    return this.#phase === "ended";
  }

  #refuseMailbox(code: OwnerRefusal): void {
    for (const { request } of this.#mailbox.takeAll()) refuse(request, code);
    for (const { request } of this.#waiting.takeAll()) refuse(request, code);
  }

  /**
   * A turn broke a promise: its state can no longer be trusted, and nothing more is decided in this
   * workspace until somebody has looked. What it decided before stands and is still appended.
   */
  #halt(ws: string, error: unknown): void {
    this.actors.drop(ws);
    const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    this.#halted.set(ws, reason);
    this.#alarmHalted(ws, reason);
    for (const { request } of this.#waiting.take(ws)) refuse(request, "halted");
  }

  #alarmHalted(ws: string, reason: string): void {
    this.#ports.log.alarm("workspace halted", { shard: this.#place.shard, ws, reason });
  }

  #isOurs(ws: string): boolean {
    return NAME_PATTERN.test(ws) && shardOf(ws, this.#place.shards) === this.#place.shard;
  }
}
