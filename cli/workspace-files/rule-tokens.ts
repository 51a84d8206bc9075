import { COMPARISONS, type Comparison } from "../../ledger/policy.ts";

/** One word, sign or quantity of a rule. `offset` and `text.length` in UTF-16 code units. */
export interface RuleToken {
  readonly kind:
    | "amount"
    | "colon"
    | "comparison"
    | "end"
    | "number"
    | "other"
    | "parenthesis"
    | "percent"
    | "word";
  readonly text: string;
  readonly offset: number;
}

/** In this order: the first that matches at an offset wins. */
const PATTERNS: readonly (readonly [RuleToken["kind"], RegExp])[] = [
  ["word", /[A-Za-z_][A-Za-z0-9_.-]*/y],
  ["amount", /-?\$-?\d[\d,]*(?:\.\d+)?/y],
  ["percent", /\d+(?:\.\d+)?%/y],
  ["number", /-?\d[\d,]*(?:\.\d+)?/y],
  ["comparison", /[<>=!~≤≥≠]+/y],
  ["parenthesis", /[()]/y],
  ["colon", /:/y],
  ["other", /[^\s]/uy],
];

/** Splits a rule into tokens, with one `end` after the last; never fails. */
export function ruleTokens(text: string): readonly RuleToken[] {
  const tokens: RuleToken[] = [];
  let offset = 0;
  while (offset < text.length) {
    if (/\s/.test(text.charAt(offset))) {
      offset++;
      continue;
    }
    const token = tokenAt(text, offset);
    tokens.push(token);
    offset += token.text.length;
  }
  tokens.push({ kind: "end", text: "", offset: text.trimEnd().length });
  return tokens;
}

function tokenAt(text: string, offset: number): RuleToken {
  for (const [kind, pattern] of PATTERNS) {
    pattern.lastIndex = offset;
    const match = pattern.exec(text);
    if (match !== null) return { kind, text: match[0], offset };
  }
  return { kind: "other", text: text.charAt(offset), offset };
}

/** The comparison that a token names: `==` is `=`. */
export function comparisonOf(text: string): Comparison | undefined {
  const plain = text === "==" ? "=" : text;
  return COMPARISONS.find((comparison) => comparison === plain);
}

/** Spellings from elsewhere, with ours. */
export const COMPARISON_HINTS: Readonly<Record<string, string>> = {
  "=<": "<=",
  "=>": ">=",
  "<>": "!=",
  "===": "=",
  "!==": "!=",
  "≤": "<=",
  "≥": ">=",
  "≠": "!=",
};
