import type { NanoUsd } from "../../ledger/money.ts";
import { type Quantity, readDollars } from "./amounts.ts";
import { didYouMean } from "./did-you-mean.ts";
import {
  type FileProblem,
  pathName,
  problemAt,
  quoted,
  type SourceFile,
  type Span,
} from "./source-file.ts";
import type { MapNode, ParsedFile, TextNode, TreeNode } from "./yaml-tree.ts";

/** One file while it is being read; `problems` and `notices` are the reader's to add to. */
export interface Reading {
  readonly source: SourceFile;
  readonly parsed: ParsedFile;
  readonly problems: FileProblem[];
  readonly notices: string[];
}

/** One value of a file with its place. */
export interface Field {
  readonly reading: Reading;
  readonly node: TreeNode;
  /** `caps.monthly`; empty for the document. */
  readonly path: string;
}

/** Reads a value; `undefined` after a mistake, which it has then reported. */
export type Reader<T> = (field: Field) => T | undefined;

/** A value together with where it stands, for checks that need other files. */
export interface Placed<T> {
  readonly value: T;
  readonly field: Field;
}

/** The whole document of a file as a field. */
export function documentOf(reading: Reading): Field {
  return { reading, node: reading.parsed.root, path: "" };
}

/** Reports a mistake, unless it only follows from a mistake of syntax already reported. */
export function report(field: Field, message: string, span: Span = field.node): undefined {
  const { source, parsed, problems } = field.reading;
  if (field.node.kind === "empty" && field.node.faulty === true) return undefined;
  if (isBroken(source.text, span, parsed.brokenFrom)) return undefined;
  if (holdsFault(source, span, parsed.faultLines)) return undefined;
  problems.push(problemAt(source, span, message, field.path));
  return undefined;
}

/** True for what reaches, but for blanks, up to where the syntax breaks: it may lack its end. */
function isBroken(text: string, span: Span, brokenFrom: number | undefined): boolean {
  if (brokenFrom === undefined) return false;
  if (span.start >= brokenFrom || span.end >= brokenFrom) return true;
  return /^\s*:?\s*$/.test(text.slice(span.end, brokenFrom));
}

/** True when one of the lines of a range has a fault of syntax. */
export function holdsFault(
  source: SourceFile,
  span: Span,
  faultLines: ReadonlySet<number>,
): boolean {
  if (faultLines.size === 0) return false;
  const first = source.lines.linePos(span.start).line;
  const last = source.lines.linePos(Math.max(span.start, span.end - 1)).line;
  return [...faultLines].some((line) => first <= line && line <= last);
}

/** Says something that the user should know and that is no mistake. */
export function notice(field: Field, message: string): void {
  const { source, notices } = field.reading;
  const { line } = source.lines.linePos(field.node.start);
  notices.push(`${source.shown}:${line}: ${message}`);
}

/** The text in a message, but for files whose values may be secrets. */
export function shownText(field: Field, text: string): string {
  return field.reading.source.concealed ? "this" : quoted(text);
}

const KINDS = { empty: "empty", list: "a list", map: "a map", text: "a single value" } as const;

function wrongKind(field: Field, wanted: string): undefined {
  const { node } = field;
  if (node.kind === "empty") return report(field, `has no value: give it ${wanted}, or remove it`);
  return report(field, `must be ${wanted}, not ${KINDS[node.kind]}`);
}

/** The text of a scalar, or a report that it is something else. */
export function scalarOf(field: Field, wanted: string): TextNode | undefined {
  return field.node.kind === "text" ? field.node : wrongKind(field, wanted);
}

/** Any text up to a length. */
export function textOf(lengthMax: number): Reader<string> {
  return (field) => {
    const node = scalarOf(field, "a text");
    if (node === undefined) return undefined;
    const text = node.text.trim();
    if (text === "") return report(field, "must not be empty");
    if (text.length > lengthMax) return report(field, `must be at most ${lengthMax} characters`);
    if (!text.isWellFormed()) return report(field, "holds half a surrogate pair");
    return text;
  };
}

/** A text of a pattern; `wanted` says which in words. */
export function matching(pattern: RegExp, wanted: string): Reader<string> {
  return (field) => {
    const node = scalarOf(field, wanted);
    if (node === undefined) return undefined;
    if (pattern.test(node.text)) return node.text;
    return report(field, `must be ${wanted}, not ${shownText(field, node.text)}`);
  };
}

/** One of a list of words. */
export function oneOf<const V extends readonly string[]>(words: V): Reader<V[number]> {
  const wanted = words.length === 1 ? `${words[0]}` : `one of ${words.join(", ")}`;
  return (field) => {
    const node = scalarOf(field, wanted);
    if (node === undefined) return undefined;
    if (words.includes(node.text)) return node.text as V[number];
    const hint = didYouMean(node.text, words);
    return report(field, `must be ${wanted}, not ${shownText(field, node.text)}${hint}`);
  };
}

/** `true` or `false`. In YAML 1.2 `yes`, `no`, `on` and `off` are plain words. */
export const trueOrFalse: Reader<boolean> = (field) => {
  const node = scalarOf(field, "true or false");
  if (node === undefined) return undefined;
  if (/^(true|false)$/.test(node.text)) return node.text === "true";
  return report(field, `must be true or false, not ${shownText(field, node.text)}`);
};

