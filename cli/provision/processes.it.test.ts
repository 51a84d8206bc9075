/**
 * Goal: a child is stopped the way it wants, in its own group, and never outlives its parent.
 * Method: small shell programs as children, started here or by a parent process that is then
 * killed; both mechanisms, the kernel's and the shell's, are held to the same.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";

import { freePort, isPortFree, preferredOrFreePort } from "./free-port.ts";
import {
  awaitPredecessor,
  type ChildSpec,
  hasKernelParentDeathSignal,
  livingProcess,
  startChild,
  stopInOrder,
} from "./processes.ts";
import { CommandFailed, runCommand } from "./run-command.ts";
import { readOrCreateSecret } from "./secrets.ts";
import { eventually, lives, runProgram } from "./testing/programs.ts";

async function directory(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "tarmac-processes-it-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true, maxRetries: 10 }));
  return dir;
}

/** A child that says when it is up and which signals it got. `$$` is the shell's own pid. */
const POLITE = 'trap "echo got TERM; exit 3" TERM; echo up $$; while :; do sleep 0.02; done';
const STUBBORN =
  'trap "echo got TERM" TERM; trap "echo got QUIT" QUIT; echo up $$; while :; do sleep 0.02; done';

async function specFor(script: string, more: Partial<ChildSpec> = {}): Promise<ChildSpec> {
  const dir = await directory();
  return {
    name: "child",
    command: "sh",
    args: ["-c", script, "mark-of-this-child"],
    logFile: join(dir, "child.log"),
    pidFile: join(dir, "pid"),
    stop: [{ signal: "SIGTERM", graceMs: 5_000 }],
    parentDeathSignal: "SIGTERM",
    ...more,
  };
}

const mechanisms = (await hasKernelParentDeathSignal())
  ? (["kernel", "shell"] as const)
  : (["shell"] as const);

describe.each(mechanisms)("by the %s", (parentDeath) => {
  async function started(script: string, more: Partial<ChildSpec> = {}) {
    const spec = await specFor(script, { parentDeath, ...more });
    const child = await startChild(spec);
    onTestFinished(async () => {
      await child.stop();
    });
    await eventually("the child is up", async () => (await child.output()).includes("up "));
    return { spec, child };
  }

  test("stop: asks first, and reports how the child ended", async () => {
    const { child } = await started(POLITE);
    expect(child.exit()).toBeUndefined();
    expect(await child.stop()).toEqual({ code: 3, signal: null });
    expect(await child.output()).toContain("got TERM\n");
    expect(child.exit()).toEqual({ code: 3, signal: null });
  });

  test("stop: goes on to the next signal, and at last kills", async () => {
    const { child } = await started(STUBBORN, {
      stop: [
        { signal: "SIGTERM", graceMs: 200 },
        { signal: "SIGTERM", graceMs: 200 },
      ],
    });
    const real = Number(/up (\d+)/.exec(await child.output())?.[1]);
    await child.stop();
    expect((await child.output()).match(/got TERM/g)).toHaveLength(2);
    await eventually("the child is gone", async () => !(await lives(real)));
  });

  test("exited: tells that a child ended by itself, with its code", async () => {
    const child = await startChild(await specFor("echo up; exit 7", { parentDeath }));
    expect(await child.exited).toEqual({ code: 7, signal: null });
    expect(await child.stop()).toEqual({ code: 7, signal: null });
  });

  test("parent killed: its child is told to stop, and does", async () => {
    const spec = await specFor(POLITE, { parentDeath });
    const parent = await runProgram<{ pid: number }>("parent.ts", [JSON.stringify(spec)]);
    const log = () => readFile(spec.logFile, "utf8");
    await eventually("the child is up", async () => (await log()).includes("up "));
    const real = Number(/up (\d+)/.exec(await log())?.[1]);
    expect(await lives(real)).toBe(true);
    process.kill(parent.process.pid ?? 0, "SIGKILL");
    await eventually("the child is gone", async () => !(await lives(real)));
    await eventually("so is its group", async () => !(await lives(parent.line.pid)));
    expect(await log()).toContain("got TERM");
  });

  test("Ctrl-C: does not reach the child, whose group is its own", async () => {
    const spec = await specFor(POLITE, { parentDeath });
    const parent = await runProgram<{ pid: number }>("parent.ts", [JSON.stringify(spec)]);
    await eventually("up", async () => (await readFile(spec.logFile, "utf8")).includes("up "));
    // "4711 (sh) S <parent> <group> …"
    const group = async (pid: number) =>
      Number((await readFile(`/proc/${pid}/stat`, "utf8")).split(") ")[1]?.split(" ")[2]);
    expect(await group(parent.line.pid)).toBe(parent.line.pid);
    expect(await group(parent.line.pid)).not.toBe(await group(parent.process.pid ?? 0));
  });

  test("pid file: names the child while it runs, and is gone afterwards", async () => {
    const { spec, child } = await started(POLITE);
    const pidFile = spec.pidFile ?? "";
    expect(await livingProcess(pidFile, "mark-of-this-child")).toBe(child.pid);
    expect(await livingProcess(pidFile, "another mark")).toBeUndefined();
    await child.stop();
    await expect(readFile(pidFile)).rejects.toThrow("ENOENT");
  });
});

