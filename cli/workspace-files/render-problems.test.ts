/**
 * Goal: a person sees where each mistake is, and a file cannot act on the terminal.
 * Method: rendered text by example, with tabs, long lines and control characters.
 */
import { expect, test } from "vitest";
import { renderProblems } from "./render-problems.ts";
import { problemAt, sourceFile, wholeFileProblem } from "./source-file.ts";

test("render: place, path, message, line and caret, and the count at the end", () => {
  const source = sourceFile("a.yaml", "a.yaml", "\ufeffcaps:\r\n  monthly: five\r\n", false);
  const problems = [
    problemAt(source, { start: 18, end: 22 }, "must be an amount", "caps.monthly"),
    wholeFileProblem("b.yaml", "does not exist"),
  ];
  expect(renderProblems(problems)).toBe(`a.yaml:2:12: caps.monthly: must be an amount
  2 |   monthly: five
    |            ^^^^

b.yaml: does not exist

2 mistakes in 2 files; nothing was applied.
`);
});

test("render: marks stand under what they mean, after tabs and in long lines", () => {
  const text = `\t\tx: bad ${"y".repeat(200)} worse ${"z".repeat(200)}`;
  const source = sourceFile("a.yaml", "a.yaml", text, false);
  for (const word of ["bad", "worse"]) {
    const start = text.indexOf(word);
    const shown = renderProblems([problemAt(source, { start, end: start + word.length }, "no")]);
    const [, line = "", marks = ""] = shown.split("\n");
    const at = marks.indexOf("^");
    expect(line.slice(at, at + word.length)).toBe(word);
    expect(marks.slice(at)).toBe("^".repeat(word.length));
    expect(marks.slice(0, at).replaceAll(/[^\t]/g, "")).toBe(word === "bad" ? "\t\t" : "");
    expect(line.length).toBeLessThan(115);
  }
});

test("render: control characters and directions of a file are shown, not obeyed", () => {
  const source = sourceFile("\u001b[2Ja.yaml", "a", "x: \u001b[31m\u202e\u009b1A red", false);
  const problem = problemAt(source, { start: 3, end: 5 }, "no \u001b]0;title\u0007");
  const shown = renderProblems([problem]);
  expect(shown.replaceAll("\n", "")).not.toMatch(/\p{C}/u);
  expect(renderProblems([problem], { color: true })).toContain("\u001b[31m   ^^\u001b[39m");
});
