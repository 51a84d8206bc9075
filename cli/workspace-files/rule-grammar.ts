/**
 * The language of policy rules, a recursive descent over its own tokens:
 *
 *   rule       = "if" any "then" action
 *   any        = all { "or" all }
 *   all        = factor { "and" factor }
 *   factor     = "not" factor | "(" any ")" | field comparison value
 *   action     = "floor" ":" tier | "ceiling" ":" tier | "hold"
 *
 * After a mistake in the condition reading goes on at `then`, so that both halves are checked.
 */
import { PRIORITIES } from "../../ledger/caps.ts";
import { formatUsd, type NanoUsd, parseUsd } from "../../ledger/money.ts";
import type { Comparison, Condition, PolicyAction } from "../../ledger/policy.ts";
import { TIERS } from "../../ledger/price-card.ts";
import { readPercent } from "./amounts.ts";
import { didYouMean } from "./did-you-mean.ts";
import { COMPARISON_HINTS, comparisonOf, type RuleToken, ruleTokens } from "./rule-tokens.ts";
import {
  ACTIONS_NOT_IN_FORCE,
  FIELDS_NOT_IN_FORCE,
  isOneOf,
  isRuleField,
  RULE_ACTIONS,
  RULE_FIELDS,
  type RuleField,
} from "./rule-words.ts";
import { quoted } from "./source-file.ts";

/** What a rule says, without where it stands. */
export interface RuleMeaning {
  readonly if: Condition;
  readonly then: PolicyAction;
}

/** A mistake in a rule's text. Offsets in UTF-16 code units. */
export interface RuleProblem {
  readonly offset: number;
  readonly length: number;
  readonly message: string;
}

export type ParsedRule =
  | { readonly ok: true; readonly rule: RuleMeaning }
  | { readonly ok: false; readonly problems: readonly RuleProblem[] };

/** Basis points have two decimals of a percent. */
const PACE_PLACES = 2;
/** A list of a condition holds so many parts (ledger/policy.ts). */
const PARTS_MAX = 64;

class RuleParser {
  readonly problems: RuleProblem[] = [];
  readonly #tokens: readonly RuleToken[];
  #at = 0;

  constructor(text: string) {
    this.#tokens = ruleTokens(text);
  }

  rule(): RuleMeaning | undefined {
    const condition = this.#condition();
    while (this.#next.kind !== "end" && this.#next.text !== "then") this.#at++;
    if (!this.#take("then")) {
      if (this.problems.length === 0) this.#problem('needs "then" and an action');
      return undefined;
    }
    const action = this.#action();
    if (condition === undefined || action === undefined) return undefined;
    return { if: condition, then: action };
  }

  #condition(): Condition | undefined {
    if (!this.#take("if")) {
      return this.#problem('a rule starts with "if": if pace > 90% then floor: L');
    }
    const condition = this.#any();
    if (condition === undefined || this.#next.text === "then") return condition;
    return this.#problemAfterCondition();
  }

  get #next(): RuleToken {
    return this.#tokens[Math.min(this.#at, this.#tokens.length - 1)] as RuleToken;
  }

  #take(text: string): boolean {
    if (this.#next.text !== text || this.#next.kind === "end") return false;
    this.#at++;
    return true;
  }

