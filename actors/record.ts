import { assert } from "../ledger/assert.ts";
import type { AuthorizeEntry, Entry, EntryOf, EntryRef } from "../ledger/entries.ts";
import { addUsd, leastUsd, type NanoUsd, subtractUsd, ZERO_USD } from "../ledger/money.ts";
import { laneKey } from "../ledger/price-card.ts";
import type { Answer, DecidedAnswer } from "./commands.ts";
import type { CounterName } from "./counters.ts";
import type { Due } from "./expiry-queue.ts";
import {
  type AuthorizationRecord,
  type Decided,
  type PostedPart,
  settingsOf,
  type WorkspaceState,
} from "./state.ts";

/**
 * The life of one authorization, folded from its entries:
 *
 *   refused                                            (authorize with outcome hold)
 *   open → settled                                     (settle, final; the rest by release)
 *   open → expired → settled                           (expire, then a late settle)
 *   open → voided → settled                            (void, then a late settle)
 *   voided                                             (void of an id that was never authorized)
 */
export type LifeEntry = Extract<
  Entry,
  { readonly kind: "authorize" | "settle" | "release" | "expire" | "void" | "adjust" }
>;

/** True for entries that belong to one authorization. */
export function isLifeEntry(entry: Entry): entry is LifeEntry {
  return "authorization" in entry;
}

/** The part of the answer that is a pure function of the authorize entry. */
function decidedOf(entry: AuthorizeEntry): Decided {
  const least = leastOver(entry);
  return {
    authorization: entry.authorization,
    config_seq: entry.config_seq,
    held: entry.held,
    outcome: entry.outcome,
    reason: entry.reason,
    rule: entry.rule,
    seq: entry.seq,
    ...(entry.blocked_by === undefined ? {} : { blocked_by: entry.blocked_by }),
    ...(least === undefined ? {} : least),
    ...(entry.failing === undefined
      ? {}
      : { failing: entry.failing.map(({ cap, shortfall }) => ({ cap, shortfall })) }),
    ...(entry.grant === undefined ? {} : { grant: entry.grant }),
    ...(entry.policy_rule === undefined ? {} : { policy_rule: entry.policy_rule }),
  };
}

/** The cap with the least left after the entry, and how much that is. */
function leastOver(entry: AuthorizeEntry): { cap: string; remaining: NanoUsd } | undefined {
  let least: { cap: string; remaining: NanoUsd } | undefined;
  for (const leg of entry.legs) {
    if (leg.limit === undefined) continue;
    const remaining = subtractUsd(leg.limit, addUsd(leg.settled, leg.held));
    if (least === undefined || remaining < least.remaining) least = { cap: leg.cap, remaining };
  }
  return least;
}

/** The record of a new authorization. */
export function openRecord(entry: AuthorizeEntry, hash: string): AuthorizationRecord {
  const refused = entry.outcome === "hold";
  return {
    authorization: entry.authorization,
    opened: { hash, seq: entry.seq },
    decided: decidedOf(entry),
    payloadHash: entry.payload_hash,
    idempotency: entry.idempotency,
    at: entry.at,
    agent: entry.agent,
    run: entry.run,
    lane: laneKey(entry.lane),
    priceSeq: entry.price_seq,
    legs: entry.legs.map(({ cap, period }) => ({ cap, period })),
    state: refused ? "refused" : "open",
    held: entry.held,
    settled: ZERO_USD,
    correctable: undefined,
    returned: ZERO_USD,
    expiresAt: entry.expires_at,
    parts: [],
    closedSeq: refused ? entry.seq : 0n,
  };
}

/** The record of an id that was shut before it was authorized. */
function shutRecord(entry: EntryOf<"void">): AuthorizationRecord {
  return {
    authorization: entry.authorization,
    opened: undefined,
    decided: undefined,
    payloadHash: "",
    idempotency: undefined,
    at: entry.at,
    agent: "",
    run: "",
    lane: "",
    priceSeq: 0n,
    legs: [],
    state: "voided",
    held: ZERO_USD,
    settled: ZERO_USD,
    correctable: undefined,
    returned: ZERO_USD,
    expiresAt: 0,
    parts: [],
    closedSeq: entry.seq,
  };
}

/** The key of an operator's correction: apart from those of settles, which are the gateway's to name. */
export function adjustKey(part: string): string {
  return `adjust:${part}`;
}

function postedPart(entry: EntryOf<"settle"> | EntryOf<"adjust">, part: string): PostedPart {
  const settle = entry.kind === "settle" ? entry : undefined;
  return {
    part,
    seq: entry.seq,
    amount: entry.amount,
    overage: settle?.overage ?? ZERO_USD,
    late: settle?.late ?? false,
    assumed: settle?.basis === "assumed",
    // An operator's correction ends nothing; the measure that follows an assumed final part does.
    final: entry.kind === "settle" ? entry.final : entry.usage !== undefined,
    released: ZERO_USD,
  };
}

