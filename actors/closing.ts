import type { EntryBodyOf } from "../ledger/entries.ts";
import { CALL_USD_MAX, subtractUsd, ZERO_USD } from "../ledger/money.ts";
import type { AdjustCommand, Answer, PostedAnswer, RenewCommand, VoidCommand } from "./commands.ts";
import { adjustKey, dueOf, openingOf, postedAnswerOf } from "./record.ts";
import { refusal } from "./refusal.ts";
import { type AdviceDecision, legsOf, standing, unknownAuthorization } from "./settle.ts";
import { type AuthorizationRecord, settingsOf, type WorkspaceState } from "./state.ts";
import type { TurnContext } from "./turn.ts";

/**
 * Decides a void: it ends an open hold unspent, and shuts an id that was never authorized, so that an
 * authorize still on its way cannot place a hold that nobody waits for.
 */
export function decideVoid(
  state: WorkspaceState,
  command: VoidCommand,
  context: TurnContext,
): AdviceDecision {
  const { authorization, reason } = command;
  const record = state.authorizations.get(authorization);
  if (record === undefined) {
    if (context.fetched === undefined) return { kind: "fetch", authorization };
    const shut: EntryBodyOf<"void"> = {
      amount: ZERO_USD,
      authorization,
      kind: "void",
      legs: [],
      reason,
    };
    return { kind: "entries", bodies: [shut] };
  }
  if (record.state !== "open") return { kind: "answer", answer: voidStanding(record) };
  const body: EntryBodyOf<"void"> = {
    agent: record.agent,
    amount: record.held,
    authorization,
    kind: "void",
    legs: legsOf(
      state,
      record,
      { held: subtractUsd(ZERO_USD, record.held), settled: ZERO_USD },
      context.now,
    ),
    opened: openingOf(record),
    reason,
    run: record.run,
  };
  return { kind: "entries", bodies: [body] };
}

/** A void of what is closed does nothing: it says what the void that closed it gave back, if one did. */
export function voidStanding(record: AuthorizationRecord): PostedAnswer {
  const released = record.state === "voided" ? record.returned : ZERO_USD;
  return { ...standing(record), released };
}

/** Decides an operator's correction: a reversing entry that names what it corrects (R12). */
export function decideAdjust(
  state: WorkspaceState,
  command: AdjustCommand,
  context: TurnContext,
): AdviceDecision {
  const { authorization } = command;
  const record = state.authorizations.get(authorization);
  if (record === undefined && context.fetched === undefined)
    return { kind: "fetch", authorization };
  if (record === undefined || record.opened === undefined)
    return unknownAuthorization(authorization);
  const key = adjustKey(command.part);
  const posted = record.parts.find((known) => known.part === key);
  if (posted !== undefined) return { kind: "answer", answer: postedAnswerOf(record, posted) };
  const after = record.settled + command.amount;
  if (after < 0n || after > CALL_USD_MAX) {
    const mistake =
      after < 0n
        ? `would take back more than the ${record.settled} nano-USD that ${authorization} has spent.`
        : `would bring what ${authorization} has spent above ${CALL_USD_MAX} nano-USD, which no call costs.`;
    const answer = refusal("bad-request", `amount: ${mistake}`, { authorization });
    return { kind: "answer", answer };
  }
  const { opened } = record;
  const body: EntryBodyOf<"adjust"> = {
    agent: record.agent,
    amount: command.amount,
    authorization,
    by: command.by,
    corrects: opened,
    kind: "adjust",
    legs: legsOf(state, record, { held: ZERO_USD, settled: command.amount }, context.now),
    opened,
    part: command.part,
    reason: command.reason,
    run: record.run,
  };
  return { kind: "entries", bodies: [body] };
}

/**
 * Gives open holds another term of life. Renewals are memory only (R7); ids that are no longer open
 * come back with where they stand, so that a gateway stops what it has no hold for.
 */
export function renew(state: WorkspaceState, command: RenewCommand, now: number): Answer {
  const { expiry_ms: expiryMs } = settingsOf(state);
  const ended: Extract<Answer, { kind: "renewed" }>["ended"][number][] = [];
  let renewed = 0;
  for (const authorization of command.authorizations) {
    const record = state.authorizations.get(authorization);
    if (record === undefined || record.state !== "open") {
      ended.push({ authorization, state: record?.state ?? "unknown" });
      continue;
    }
    prolong(state, record, now + expiryMs);
    renewed += 1;
  }
  return { ended, expires_ms: expiryMs, kind: "renewed", renewed };
}

/** Moves the end of an open hold. The queue finds out later ends by itself; a sooner one it is told. */
function prolong(state: WorkspaceState, record: AuthorizationRecord, expiresAt: number): void {
  const sooner = expiresAt < record.expiresAt;
  record.expiresAt = expiresAt;
  if (sooner) state.expiries.push(dueOf(record));
}

/** The expiry of one hold that is due: released, or captured where its agent is set so (R8). */
export function expireBody(
  state: WorkspaceState,
  record: AuthorizationRecord,
  now: number,
): EntryBodyOf<"expire"> {
  const onExpiry = state.config.agents.get(record.agent)?.on_expiry ?? "release";
  const captured = onExpiry === "capture" ? record.held : ZERO_USD;
  return {
    agent: record.agent,
    amount: record.held,
    authorization: record.authorization,
    due_at: record.expiresAt,
    kind: "expire",
    legs: legsOf(
      state,
      record,
      { held: subtractUsd(ZERO_USD, record.held), settled: captured },
      now,
    ),
    on_expiry: onExpiry,
    opened: openingOf(record),
    run: record.run,
  };
}
