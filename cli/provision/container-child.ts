/**
 * Servers of tests in containers instead of child processes (TARMAC_TEST_CONTAINERS=1). They share the
 * network of this machine, so ports, routes and configurations are the same as for processes; what is
 * tested then is the image. `testcontainers` is there for development only, so this file is loaded
 * where it is asked for.
 */
import { execFileSync } from "node:child_process";
import { createWriteStream } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { finished } from "node:stream/promises";
import { GenericContainer, getContainerRuntimeClient, Wait } from "testcontainers";

import type { ChildExit, RunningChild } from "./processes.ts";

export interface ContainerSpec {
  /** For messages. */
  readonly name: string;
  readonly image: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Directories that stand in the container where they stand here; whoever runs this owns them. */
  readonly dirs?: readonly string[];
  /** Gets what the server prints, appended. */
  readonly logFile: string;
  /** How long it may take to stop, in seconds; then it is killed. */
  readonly graceSeconds: number;
}

/** A server in a container; the pid is the machine's. */
export interface ContainerChild extends RunningChild {
  /** The container's own process gets it, whoever it belongs to. */
  readonly signal: (signal: NodeJS.Signals) => void;
}

const OUTPUT_CHARACTERS_MAX = 64 * 1024;
const FIRST_LINE_MS_MAX = 120_000;

/**
 * Starts a container and returns when it has printed something, which is before it is ready.
 * @throws Error when the image is not there and cannot be pulled, or no container can be started.
 */
export async function startContainer(spec: ContainerSpec): Promise<ContainerChild> {
  await mkdir(dirname(spec.logFile), { recursive: true });
  const log = createWriteStream(spec.logFile, { flags: "a" });
  const { uid, gid } = { gid: process.getgid?.() ?? 0, uid: process.getuid?.() ?? 0 };
  const container = new GenericContainer(spec.image)
    .withNetworkMode("host")
    .withCommand([...spec.args])
    .withEnvironment({ ...spec.env })
    .withLogConsumer((lines) => lines.pipe(log))
    .withStartupTimeout(FIRST_LINE_MS_MAX)
    .withWaitStrategy(Wait.forLogMessage(/./));
  if (spec.dirs !== undefined) {
    const dirs = [...new Set(spec.dirs)];
    container.withBindMounts(dirs.map((dir) => ({ mode: "rw", source: dir, target: dir })));
    container.withUser(`${uid}:${gid}`);
  }
  try {
    const started = await container.start();
    return await follow(spec, started.getId(), log);
  } catch (cause) {
    log.destroy();
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(
      `${spec.name}: no container of ${spec.image} could be started (${reason}). Where images cannot be ` +
        "pulled, name local ones in NATS_IMAGE and POSTGRES_IMAGE and set " +
        "TESTCONTAINERS_RYUK_DISABLED=true.",
      { cause },
    );
  }
}

async function follow(
  spec: ContainerSpec,
  id: string,
  log: ReturnType<typeof createWriteStream>,
): Promise<ContainerChild> {
  const { container: client } = await getContainerRuntimeClient();
  const container = client.getById(id);
  const { Pid: pid } = (await container.inspect()).State;
  let exit: ChildExit | undefined;
  const ended = async (): Promise<ChildExit> => {
    const { StatusCode: code } = (await container.wait()) as { readonly StatusCode: number };
    // What it printed last may still be on its way; the stream ends with the container.
    await finished(log).catch(() => undefined);
    exit = { code, signal: null };
    await container.remove({ force: true, v: true }).catch(() => undefined);
    return exit;
  };
  const exited = ended().catch((): ChildExit => (exit = { code: null, signal: null }));
  let stopping: Promise<ChildExit> | undefined;
  const stop = async (): Promise<ChildExit> => {
    // One that has ended meanwhile is gone.
    await container.stop({ t: spec.graceSeconds }).catch(() => undefined);
    return exited;
  };
  return {
    name: spec.name,
    pid,
    exited,
    exit: () => exit,
    output: async () => (await readFile(spec.logFile, "utf8")).slice(-OUTPUT_CHARACTERS_MAX),
    signal: (signal) => {
      // At once, as for a process: the client of the engine has only promises.
      execFileSync("docker", ["kill", "--signal", signal, id], { stdio: "ignore" });
    },
    stop: () => (stopping ??= stop()),
  };
}
