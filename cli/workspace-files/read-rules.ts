import { type PolicyRule, policyRule } from "../../ledger/policy.ts";
import { type Field, listOf, type Reader, report } from "./fields.ts";
import { parseRule } from "./rule-grammar.ts";
import type { Span } from "./source-file.ts";
import type { TextNode, TreeNode } from "./yaml-tree.ts";

/** Longest rule that an entry takes (ledger/policy.ts). */
const RULE_LENGTH_MAX = 500;
/** Longest path that an entry takes; the end of a longer one tells more than its start. */
const FILE_LENGTH_MAX = 200;

/** A rule's words and where each of them stands. */
interface RuleText {
  readonly text: string;
  /** Offset in the file of an offset in `text`; absent when the words are not the file's own. */
  readonly start?: number;
  readonly span: Span;
}

/** The words of a scalar; a block's are read from the file, so that their places are known. */
function wordsOf(field: Field, node: TextNode): RuleText {
  const span = { start: node.start, end: node.end };
  if (node.textStart !== undefined) return { text: node.text, start: node.textStart, span };
  const raw = field.reading.source.text.slice(node.start, node.end);
  if (!/^[|>]/.test(raw)) return { text: node.text, span };
  const header = raw.indexOf("\n") + 1;
  return { text: raw.slice(header), start: node.start + header, span };
}

/** A rule with `: ` in it is a map to YAML: `if pace > 90% then floor` with the value `L`. */
function wordsOfPair(field: Field, key: TextNode, value: TreeNode): RuleText | undefined {
  const span = { start: key.start, end: Math.max(key.end, value.end) };
  if (value.kind === "list" || value.kind === "map") {
    return report(field, "a rule is one line: if <condition> then <action>", value);
  }
  if (value.kind === "text" && !value.plain) return { text: `${key.text}: ${value.text}`, span };
  if (!key.plain) return { text: `${key.text}: ${value.kind === "text" ? value.text : ""}`, span };
  const { text } = field.reading.source;
  // Without a value the colon is still there, and the grammar then asks for the tier.
  const end = value.kind === "text" ? value.end : text.indexOf(":", key.end) + 1;
  return { text: text.slice(key.start, end), start: key.start, span };
}

/** `then: hold`, `then: "floor: L"` or `then: {floor: L}`. */
function actionWords(field: Field, node: TreeNode): string | undefined {
  if (node.kind === "text") return node.text;
  const pair = node.kind === "map" && node.pairs.length === 1 ? node.pairs[0] : undefined;
  if (pair?.value.kind === "text") return `${pair.key.text}: ${pair.value.text}`;
  return report(field, "must be one action: floor: TIER, ceiling: TIER or hold", node);
}

/** A rule as a map of `if` and `then`. */
function wordsOfHalves(field: Field): RuleText | undefined {
  if (field.node.kind !== "map") return undefined;
  const halves = new Map(field.node.pairs.map(({ key, value }) => [key.text, { key, value }]));
  for (const { key } of field.node.pairs) {
    if (key.text !== "if" && key.text !== "then") {
      return report(field, "a rule is written as if and then, with nothing else", key);
    }
  }
  const condition = halves.get("if")?.value;
  const action = halves.get("then")?.value;
  if (condition === undefined) return report(field, "has no if");
  if (action === undefined) return report(field, "has no then");
  if (condition.kind !== "text") return report(field, "must be a condition", condition);
  const words = actionWords(field, action);
  if (words === undefined) return undefined;
  return { text: `if ${condition.text} then ${words}`, span: field.node };
}

function ruleTextOf(field: Field): RuleText | undefined {
  const { node } = field;
  if (node.kind === "text") return wordsOf(field, node);
  if (node.kind !== "map") return report(field, "must be a rule: if <condition> then <action>");
  const [first, second] = node.pairs;
  if (first === undefined) return report(field, "must be a rule: if <condition> then <action>");
  if (first.key.text === "if" || first.key.text === "then") return wordsOfHalves(field);
  if (second === undefined) return wordsOfPair(field, first.key, first.value);
  return report(field, "one rule is one element of the list: start it with a dash", second.key);
}

/** One policy rule, in any of its spellings, with its words, file and line. */
export const rule: Reader<PolicyRule> = (field) => {
  const words = ruleTextOf(field);
  if (words === undefined) return undefined;
  const source = words.text.trim().replaceAll(/\s+/g, " ");
  if (source.length > RULE_LENGTH_MAX) {
    return report(field, `a rule is at most ${RULE_LENGTH_MAX} characters`, words.span);
  }
  const parsed = parseRule(words.text);
  if (!parsed.ok) {
    for (const problem of parsed.problems) {
      const start = words.start === undefined ? undefined : words.start + problem.offset;
      const span = start === undefined ? words.span : { start, end: start + problem.length };
      report(field, problem.message, span);
    }
    return undefined;
  }
  const { source: file } = field.reading;
  const whole: PolicyRule = {
    ...parsed.rule,
    source,
    file: file.inSet.slice(-FILE_LENGTH_MAX),
    line: file.lines.linePos(words.span.start).line,
  };
  return isTaken(field, whole, words.span) ? whole : undefined;
};

/** The schema of entries has the last word, such as on how deep conditions may stand in each other. */
function isTaken(field: Field, whole: PolicyRule, span: Span): boolean {
  const problems: string[] = [];
  policyRule.read(JSON.parse(policyRule.write(whole)), "", problems);
  const [first] = problems;
  if (first === undefined) return true;
  report(field, first.slice(first.indexOf(": ") + 2), span);
  return false;
}

/** Rules of one agent, as many as an entry takes. */
export const agentRules: Reader<readonly PolicyRule[]> = listOf(rule, "rules", 100);
/** Rules of the whole workspace. */
export const workspaceRules: Reader<readonly PolicyRule[]> = listOf(rule, "rules", 200);
