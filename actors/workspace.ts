/**
 * The workspace actor: a mailbox worked strictly in order, over the cap actors that meet in it.
 *
 *   new          no entry yet: everything but a first `configure` is refused without an entry
 *   configured   commands are decided; each turn first emits the expiries that are due
 *   next term    another owner's first turn begins with a `takeover` entry (R13)
 *
 * One turn: expire what is due → decide → seal → apply. A turn is a function of state, command and
 * context; nothing in it waits. Its entries are in force in memory when it returns, and its answer
 * leaves only when they are on disk.
 */
import { assert, unreachable } from "../ledger/assert.ts";
import { type SealedEntry, sealEntry } from "../ledger/chain.ts";
import { decodeOwnEntry } from "../ledger/codec.ts";
import type { EntryBody, EntryBodyOf } from "../ledger/entries.ts";
import { idTime } from "../ledger/ids.ts";
import { applyEntry, freshCounter, remember } from "./apply.ts";
import { decideAuthorize, ID_PAST_MS } from "./authorize.ts";
import { decideAdjust, decideVoid, expireBody, renew, voidStanding } from "./closing.ts";
import type { Answer, Command } from "./commands.ts";
import { decideConfigure } from "./configure.ts";
import { inspect } from "./inspect.ts";
import {
  decidedAnswerOf,
  decisionOf,
  dueOf,
  foldRecord,
  isLifeEntry,
  type LifeEntry,
  lastSeqOf,
  ownRunOf,
  postedAnswerOf,
} from "./record.ts";
import { refusal } from "./refusal.ts";
import { decideSettle } from "./settle.ts";
import { type AuthorizationRecord, isConfigured, isOver, type WorkspaceState } from "./state.ts";
import type { Fetched, TurnContext, TurnResult } from "./turn.ts";

export { createWorkspace, isConfigured, type WorkspaceState } from "./state.ts";

/** R13: after a claim every open hold lives at least this long, in ms. */
export const TAKEOVER_GRACE_MS = 30_000;
/** Who commits a freeze after an overage: the actor itself. */
export const OVERAGE_AUTHOR = "tarmac:overage";
/** Unsettled ends are kept in memory at most this long, in ms. */
const UNSETTLED_KEPT_MS = 400 * 24 * 3_600_000;

/** What expiries need of a turn's context. */
export type TermContext = Omit<TurnContext, "payloadHash" | "fetched">;

/** Works one command. The state is already moved on when it returns. @throws InvariantError */
export function runTurn(state: WorkspaceState, command: Command, given: TurnContext): TurnResult {
  // Ledger time never goes back, whatever the clock says.
  const context = given.now >= state.time ? given : { ...given, now: state.time };
  if (command.kind === "inspect") {
    return {
      kind: "answered",
      answer: inspect(state, command, context.now),
      entries: [],
      waitsFor: "none",
    };
  }
  if (!isConfigured(state) && command.kind !== "configure") {
    const message = `There is no workspace "${state.ws}". Make it with tarmac apply.`;
    return answered(refusal("not-configured", message), []);
  }
  const entries: SealedEntry[] = [...expireDue(state, context)];
  if (context.fetched !== undefined) restore(state, context.fetched, context);
  if (command.kind === "renew") return answered(renew(state, command, context.now), entries);
  const decision = decide(state, command, context);
  if (decision.kind === "fetch") return { ...decision, entries };
  if (decision.kind === "answer") return answered(decision.answer, entries);
  takeOver(state, context, entries);
  const sealed: SealedEntry[] = [];
  for (const body of decision.bodies) sealed.push(append(state, body, context, entries));
  for (const body of consequences(state, sealed)) append(state, body, context, entries);
  return answered(answerOf(state, command, sealed), entries);
}

function answered(answer: Answer, entries: readonly SealedEntry[]): TurnResult {
  return { kind: "answered", answer, entries, waitsFor: "block" };
}