  /** Reports at the next token, or at another. */
  #problem(message: string, token: RuleToken = this.#next): undefined {
    this.problems.push({
      offset: token.offset,
      length: Math.max(1, token.text.length),
      message,
    });
    return undefined;
  }

  #problemAfterCondition(): undefined {
    const { kind, text } = this.#next;
    if (kind === "end") return this.#problem('needs "then" and an action');
    if (text === ")") return this.#problem('")" closes nothing');
    if (kind === "comparison") {
      return this.#problem("compares twice: join two comparisons with and");
    }
    return this.#problem(`expected and, or, then, not ${quoted(text)}${this.#joinHint(text)}`);
  }

  #joinHint(text: string): string {
    if (text === "&" || text === ",") return " (did you mean and?)";
    if (text === "|") return " (did you mean or?)";
    return didYouMean(text, ["and", "or", "then"]);
  }

  #any(): Condition | undefined {
    return this.#joined(
      "or",
      () => this.#all(),
      (any) => ({ any }),
    );
  }

  #all(): Condition | undefined {
    return this.#joined(
      "and",
      () => this.#factor(),
      (all) => ({ all }),
    );
  }

  #joined(
    word: string,
    part: () => Condition | undefined,
    join: (parts: readonly Condition[]) => Condition,
  ): Condition | undefined {
    const first = part();
    if (first === undefined) return undefined;
    const parts = [first];
    while (this.#take(word)) {
      const next = part();
      if (next === undefined) return undefined;
      parts.push(next);
    }
    if (parts.length > PARTS_MAX) return this.#problem(`joins more than ${PARTS_MAX} conditions`);
    return parts.length === 1 ? first : join(parts);
  }

  #factor(): Condition | undefined {
    if (this.#take("not")) {
      const inner = this.#factor();
      return inner === undefined ? undefined : { not: inner };
    }
    const open = this.#next;
    if (!this.#take("(")) return this.#comparison();
    const inner = this.#any();
    if (inner === undefined || this.#take(")")) return inner;
    if (this.#next.kind === "end" || this.#next.text === "then") {
      return this.#problem('"(" is not closed', open);
    }
    return this.#problemAfterCondition();
  }

  #comparison(): Condition | undefined {
    const { kind, text } = this.#next;
    if (kind !== "word" || text === "then") return this.#notAField();
    const head = text.split(".")[0] ?? text;
    if (isOneOf(FIELDS_NOT_IN_FORCE, head)) {
      return this.#problem(`${quoted(text)} is not in force in this version as a condition`);
    }
    if (!isRuleField(text)) {
      const names = Object.keys(RULE_FIELDS);
      const hint = didYouMean(text, names) || `; there are ${names.join(", ")}`;
      return this.#problem(`${quoted(text)} is not a field of a condition${hint}`);
    }
    this.#at++;
    const is = this.#comparator();
    return is === undefined ? undefined : this.#value(text, is);
  }

  #notAField(): undefined {
    const { kind, text } = this.#next;
    const fields = Object.keys(RULE_FIELDS).join(", ");
    if (kind === "end" || text === "then") return this.#problem(`needs a condition over ${fields}`);
    if (kind === "amount" || kind === "percent" || kind === "number") {
      return this.#problem("a comparison starts with its field: pace > 90%");
    }
    return this.#problem(`expected one of ${fields}, not ${quoted(text)}`);
  }

  #comparator(): Comparison | undefined {
    const { text } = this.#next;
    const is = comparisonOf(text);
    if (is === undefined) {
      const ours = COMPARISON_HINTS[text];
      const hint = ours === undefined ? "" : ` (did you mean ${ours}?)`;
      return this.#problem(`expected < <= = != > >=, not ${quoted(text)}${hint}`);
    }
    this.#at++;
    return is;
  }

  #value(field: RuleField, is: Comparison): Condition | undefined {
    const token = this.#next;
    const { kind, text } = token;
    if (field === "pace" && kind === "percent") {
      const pace = readPercent(text, PACE_PLACES);
      if (!pace.ok) return this.#problem(`${text} ${pace.problem}`);
      this.#at++;
      return { field, is, value: pace.value };
    }
    if (field === "remaining" && kind === "amount") {
      const value = parseUsd(text.replace(/^\$-/, "-$"));
      if (value === undefined) {
        return this.#problem(
          `${text} is no amount: at most nine decimals, commas between thousands`,
        );
      }
      this.#at++;
      return { field, is, value };
    }
    if (field === "tier" && isOneOf(TIERS, text)) {
      this.#at++;
      return { field, is, value: text };
    }
    if (field === "priority" && isOneOf(PRIORITIES, text)) {
      this.#at++;
      return { field, is, value: text };
    }
    return this.#wrongValue(field, token);
  }

  #wrongValue(field: RuleField, { kind, text }: RuleToken): undefined {
    const shown = kind === "end" ? "the end" : quoted(text);
    let hint = "";
    if (field === "pace" && kind === "number") hint = ` (did you mean ${text}%?)`;
    if (field === "remaining" && kind === "number") hint = ` (did you mean $${text}?)`;
    if (field === "tier") hint = didYouMean(text, TIERS);
    if (field === "priority") hint = didYouMean(text, PRIORITIES);
    return this.#problem(`${field} is compared to ${RULE_FIELDS[field]}, not to ${shown}${hint}`);
  }

  #action(): PolicyAction | undefined {
    const { kind, text } = this.#next;
    if (isOneOf(ACTIONS_NOT_IN_FORCE, text)) {
      return this.#problem(`${quoted(text)} is not in force in this version as an action`);
    }
    if (kind !== "word" || !isOneOf(RULE_ACTIONS, text)) return this.#notAnAction();
    this.#at++;
    if (text === "hold") return this.#ended({ do: "hold" });
    if (!this.#take(":")) return this.#problem(`${text} needs a tier: ${text}: L`);
    const tier = this.#next.text;
    if (!isOneOf(TIERS, tier)) return this.#notATier(text);
    this.#at++;
    return this.#ended({ do: text, tier });
  }

  #notAnAction(): undefined {
    const { kind, text } = this.#next;
    const actions = "floor: TIER, ceiling: TIER or hold";
    if (kind === "end") return this.#problem(`needs an action: ${actions}`);
    const hint = didYouMean(text, RULE_ACTIONS) || `; there are ${actions}`;
    return this.#problem(`${quoted(text)} is not an action${hint}`);
  }

  #notATier(action: string): undefined {
    const { kind, text } = this.#next;
    if (text === "shed") {
      return this.#problem("shed stands only in the rebalancing of workspace.yaml; write hold");
    }
    if (kind === "end") return this.#problem(`${action} needs a tier: ${action}: L`);
    return this.#problem(`${quoted(text)} is not a tier: S, M, L or XL${didYouMean(text, TIERS)}`);
  }

  #ended(action: PolicyAction): PolicyAction | undefined {
    if (this.#next.kind === "end") return action;
    if (this.#next.text === "else") return this.#problem("there is no else: write a second rule");
    return this.#problem("a rule ends with one action: write a second rule for another");
  }
}

