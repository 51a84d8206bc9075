/**
 * What one transaction of the projector writes for one shard, folded from verified entries as they
 * come. Receipts are deltas, added to what the table has: the position moves in the same transaction,
 * so each entry is added exactly once.
 */
import { assert } from "../ledger/assert.ts";
import type { EntryKind } from "../ledger/entries.ts";

/**
 * The wire form of an entry, as far as the projection reads it. It is not read through the schema: the
 * hash chain proves that these are the bytes an owner wrote, and an owner writes through the schema.
 * (A full decode of a 2 KB entry takes five times as long as JSON.parse and the hash together.)
 */
export interface WireEntry {
  readonly kind: EntryKind;
  readonly ws: string;
  readonly seq: string;
  readonly prev: string;
  readonly at: string;
  readonly epoch: string;
  readonly authorization?: string;
  readonly agent?: string;
  readonly run?: string;
  readonly legs?: readonly WireLeg[];
  /** Of settle, release, expire, void and adjust. */
  readonly amount?: string;
  /** Of authorize. */
  readonly held?: string;
  readonly outcome?: string;
  readonly rule?: string;
  readonly reason?: string;
  readonly key?: string;
  readonly tool?: string;
  readonly priority?: string;
  readonly model?: string;
  readonly idempotency?: string;
  readonly grant?: { readonly model: string; readonly provider: string; readonly tier: string };
  /** Of settle. */
  readonly final?: boolean;
  readonly late?: boolean;
  readonly basis?: string;
  readonly overage?: string;
  /** Of expire. */
  readonly on_expiry?: string;
  /** Of adjust: present when a late measure corrected what was assumed. */
  readonly usage?: object;
  /** Of configure. */
  readonly commit?: boolean;
  readonly stage?: string;
  readonly base_seq?: string;
  readonly policy?: object;
  readonly price?: object;
}

interface WireLeg {
  readonly cap: string;
  readonly period: string;
  readonly settled: string;
  readonly held: string;
  readonly limit?: string;
  readonly pace?: string;
}

/**
 * One entry as it goes into `entries` and out to watchers. Of the parsed entry nothing else is kept: it
 * is dead before the collector's first round, and a batch of them would not be.
 */
export interface EntryRow {
  readonly ws: string;
  readonly seq: string;
  readonly kind: EntryKind;
  readonly at: string;
  readonly epoch: string;
  readonly authorization: string | undefined;
  readonly agent: string | undefined;
  readonly run: string | undefined;
  readonly idempotency: string | undefined;
  readonly line: string;
  /** SHA-256 of the line, hex. */
  readonly hash: string;
  readonly streamSeq: number;
  /** When its block was stored in the journal, ms since 1970. */
  readonly storedAt: number;
}

/** Where an entry was found, and what it is known by. */
export interface EntrySource {
  readonly line: string;
  readonly hash: string;
  readonly streamSeq: number;
  readonly storedAt: number;
}

/** What an authorize entry says of its receipt. */
export interface Opening {
  readonly seq: bigint;
  readonly held: bigint;
  readonly outcome: string | undefined;
  readonly rule: string | undefined;
  readonly reason: string | undefined;
  readonly agent: string | undefined;
  readonly run: string | undefined;
  readonly key: string | undefined;
  readonly tool: string | undefined;
  readonly priority: string | undefined;
  readonly model: string | undefined;
  readonly grantedModel: string | undefined;
  readonly provider: string | undefined;
  readonly tier: string | undefined;
}

/** What the entries of one batch add to one receipt. Amounts in nano-USD. */
export interface ReceiptDelta {
  readonly ws: string;
  readonly authorization: string;
  /** The authorize entry, when it is in this batch. */
  opening: Opening | undefined;
  /** Where it stands after the batch; absent when no entry of the batch says. */
  state: string | undefined;
  open: bigint;
  settled: bigint;
  released: bigint;
  overage: bigint;
  assumed: boolean | undefined;
  late: boolean;
  readonly firstAt: string;
  lastSeq: bigint;
  closedSeq: bigint | undefined;
  closedAt: string | undefined;
}

/** A counter after the last entry of the batch that moved it. */
export interface BalanceRow {
  readonly ws: string;
  readonly cap: string;
  readonly period: string;
  settled: string;
  held: string;
  /** Only decisions say what limits: without one in the batch the table keeps what it has. */
  limitKnown: boolean;
  limit: string | undefined;
  pace: string | undefined;
  seq: string;
  at: string;
}

/** The end of a workspace's chain, as the projection has verified it. */
export interface ProjectedHead {
  readonly seq: bigint;
  /** SHA-256 of the entry at seq, hex. */
  readonly hash: string;
  readonly epoch: bigint;
  /** Ledger time as it is written, which sorts as it reads. */
  readonly at: string;
}

/** Where a projection stands in a journal. */
export interface Position {
  readonly streamSeq: number;
  /** SHA-256 of the last block up to there, hex; 64 zeros before the first. */
  readonly blockHash: string;
  readonly epoch: bigint;
}

/** Everything between two positions of one shard. */
export class Batch {
  readonly shard: number;
  readonly from: Position;
  to: Position;
  readonly rows: EntryRow[] = [];
  readonly receipts = new Map<string, ReceiptDelta>();
  readonly balances = new Map<string, BalanceRow>();
  readonly heads = new Map<string, ProjectedHead>();
  /** Entries that make configuration count: commits, policies, prices. */
  readonly configuration: WireEntry[] = [];

