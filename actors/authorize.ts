import { assert } from "../ledger/assert.ts";
import type { AuthorizeEntry, EntryBodyOf, TierQuote } from "../ledger/entries.ts";
import { idTime, RUN_PATTERN } from "../ledger/ids.ts";
import { ZERO_USD } from "../ledger/money.ts";
import type { Periods } from "../ledger/periods.ts";
import { type Lane, laneKey, type Tier, tierRank } from "../ledger/price-card.ts";
import type { AgentSettings, WorkspaceSettings } from "../ledger/workspace-config.ts";
import { type CapView, capsOf, governingPace, leastRemaining, legsAfter } from "./cap.ts";
import { decideCascade, type Verdict } from "./cascade.ts";
import type { Answer, AuthorizeCommand } from "./commands.ts";
import { preferredTier, quoteTiers } from "./quotes.ts";
import { ceilingRank, rebalancingCeiling, tighter } from "./rebalancing.ts";
import { decidedAnswerOf, decisionOf } from "./record.ts";
import { refusal } from "./refusal.ts";
import { evaluateRules, type PolicyVerdict } from "./rules.ts";
import {
  type AuthorizationRecord,
  type PriceTable,
  pricesAt,
  settingsOf,
  type WorkspaceState,
} from "./state.ts";
import type { TurnContext } from "./turn.ts";

/** An id is good from 2 minutes before to 30 s after the ledger's time, in ms. */
export const ID_PAST_MS = 120_000;
export const ID_FUTURE_MS = 30_000;

/** Attributes of one call, names and values together, in characters: an entry has to hold them. */
const ATTRIBUTES_MAX = 2_048;

/** What a decision comes to, before anything is applied. */
export type Decision =
  | { readonly kind: "entries"; readonly bodies: readonly EntryBodyOf<"authorize">[] }
  | { readonly kind: "answer"; readonly answer: Answer }
  | { readonly kind: "fetch"; readonly authorization: string; readonly idempotency?: string };

/** Who asks, once key, agent, lane and prices are known to be in order. */
interface Caller {
  readonly agent: AgentSettings;
  readonly lane: Lane;
  readonly prices: PriceTable;
  readonly run: string;
  readonly settings: WorkspaceSettings;
}

/**
 * Decides an authorize: a repeat of a known id is answered with its entry; a new one goes through the
 * cascade and becomes an entry, whatever the outcome.
 */
export function decideAuthorize(
  state: WorkspaceState,
  command: AuthorizeCommand,
  context: TurnContext,
): Decision {
  const repeat = answerRepeat(state, command, context);
  if (repeat !== undefined) return repeat;
  const caller = identify(state, command);
  if ("kind" in caller) return { kind: "answer", answer: caller };
  const body = decideCall(state, command, context, caller);
  if (body === undefined) {
    return { kind: "answer", answer: { authorization: command.authorization, kind: "refine" } };
  }
  return { kind: "entries", bodies: [body] };
}

/** R3: what was decided stays decided. `undefined` for an id that is new and in time. */
function answerRepeat(
  state: WorkspaceState,
  command: AuthorizeCommand,
  context: TurnContext,
): Decision | undefined {
  const { authorization, idempotency } = command;
  const known = state.authorizations.get(authorization);
  if (known !== undefined) return { kind: "answer", answer: repeatAnswer(state, known, context) };
  const sibling = idempotency === undefined ? undefined : state.idempotency.get(idempotency);
  if (sibling !== undefined) {
    const record = state.authorizations.get(sibling);
    assert(record !== undefined, "an idempotency key outlives its authorization");
    return { kind: "answer", answer: siblingAnswer(state, record) };
  }
  const time = idTime(authorization);
  const fetched = context.fetched !== undefined;
  const lately = context.now <= state.fetchBefore + ID_PAST_MS;
  if (!fetched && (time <= state.fetchBefore || (idempotency !== undefined && lately))) {
    return { kind: "fetch", authorization, ...(idempotency === undefined ? {} : { idempotency }) };
  }
  if (time < context.now - ID_PAST_MS || time > context.now + ID_FUTURE_MS) {
    const message =
      "The authorization id's own time is more than 2 minutes old or 30 seconds ahead of the ledger. Make a new id and check this machine's clock.";
    return { kind: "answer", answer: refusal("stale", message, { authorization }) };
  }
  return undefined;
}

