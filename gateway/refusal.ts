import type { DecidedAnswer, RefusedAnswer } from "../actors/commands.ts";
import { formatUsd, type NanoUsd } from "../ledger/money.ts";
import { REFUSALS, type RefusalCode, type Retry } from "../ledger/refusals.ts";
import type { ProviderFault } from "./ports.ts";

/** Codes of answers that are not refusals: the call was let out, and the provider failed it. */
export const FAULT_CODES = ["provider-unreachable", "provider-timeout", "provider-broken"] as const;
export type FaultCode = (typeof FAULT_CODES)[number];

/** Something that ends a call without a provider's answer, ready for any vendor's envelope. */
export interface Problem {
  readonly status: number;
  readonly code: FaultCode | RefusalCode;
  /** For the person who reads it: what happened, which field, what to do. */
  readonly message: string;
  readonly retry: Retry;
  readonly authorization?: string;
  /** The field at fault, when there is one. */
  readonly field?: string;
}

/** A refusal by its code. */
export function refused(
  code: RefusalCode,
  message: string,
  more: { readonly authorization?: string; readonly field?: string } = {},
): Problem {
  return { ...REFUSALS[code], code, message, ...more };
}

/** Names every mistake of a body, malformed fields before unmetered ones. */
export function bodyRefused(bad: readonly string[], unsupported: readonly string[]): Problem {
  const all = [...bad, ...unsupported];
  const field = /^([^:\s]{1,100}):/.exec(all[0] ?? "")?.[1];
  const more = field === undefined ? {} : { field };
  if (bad.length > 0) return refused("bad-request", all.join("; "), more);
  const hint = "Nothing was forwarded: what cannot be bounded cannot be held for.";
  return refused("unsupported", `${all.join("; ")}. ${hint}`, more);
}

/** What a refused answer of the engine says. */
export function engineRefused(answer: RefusedAnswer): Problem {
  const details = answer.problems === undefined ? "" : ` (${answer.problems.join("; ")})`;
  const more = answer.authorization === undefined ? {} : { authorization: answer.authorization };
  return refused(answer.code, `${answer.message}${details}`, more);
}

/** A reason that ends a call; the two downward steps of the cascade never do. */
function refusalCode(answer: DecidedAnswer): RefusalCode {
  const { reason } = answer;
  if (reason === "per-run-tier-down" || reason === "heaviest-fit") return "per-run-cap";
  return reason;
}

/** The sentence of a decided refusal: which rule, which cap, by how much, and what to do. */
export function decidedRefused(answer: DecidedAnswer, agent: string): Problem {
  const code = refusalCode(answer);
  const parts = [`Held by rule ${answer.rule} (${code}): ${whatHolds(answer, agent)}`];
  if (answer.blocked_by === "holds") {
    parts.push("The money is held by calls in flight, not spent: try again when they settle.");
  } else {
    const advice = ADVICE[code];
    if (advice !== undefined) parts.push(advice);
  }
  parts.push("Nothing was forwarded.");
  return refused(code, parts.join(" "), { authorization: answer.authorization });
}

function whatHolds(answer: DecidedAnswer, agent: string): string {
  const rule = answer.policy_rule;
  if (rule !== undefined) {
    return `the policy rule "${rule.source}" (${rule.file}:${rule.line}) holds for ${agent}.`;
  }
  const [first, ...others] = answer.failing ?? [];
  if (first !== undefined) {
    const more = others.length === 0 ? "" : `, and ${others.length} more cap(s) do not fit`;
    return `cap ${first.cap} is short by $${formatUsd(first.shortfall)} for the least this call may cost${more}.`;
  }
  switch (answer.reason) {
    case "frozen":
      return `agent ${agent} is frozen.`;
    case "model-not-in-lane":
      return `the model asked for is not in the lane of agent ${agent}.`;
    case "unpriced":
      return `the price card has no price for what this call may use on the lane of ${agent}.`;
    case "no-eligible-tier":
      return `no tier of ${agent} can take this request (window, modality or floor).`;
    case "priority-rebalance":
      return `the caps of ${agent} tighten and its priority is shed first.`;
    default:
      return `agent ${agent} has no money left for this call.`;
  }
}

const ADVICE: { readonly [C in RefusalCode]?: string } = {
  "per-run-cap":
    "Lower max_tokens, shorten the prompt, start a new run or raise the agent's per_run.",
  "monthly-cap": "Wait for the next month or raise the cap with tarmac apply.",
  "yearly-cap": "Wait for the next year or raise the cap with tarmac apply.",
  "priority-rebalance": "Try again when the pace has fallen, or raise the cap or the priority.",
  "model-not-in-lane": "Ask for a model of the lane (GET /models lists them) or for auto.",
  unpriced: "Leave out the tool or feature that has no price, or add its price in rates.yaml.",
  "no-eligible-tier": "Shorten the request, or allow the agent a tier that takes it.",
  frozen: "Someone has to unfreeze it with tarmac apply.",
};

/** A provider that did not answer. The hold's end is in the message: it is what the caller pays. */
export function providerFailed(fault: ProviderFault, authorization: string): Problem {
  const paid =
    fault.outcome === "none"
      ? "The call was not sent, and its hold is given back."
      : "The provider may have served it, so it is settled at its hold until it is corrected.";
  return {
    status: fault.code === "provider-timeout" ? 504 : 502,
    code: fault.code,
    message: `${fault.message} ${paid}`,
    retry: "soon",
    authorization,
  };
}

/** Decimal US dollars for a header. */
export function usdHeader(amount: bigint): string {
  return formatUsd(amount as NanoUsd);
}

/** No engine decided in time. */
export function notDecided(authorization: string): Problem {
  const message =
    "No engine decided in time, so nothing was forwarded and nothing was spent. Try again in a moment.";
  return refused("fail-closed", message, { authorization });
}

/** A lane that speaks another API than the client does. */
export function wrongLane(laneApi: string, surfaceApi: string): Problem {
  const message = `The agent's lane speaks the ${laneApi} API and this is the ${surfaceApi} one. Translation between APIs is not in this version: use the client of the lane's own API.`;
  return refused("unsupported", message);
}