/** A quantity read exactly from its text. */
export function quantityOf<T>(wanted: string, read: (text: string) => Quantity<T>): Reader<T> {
  return (field) => {
    const node = scalarOf(field, wanted);
    if (node === undefined) return undefined;
    const quantity = read(node.text);
    if (quantity.ok) return quantity.value;
    return report(field, `${shownText(field, node.text)} ${quantity.problem}`);
  };
}

/** A money ceiling in US dollars. */
export const dollars: Reader<NanoUsd> = quantityOf("an amount like $5.00", readDollars);

/** Any reader, with the place of what it read. */
export function placed<T>(read: Reader<T>): Reader<Placed<T>> {
  return (field) => {
    const value = read(field);
    return value === undefined ? undefined : { value, field };
  };
}

/** A list, each element by the same reader. */
export function listOf<T>(read: Reader<T>, what: string, lengthMax: number): Reader<readonly T[]> {
  return (field) => {
    const { node } = field;
    if (node.kind !== "list") return wrongKind(field, `a list of ${what}`);
    if (node.items.length > lengthMax) {
      return report(field, `has more than ${lengthMax} ${what}`, node.items[lengthMax]);
    }
    const items = node.items.map((item, i) =>
      read({ reading: field.reading, node: item, path: `${field.path}[${i}]` }),
    );
    return items.filter((item) => item !== undefined);
  };
}

/** A map from names to values, in the order of the file. A name stands also when its value is wrong. */
export function mapOf<T>(
  pattern: RegExp,
  what: string,
  read: Reader<T>,
): Reader<ReadonlyMap<string, Placed<T | undefined>>> {
  return (field) => {
    if (field.node.kind !== "map") return wrongKind(field, `a map of ${what}`);
    const out = new Map<string, Placed<T | undefined>>();
    for (const { key, value } of field.node.pairs) {
      const child = childOf(field, key, value);
      const isName = pattern.test(key.text);
      if (!isName) report(child, "is not a name that can stand here", key);
      const element = read(child);
      const at = { ...child, node: atKey(key, value) };
      out.set(key.text, { value: isName ? element : undefined, field: at });
    }
    return out;
  };
}

/** Points at the key rather than at the value, which may be empty or many lines. */
function atKey(key: TextNode, value: TreeNode): TreeNode {
  return { ...value, start: key.start, end: key.end };
}

function childOf(field: Field, key: TextNode, node: TreeNode): Field {
  const name = pathName(field.reading.source, key.text);
  const path = field.path === "" ? name : `${field.path}.${name}`;
  const value = node.kind === "empty" ? { ...node, start: key.start, end: key.end } : node;
  return { reading: field.reading, node: value, path };
}

type Readers = Readonly<Record<string, Reader<unknown>>>;
/** What {@link fieldsOf} gives: each field that is there and right. */
export type Fields<R extends Readers> = {
  readonly [K in keyof R]?: (R[K] extends Reader<infer T> ? T : never) | undefined;
};

/** What a map says besides its fields' readers. */
export interface MapRules {
  /** `an agent`: for messages. */
  readonly what: string;
  readonly required?: readonly string[];
  /** Fields that a later version has: refused by name, never taken and ignored. */
  readonly notInForce?: readonly string[];
  /** What to say of a field that users of other tools, or readers of the design, may try. */
  readonly hints?: Readonly<Record<string, string>>;
}

/** Reads a map of known fields; unknown and missing ones are reported. */
export function fieldsOf<R extends Readers>(
  field: Field,
  readers: R,
  rules: MapRules,
): Fields<R> | undefined {
  const { node } = field;
  const names = Object.keys(readers).join(", ");
  if (node.kind === "empty" && field.path === "") {
    return report(field, `is empty: ${rules.what} has ${names}`);
  }
  if (node.kind !== "map") return wrongKind(field, `a map with ${names}`);
  const out: Record<string, unknown> = {};
  const present = new Set<string>();
  for (const { key, value } of node.pairs) {
    const child = childOf(field, key, value);
    const read = Object.hasOwn(readers, key.text) ? readers[key.text] : undefined;
    if (read === undefined) {
      reportUnknown(child, key, node, { readers, rules });
    } else {
      present.add(key.text);
      out[key.text] = read(child);
    }
  }
  reportMissing(field, present, rules);
  return out as Fields<R>;
}

function reportUnknown(
  child: Field,
  key: TextNode,
  map: MapNode,
  known: { readonly readers: Readers; readonly rules: MapRules },
): void {
  const name = key.text;
  const { what, notInForce = [], hints = {} } = known.rules;
  if (notInForce.includes(name)) {
    report(child, "is not in force in this version: remove it", key);
  } else if (Object.hasOwn(hints, name)) {
    report(child, hints[name] ?? "", key);
  } else if (map.flow && /^[\d,.]+$/.test(name)) {
    report(child, 'a comma in braces ends a value: write amounts in quotes, like "$60,000"', key);
  } else if (name === "<<") {
    report(child, "merge keys are not used here: write the fields out", key);
  } else {
    const names = Object.keys(known.readers);
    const hint = didYouMean(name, names) || `; it has ${names.join(", ")}`;
    report(child, `is not a field of ${what}${hint}`, key);
  }
}

/** In a file with broken syntax a field may only seem to be missing. */
function reportMissing(field: Field, present: ReadonlySet<string>, rules: MapRules): void {
  if (field.reading.parsed.brokenFrom !== undefined) return;
  const { node } = field;
  const first = node.kind === "map" ? node.pairs[0]?.key : undefined;
  for (const name of rules.required ?? []) {
    if (!present.has(name)) report(field, `${name} is missing in ${rules.what}`, first ?? node);
  }
}
