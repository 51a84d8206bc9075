import { costOfUsage } from "../ledger/cost.ts";
import type { EntryBody, EntryBodyOf, EntryRef } from "../ledger/entries.ts";
import {
  addUsd,
  type ExactCost,
  formatExactCost,
  isCallCost,
  leastUsd,
  type NanoUsd,
  settleAmount,
  subtractUsd,
  ZERO_USD,
} from "../ledger/money.ts";
import { type ModelPrice, modelKey, type Tier } from "../ledger/price-card.ts";
import { type Usage, usageOf } from "../ledger/usage.ts";
import { legOf, type Movement } from "./cap.ts";
import type { Answer, PostedAnswer, SettleCommand } from "./commands.ts";
import { decisionOf, openingOf, postedAnswerOf, roomOf } from "./record.ts";
import { refusal } from "./refusal.ts";
import {
  type AuthorizationRecord,
  type PriceTable,
  pricesAt,
  readCounter,
  type WorkspaceState,
} from "./state.ts";
import type { TurnContext } from "./turn.ts";

/** What a settle, void, adjust or renew comes to, before anything is applied. */
export type AdviceDecision =
  | { readonly kind: "entries"; readonly bodies: readonly EntryBody[] }
  | { readonly kind: "answer"; readonly answer: Answer }
  | { readonly kind: "fetch"; readonly authorization: string };

/** The refusal of an advice for an id that neither memory nor Postgres knows. */
export function unknownAuthorization(authorization: string): AdviceDecision {
  const message = `No authorization ${authorization} in this workspace: nothing was posted.`;
  return {
    kind: "answer",
    answer: refusal("unknown-authorization", message, { authorization }),
  };
}

/** A settle at the prices of its hold. */
interface Measured {
  readonly amount: NanoUsd;
  readonly basis: "measured";
  readonly model: string;
  readonly pico: string;
  readonly usage: Usage;
  readonly tier?: Tier;
  readonly cost_now?: NanoUsd;
}

/** A settle at what is left of its hold: there is no measure, or no price for it. */
interface Assumed {
  readonly amount: NanoUsd;
  readonly basis: "assumed";
  readonly model?: string;
  readonly usage?: Usage;
  readonly unpriced?: boolean;
}

/**
 * Decides a settle. It is an advice: it always posts (R9, R10), once per part (R11), against the
 * periods of its hold (R4), at the prices its hold names.
 */
export function decideSettle(
  state: WorkspaceState,
  command: SettleCommand,
  context: TurnContext,
): AdviceDecision {
  const record = state.authorizations.get(command.authorization);
  const { authorization } = command;
  if (record === undefined && context.fetched === undefined)
    return { kind: "fetch", authorization };
  if (record === undefined || record.opened === undefined)
    return unknownAuthorization(authorization);
  const posted = record.parts.find((known) => known.part === command.part);
  if (posted !== undefined) return { kind: "answer", answer: postedAnswerOf(record, posted) };
  if (command.usage === undefined && !command.final) {
    const message = "usage: is missing; a settle that is not final must say what was used.";
    return { kind: "answer", answer: refusal("bad-request", message, { authorization }) };
  }
  if (command.final && record.correctable !== undefined) {
    return correct(state, record, command, context, record.correctable);
  }
  const firstFinal = record.parts.find((known) => known.final);
  if (command.final && firstFinal !== undefined) {
    return { kind: "answer", answer: postedAnswerOf(record, firstFinal) };
  }
  return { kind: "entries", bodies: post(state, record, command, context) };
}

/** Posts one part, and with the final one gives back what is left of the hold. */
function post(
  state: WorkspaceState,
  record: AuthorizationRecord,
  command: SettleCommand,
  context: TurnContext,
): EntryBody[] {
  const priced = priceSettle(state, record, command);
  const opened = openingOf(record);
  const moved = leastUsd(priced.amount, record.held);
  const movement = { held: subtractUsd(ZERO_USD, moved), settled: priced.amount };
  const settle: EntryBodyOf<"settle"> = {
    agent: record.agent,
    authorization: record.authorization,
    final: command.final,
    kind: "settle",
    late: record.state !== "open",
    legs: legsOf(state, record, movement, context.now),
    opened,
    overage: subtractUsd(priced.amount, moved),
    part: command.part,
    price_card: pricesAt(state, record.priceSeq).settings.card,
    run: record.run,
    ...priced,
  };
  const rest = subtractUsd(record.held, moved);
  if (!command.final || rest === 0n) return [settle];
  const given = { held: subtractUsd(ZERO_USD, record.held), settled: priced.amount };
  const release: EntryBodyOf<"release"> = {
    agent: record.agent,
    amount: rest,
    authorization: record.authorization,
    kind: "release",
    legs: legsOf(state, record, given, context.now),
    opened,
    run: record.run,
  };
  return [settle, release];
}