/** What an entry moves on every leg of its authorization, given the record before it. */
export function movementOf(
  entry: LifeEntry,
  heldBefore: NanoUsd,
): { readonly held: NanoUsd; readonly settled: NanoUsd } {
  const negative = (amount: NanoUsd) => subtractUsd(ZERO_USD, amount);
  switch (entry.kind) {
    case "authorize":
      return { held: entry.held, settled: ZERO_USD };
    case "settle":
      return { held: negative(leastUsd(entry.amount, heldBefore)), settled: entry.amount };
    case "release":
    case "void":
      return { held: negative(entry.amount), settled: ZERO_USD };
    case "expire":
      return {
        held: negative(entry.amount),
        settled: entry.on_expiry === "capture" ? entry.amount : ZERO_USD,
      };
    case "adjust":
      return { held: ZERO_USD, settled: entry.amount };
  }
}

/**
 * Folds one entry into the record of its authorization. The record before stays as it is: a snapshot
 * that is being written may still read it.
 * @throws InvariantError when the entry cannot follow what the record says.
 */
export function foldRecord(
  before: AuthorizationRecord | undefined,
  entry: LifeEntry,
  hash: string,
): AuthorizationRecord {
  if (entry.kind === "authorize") {
    assert(before === undefined, () => `${entry.authorization} is authorized twice`);
    return openRecord(entry, hash);
  }
  if (before === undefined) {
    assert(entry.kind === "void" && entry.opened === undefined, "an entry without its opening");
    return shutRecord(entry);
  }
  const record = { ...before };
  const movement = movementOf(entry, record.held);
  record.held = addUsd(record.held, movement.held);
  record.settled = addUsd(record.settled, movement.settled);
  assert(record.held >= 0n, () => `${record.authorization} holds less than nothing`);
  switch (entry.kind) {
    case "settle":
      record.parts = [...record.parts, postedPart(entry, entry.part)];
      if (entry.final) {
        record.correctable = entry.basis === "assumed" ? { hash, seq: entry.seq } : undefined;
        // The rest, if there is any, is given back by the release that follows in the same block.
        close(record, "settled", entry.seq);
      }
      break;
    case "release": {
      const last = record.parts.at(-1);
      if (last !== undefined) {
        record.parts = [...record.parts.slice(0, -1), { ...last, released: entry.amount }];
      }
      close(record, "settled", entry.seq);
      break;
    }
    case "expire":
      if (entry.on_expiry === "capture") record.correctable = { hash, seq: entry.seq };
      close(record, "expired", entry.seq);
      break;
    case "void":
      record.returned = entry.amount;
      close(record, "voided", entry.seq);
      break;
    case "adjust":
      foldAdjust(record, entry);
      break;
  }
  return record;
}

function foldAdjust(record: AuthorizationRecord, entry: EntryOf<"adjust">): void {
  const measured = entry.usage !== undefined;
  if (entry.part !== undefined) {
    const part = postedPart(entry, measured ? entry.part : adjustKey(entry.part));
    record.parts = [...record.parts, part];
  }
  if (!measured) return;
  record.correctable = undefined;
  close(record, "settled", entry.seq);
}

function close(
  record: AuthorizationRecord,
  state: AuthorizationRecord["state"],
  seq: bigint,
): void {
  record.state = state;
  record.closedSeq = seq;
}

/** When an open hold is due, as its workspace's queue keeps it. @throws InvariantError for a shut id. */
export function dueOf(record: AuthorizationRecord): Due {
  const { authorization, expiresAt } = record;
  return { authorization, expiresAt, seq: openingOf(record).seq };
}

/** The counter of a call that is a run of its own. */
export function ownRunOf(record: AuthorizationRecord): CounterName | undefined {
  return record.run === record.authorization ? record.legs[0] : undefined;
}

/** Sequence of the last entry of an authorization: what lies behind it may be forgotten. */
export function lastSeqOf(record: AuthorizationRecord): bigint {
  const last = record.parts.at(-1)?.seq ?? 0n;
  return last > record.closedSeq ? last : record.closedSeq;
}

/**
 * What is left of the money an authorization was granted, set aside still or given back since: what a
 * part without a measure or a price settles at (R11).
 */
export function roomOf(record: AuthorizationRecord): NanoUsd {
  if (record.state === "open") return record.held;
  const granted = decisionOf(record).held;
  return subtractUsd(granted, leastUsd(granted, record.settled));
}

/** The decision of an authorization. @throws InvariantError for an id that was shut before it had one. */
export function decisionOf(record: AuthorizationRecord): Decided {
  assert(record.decided !== undefined, () => `${record.authorization} was never decided`);
  return record.decided;
}

/** The answer to an authorize that has its entry, with where the authorization stands now. */
export function decidedAnswerOf(state: WorkspaceState, record: AuthorizationRecord): DecidedAnswer {
  return {
    ...decisionOf(record),
    expires_ms: settingsOf(state).expiry_ms,
    kind: "decided",
    state: record.state,
  };
}

/** The answer to a settle, adjust or void that has its entry. */
export function postedAnswerOf(record: AuthorizationRecord, part: PostedPart): Answer {
  return {
    amount: part.amount,
    authorization: record.authorization,
    kind: "posted",
    released: part.released,
    seq: part.seq,
    state: record.state,
    ...(part.assumed ? { assumed: true } : {}),
    ...(part.late ? { late: true } : {}),
    ...(part.overage > 0n ? { overage: part.overage } : {}),
  };
}

/** The reference by which closing entries name the opening one. @throws InvariantError without one. */
export function openingOf(record: AuthorizationRecord): EntryRef {
  assert(record.opened !== undefined, () => `${record.authorization} was never authorized`);
  return record.opened;
}
