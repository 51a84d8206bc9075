/**
 * Fills the journals of a cluster with entries of the real actor, much faster than a client could: the
 * actor is called in this thread, and its entries go in full blocks through the real journal.
 */
import { hash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import type { Command } from "../../actors/commands.ts";
import { shardOf } from "../../actors/placement.ts";
import { createWorkspace, forget, runTurn, type WorkspaceState } from "../../actors/workspace.ts";
import { type ConnectOptions, connectBus } from "../../bus/connect.ts";
import { randomPool } from "../../bus/random-pool.ts";
import { FIRST_ERA } from "../../bus/subjects.ts";
import { stageChanges, stageCommands } from "../../cli/workspace-files/stage-changes.ts";
import { authorizationId } from "../../ledger/ids.ts";
import type { ConfigChange } from "../../ledger/workspace-config.ts";
import {
  BLOCK_BYTES_MAX,
  encodeBlock,
  HEADER_BYTES_MAX,
  NO_BLOCK_HASH,
} from "../../nodes/block.ts";
import { JetstreamJournal } from "../../nodes/jetstream-journal.ts";
import type { AppendOutcome, Claim } from "../../nodes/journal.ts";
import { saltSource } from "../../nodes/salts.ts";
import { rememberingPeriods } from "../../nodes/zone.ts";
import { buildPriceCard, cardFor, type PriceCard } from "../../prices/card.ts";
import { BOUND, USED } from "../load/holds.ts";

/** A workspace as entries of it are made: with its first agent, by its key. */
export interface MadeWorkspace {
  readonly ws: string;
  readonly agent: string;
  readonly keyId: string;
  readonly changes: readonly ConfigChange[];
  /** Calls to make in it: a hold and its settle each. */
  readonly calls: number;
}

export interface MakeOrder {
  readonly node: ConnectOptions;
  readonly shards: number;
  readonly workspaces: readonly MadeWorkspace[];
}

/** Entries of one call: its hold, its settle and the release of the rest. */
export const CALL_ENTRIES = 3;

/** What was made. */
export interface MadeJournals {
  readonly entries: number;
  readonly bytes: number;
  readonly seconds: number;
}

/** Fills journals that no node owns, in a thread of its own. @throws Error when an append fails */
export function makeJournals(order: MakeOrder): Promise<MadeJournals> {
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: order });
  return new Promise((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
}

const ROOM = BLOCK_BYTES_MAX - HEADER_BYTES_MAX;
/**
 * Ledger time between two calls of a workspace, in ms. Everything made lies in the past, so that the
 * ids of later calls are not stale to it.
 */
const CALL_MS = 20;
/** A workspace forgets what is settled after so many calls, as an owner's housekeeping has it do. */
const FORGET_CALLS = 1_000;

async function make({ node, shards, workspaces }: MakeOrder): Promise<MadeJournals> {
  const startMs = performance.now();
  const appends = await connectBus(node);
  const card = buildPriceCard();
  let entries = 0;
  let bytes = 0;
  for (let shard = 0; shard < shards; shard += 1) {
    const own = workspaces.filter(({ ws }) => shardOf(ws, shards) === shard);
    if (own.length === 0) continue;
    const journal = new JetstreamJournal({ appends, era: FIRST_ERA, replay: appends, shard });
    const claim = await journal.claim(OWNER);
    const maker = new ShardMaker(journal, claim, shard, card);
    await maker.fill(own);
    entries += maker.entries;
    bytes += maker.bytes;
  }
  await appends.close();
  return { bytes, entries, seconds: (performance.now() - startMs) / 1_000 };
}

const OWNER = "bench/maker";

/** One term of one shard, with nobody asking and nobody to answer. */
class ShardMaker {
  entries = 0;
  bytes = 0;
  readonly #journal: JetstreamJournal;
  readonly #claim: Claim;
  readonly #shard: number;
  readonly #card: PriceCard;
  readonly #salt = saltSource();
  readonly #periodsAt = rememberingPeriods();
  readonly #random = randomPool(10);
  #lines: string[] = [];
  #lineBytes = 0;
  #tail: number;
  #number = 0;
  #lastBlock = NO_BLOCK_HASH;
  #appended: Promise<AppendOutcome> | undefined;

  constructor(journal: JetstreamJournal, claim: Claim, shard: number, card: PriceCard) {
    if (claim.epoch !== 1n) throw new Error(`shard ${shard} has been owned before`);
    this.#journal = journal;
    this.#claim = claim;
    this.#shard = shard;
    this.#card = card;
    this.#tail = claim.seq;
  }

  async fill(plans: readonly MadeWorkspace[]): Promise<void> {
    const longest = Math.max(...plans.map(({ calls }) => calls));
    let now = this.#claim.at - (longest + 1) * CALL_MS;
    const states = plans.map(({ ws }) => createWorkspace(ws));
    for (const [i, plan] of plans.entries()) await this.#found(states[i], plan, now);
    for (let call = 0; call < longest; call += 1) {
      now += CALL_MS;
      for (const [i, plan] of plans.entries()) {
        const state = states[i];
        if (state === undefined || call >= plan.calls) continue;
        await this.#call(state, plan, now);
        if (call % FORGET_CALLS === 0) forget(state, state.head.seq, now);
      }
    }
    await this.#send();
    await this.#settled();
  }

  async #found(
    state: WorkspaceState | undefined,
    { changes }: MadeWorkspace,
    now: number,
  ): Promise<void> {
    if (state === undefined) return;
    const lanes = changes.flatMap((change) =>
      change.item === "agent" && change.value !== undefined ? [change.value.lane] : [],
    );
    const staged = stageCommands(stageChanges(changes), { lastReservedBytes: 60_000 });
    for (const [i, part] of staged.entries()) {
      const commit = i === staged.length - 1;
      const price = commit ? { price: cardFor(this.#card, lanes) } : {};
      const head = { base_seq: 0n, by: "bench", commit, stage: "made" } as const;
      await this.#turn(state, { ...head, ...price, changes: part, kind: "configure" }, now);
    }
  }

  async #call(state: WorkspaceState, { agent, keyId }: MadeWorkspace, now: number): Promise<void> {
    const authorization = authorizationId(now, this.#random());
    const hold = { agent, authorization, key: keyId, model: "auto", refinable: false } as const;
    await this.#turn(state, { ...hold, kind: "authorize", usage_bound: BOUND }, now);
    await this.#turn(
      state,
      { authorization, final: true, kind: "settle", part: "1", usage: USED },
      now + CALL_MS / 2,
    );
  }

  async #turn(state: WorkspaceState, command: Command, now: number): Promise<void> {
    const { epoch, at, seq } = this.#claim;
    const { entries, ...result } = runTurn(state, command, {
      epoch,
      now,
      payloadHash: hash("sha256", `${state.ws} ${state.head.seq}`),
      periodsAt: this.#periodsAt,
      recordedAt: now,
      salt: this.#salt,
      sha256Hex: (text) => hash("sha256", text),
      term: { claimAt: at, claimSeq: BigInt(seq), owner: OWNER },
    });
    const answer = result.kind === "answered" ? result.answer.kind : result.kind;
    if (entries.length === 0) throw new Error(`${command.kind} of ${state.ws} came to ${answer}`);
    const bytes = entries.reduce((sum, { line }) => sum + Buffer.byteLength(line) + 1, 0);
    if (this.#lineBytes + bytes > ROOM) await this.#send();
    for (const { line } of entries) this.#lines.push(line);
    this.#lineBytes += bytes;
    this.entries += entries.length;
    this.bytes += bytes;
  }

  /** Sends the block that is full. One is in flight, while the next is made. */
  async #send(): Promise<void> {
    await this.#settled();
    if (this.#lines.length === 0) return;
    this.#number += 1;
    const { bytes, hash: blockHash } = encodeBlock(
      {
        epoch: this.#claim.epoch,
        era: FIRST_ERA,
        number: this.#number,
        owner: OWNER,
        prev: this.#lastBlock,
        shard: this.#shard,
      },
      this.#lines,
    );
    this.#lines = [];
    this.#lineBytes = 0;
    this.#lastBlock = blockHash;
    this.#appended = this.#journal.append(bytes, this.#tail, this.#claim);
    // It is awaited before the next is sent.
    this.#appended.catch(() => undefined);
  }

  async #settled(): Promise<void> {
    const outcome = await this.#appended;
    this.#appended = undefined;
    if (outcome === undefined) return;
    if (outcome.kind !== "appended") throw new Error(`an append was ${outcome.kind}`);
    this.#tail = outcome.seq;
  }
}

if (!isMainThread) parentPort?.postMessage(await make(workerData as MakeOrder));
