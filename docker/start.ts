#!/usr/bin/env node
/**
 * `tarmac` in the image. It becomes the process that its first argument names, under the same number,
 * so that a container has one process and its signals reach it.
 */
import { fileURLToPath } from "node:url";

/** Programs by what the command of a container calls them; any other command is one of `tarmac`. */
const PROGRAMS: Readonly<Record<string, string>> = {
  console: "console/main.ts",
  gateway: "gateway/main.ts",
  node: "nodes/main.ts",
  "simulated-providers": "bench/providers/main.ts",
};

/** The program, relative to the root, and its arguments. */
export function programOf(args: readonly string[]): readonly [string, ...string[]] {
  const [first = "", ...rest] = args;
  const program = PROGRAMS[first];
  return program === undefined ? ["cli/main.ts", ...args] : [program, ...rest];
}

if (import.meta.main) {
  const [program, ...rest] = programOf(process.argv.slice(2));
  const path = fileURLToPath(new URL(`../${program}`, import.meta.url));
  if (process.execve === undefined) throw new Error("the image runs on Linux only");
  process.execve(process.execPath, [process.execPath, path, ...rest]);
}
