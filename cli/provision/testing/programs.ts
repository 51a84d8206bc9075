/** Programs that tests start, read one line of JSON from, and kill. */
import { type ChildProcess, spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

export interface Program<Line> {
  readonly process: ChildProcess;
  /** What the program printed first. */
  readonly line: Line;
}

/** Runs a program of this folder under this Node, after `prefix`, until it has printed a line. */
export async function runProgram<Line>(
  name: string,
  args: readonly string[],
  prefix: readonly string[] = [],
): Promise<Program<Line>> {
  const path = fileURLToPath(new URL(name, import.meta.url));
  const [command = "", ...rest] = [...prefix, process.execPath, path, ...args];
  const child = spawn(command, rest, { stdio: ["ignore", "pipe", "pipe"], detached: true });
  onTestFinished(() => void child.kill("SIGKILL"));
  let complaint = "";
  child.stderr.on("data", (data: Buffer) => {
    complaint += data.toString("utf8");
  });
  for await (const line of createInterface({ input: child.stdout })) {
    return { process: child, line: JSON.parse(line) as Line };
  }
  throw new Error(`${name} printed nothing: ${complaint}`);
}

/** Whether a process of this number lives, children that nobody waited for not counted. */
export async function lives(pid: number): Promise<boolean> {
  const state = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  // "4711 (nats-server) S …": Z has ended. A name may hold spaces and parentheses.
  return state !== "" && !/^\) Z/.test(state.slice(state.lastIndexOf(")")));
}

/** Waits for `condition`, and fails after `timeoutMs`. */
export async function eventually(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 10_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await sleep(20);
  }
}
