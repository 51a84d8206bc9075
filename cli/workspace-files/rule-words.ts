/** Fields that a condition may compare, with what they are compared to. */
export const RULE_FIELDS = {
  pace: "a percentage like 90%",
  remaining: "an amount like $5.00",
  tier: "a tier: S, M, L or XL",
  priority: "a priority: P0, P1, P2 or P3",
} as const;
export type RuleField = keyof typeof RULE_FIELDS;

/** Actions in force. */
export const RULE_ACTIONS = ["floor", "ceiling", "hold"] as const;

/** Fields and actions of the design that this version does not carry out. */
export const FIELDS_NOT_IN_FORCE = [
  "spend",
  "tool",
  "model",
  "hour",
  "weekday",
  "lane",
  "attribute",
  "attributes",
] as const;
export const ACTIONS_NOT_IN_FORCE = ["alert", "route", "quota", "freeze"] as const;

/** True for a word of a list, as a type guard. */
export function isOneOf<const V extends readonly string[]>(
  words: V,
  word: string,
): word is V[number] {
  return words.includes(word);
}

/** True for a field that a condition may compare. */
export function isRuleField(word: string): word is RuleField {
  return Object.hasOwn(RULE_FIELDS, word);
}
