import type { FileProblem } from "./source-file.ts";

/** How wide a shown line may be; a longer one is cut around its caret. */
const WIDTH = 100;
/** What is shown before the caret of a cut line. */
const BEFORE = 60;
const CUT = "…";

export interface RenderOptions {
  /** ANSI colours; the caller knows whether it writes to a terminal. */
  readonly color?: boolean;
}

/** Control and direction characters of a file are shown, not obeyed. Tabs stay for their width. */
function harmless(text: string): string {
  return text.replaceAll(/[^\P{C}\t]/gu, "\ufffd");
}

/** The line and the marks under it, cut to the width. */
function excerpt(sourceLine: string, column: number, length: number): readonly [string, string] {
  const at = Math.min(column - 1, sourceLine.length);
  const from = at > BEFORE && sourceLine.length > WIDTH ? at - BEFORE : 0;
  const head = from > 0 ? CUT : "";
  const rest = sourceLine.slice(from, from + WIDTH);
  const tail = from + WIDTH < sourceLine.length ? CUT : "";
  const shown = harmless(head + rest + tail);
  const before = harmless(head + sourceLine.slice(from, at));
  // One column per code point; a tab stays a tab, so that both lines move alike.
  const padding = before.replaceAll(/[^\t]/gu, " ");
  const marks = Math.max(1, Math.min(length, from + WIDTH - at));
  return [shown, `${padding}${"^".repeat(marks)}`];
}

function renderProblem(problem: FileProblem, paint: Paint): string {
  const file = harmless(problem.file);
  const where = problem.line === 0 ? file : `${file}:${problem.line}:${problem.column}`;
  const path = problem.path === undefined ? "" : `${harmless(problem.path)}: `;
  const head = `${paint.bold(where)}: ${path}${harmless(problem.message)}`;
  if (problem.sourceLine === undefined || problem.line === 0) return head;
  const number = `${problem.line}`;
  if (problem.length === undefined) return `${head}\n  ${number} | ${harmless(problem.sourceLine)}`;
  const [line, marks] = excerpt(problem.sourceLine, problem.column, problem.length);
  const gutter = " ".repeat(number.length);
  return `${head}\n  ${number} | ${line}\n  ${gutter} | ${paint.red(marks)}`;
}

interface Paint {
  bold(text: string): string;
  red(text: string): string;
}
const PLAIN: Paint = { bold: (text) => text, red: (text) => text };
const COLORED: Paint = {
  bold: (text) => `\u001b[1m${text}\u001b[22m`,
  red: (text) => `\u001b[31m${text}\u001b[39m`,
};

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

/** All problems for a terminal: place, message, line and caret of each, and how many there are. */
export function renderProblems(
  problems: readonly FileProblem[],
  options: RenderOptions = {},
): string {
  const paint = options.color === true ? COLORED : PLAIN;
  const files = new Set(problems.map((problem) => problem.file)).size;
  const blocks = problems.map((problem) => renderProblem(problem, paint));
  const total = `${counted(problems.length, "mistake")} in ${counted(files, "file")}; nothing was applied.`;
  return `${[...blocks, paint.bold(total)].join("\n\n")}\n`;
}
