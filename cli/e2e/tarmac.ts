/** Runs the `tarmac` command as a user does, in a home and on a port of its own. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { freePort } from "../provision/free-port.ts";

const MAIN = fileURLToPath(new URL("../main.ts", import.meta.url));

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A `tarmac up` that runs. */
export interface Up {
  readonly child: ChildProcess;
  /** Everything printed to standard output until it was up. */
  readonly banner: string;
  readonly exited: Promise<number | null>;
}

/** One user's Tarmac: a home that goes with the test. */
export class Installation {
  readonly home: string;
  readonly port: number;
  readonly consolePort: number;
  readonly #env: NodeJS.ProcessEnv;

  private constructor(home: string, ports: readonly [number, number], env: NodeJS.ProcessEnv) {
    const [port, consolePort] = ports;
    this.home = home;
    this.port = port;
    this.consolePort = consolePort;
    this.#env = {
      ...process.env,
      TARMAC_CONSOLE_PORT: String(consolePort),
      TARMAC_DEMO: "0",
      TARMAC_GATEWAY_PORT: String(port),
      TARMAC_HOME: home,
      ...env,
    };
  }

  static async create(env: NodeJS.ProcessEnv = {}): Promise<Installation> {
    const home = await mkdtemp(join(tmpdir(), "tarmac-home-"));
    return new Installation(home, [await freePort(), await freePort()], env);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Starts the cluster and waits for its banner. @throws Error with what it said when it ends before */
  async up(): Promise<Up> {
    const child = spawn(process.execPath, [MAIN, "up"], {
      env: this.#env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let banner = "";
    let said = "";
    child.stdout.on("data", (chunk: Buffer) => (banner += chunk.toString("utf8")));
    child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString("utf8")));
    const exited = new Promise<number | null>((resolve) => child.once("exit", resolve));
    let ended = false;
    void exited.then(() => (ended = true));
    const deadline = performance.now() + 100_000;
    while (!banner.includes("Ctrl-C stops")) {
      if (ended || performance.now() > deadline) throw new Error(`not up:\n${said}\n${banner}`);
      await sleep(50);
    }
    return { banner, child, exited };
  }

  /** Runs one command to its end. */
  run(...args: readonly string[]): Promise<Outcome> {
    return execute(process.execPath, [MAIN, ...args], this.#env);
  }

  /** Process ids of everything that belongs to this home: its path stands in their command or environment. */
  async processes(): Promise<number[]> {
    const pids: number[] = [];
    for (const name of await readdir("/proc")) {
      if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
      const command = await readFile(`/proc/${name}/cmdline`, "utf8").catch(() => "");
      const environment = await readFile(`/proc/${name}/environ`, "utf8").catch(() => "");
      if (command === "") continue;
      if (command.includes(this.home) || environment.includes(`TARMAC_HOME=${this.home}`)) {
        pids.push(Number(name));
      }
    }
    return pids;
  }

  /** Waits until nothing of this home runs any more. @returns what still does after the time */
  async untilGone(timeoutMs: number): Promise<number[]> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const left = await this.processes();
      if (left.length === 0 || performance.now() > deadline) return left;
      await sleep(100);
    }
  }

  async remove(): Promise<void> {
    for (const pid of await this.processes()) {
      try {
        process.kill(pid, "SIGKILL");
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
      }
    }
    await this.untilGone(10_000);
    await rm(this.home, { force: true, recursive: true, maxRetries: 10 });
  }
}

/** Runs a line in a shell, as when it is pasted. */
export function paste(line: string): Promise<Outcome> {
  return execute("sh", ["-c", line], process.env);
}

function execute(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(command, [...args], { env, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : 1;
      resolve({ code, stderr, stdout });
    });
  });
}