/** The answer to a known id: the first answer again, unless the payload is another one. */
function repeatAnswer(
  state: WorkspaceState,
  known: AuthorizationRecord,
  context: TurnContext,
): Answer {
  const { authorization } = known;
  if (known.decided === undefined) {
    const message = "This id was voided before it was authorized; it stays shut. Make a new id.";
    return refusal("idempotency-conflict", message, { authorization });
  }
  if (known.payloadHash !== context.payloadHash) {
    const message = "This id was authorized with another payload. A new request needs a new id.";
    return refusal("idempotency-conflict", message, { authorization, seq: known.decided.seq });
  }
  return decidedAnswerOf(state, known);
}

/** The answer to a second call under one idempotency key: it is never forwarded. */
function siblingAnswer(state: WorkspaceState, record: AuthorizationRecord): Answer {
  const { authorization } = record;
  if (record.state === "refused") return decidedAnswerOf(state, record);
  const { seq } = decisionOf(record);
  if (record.state === "open") {
    const message = `The first call with this idempotency key, ${authorization}, is still under way.`;
    return refusal("in-progress", message, { authorization, seq });
  }
  const message = `The call with this idempotency key was made as ${authorization} and is ${record.state}.`;
  return refusal("already-settled", message, { authorization, seq });
}

/** Checks key, agent and lane here, whatever a gateway's cache says. */
function identify(state: WorkspaceState, command: AuthorizeCommand): Caller | Answer {
  const { authorization } = command;
  const refuse = (code: Parameters<typeof refusal>[0], message: string) =>
    refusal(code, message, { authorization });
  const key = state.config.keys.get(command.key);
  if (key === undefined || key.revoked) {
    return refuse(
      "unauthenticated",
      `Key ${command.key} is ${key ? "revoked" : "not known"} here.`,
    );
  }
  if (key.agent !== undefined && key.agent !== command.agent) {
    const message = `Key ${command.key} belongs to agent ${key.agent} and cannot speak for ${command.agent}.`;
    return refuse("forbidden", message);
  }
  const agent = state.config.agents.get(command.agent);
  if (agent === undefined) {
    const message = `Workspace ${state.ws} has no agent "${command.agent}". Add it with tarmac apply.`;
    return refuse("unknown-agent", message);
  }
  if (command.run !== undefined && !RUN_PATTERN.test(command.run)) {
    return refuse(
      "bad-request",
      "run: must be 1 to 128 of A-Z a-z 0-9 . _ : - and not begin with auth_",
    );
  }
  const characters = attributesLength(command.attributes);
  if (characters > ATTRIBUTES_MAX) {
    const message = `attributes: ${characters} characters in names and values; ${ATTRIBUTES_MAX} at most.`;
    return refuse("bad-request", message);
  }
  const prices = pricesAt(state, state.priceSeq);
  const lane = prices.lanes.get(laneKey(agent.lane));
  assert(lane !== undefined, () => `agent ${command.agent} has no lane in force`);
  return { agent, lane, prices, run: command.run ?? authorization, settings: settingsOf(state) };
}

function attributesLength(attributes: AuthorizeCommand["attributes"]): number {
  let characters = 0;
  for (const [name, value] of Object.entries(attributes ?? {})) {
    characters += name.length + value.length;
  }
  return characters;
}

/** Everything that one decision read, and what it came to. */
interface Reading {
  readonly caps: readonly CapView[];
  readonly ceiling: AuthorizeEntry["ceiling"];
  readonly pace: AuthorizeEntry["pace"];
  readonly periods: Periods;
  readonly policy: PolicyVerdict | undefined;
  /** The ceiling is a policy rule's and not the rebalancing table's. */
  readonly ceilingIsPolicy: boolean;
  readonly preferred: Tier | undefined;
  readonly quotes: readonly TierQuote[];
  readonly verdict: Verdict;
}

/** Reads caps, pace, policy and prices, and runs the cascade over them. */
function readAndDecide(
  state: WorkspaceState,
  command: AuthorizeCommand,
  context: TurnContext,
  caller: Caller,
): Reading {
  const { agent, lane, prices, run } = caller;
  const { now } = context;
  const periods = context.periodsAt(caller.settings.time_zone, now);
  const caps = capsOf(state, command.agent, agent, run, periods, now);
  const pace = governingPace(caps, now);
  const preferred = preferredTier(lane, agent, command.model);
  const rebalanced = rebalancingCeiling(
    state.policy.rebalancing,
    pace?.value ?? 0n,
    agent.priority,
  );
  if (preferred === undefined) {
    const verdict = decideCascade({
      caps,
      ceiling: rebalanced,
      frozen: agent.frozen,
      policyHold: undefined,
      preferred,
      quotes: [],
    });
    const none = { ceilingIsPolicy: false, policy: undefined, preferred, quotes: [] };
    return { ...none, caps, ceiling: rebalanced, pace, periods, verdict };
  }
  const policy = evaluateRules([...agent.rules, ...state.policy.rules], {
    pace: pace?.value ?? 0n,
    priority: agent.priority,
    remaining: leastRemaining(caps)?.value,
    tier: preferred,
  });
  const ceiling = tighter(rebalanced, policy.ceiling);
  const quotes = quoteTiers(prices, lane, agent, command.usage_bound, preferred, policy.floor);
  const verdict = decideCascade({
    caps,
    ceiling,
    frozen: agent.frozen,
    policyHold: policy.hold,
    preferred,
    quotes,
  });
  const ceilingIsPolicy = ceiling !== rebalanced;
  return { caps, ceiling, ceilingIsPolicy, pace, periods, policy, preferred, quotes, verdict };
}