/** What a command comes to, before anything is applied. */
function decide(
  state: WorkspaceState,
  command: Exclude<Command, { kind: "inspect" | "renew" }>,
  context: TurnContext,
):
  | { readonly kind: "entries"; readonly bodies: readonly EntryBody[] }
  | { readonly kind: "answer"; readonly answer: Answer }
  | { readonly kind: "fetch"; readonly authorization?: string; readonly idempotency?: string } {
  switch (command.kind) {
    case "authorize":
      return decideAuthorize(state, command, context);
    case "settle":
      return decideSettle(state, command, context);
    case "void":
      return decideVoid(state, command, context);
    case "adjust":
      return decideAdjust(state, command, context);
    case "configure":
      return decideConfigure(state, command, context);
    default:
      return unreachable(command);
  }
}

/** Seals a body behind the head, applies it, and adds it to the turn's entries. */
function append(
  state: WorkspaceState,
  body: EntryBody,
  context: TermContext,
  entries: SealedEntry[],
): SealedEntry {
  const sealed = sealEntry(
    state.head,
    body,
    {
      ws: state.ws,
      epoch: context.epoch,
      at: context.now,
      recordedAt: context.recordedAt,
      salt: context.salt(),
    },
    context.sha256Hex,
  );
  applyEntry(state, sealed);
  entries.push(sealed);
  return sealed;
}

/** The first entry of a new term in this workspace says whose term it is. */
function takeOver(state: WorkspaceState, context: TermContext, entries: SealedEntry[]): void {
  if (state.head.seq === 0n || state.epoch >= context.epoch) return;
  const { owner, claimSeq, claimAt } = context.term;
  const body: EntryBodyOf<"takeover"> = {
    claim_seq: claimSeq,
    holds_until: claimAt + TAKEOVER_GRACE_MS,
    kind: "takeover",
    owner,
  };
  append(state, body, context, entries);
}

/**
 * What follows from the entries of a turn: an overage freezes an agent that is set so (R10).
 * @throws InvariantError when memory lacks what was just settled
 */
export function consequences(state: WorkspaceState, sealed: readonly SealedEntry[]): EntryBody[] {
  const bodies: EntryBody[] = [];
  for (const { entry } of sealed) {
    if (entry.kind !== "settle" || entry.overage === 0n) continue;
    // A late part has no money set aside any more; what counts is what was granted.
    const record = state.authorizations.get(entry.authorization);
    assert(record !== undefined, "an authorization that was just settled is not in memory");
    if (record.settled <= decisionOf(record).held) continue;
    const agent = state.config.agents.get(entry.agent);
    if (agent === undefined || agent.frozen || agent.on_overage !== "freeze") continue;
    bodies.push({
      base_seq: state.configSeq,
      by: OVERAGE_AUTHOR,
      changes: [{ id: entry.agent, item: "agent", value: { ...agent, frozen: true } }],
      commit: true,
      kind: "configure",
      stage: `overage-${entry.seq}`,
    });
  }
  return bodies;
}

/** The answer that stands on the entries a command has just made. */
function answerOf(state: WorkspaceState, command: Command, sealed: readonly SealedEntry[]): Answer {
  const last = sealed.at(-1);
  assert(last !== undefined, "a decision without entries");
  if (command.kind === "configure") return { kind: "configured", seq: last.entry.seq };
  assert("authorization" in command, `no answer for ${command.kind}`);
  const record = state.authorizations.get(command.authorization);
  assert(record !== undefined, "an authorization that was just written is not in memory");
  if (command.kind === "authorize") return decidedAnswerOf(state, record);
  if (command.kind === "void") return voidStanding(record);
  const part = record.parts.at(-1);
  assert(part !== undefined, "a posted part is not in memory");
  return postedAnswerOf(record, part);
}

/**
 * Emits the expiries that are due, in (expires_at, seq) order. Never early; a hold that was renewed
 * goes back into the queue.
 */
export function expireDue(state: WorkspaceState, given: TermContext): readonly SealedEntry[] {
  const context = given.now >= state.time ? given : { ...given, now: state.time };
  const entries: SealedEntry[] = [];
  for (;;) {
    const due = state.expiries.peek();
    if (due === undefined || due.expiresAt > context.now) return entries;
    state.expiries.pop();
    const record = state.authorizations.get(due.authorization);
    if (record === undefined || record.state !== "open") continue;
    record.expiresAt = Math.max(record.expiresAt, graceOf(state, record, context));
    // Renewed, or in grace: it takes its new place, which others that are due may stand before.
    if (record.expiresAt > due.expiresAt) {
      state.expiries.push(dueOf(record));
      continue;
    }
    takeOver(state, context, entries);
    append(state, expireBody(state, record, context.now), context, entries);
  }
}

