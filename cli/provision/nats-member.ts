import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, type NatsConnection } from "@nats-io/transport-node";

import type { NatsLogin } from "./nats-config.ts";
import { awaitPredecessor, type ChildExit, type RunningChild, startChild } from "./processes.ts";

/** One nats-server: alone, or one of a cluster. What is done to it here is done to a process. */
export interface NatsMember {
  /** As it calls itself. */
  readonly name: string;
  readonly port: number;
  /** Of its latest start, like `exited`. */
  readonly pid: number;
  readonly exited: Promise<ChildExit>;
  /** `kill -9`; settles when it is gone. Also ends one that is paused. */
  readonly kill: () => Promise<void>;
  /** SIGSTOP: it holds its connections and says nothing. */
  readonly pause: () => void;
  /** SIGCONT. */
  readonly resume: () => void;
  /**
   * Starts it again after `kill` or `stop`, on the same data and port. Settles when it takes
   * connections, which one of a cluster does before it has found a leader.
   * @throws Error when it ends before that.
   */
  readonly start: () => Promise<void>;
  /** SIGTERM: it hands over what it leads and ends. */
  readonly stop: () => Promise<ChildExit>;
}

/** Starts a nats-server otherwise than as a child process: in a container. */
export type LaunchNats = (spec: {
  readonly name: string;
  readonly configFile: string;
  readonly dir: string;
  readonly logFile: string;
}) => Promise<Launched>;

/** A child that may be out of reach of a signal from here. */
type Launched = RunningChild & { readonly signal?: (signal: NodeJS.Signals) => void };

export interface MemberSpec {
  readonly name: string;
  /** Path of a nats-server. */
  readonly binary: string;
  /** Holds the journal, the configuration and the pid. */
  readonly dir: string;
  readonly port: number;
  /** The text of its configuration. */
  readonly config: string;
  readonly logFile: string;
  /** How `system` connects to this server alone. */
  readonly system: NatsLogin;
  readonly predecessorMsMax?: number;
  /** Instead of `binary`. */
  readonly launch?: LaunchNats | undefined;
}

/** Time for JetStream to read its streams back, which it does before it accepts connections. */
const READY_MS_MAX = 120_000;
const POLL_MS = 15;
const ANSWER_MS = 2_000;

/** A nats-server as a child process; `start` first. */
export class NatsProcess implements NatsMember {
  readonly #spec: MemberSpec;
  #child: Launched | undefined;

  constructor(spec: MemberSpec) {
    this.#spec = spec;
  }

  get name(): string {
    return this.#spec.name;
  }

  get port(): number {
    return this.#spec.port;
  }

  get pid(): number {
    return this.#running().pid;
  }

  get exited(): Promise<ChildExit> {
    return this.#running().exited;
  }

  /** Starts the process and returns at once. @throws Error when one already runs on its directory. */
  async launch(): Promise<void> {
    const { dir, config, binary, logFile, name, predecessorMsMax } = this.#spec;
    const configFile = join(dir, "server.conf");
    await mkdir(dir, { recursive: true, mode: 0o700 });
    // JetStream takes no lock on its store: two servers on it would destroy it.
    await awaitPredecessor("nats-server", join(dir, "pid"), configFile, predecessorMsMax);
    await writeFile(configFile, config, { mode: 0o600 });
    this.#child = await this.#spec.launch?.({ configFile, dir, logFile, name });
    this.#child ??= await startChild({
      name: "nats-server",
      command: binary,
      args: ["-c", configFile],
      logFile,
      pidFile: join(dir, "pid"),
      stop: [{ signal: "SIGTERM", graceMs: 10_000 }],
      parentDeathSignal: "SIGTERM",
    });
  }

  readonly start = async (): Promise<void> => {
    if (this.#child?.exit() === undefined) throw new Error(`${this.name} still runs`);
    await this.launch();
    const failure = await this.until(async () => {
      await (await this.#connect()).close();
      return true;
    });
    if (failure !== undefined) throw new Error(`${this.name} did not start again: ${failure}`);
  };

  readonly kill = async (): Promise<void> => {
    this.#signal("SIGKILL");
    await this.exited;
  };

  readonly pause = (): void => this.#signal("SIGSTOP");

  readonly resume = (): void => this.#signal("SIGCONT");

  readonly stop = (): Promise<ChildExit> => {
    // One that is paused would not hear SIGTERM.
    this.resume();
    return this.#running().stop();
  };

  /** Undefined once the server says it is healthy; else why it will not be. */
  untilHealthy(): Promise<string | undefined> {
    return this.until(() => this.isHealthy());
  }

  /** Whether it says of itself that JetStream works and, in a cluster, that it knows the leader. */
  async isHealthy(): Promise<boolean> {
    const connection = await this.#connect();
    try {
      const { server_id: id } = connection.info ?? {};
      // Of a cluster, any server may answer what is asked of all.
      const subject = `$SYS.REQ.SERVER.${id}.HEALTHZ`;
      const reply = await connection.request(subject, "", { timeout: ANSWER_MS });
      return reply.json<{ data?: { status?: string } }>().data?.status === "ok";
    } finally {
      await connection.close();
    }
  }

  /** Asks until the answer is yes. Undefined then; else why it will never be. */
  async until(ask: () => Promise<boolean>): Promise<string | undefined> {
    const child = this.#running();
    const deadline = performance.now() + READY_MS_MAX;
    let last = "";
    while (performance.now() < deadline) {
      const exit = child.exit();
      if (exit !== undefined) {
        const lines = (await child.output()).trim().split("\n");
        return `it ended (${exit.signal ?? exit.code}) and said\n${lines.slice(-8).join("\n")}`;
      }
      try {
        // Something else may hold the port, take connections and say nothing.
        if (await Promise.race([ask(), child.exited.then(() => false)])) return undefined;
      } catch (error) {
        last = error instanceof Error ? error.message : String(error);
      }
      await sleep(POLL_MS);
    }
    return `it was not healthy within ${READY_MS_MAX / 1000} s (${last})`;
  }

  #connect(): Promise<NatsConnection> {
    return connect({ ...this.#spec.system, reconnect: false, timeout: ANSWER_MS });
  }

  #running(): Launched {
    if (this.#child === undefined) throw new Error(`${this.name} was never started`);
    return this.#child;
  }

  #signal(signal: NodeJS.Signals): void {
    const child = this.#running();
    if (child.exit() !== undefined) return;
    if (child.signal !== undefined) return child.signal(signal);
    try {
      // The whole group: a shell may stand between (see processes.ts).
      process.kill(-child.pid, signal);
    } catch (error) {
      // Ended in the meantime.
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
}