/** Runs the cascade and writes down everything it read. `undefined` asks the gateway to refine. */
function decideCall(
  state: WorkspaceState,
  command: AuthorizeCommand,
  context: TurnContext,
  caller: Caller,
): EntryBodyOf<"authorize"> | undefined {
  const { agent, lane, prices, run, settings } = caller;
  const { now } = context;
  const reading = readAndDecide(state, command, context, caller);
  const { ceiling, pace, periods, policy, preferred, verdict } = reading;
  if (command.refinable && couldDoBetter(verdict, reading.quotes, ceiling)) return undefined;
  const { granted } = verdict;
  const held = granted?.amount ?? ZERO_USD;
  const policyRule = ruleBehind(verdict, policy, reading.ceilingIsPolicy);
  return {
    agent: command.agent,
    authorization: command.authorization,
    config_seq: state.configSeq,
    expires_at: now + settings.expiry_ms,
    held,
    key: command.key,
    kind: "authorize",
    lane: agent.lane,
    legs: legsAfter(reading.caps, { held, settled: ZERO_USD }, now),
    model: command.model,
    month: periods.month,
    outcome: verdict.outcome,
    payload_hash: context.payloadHash,
    policy_seq: state.policySeq,
    price_card: prices.settings.card,
    price_seq: prices.seq,
    priority: agent.priority,
    reason: verdict.reason,
    rule: verdict.rule,
    run,
    tiers: reading.quotes,
    usage_bound: command.usage_bound,
    year: periods.year,
    ...(command.attributes === undefined ? {} : { attributes: command.attributes }),
    ...(verdict.blockedBy === undefined ? {} : { blocked_by: verdict.blockedBy }),
    ...(ceiling === undefined ? {} : { ceiling }),
    ...(verdict.failing === undefined ? {} : { failing: verdict.failing }),
    ...(policy?.floor === undefined ? {} : { floor: policy.floor }),
    ...(granted === undefined ? {} : { grant: grantOf(lane, granted) }),
    ...(command.idempotency === undefined ? {} : { idempotency: command.idempotency }),
    ...(pace === undefined ? {} : { pace }),
    ...(policyRule === undefined ? {} : { policy_rule: policyRule }),
    ...(preferred === undefined ? {} : { preferred }),
    ...(command.tool === undefined ? {} : { tool: command.tool }),
  };
}

function grantOf(lane: Lane, granted: TierQuote): NonNullable<AuthorizeEntry["grant"]> {
  return { api: lane.api, model: granted.model, provider: lane.provider, tier: granted.tier };
}

/** True when a tighter bound could give a heavier tier: what stood in the way was money or window. */
function couldDoBetter(
  verdict: Verdict,
  quotes: AuthorizeEntry["tiers"],
  ceiling: AuthorizeEntry["ceiling"],
): boolean {
  const reachable = quotes.filter(
    (quote) =>
      (quote.skip === undefined || quote.skip === "window") &&
      (ceiling === undefined || tierRank(quote.tier) <= ceilingRank(ceiling)),
  );
  const best = reachable.at(-1);
  if (best === undefined || verdict.rule === "00") return false;
  return verdict.granted?.tier !== best.tier;
}

/** The policy rule that a receipt quotes: the refusal, or the ceiling that throttled. */
function ruleBehind(
  verdict: Verdict,
  policy: PolicyVerdict | undefined,
  ceilingIsPolicy: boolean,
): AuthorizeEntry["policy_rule"] {
  const quote = (rule: { file: string; line: number; source: string } | undefined) =>
    rule === undefined ? undefined : { file: rule.file, line: rule.line, source: rule.source };
  if (verdict.reason === "policy") return quote(policy?.hold);
  if (verdict.rule === "03" && ceilingIsPolicy) return quote(policy?.ceilingRule);
  // A floor above the ceiling is what leaves no tier.
  if (verdict.rule === "03" && verdict.outcome === "hold") return quote(policy?.floorRule);
  return undefined;
}