/** A measured final settle after an assumed or captured one posts the difference (R11). */
function correct(
  state: WorkspaceState,
  record: AuthorizationRecord,
  command: SettleCommand,
  context: TurnContext,
  corrects: EntryRef,
): AdviceDecision {
  const priced = priceSettle(state, record, command);
  if (priced.basis === "assumed") {
    const firstFinal = record.parts.find((known) => known.final);
    const answer = firstFinal ? postedAnswerOf(record, firstFinal) : standing(record);
    return { kind: "answer", answer };
  }
  const measuredBefore = record.parts
    .filter((known) => !known.assumed)
    .reduce((sum, known) => addUsd(sum, known.amount), ZERO_USD);
  // What is in spend beyond the measured parts was assumed or captured, and gives way to the measure.
  const assumed = subtractUsd(record.settled, measuredBefore);
  const difference = subtractUsd(priced.amount, assumed);
  const adjust: EntryBodyOf<"adjust"> = {
    agent: record.agent,
    amount: difference,
    authorization: record.authorization,
    by: "settle",
    corrects,
    kind: "adjust",
    legs: legsOf(state, record, { held: ZERO_USD, settled: difference }, context.now),
    model: priced.model,
    opened: openingOf(record),
    part: command.part,
    pico: priced.pico,
    reason: "measured usage arrived after the hold was taken as spent",
    run: record.run,
    usage: priced.usage,
  };
  return { kind: "entries", bodies: [adjust] };
}

/** Where an authorization stands, for an advice that has nothing to post. */
export function standing(record: AuthorizationRecord): PostedAnswer {
  return {
    amount: ZERO_USD,
    authorization: record.authorization,
    kind: "posted",
    released: ZERO_USD,
    seq: record.closedSeq,
    state: record.state,
  };
}

/** The legs of an advice: the counters of its hold, in the periods of its hold (R4). */
export function legsOf(
  state: WorkspaceState,
  record: AuthorizationRecord,
  movement: Movement,
  now: number,
): ReturnType<typeof legOf>[] {
  return record.legs.map((name) => legOf(readCounter(state, name, now), movement));
}

/** The model served, found by its id or by an alias in the hold's lane. */
function servedModel(
  prices: PriceTable,
  record: AuthorizationRecord,
  served: string,
): { readonly price: ModelPrice; readonly tier: Tier | undefined } | undefined {
  const lane = prices.lanes.get(record.lane);
  if (lane === undefined) return undefined;
  const named = lane.tiers.find((tier) => tier.model === served || tier.aliases.includes(served));
  const price = prices.models.get(modelKey(lane.prices, named?.model ?? served));
  return price === undefined ? undefined : { price, tier: named?.tier };
}

/** Prices a settle by the card its hold names; what cannot be priced settles at the hold, assumed. */
function priceSettle(
  state: WorkspaceState,
  record: AuthorizationRecord,
  command: SettleCommand,
): Assumed | Measured {
  const atHold: Assumed = { amount: roomOf(record), basis: "assumed" };
  if (command.usage === undefined) return atHold;
  const usage = usageOf(command.usage);
  const model = command.model ?? decisionOf(record).grant?.model;
  if (model === undefined) return { ...atHold, unpriced: true, usage };
  const served = costServed(pricesAt(state, record.priceSeq), record, model, usage);
  if (served === undefined) return { ...atHold, model, unpriced: true, usage };
  const amount = settleAmount(served.cost);
  // R14: the same usage at the card now in force, when it is another one than the hold's.
  const other = state.priceSeq !== record.priceSeq;
  const now = other && costServed(pricesAt(state, state.priceSeq), record, model, usage);
  return {
    amount,
    basis: "measured",
    model,
    pico: formatExactCost(served.cost),
    usage,
    ...(served.tier === undefined ? {} : { tier: served.tier }),
    ...(now ? { cost_now: settleAmount(now.cost) } : {}),
  };
}

/** What a usage costs on the model served; `undefined` where that has no price, or no price makes sense. */
function costServed(
  prices: PriceTable,
  record: AuthorizationRecord,
  model: string,
  usage: Usage,
): { readonly cost: ExactCost; readonly tier: Tier | undefined } | undefined {
  const served = servedModel(prices, record, model);
  if (served === undefined) return undefined;
  const cost = costOfUsage(served.price, usage);
  return "unpriced" in cost || !isCallCost(cost) ? undefined : { cost, tier: served.tier };
}
