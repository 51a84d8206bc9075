/** The files of this repository as a clone would have them, for the tests that keep it tidy. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** What a build, a run or git leaves behind; the same as in .gitignore. */
const LEFT_BEHIND = new Set([".git", "node_modules", ".tarmac", ".cache", "coverage", "dist"]);

/** Every file, relative to the root with forward slashes, in order. */
export function files(folder = ""): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true })
    .filter((entry) => !LEFT_BEHIND.has(entry.name) && !entry.name.endsWith(".log"))
    .flatMap((entry) => {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      return entry.isDirectory() ? files(path) : [path];
    })
    .sort();
}

export function read(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

/** Lines of code: neither blank nor only a comment. Roughly oxlint's `max-lines`. */
export function codeLines(text: string): number {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !isComment(line)).length;
}

/** True for a trimmed line that is nothing but a comment. */
export function isComment(line: string): boolean {
  return /^(\/\/|\/\*|\*\/|\*( |$))/.test(line);
}