  /** Length of all lines, in UTF-16 units. */
  length = 0;
  #spoiled = false;

  constructor(shard: number, from: Position) {
    this.shard = shard;
    this.from = from;
    this.to = from;
  }

  /** Nothing is to be written: not even a block without entries, or a claim, has come. */
  get isEmpty(): boolean {
    return this.#spoiled || this.to.streamSeq === this.from.streamSeq;
  }

  /** A part of a block is in the batch: it must not be written. */
  spoil(): void {
    this.#spoiled = true;
  }

  /** Adds one verified entry. Entries of a workspace come in the order of their sequence. */
  add(entry: WireEntry, source: EntrySource, head: ProjectedHead): void {
    const { ws, seq, kind, at, epoch, authorization, agent, run, idempotency } = entry;
    const { line, hash, streamSeq, storedAt } = source;
    this.rows.push({
      ws,
      seq,
      kind,
      at,
      epoch,
      authorization,
      agent,
      run,
      idempotency,
      line,
      hash,
      streamSeq,
      storedAt,
    });
    this.length += line.length;
    this.heads.set(entry.ws, head);
    if (entry.authorization !== undefined) foldReceipt(this.#receipt(entry), entry);
    for (const leg of entry.legs ?? []) foldLeg(this.balances, entry, leg);
    if (isConfiguration(entry)) this.configuration.push(entry);
  }

  #receipt(entry: WireEntry): ReceiptDelta {
    const { ws, authorization } = entry;
    assert(authorization !== undefined, "a receipt without an authorization");
    const key = `${ws}|${authorization}`;
    let delta = this.receipts.get(key);
    if (delta === undefined) {
      delta = {
        ws,
        authorization,
        opening: undefined,
        state: undefined,
        open: 0n,
        settled: 0n,
        released: 0n,
        overage: 0n,
        assumed: undefined,
        late: false,
        firstAt: entry.at,
        lastSeq: BigInt(entry.seq),
        closedSeq: undefined,
        closedAt: undefined,
      };
      this.receipts.set(key, delta);
    }
    return delta;
  }
}

function isConfiguration(entry: WireEntry): boolean {
  if (entry.kind === "configure") return entry.commit === true;
  return entry.kind === "policy" || entry.kind === "price";
}

function openingOf(entry: WireEntry): Opening {
  const { outcome, rule, reason, agent, run, key, tool, priority, model, grant } = entry;
  return {
    seq: BigInt(entry.seq),
    held: BigInt(entry.held ?? "0"),
    outcome,
    rule,
    reason,
    agent,
    run,
    key,
    tool,
    priority,
    model,
    grantedModel: grant?.model,
    provider: grant?.provider,
    tier: grant?.tier,
  };
}

/** Follows `foldRecord` of actors/record.ts, as sums that need not know what was before. */
function foldReceipt(delta: ReceiptDelta, entry: WireEntry): void {
  const amount = BigInt(entry.amount ?? "0");
  delta.lastSeq = BigInt(entry.seq);
  switch (entry.kind) {
    case "authorize":
      delta.opening = openingOf(entry);
      delta.open += delta.opening.held;
      if (entry.outcome === "hold") close(delta, "refused", entry);
      else delta.state = "open";
      break;
    case "settle": {
      const overage = BigInt(entry.overage ?? "0");
      delta.open -= amount - overage;
      delta.settled += amount;
      delta.overage += overage;
      delta.late ||= entry.late === true;
      if (entry.final === true) {
        delta.assumed = entry.basis === "assumed";
        close(delta, "settled", entry);
      }
      break;
    }
    case "release":
      delta.open -= amount;
      delta.released += amount;
      close(delta, "settled", entry);
      break;
    case "expire":
      delta.open -= amount;
      if (entry.on_expiry === "capture") delta.settled += amount;
      else delta.released += amount;
      close(delta, "expired", entry);
      break;
    case "void":
      delta.open -= amount;
      delta.released += amount;
      close(delta, "voided", entry);
      break;
    case "adjust":
      delta.settled += amount;
      if (entry.usage !== undefined) {
        delta.assumed = false;
        close(delta, "settled", entry);
      }
      break;
    case "configure":
    case "policy":
    case "price":
    case "takeover":
      break;
  }
}

function close(delta: ReceiptDelta, state: string, entry: WireEntry): void {
  delta.state = state;
  delta.closedSeq = BigInt(entry.seq);
  delta.closedAt = entry.at;
}

/** True for the counter of a run of one call, which its receipt says as well. */
function isSingleCall(leg: WireLeg): boolean {
  return leg.period.startsWith("auth_") && leg.cap.endsWith("/run");
}

function foldLeg(balances: Map<string, BalanceRow>, entry: WireEntry, leg: WireLeg): void {
  if (isSingleCall(leg)) return;
  const key = `${entry.ws}|${leg.cap}|${leg.period}`;
  const decided = entry.kind === "authorize";
  const known = balances.get(key);
  if (known === undefined) {
    balances.set(key, {
      ws: entry.ws,
      cap: leg.cap,
      period: leg.period,
      settled: leg.settled,
      held: leg.held,
      limitKnown: decided,
      limit: leg.limit,
      pace: leg.pace,
      seq: entry.seq,
      at: entry.at,
    });
    return;
  }
  known.settled = leg.settled;
  known.held = leg.held;
  known.seq = entry.seq;
  known.at = entry.at;
  if (!decided) return;
  known.limitKnown = true;
  known.limit = leg.limit;
  known.pace = leg.pace;
}
