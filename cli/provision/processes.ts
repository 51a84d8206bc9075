/**
 * Servers as children of this process. Each has a process group of its own, so that Ctrl-C in the
 * terminal reaches only this process, which then stops them in order; and each ends when this
 * process is killed and can stop nothing any more:
 *
 * - With util-linux's `setpriv --pdeathsig` the kernel sends the child a signal when the *thread*
 *   that started it ends. Start children from the main thread: a worker's children end with it.
 * - Without it (macOS, BusyBox), a shell stands between. It holds one end of a pipe whose other
 *   end is in this process; when the pipe closes, for whatever reason, it signals the child.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, open, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { runCommand } from "./run-command.ts";

/** One way of asking a child to stop, and the milliseconds it is given to do so. */
export interface StopStep {
  readonly signal: NodeJS.Signals;
  readonly graceMs: number;
}

export interface ChildSpec {
  /** For messages: "nats-server". */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** A command and its arguments that are put before, and become `command` by exec: `unshare …`. */
  readonly prefix?: readonly string[];
  /** Gets stdout and stderr, appended. One above 16 MiB is first renamed to `<logFile>.1`. */
  readonly logFile: string;
  /** Written once the child runs, removed when it has ended. */
  readonly pidFile?: string;
  readonly cwd?: string;
  /** Replaces the environment of this process, which is inherited otherwise. */
  readonly env?: NodeJS.ProcessEnv;
  /** Only root may give these. */
  readonly uid?: number;
  readonly gid?: number;
  /** What `stop` does, in turn; SIGKILL follows the last. */
  readonly stop: readonly StopStep[];
  /** What the child gets when this process is gone. */
  readonly parentDeathSignal: "SIGTERM" | "SIGINT";
  /** By default the kernel's way where it can be used. */
  readonly parentDeath?: "kernel" | "shell";
}

export interface ChildExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface RunningChild {
  readonly name: string;
  /** Of the process group; of the server too, unless a shell stands between. */
  readonly pid: number;
  /** Settles when the child has ended, by itself or not. Never rejects. */
  readonly exited: Promise<ChildExit>;
  /** How it ended, once it has. */
  readonly exit: () => ChildExit | undefined;
  /** What it has written to its log since this start; the last 64 KiB of it. */
  readonly output: () => Promise<string>;
  /** Asks it to stop, then makes it. Settles when it has ended; calling twice is once. */
  readonly stop: () => Promise<ChildExit>;
}

const LOG_BYTES_MAX = 16 * 1024 * 1024;
const OUTPUT_BYTES_MAX = 64 * 1024;

/**
 * Starts a child and returns once it runs, which is before it is ready for anything.
 *
 * @throws Error when the command is missing or may not be executed.
 */
export async function startChild(spec: ChildSpec): Promise<RunningChild> {
  const mechanism = spec.parentDeath ?? ((await hasKernelParentDeathSignal()) ? "kernel" : "shell");
  const [command, args] = commandLine(spec, mechanism);
  await mkdir(dirname(spec.logFile), { recursive: true });
  await rotate(spec.logFile);
  const log = await open(spec.logFile, "a");
  const logStart = (await log.stat()).size;

  let child: ChildProcess;
  try {
    child = spawn(command, args, {
      detached: true,
      stdio: [mechanism === "shell" ? "pipe" : "ignore", log.fd, log.fd],
      ...(spec.cwd === undefined ? {} : { cwd: spec.cwd }),
      ...(spec.env === undefined ? {} : { env: spec.env }),
      ...(spec.uid === undefined ? {} : { uid: spec.uid }),
      ...(spec.gid === undefined ? {} : { gid: spec.gid }),
    });
    await spawned(child, spec);
  } finally {
    await log.close();
  }
  // The shell ends first when the child does; writing into its pipe is never attempted.
  child.stdin?.on("error", () => undefined);
  return follow(child, spec, logStart);
}

/** Stops children one after the other, in the order given, also when one has ended before. */
export async function stopInOrder(
  children: readonly { readonly stop: () => Promise<unknown> }[],
): Promise<void> {
  for (const child of children) await child.stop();
}

/**
 * The pid in the first line of `pidFile`, if that process lives and `mark` is in its command line.
 * The mark tells the process from a later one that was given the same number.
 */
