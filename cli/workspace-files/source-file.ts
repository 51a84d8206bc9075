import { LineCounter } from "yaml";

/** One mistake in one file, with all that is needed to show it. */
export interface FileProblem {
  /** As the user named it, so that an editor or terminal can open it. */
  readonly file: string;
  /** From 1; 0 when the file as a whole is meant, such as one that is not there. */
  readonly line: number;
  /** From 1, in UTF-16 code units; 0 with line 0. */
  readonly column: number;
  /** Where in the document: `caps.monthly`, `rules[2]`. */
  readonly path?: string;
  readonly message: string;
  /** The line itself, with anything that could be a secret left out. */
  readonly sourceLine?: string;
  /** How many code units of the line are meant; absent when the line is not shown whole. */
  readonly length?: number;
}

/** Half-open range of offsets in a text, in UTF-16 code units. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** A place that a later refusal can be reported at. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** One file of a set, as it was read. */
export interface SourceFile {
  /** As the user named it. */
  readonly shown: string;
  /** Path inside the set, such as `agents/support-triage.yaml`: the same from wherever it is applied. */
  readonly inSet: string;
  readonly text: string;
  readonly lines: LineCounter;
  /** The file may hold a secret by mistake: its values are never shown. */
  readonly concealed: boolean;
}

/** A text with its line starts. A byte-order mark is left out, so that columns are the editor's. */
export function sourceFile(
  shown: string,
  inSet: string,
  text: string,
  concealed: boolean,
): SourceFile {
  const body = text.startsWith("\ufeff") ? text.slice(1) : text;
  const lines = new LineCounter();
  lines.addNewLine(0);
  for (let at = body.indexOf("\n"); at !== -1; at = body.indexOf("\n", at + 1)) {
    lines.addNewLine(at + 1);
  }
  return { shown, inSet, text: body, lines, concealed };
}

/** Line and column of an offset. */
export function placeOf(source: SourceFile, offset: number): Place {
  const { line, col } = source.lines.linePos(Math.min(offset, source.text.length));
  return { file: source.shown, line, column: col };
}

function lineText(source: SourceFile, line: number): string {
  const start = source.lines.lineStarts[line - 1] ?? source.text.length;
  const end = source.lines.lineStarts[line] ?? source.text.length;
  return source.text.slice(start, end).replace(/\r?\n$/, "");
}

/** A line up to its key: the key of a setting is short and no secret, its value may be one. */
const KEY_OF_LINE = /^\s*(?:- )?[a-z][a-z_-]{0,23}:(?=\s)/;

function shownLine(source: SourceFile, line: number): string | undefined {
  const whole = lineText(source, line);
  if (!source.concealed) return whole;
  const key = KEY_OF_LINE.exec(whole);
  return key === null ? undefined : `${key[0]} …`;
}

/** A problem at a range of a file. */
export function problemAt(
  source: SourceFile,
  span: Span,
  message: string,
  path?: string,
): FileProblem {
  const place = placeOf(source, span.start);
  const sourceLine = shownLine(source, place.line);
  const rest = (sourceLine ?? "").length - (place.column - 1);
  return {
    ...place,
    message,
    ...(path === undefined || path === "" ? {} : { path }),
    ...(sourceLine === undefined ? {} : { sourceLine }),
    ...(source.concealed ? {} : { length: Math.max(1, Math.min(span.end - span.start, rest)) }),
  };
}

/** A problem of a file as a whole: it is not there, cannot be read, or is not one of a workspace's. */
export function wholeFileProblem(shown: string, message: string): FileProblem {
  return { file: shown, line: 0, column: 0, message };
}

const QUOTED_MAX = 60;

/** Text of a file inside a message: quoted, cut, and with nothing a terminal would act on. */
export function quoted(text: string): string {
  const flat = text.replaceAll(/\s+/g, " ").replaceAll(/\p{C}/gu, "\ufffd");
  return flat.length > QUOTED_MAX ? `"${flat.slice(0, QUOTED_MAX)}…"` : `"${flat}"`;
}

/** Words that are shown of a file that may hold secrets: a setting's name is one, a key is not. */
const SETTING_NAME = /^[a-z][a-z_-]{0,23}$/;

/** A name of a file inside a message, or `this` where it could be a secret. */
export function shownName(source: SourceFile, name: string): string {
  return source.concealed && !SETTING_NAME.test(name) ? "this" : quoted(name);
}

/** A name inside a path, or `…` where it could be a secret. */
export function pathName(source: SourceFile, name: string): string {
  return source.concealed && !SETTING_NAME.test(name) ? "…" : name;
}

function byPlace(a: FileProblem, b: FileProblem): number {
  if (a.file !== b.file) return a.file < b.file ? -1 : 1;
  return a.line - b.line || a.column - b.column;
}

/** Problems in the order of files and lines, each once: an anchor's are met at every alias. */
export function sortedProblems(problems: readonly FileProblem[]): readonly FileProblem[] {
  const once = new Map(
    problems.map((problem) => {
      const { file, line, column, message } = problem;
      return [`${file}\0${line}\0${column}\0${message}`, problem] as const;
    }),
  );
  return [...once.values()].sort(byPlace);
}