/** Parses one rule; every mistake that can be told apart is reported, with its offset. */
export function parseRule(text: string): ParsedRule {
  const parser = new RuleParser(text);
  const rule = parser.rule();
  if (rule !== undefined && parser.problems.length === 0) return { ok: true, rule };
  return { ok: false, problems: parser.problems };
}

function printValue(condition: Extract<Condition, { readonly field: string }>): string {
  if (condition.field === "pace") {
    const fraction = (condition.value % 100n).toString().padStart(2, "0").replace(/0+$/, "");
    return `${condition.value / 100n}${fraction === "" ? "" : `.${fraction}`}%`;
  }
  if (condition.field === "remaining") {
    return `$${formatUsd(condition.value as NanoUsd)}`.replace("$-", "-$");
  }
  return `${condition.value}`;
}

/** Prints a condition so that parsing gives the very same one back: what is nested stays in brackets. */
export function printCondition(condition: Condition): string {
  if ("all" in condition) return condition.all.map((part) => printPart(part)).join(" and ");
  if ("any" in condition) return condition.any.map((part) => printPart(part)).join(" or ");
  if ("not" in condition) return `not ${printPart(condition.not)}`;
  return `${condition.field} ${condition.is} ${printValue(condition)}`;
}

function printPart(part: Condition): string {
  const text = printCondition(part);
  return "all" in part || "any" in part ? `(${text})` : text;
}

/** Prints a rule in its plain spelling: `if pace > 90% then floor: L`. */
export function printRule(rule: RuleMeaning): string {
  const { do: act, tier } = rule.then;
  return `if ${printCondition(rule.if)} then ${act}${tier === undefined ? "" : `: ${tier}`}`;
}