export async function livingProcess(pidFile: string, mark: string): Promise<number | undefined> {
  let text: string;
  try {
    text = await readFile(pidFile, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const pid = Number(text.split("\n", 1)[0]);
  if (!Number.isSafeInteger(pid) || pid <= 1) return undefined;
  const line = await commandLineOf(pid);
  return line?.includes(mark) === true ? pid : undefined;
}

/**
 * Waits until the process of an earlier start is gone: one whose parent was killed a moment ago is
 * still on its way out.
 *
 * @throws Error when it lives on after `timeoutMs`.
 */
export async function awaitPredecessor(
  name: string,
  pidFile: string,
  mark: string,
  timeoutMs = 15_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const pid = await livingProcess(pidFile, mark);
    if (pid === undefined) return;
    if (performance.now() > deadline) {
      throw new Error(
        `${name} already runs on ${mark} as process ${pid}: stop that Tarmac first (\`tarmac down\`), ` +
          `or, if nothing else is left of it, \`kill ${pid}\``,
      );
    }
    await sleep(50);
  }
}

let kernelParentDeathSignal: Promise<boolean> | undefined;

/** Whether `setpriv --pdeathsig` works here; asked once per process. */
export function hasKernelParentDeathSignal(): Promise<boolean> {
  kernelParentDeathSignal ??= runCommand("setpriv", ["--pdeathsig", "TERM", "true"], {
    timeoutMs: 5_000,
  }).then(
    () => true,
    () => false,
  );
  return kernelParentDeathSignal;
}

// $1 is the signal's name, the rest is the command. Standard input is the pipe to the parent.
// The traps keep the shell alive through signals that are meant for the child, which gets them
// too, being of the same group; `wait` returns early on each, hence the loop.
const SHELL_BETWEEN = `
signal=$1; shift
exec 3<&0
"$@" 3<&- </dev/null &
child=$!
trap : TERM INT QUIT HUP
(trap - TERM INT QUIT HUP; cat <&3 >/dev/null; kill -s "$signal" "$child") &
watch=$!
exec 3<&-
wait "$child"; code=$?
while kill -0 "$child" 2>/dev/null; do wait "$child"; code=$?; done
kill "$watch" 2>/dev/null
exit "$code"
`;

function commandLine(spec: ChildSpec, mechanism: "kernel" | "shell"): [string, string[]] {
  const signal = spec.parentDeathSignal.slice("SIG".length);
  const wanted = [spec.command, ...spec.args];
  const prefix = spec.prefix ?? [];
  // The prefix comes first: the kernel forgets the signal when credentials change after it is set.
  const line =
    mechanism === "kernel"
      ? [...prefix, "setpriv", "--pdeathsig", signal, ...wanted]
      : ["sh", "-c", SHELL_BETWEEN, "sh", signal, ...prefix, ...wanted];
  return [line[0] ?? spec.command, line.slice(1)];
}

function spawned(child: ChildProcess, spec: ChildSpec): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", (cause) => {
      reject(new Error(`${spec.name} could not be started: ${cause.message}`, { cause }));
    });
  });
}

async function follow(
  child: ChildProcess,
  spec: ChildSpec,
  logStart: number,
): Promise<RunningChild> {
  const pid = child.pid;
  if (pid === undefined) throw new Error(`${spec.name} was started but has no process id`);
  const { name, pidFile } = spec;
  let exit: ChildExit | undefined;
  const ended = new Promise<ChildExit>((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) {
      resolve({ code: child.exitCode, signal: child.signalCode });
    }
    child.once("exit", (code, signal) => resolve({ code, signal }));
  });
  const written = pidFile === undefined ? Promise.resolve() : writeFile(pidFile, `${pid}\n`);
  const exited = ended.then(async (how) => {
    exit = how;
    await written.catch(() => undefined);
    if (pidFile !== undefined) await rm(pidFile, { force: true }).catch(() => undefined);
    return how;
  });
  try {
    await written;
  } catch (error) {
    signalGroup(pid, "SIGKILL");
    throw error;
  }
  let stopping: Promise<ChildExit> | undefined;
  return {
    name,
    pid,
    exited,
    exit: () => exit,
    output: () => readFrom(spec.logFile, logStart),
    stop: () => (stopping ??= stopGroup(pid, exited, spec.stop)),
  };
}

async function stopGroup(
  pid: number,
  exited: Promise<ChildExit>,
  steps: readonly StopStep[],
): Promise<ChildExit> {
  for (const { signal, graceMs } of steps) {
    signalGroup(pid, signal);
    const timer = new AbortController();
    const how = await Promise.race([
      exited,
      sleep(graceMs, undefined, { signal: timer.signal }).catch(() => undefined),
    ]);
    timer.abort();
    if (how !== undefined) return how;
  }
  signalGroup(pid, "SIGKILL");
  return exited;
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    // Ended in the meantime.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

async function commandLineOf(pid: number): Promise<string | undefined> {
  if (process.platform === "linux") {
    // Empty for a process that has ended but was not waited for yet.
    const raw = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => undefined);
    return raw === undefined || raw === "" ? undefined : raw.replaceAll("\0", " ");
  }
  return runCommand("ps", ["-o", "command=", "-p", String(pid)], { timeoutMs: 5_000 }).catch(
    () => undefined,
  );
}

async function rotate(logFile: string): Promise<void> {
  const size = await stat(logFile).then(
    (found) => found.size,
    () => 0,
  );
  if (size > LOG_BYTES_MAX) await rename(logFile, `${logFile}.1`);
}

async function readFrom(logFile: string, start: number): Promise<string> {
  const file = await open(logFile, "r");
  try {
    const { size } = await file.stat();
    const from = Math.max(start, size - OUTPUT_BYTES_MAX);
    const buffer = Buffer.alloc(Math.max(0, size - from));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, from);
    return buffer.subarray(0, bytesRead).toString("utf8");
  } finally {
    await file.close();
  }
}
