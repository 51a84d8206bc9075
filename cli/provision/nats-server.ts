import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "@nats-io/transport-node";

import { preferredOrFreePort } from "./free-port.ts";
import {
  NATS_USERS,
  type NatsLogin,
  type NatsUser,
  natsLogin,
  natsLoginUrl,
  natsPasswords,
  renderNatsConfig,
} from "./nats-config.ts";
import { awaitPredecessor, type ChildExit, type RunningChild, startChild } from "./processes.ts";

export interface NatsOptions {
  /** Path of a nats-server, from `findNatsServer`. */
  readonly binary: string;
  /** Holds the journal (`jetstream/`), the rendered configuration, the last port and the pid. */
  readonly dir: string;
  /** Holds the users' passwords. */
  readonly keysDir: string;
  /** Must be what it was when the journal was made: the engine refuses anything else. */
  readonly shards: number;
  readonly logFile: string;
  /** 127.0.0.1 unless given. */
  readonly host?: string;
  /** The last one used, if it is free, else any free one, unless given. */
  readonly port?: number;
  /** How long a server of an earlier start may take to end; 15,000 unless given. */
  readonly predecessorMsMax?: number;
}

export interface RunningNats {
  /** `nats://host:port`, without a user. */
  readonly url: string;
  /** With user and password, for `TARMAC_NATS_SYSTEM_URL`. */
  readonly systemUrl: string;
  readonly host: string;
  readonly port: number;
  readonly pid: number;
  /** How each user connects. */
  readonly logins: Readonly<Record<NatsUser, NatsLogin>>;
  readonly exited: Promise<ChildExit>;
  readonly stop: () => Promise<ChildExit>;
}

/** Time for JetStream to read its streams back, which it does before it accepts connections. */
const READY_MS_MAX = 120_000;
const PORT_TRIES = 5;

/**
 * Starts a nats-server with Tarmac's configuration and returns when it is healthy.
 *
 * @throws Error when one already runs on `dir`, when it ends before it is healthy (with the end of
 * its log), or when a given port is taken.
 */
export async function startNats(options: NatsOptions): Promise<RunningNats> {
  const dir = resolve(options.dir);
  const host = options.host ?? "127.0.0.1";
  const configFile = join(dir, "server.conf");
  await mkdir(dir, { recursive: true, mode: 0o700 });
  // JetStream takes no lock on its store: two servers on it would destroy it.
  await awaitPredecessor("nats-server", join(dir, "pid"), configFile, options.predecessorMsMax);
  const passwords = await natsPasswords(options.keysDir);

  for (let attempt = 1; ; attempt++) {
    const port =
      options.port ??
      (await preferredOrFreePort(attempt === 1 ? await lastPort(dir) : undefined, host));
    // JetStream makes the folder `jetstream` in it.
    const values = { host, port, storeDir: dir, passwords };
    const config = await renderNatsConfig({ ...values, shards: options.shards });
    await writeFile(configFile, config, { mode: 0o600 });
    const child = await startChild({
      name: "nats-server",
      command: options.binary,
      args: ["-c", configFile],
      logFile: options.logFile,
      pidFile: join(dir, "pid"),
      stop: [{ signal: "SIGTERM", graceMs: 10_000 }],
      parentDeathSignal: "SIGTERM",
    });
    const servers = `${host}:${port}`;
    const failure = await untilHealthy(child, natsLogin("system", servers, passwords.system));
    if (failure === undefined) {
      await writeFile(join(dir, "port"), `${port}\n`);
      return running(child, host, port, passwords);
    }
    await child.stop();
    // Another process took the port between the choice and its use.
    const raced = failure.includes("address already in use");
    if (raced && options.port === undefined && attempt < PORT_TRIES) continue;
    throw new Error(`nats-server did not start: ${failure}\nIts log: ${options.logFile}`);
  }
}

function running(
  child: RunningChild,
  host: string,
  port: number,
  passwords: Readonly<Record<NatsUser, string>>,
): RunningNats {
  const servers = `${host}:${port}`;
  const logins = Object.fromEntries(
    NATS_USERS.map((user) => [user, natsLogin(user, servers, passwords[user])]),
  ) as Record<NatsUser, NatsLogin>;
  return {
    url: `nats://${servers}`,
    systemUrl: natsLoginUrl(logins.system),
    host,
    port,
    pid: child.pid,
    logins,
    exited: child.exited,
    stop: child.stop,
  };
}

/** Undefined once the server says it is healthy; else why it will not be. */
async function untilHealthy(child: RunningChild, system: NatsLogin): Promise<string | undefined> {
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
      const healthy = await Promise.race([isHealthy(system), child.exited.then(() => false)]);
      if (healthy) return undefined;
    } catch (error) {
      last = error instanceof Error ? error.message : String(error);
    }
    await sleep(15);
  }
  return `it was not healthy within ${READY_MS_MAX / 1000} s (${last})`;
}

async function isHealthy(system: NatsLogin): Promise<boolean> {
  const connection = await connect({ ...system, reconnect: false, timeout: 2_000 });
  try {
    const reply = await connection.request("$SYS.REQ.SERVER.PING.HEALTHZ", "", { timeout: 2_000 });
    const answer = reply.json<{ data?: { status?: string } }>();
    return answer.data?.status === "ok";
  } finally {
    await connection.close();
  }
}

async function lastPort(dir: string): Promise<number | undefined> {
  const text = await readFile(join(dir, "port"), "utf8").catch(() => "");
  const port = Number(text);
  return Number.isInteger(port) && port > 0 && port < 65_536 ? port : undefined;
}
