import { unreachable } from "../ledger/assert.ts";
import { PRIORITIES, type Priority } from "../ledger/caps.ts";
import type { NanoUsd } from "../ledger/money.ts";
import type { Comparison, Condition, PolicyRule } from "../ledger/policy.ts";
import { type Tier, tierRank } from "../ledger/price-card.ts";
import { type Ceiling, tighter } from "./rebalancing.ts";

/** What a policy condition can read. */
export interface RuleFacts {
  /** Basis points; 0 when no cap has a pace. */
  readonly pace: bigint;
  /** Least remaining over the capped legs; `undefined` when nothing limits. */
  readonly remaining: NanoUsd | undefined;
  /** The preferred tier. */
  readonly tier: Tier;
  readonly priority: Priority;
}

function compare(sign: number, is: Comparison): boolean {
  switch (is) {
    case "<":
      return sign < 0;
    case "<=":
      return sign <= 0;
    case "=":
      return sign === 0;
    case "!=":
      return sign !== 0;
    case ">":
      return sign > 0;
    case ">=":
      return sign >= 0;
    default:
      return unreachable(is);
  }
}

function signOf(a: bigint, b: bigint): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** Whether a condition holds. An unlimited remaining is greater than every amount. */
export function holds(condition: Condition, facts: RuleFacts): boolean {
  if ("all" in condition) return condition.all.every((part) => holds(part, facts));
  if ("any" in condition) return condition.any.some((part) => holds(part, facts));
  if ("not" in condition) return !holds(condition.not, facts);
  switch (condition.field) {
    case "pace":
      return compare(signOf(facts.pace, condition.value), condition.is);
    case "remaining": {
      const sign = facts.remaining === undefined ? 1 : signOf(facts.remaining, condition.value);
      return compare(sign, condition.is);
    }
    case "tier":
      return compare(tierRank(facts.tier) - tierRank(condition.value), condition.is);
    case "priority": {
      const sign = PRIORITIES.indexOf(facts.priority) - PRIORITIES.indexOf(condition.value);
      return compare(sign, condition.is);
    }
    default:
      return unreachable(condition);
  }
}

/** What the rules that hold come to: the highest floor, the lowest ceiling, the first refusal. */
export interface PolicyVerdict {
  readonly floor: Tier | undefined;
  readonly ceiling: Ceiling | undefined;
  readonly hold: PolicyRule | undefined;
  /** The rule that set the floor or the ceiling, for the receipt. */
  readonly floorRule: PolicyRule | undefined;
  readonly ceilingRule: PolicyRule | undefined;
}

/** Evaluates rules in order: the agent's own before the workspace's. */
export function evaluateRules(rules: readonly PolicyRule[], facts: RuleFacts): PolicyVerdict {
  let floor: Tier | undefined;
  let ceiling: Ceiling | undefined;
  let hold: PolicyRule | undefined;
  let floorRule: PolicyRule | undefined;
  let ceilingRule: PolicyRule | undefined;
  for (const rule of rules) {
    if (!holds(rule.if, facts)) continue;
    const { do: action, tier } = rule.then;
    if (action === "hold") {
      hold ??= rule;
    } else if (tier !== undefined && action === "floor") {
      if (floor === undefined || tierRank(tier) > tierRank(floor)) {
        floor = tier;
        floorRule = rule;
      }
    } else if (tier !== undefined) {
      if (tighter(ceiling, tier) !== ceiling) {
        ceiling = tier;
        ceilingRule = rule;
      }
    }
  }
  return { floor, ceiling, hold, floorRule, ceilingRule };
}