test("start: a command that is not there is named", async () => {
  const spec = await specFor("");
  const started = startChild({ ...spec, command: "/nowhere/nats-server", parentDeath: "shell" });
  const child = await started;
  expect((await child.exited).code).toBe(127);
  expect(await child.output()).toMatch(/nats-server.*not found/);
  await expect(startChild({ ...spec, cwd: "/nowhere" })).rejects.toThrow(
    /child could not be started/,
  );
});

test("stop in order: the next is asked when the one before has ended", async () => {
  const order: string[] = [];
  const children = await Promise.all(
    ["first", "second", "third"].map(async (name) => {
      const child = await startChild({ ...(await specFor(POLITE)), name });
      void child.exited.then(() => order.push(name));
      await eventually("up", async () => (await child.output()).includes("up "));
      return child;
    }),
  );
  await stopInOrder(children);
  expect(order).toEqual(["first", "second", "third"]);
});

test("predecessor: one that is ending is waited for, one that stays is named", async () => {
  const spec = await specFor('trap "sleep 0.3; exit" TERM; echo up; while :; do sleep 0.02; done');
  const child = await startChild(spec);
  await eventually("up", async () => (await child.output()).includes("up"));
  const pidFile = spec.pidFile ?? "";
  const waiting = awaitPredecessor("child", pidFile, "mark-of-this-child", 200);
  await expect(waiting).rejects.toThrow(
    `child already runs on mark-of-this-child as process ${child.pid}`,
  );
  const stopped = child.stop();
  await awaitPredecessor("child", pidFile, "mark-of-this-child", 5_000);
  await stopped;
});

test("log: a long one is set aside at the next start", async () => {
  const spec = await specFor("echo up");
  await writeFile(spec.logFile, Buffer.alloc(17 * 1024 * 1024, "x"));
  await (await startChild(spec)).exited;
  expect(await readFile(spec.logFile, "utf8")).toBe("up\n");
  expect((await readFile(`${spec.logFile}.1`)).length).toBe(17 * 1024 * 1024);
});

describe("run command", () => {
  test("says in one line what failed, what is missing, and what took too long", async () => {
    const failing = runCommand("sh", ["-c", "echo noise >&2; echo ERROR: no disk >&2; exit 4"], {
      timeoutMs: 5_000,
    });
    await expect(failing).rejects.toThrow(/failed \(4\): ERROR: no disk/);
    await expect(failing).rejects.toBeInstanceOf(CommandFailed);
    const missing = runCommand("no-such-tool", [], { timeoutMs: 5_000 });
    await expect(missing).rejects.toThrow("`no-such-tool` is not on PATH");
    const slow = runCommand("sleep", ["30"], { timeoutMs: 100 });
    await expect(slow).rejects.toThrow("`sleep 30` took too long");
  });
});

describe("secret", () => {
  test("is made once, also by many at once, and kept", async () => {
    const path = join(await directory(), "keys", "secret");
    const made = await Promise.all(Array.from({ length: 20 }, () => readOrCreateSecret(path)));
    expect(new Set(made).size).toBe(1);
    expect(made[0]).toMatch(/^k[A-Za-z0-9_-]{32}$/);
    expect(await readOrCreateSecret(path)).toBe(made[0]);
  });

  test("an empty file is a mistake, not a secret", async () => {
    const path = join(await directory(), "secret");
    await writeFile(path, "\n");
    await expect(readOrCreateSecret(path)).rejects.toThrow(`${path} is empty`);
  });
});

test("free port: nothing listens on it; a preferred one is kept while it is free", async () => {
  const port = await freePort();
  expect(await isPortFree(port)).toBe(true);
  expect(await preferredOrFreePort(port)).toBe(port);
});
