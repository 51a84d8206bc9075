import { isAlias, isMap, isScalar, isSeq, type Pair, type Scalar } from "yaml";
import {
  type FileProblem,
  problemAt,
  type SourceFile,
  type Span,
  shownName,
} from "./source-file.ts";
import { parseFaulty } from "./yaml-faults.ts";

/** A scalar as it is written: nothing is turned into a number, a date or a truth value. */
export interface TextNode extends Span {
  readonly kind: "text";
  readonly text: string;
  /** Plain words as against words in quotes or a block. */
  readonly plain: boolean;
  /** Where `text` starts when it is the very characters of the file; absent after escapes. */
  readonly textStart?: number;
}
/** A key without a value, `~` or `null`. */
export interface EmptyNode extends Span {
  readonly kind: "empty";
  /** It stands for something that is already reported. */
  readonly faulty?: true;
}
export interface ListNode extends Span {
  readonly kind: "list";
  readonly items: readonly TreeNode[];
}
export interface MapNode extends Span {
  readonly kind: "map";
  /** Written as `{a: b}`, where a comma ends a value. */
  readonly flow: boolean;
  /** In the order of the file, each key once. */
  readonly pairs: readonly { readonly key: TextNode; readonly value: TreeNode }[];
}
export type TreeNode = TextNode | EmptyNode | ListNode | MapNode;

/** What parsing gave. The tree is there also after mistakes, as far as it can be trusted. */
export interface ParsedFile {
  readonly root: TreeNode;
  readonly problems: readonly FileProblem[];
  /** From this offset on the tree cannot be trusted. */
  readonly brokenFrom?: number;
  /** Lines with a mistake of syntax that leaves the rest as it is. */
  readonly faultLines: ReadonlySet<number>;
}

/** A file lists one agent or a few hundred lanes; a larger one is a mistake or an attack. */
export const FILE_BYTES_MAX = 1_048_576;
const DEPTH_MAX = 12;
/** Each alias stands for at most one file's worth of nodes, since an anchor may not hold an alias. */
const ALIASES_MAX = 100;
/** Turns the parser's nodes into {@link TreeNode}s, following aliases and refusing what is not needed. */
class TreeBuilder {
  readonly problems: FileProblem[] = [];
  readonly #source: SourceFile;
  readonly #anchors = new Map<string, TreeNode>();
  #aliases = 0;
  /** How many anchored nodes enclose the present one. */
  #anchored = 0;

  constructor(source: SourceFile) {
    this.#source = source;
  }

  problem(span: Span, message: string): void {
    this.problems.push(problemAt(this.#source, span, message));
  }

  build(node: unknown, fallback: Span, depth: number): TreeNode {
    const span = spanOf(node, fallback);
    if (isAlias(node)) return this.#followAlias(node.source, span);
    if (!isScalar(node) && !isMap(node) && !isSeq(node)) return { kind: "empty", ...span };
    if (node.tag !== undefined) this.problem(span, "tags (words with !) are not used here");
    const anchor = node.anchor;
    if (anchor !== undefined) this.#anchored++;
    const built = this.#buildValue(node, span, depth);
    if (anchor !== undefined) {
      this.#anchored--;
      this.#anchors.set(anchor, built);
    }
    return built;
  }

  #buildValue(node: unknown, span: Span, depth: number): TreeNode {
    if (depth > DEPTH_MAX) {
      this.problem(span, "is nested too deep");
      return { kind: "empty", faulty: true, ...span };
    }
    if (isScalar(node)) return this.#scalar(node, span);
    if (isSeq(node)) {
      const items = node.items.map((item) => this.build(item, span, depth + 1));
      return { kind: "list", items, ...span };
    }
    if (isMap(node)) {
      const pairs = this.#pairs(node.items as Pair<unknown, unknown>[], span, depth);
      return { kind: "map", flow: node.flow === true, pairs, ...span };
    }
    return { kind: "empty", ...span };
  }

  #pairs(items: readonly Pair<unknown, unknown>[], span: Span, depth: number): MapNode["pairs"] {
    const pairs: { key: TextNode; value: TreeNode }[] = [];
    const seen = new Map<string, TextNode>();
    for (const item of items) {
      const key = this.build(item.key, span, depth + 1);
      const value = this.build(item.value, { start: key.end, end: key.end }, depth + 1);
      if (key.kind !== "text") {
        this.problem(key, "a key must be a plain word");
        continue;
      }
      const first = seen.get(key.text);
      if (first !== undefined) {
        const { line } = this.#source.lines.linePos(first.start);
        const name = shownName(this.#source, key.text);
        this.problem(key, `${name} stands here twice, first in line ${line}`);
        continue;
      }
      seen.set(key.text, key);
      pairs.push({ key, value });
    }
    return pairs;
  }

  #followAlias(name: string, span: Span): TreeNode {
    const empty: EmptyNode = { kind: "empty", faulty: true, ...span };
    this.#aliases++;
    if (this.#aliases === ALIASES_MAX + 1) {
      this.problem(span, `more than ${ALIASES_MAX} aliases in one file`);
    }
    if (this.#aliases > ALIASES_MAX) return empty;
    if (this.#anchored > 0) {
      this.problem(span, "an alias stands inside an anchor: write out what it stands for");
      return empty;
    }
    const target = this.#anchors.get(name);
    if (target !== undefined) return target;
    this.problem(span, "the alias names no anchor above it");
    return empty;
  }

  #scalar(node: Scalar, span: Span): TextNode | EmptyNode {
    const text = String(node.value);
    const plain = node.type === "PLAIN";
    if (plain && /^(|~|null|Null|NULL)$/.test(text)) return { kind: "empty", ...span };
    const raw = this.#source.text.slice(span.start, span.end);
    if (plain) return { kind: "text", text: raw, plain, textStart: span.start, ...span };
    const verbatim = raw.slice(1, -1) === text;
    const base = { kind: "text", text, plain, ...span } as const;
    return verbatim ? { ...base, textStart: span.start + 1 } : base;
  }
}

function spanOf(node: unknown, fallback: Span): Span {
  if (typeof node !== "object" || node === null || !("range" in node)) return fallback;
  const range = node.range;
  if (!Array.isArray(range)) return fallback;
  return { start: Number(range[0]), end: Number(range[1]) };
}

/** Parses one YAML document; no amount is ever a float, `no` is not false, `1e3` is not a thousand. */
export function parseYaml(source: SourceFile): ParsedFile {
  const { document, ...faults } = parseFaulty(source);
  const builder = new TreeBuilder(source);
  const root = builder.build(document.contents, { start: 0, end: 0 }, 0);
  const { brokenFrom, faultLines } = faults;
  const lastLine = brokenFrom === undefined ? Infinity : source.lines.linePos(brokenFrom).line - 1;
  const trusted = builder.problems.filter(({ line }) => line <= lastLine && !faultLines.has(line));
  return { ...faults, root, problems: [...faults.problems, ...trusted] };
}