/** R13: a hold of an earlier term lives at least until the claim's time + 30 s. */
function graceOf(state: WorkspaceState, record: AuthorizationRecord, context: TermContext): number {
  if (record.at >= context.term.claimAt) return 0;
  return Math.max(state.holdsUntil, context.term.claimAt + TAKEOVER_GRACE_MS);
}

/** When the next hold may be due, ms; `undefined` when none is open. May be early, never late. */
export function nextExpiry(state: WorkspaceState): number | undefined {
  return state.expiries.peek()?.expiresAt;
}

/** Folds an entry that was read back from the journal. @throws InvariantError */
export function replayEntry(state: WorkspaceState, sealed: SealedEntry): void {
  applyEntry(state, sealed);
}

/** After replay: open holds live at least until the claim's time + 30 s (R13). */
export function beginTerm(state: WorkspaceState, claimAt: number): void {
  state.holdsUntil = Math.max(state.holdsUntil, claimAt + TAKEOVER_GRACE_MS);
}

/** Brings back the record of an authorization that memory has forgotten. */
function restore(state: WorkspaceState, fetched: Fetched, context: TurnContext): void {
  if (fetched.lines.length === 0 || state.authorizations.has(fetched.authorization)) return;
  let record: AuthorizationRecord | undefined;
  let last: LifeEntry | undefined;
  for (const line of fetched.lines) {
    const entry = decodeOwnEntry(line);
    assert(entry.ws === state.ws && isLifeEntry(entry), "a fetched entry of something else");
    record = foldRecord(record, entry, context.sha256Hex(line));
    last = entry;
  }
  assert(record !== undefined && last !== undefined, "what was fetched has entries");
  assert(record.state !== "open", "an open hold is always in memory");
  remember(state, record);
  state.fading.push(record.authorization);
  restoreOwnRun(state, record, last);
}

/**
 * A call that is a run of its own has no counter once it is forgotten. Nothing else moves that counter,
 * so the last entry of the call states its balance.
 */
function restoreOwnRun(state: WorkspaceState, record: AuthorizationRecord, last: LifeEntry): void {
  const own = ownRunOf(record);
  if (own === undefined || state.counters.get(own) !== undefined) return;
  for (const leg of last.legs) {
    if (leg.cap === own.cap && leg.period === own.period)
      state.counters.set(freshCounter(leg, last.at));
  }
}

/**
 * Drops closed records that are older than any repeat may be and lie behind the projection's durable
 * position, and run counters that are over.
 */
export function forget(state: WorkspaceState, durableSeq: bigint, now: number): void {
  let passed = 0;
  for (const authorization of state.fading) {
    const record = state.authorizations.get(authorization);
    if (record !== undefined) {
      if (lastSeqOf(record) > durableSeq) break;
      if (Math.max(idTime(authorization), record.at) + ID_PAST_MS >= now) break;
      drop(state, record);
    }
    passed += 1;
  }
  state.fading.splice(0, passed);
}

/** Drops what only time ends: run counters after 35 days, ends that were never settled after 400. */
export function forgetOld(state: WorkspaceState, durableSeq: bigint, now: number): void {
  for (const counter of state.counters.values()) {
    if (isOver(counter, now)) state.counters.delete(counter);
  }
  for (const record of state.authorizations.values()) {
    if (record.state !== "expired" || lastSeqOf(record) > durableSeq) continue;
    if (record.at + UNSETTLED_KEPT_MS < now) drop(state, record);
  }
}

function drop(state: WorkspaceState, record: AuthorizationRecord): void {
  const { authorization, idempotency } = record;
  state.authorizations.delete(authorization);
  if (idempotency !== undefined && state.idempotency.get(idempotency) === authorization) {
    state.idempotency.delete(idempotency);
  }
  const own = ownRunOf(record);
  if (own !== undefined) state.counters.delete(own);
}
