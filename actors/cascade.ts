import { assert } from "../ledger/assert.ts";
import type { AuthorizeEntry, Outcome, RuleNumber, TierQuote } from "../ledger/entries.ts";
import type { NanoUsd } from "../ledger/money.ts";
import type { PolicyRule } from "../ledger/policy.ts";
import { type Tier, tierRank } from "../ledger/price-card.ts";
import type { Reason } from "../ledger/refusals.ts";
import { type CapView, fits, reasonOf, shortfall } from "./cap.ts";
import { type Ceiling, ceilingRank } from "./rebalancing.ts";

/**
 * The cascade of ledger rules §3: five rules, the first that matches decides.
 *
 *   00  frozen, a policy refusal, a model outside the lane, no eligible tier     → hold
 *   01  the run's cap has less left than the cheapest eligible tier costs        → hold
 *   02  some period cap has less left than that                                  → hold
 *   03  the ceiling lies below the preferred tier   → throttle under it, else hold
 *   04  the run's cap has less left than the preferred tier costs                → throttle
 *   05  otherwise                                   → admit the heaviest tier that fits
 */
export interface CascadeInput {
  readonly frozen: boolean;
  /** Every tier of the lane, lightest first; those that cannot serve carry `skip`. */
  readonly quotes: readonly TierQuote[];
  /** The tier of the model asked for; `undefined` when the lane does not have it. */
  readonly preferred: Tier | undefined;
  readonly caps: readonly CapView[];
  readonly policyHold: PolicyRule | undefined;
  readonly ceiling: Ceiling | undefined;
}

/** What the cascade decided. */
export interface Verdict {
  readonly outcome: Outcome;
  readonly rule: RuleNumber;
  readonly reason: Reason;
  /** The granted tier; absent when refused. */
  readonly granted?: EligibleQuote;
  readonly failing?: NonNullable<AuthorizeEntry["failing"]>;
  readonly blockedBy?: "holds";
}

/** A quote that can be granted: it has an amount and nothing speaks against it. */
export interface EligibleQuote extends TierQuote {
  readonly amount: NanoUsd;
  readonly pico: string;
}

function isEligible(quote: TierQuote): quote is EligibleQuote {
  return quote.skip === undefined && quote.amount !== undefined;
}

function refuse(rule: RuleNumber, reason: Reason): Verdict {
  return { outcome: "hold", rule, reason };
}

/** Decides one call. Deterministic: the same input gives the same verdict on every machine. */
export function decideCascade(input: CascadeInput): Verdict {
  const { caps, quotes, preferred } = input;
  // 00
  if (input.frozen) return refuse("00", "frozen");
  if (preferred === undefined) return refuse("00", "model-not-in-lane");
  if (input.policyHold !== undefined) return refuse("00", "policy");
  const eligible = quotes.filter(isEligible);
  const heaviest = eligible.at(-1);
  if (heaviest === undefined) {
    const unpriced = quotes.some((quote) => quote.skip === "unpriced");
    return refuse("00", unpriced ? "unpriced" : "no-eligible-tier");
  }
  const cheapest = cheapestOf(eligible);
  const failing = failingAt(caps, cheapest);
  const [first] = failing;
  if (first !== undefined) {
    // 01 and 02. Run caps stand before period caps, so the first that fails says which rule it is.
    const { kind } = first.counter;
    return refuseForMoney(kind === "run" ? "01" : "02", reasonOf(kind), failing, cheapest);
  }
  // 03
  const { ceiling } = input;
  if (ceiling !== undefined && ceilingRank(ceiling) < tierRank(preferred)) {
    const under = eligible.filter((quote) => tierRank(quote.tier) <= ceilingRank(ceiling));
    const lower = heaviestThatFits(under, caps);
    if (lower === undefined) return refuseUnder(under, caps);
    return { outcome: "throttle", rule: "03", reason: "priority-rebalance", granted: lower };
  }
  // 04 and 05. The cheapest fits, so some tier does.
  const granted = heaviestThatFits(eligible, caps);
  assert(granted !== undefined, "the cheapest tier fits every cap, and no tier does");
  // Where the preferred tier itself cannot serve, the heaviest that can stands for it.
  const wanted = eligible.find((quote) => quote.tier === preferred) ?? heaviest;
  if (caps.some((cap) => cap.counter.kind === "run" && !fits(cap, wanted.amount))) {
    return { outcome: "throttle", rule: "04", reason: "per-run-tier-down", granted };
  }
  return { outcome: "admit", rule: "05", reason: "heaviest-fit", granted };
}

/** The least E(t) over at least one tier; the lighter of equals. */
function cheapestOf(quotes: readonly EligibleQuote[]): EligibleQuote {
  return quotes.reduce((least, quote) => (quote.amount < least.amount ? quote : least));
}

/** R1 over all caps, for the heaviest tier for which it holds. */
function heaviestThatFits(
  quotes: readonly EligibleQuote[],
  caps: readonly CapView[],
): EligibleQuote | undefined {
  return quotes.findLast((quote) => caps.every((cap) => fits(cap, quote.amount)));
}

function failingAt(caps: readonly CapView[], quote: EligibleQuote): CapView[] {
  return caps.filter((cap) => !fits(cap, quote.amount));
}

/** A refusal under a ceiling: below it stands no tier at all, or none that fits. */
function refuseUnder(under: readonly EligibleQuote[], caps: readonly CapView[]): Verdict {
  if (under.length === 0) return refuse("03", "priority-rebalance");
  const cheapest = cheapestOf(under);
  return refuseForMoney("03", "priority-rebalance", failingAt(caps, cheapest), cheapest);
}

/**
 * A refusal for want of money, R2: every failing cap with its shortfall, in order of precedence, and
 * whether money that is held but not spent is all that stands in the way.
 */
function refuseForMoney(
  rule: RuleNumber,
  reason: Reason,
  failing: readonly CapView[],
  cheapest: EligibleQuote,
): Verdict {
  const onlyHolds = failing.every((cap) => shortfall(cap, cheapest.amount) <= cap.counter.held);
  return {
    ...refuse(rule, reason),
    failing: failing.map((cap) => ({
      cap: cap.counter.cap,
      period: cap.counter.period,
      shortfall: shortfall(cap, cheapest.amount),
    })),
    ...(onlyHolds ? { blockedBy: "holds" as const } : {}),
  };
}
