import { assert } from "../ledger/assert.ts";
import { capKind } from "../ledger/caps.ts";
import type { SealedEntry } from "../ledger/chain.ts";
import type { AuthorizeEntry, Entry, Leg } from "../ledger/entries.ts";
import { idTime } from "../ledger/ids.ts";
import { addUsd, ZERO_USD } from "../ledger/money.ts";
import { applyChanges } from "./configure.ts";
import type { Counter } from "./counters.ts";
import { dueOf, foldRecord, type LifeEntry, movementOf } from "./record.ts";
import { type AuthorizationRecord, isOver, priceTable, type WorkspaceState } from "./state.ts";

/**
 * Folds one entry into the state. The same code runs when an entry is decided and when it is replayed,
 * so recovery decides nothing twice.
 * @throws InvariantError when the entry is not the next of its chain, or its balances are not ours.
 */
export function applyEntry(state: WorkspaceState, sealed: SealedEntry): void {
  const { entry, hash } = sealed;
  assert(entry.ws === state.ws, () => `entry of ${entry.ws} in ${state.ws}`);
  assert(entry.seq === state.head.seq + 1n, () => `entry ${entry.seq} after ${state.head.seq}`);
  assert(
    entry.prev === state.head.hash,
    () => `entry ${entry.seq} does not follow entry ${state.head.seq}`,
  );
  assert(entry.at >= state.time, () => `ledger time goes back at entry ${entry.seq}`);
  assert(entry.epoch >= state.epoch, () => `epoch goes back at entry ${entry.seq}`);
  state.head = { hash, seq: entry.seq };
  state.time = entry.at;
  state.epoch = entry.epoch;
  switch (entry.kind) {
    case "configure":
      applyConfigure(state, entry);
      break;
    case "policy":
      state.policy = entry.policy;
      state.policySeq = entry.seq;
      break;
    case "price":
      state.prices.set(entry.seq, priceTable(entry.seq, entry.price));
      state.priceSeq = entry.seq;
      break;
    case "takeover":
      state.holdsUntil = Math.max(state.holdsUntil, entry.holds_until);
      break;
    case "adjust":
    case "authorize":
    case "expire":
    case "release":
    case "settle":
    case "void":
      applyLife(state, entry, hash);
      break;
  }
}

function applyConfigure(
  state: WorkspaceState,
  entry: Extract<Entry, { readonly kind: "configure" }>,
): void {
  const staged = [...(state.staged.get(entry.stage) ?? []), ...entry.changes];
  if (!entry.commit) {
    state.staged.set(entry.stage, staged);
    return;
  }
  assert(entry.base_seq === state.configSeq, "a commit against another base");
  applyChanges(state, staged);
  state.periodCaps.clear();
  state.staged.clear();
  state.lastStage = entry.stage;
  state.configSeq = entry.seq;
}

function applyLife(state: WorkspaceState, entry: LifeEntry, hash: string): void {
  const before = state.authorizations.get(entry.authorization);
  const isOpening = entry.kind === "authorize" || (entry.kind === "void" && !entry.opened);
  if (before === undefined && !isOpening) {
    // Closed and forgotten before the snapshot: its record stands in Postgres, its balances here.
    for (const leg of entry.legs) setCounter(state, leg, undefined, entry.at);
    return;
  }
  const movement = movementOf(entry, before?.held ?? ZERO_USD);
  for (const leg of entry.legs) setCounter(state, leg, movement, entry.at);
  if (entry.kind === "authorize") assertAdmission(entry);
  const wasFading = before !== undefined && fades(before);
  const wasOpen = before?.state === "open";
  const record = foldRecord(before, entry, hash);
  if (before === undefined) remember(state, record);
  else state.authorizations.set(record.authorization, record);
  // A new call under an idempotency key whose old call was forgotten takes the key over.
  if (record.idempotency !== undefined && before === undefined) {
    state.idempotency.set(record.idempotency, record.authorization);
  }
  if (wasOpen && record.state !== "open") state.openHolds -= 1;
  if (!wasFading && fades(record)) state.fading.push(record.authorization);
}

/** Closed for good, so that memory may forget it; an expiry that was not settled yet is kept. */
function fades(record: AuthorizationRecord): boolean {
  return record.state === "refused" || record.state === "settled" || record.state === "voided";
}

/** R1: after an admit, settled + held ≤ limit on every cap; a refusal holds nothing. */
function assertAdmission(entry: AuthorizeEntry): void {
  if (entry.outcome === "hold") {
    assert(entry.held === 0n, `refused authorization ${entry.authorization} holds money`);
    return;
  }
  for (const leg of entry.legs) {
    const within = leg.limit === undefined || addUsd(leg.settled, leg.held) <= leg.limit;
    assert(within, () => `entry ${entry.seq} admits over ${leg.cap}`);
  }
}

/** Keeps a record in memory, with its due time, and its idempotency key unless a newer call has it. */
export function remember(state: WorkspaceState, record: AuthorizationRecord): void {
  const { authorization, idempotency } = record;
  state.authorizations.set(authorization, record);
  state.newestId = Math.max(state.newestId, idTime(authorization));
  if (idempotency !== undefined && !state.idempotency.has(idempotency)) {
    state.idempotency.set(idempotency, authorization);
  }
  if (record.state === "open") {
    state.openHolds += 1;
    state.expiries.push(dueOf(record));
  }
}

/** Moves one counter to the balance the entry states, which must be the one we come to ourselves. */
function setCounter(
  state: WorkspaceState,
  leg: Leg,
  movement: ReturnType<typeof movementOf> | undefined,
  at: number,
): void {
  const standing = state.counters.get(leg);
  const known = standing === undefined || isOver(standing, at) ? undefined : standing;
  if (movement !== undefined) {
    const agrees =
      leg.held === addUsd(known?.held ?? ZERO_USD, movement.held) &&
      leg.settled === addUsd(known?.settled ?? ZERO_USD, movement.settled);
    assert(
      agrees,
      () => `the balance of ${leg.cap}|${leg.period} is not what its entries add up to`,
    );
  }
  // R1's second half: nothing is ever held below zero.
  assert(leg.held >= 0n, () => `${leg.cap}|${leg.period} holds less than nothing`);
  if (known === undefined) {
    state.counters.set(freshCounter(leg, at));
    return;
  }
  known.held = leg.held;
  known.settled = leg.settled;
  known.lastAt = at;
}

/** A counter that begins with the balance of a leg, at the ledger time of its entry. */
export function freshCounter(leg: Leg, at: number): Counter {
  return {
    cap: leg.cap,
    kind: capKind(leg.cap),
    period: leg.period,
    settled: leg.settled,
    held: leg.held,
    lastAt: at,
  };
}
