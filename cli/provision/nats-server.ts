import { readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";

import { preferredOrFreePort } from "./free-port.ts";
import {
  NATS_USERS,
  type NatsLogin,
  type NatsTlsFiles,
  type NatsUser,
  natsLogin,
  natsLoginUrl,
  natsPasswords,
  renderNatsConfig,
} from "./nats-config.ts";
import { type LaunchNats, type NatsMember, NatsProcess } from "./nats-member.ts";
import type { ChildExit } from "./processes.ts";

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
  /** Connections are encrypted when given. */
  readonly tls?: NatsTlsFiles;
  /** How long a server of an earlier start may take to end; 15,000 unless given. */
  readonly predecessorMsMax?: number;
  /** How to start it, if not as `binary`. */
  readonly launch?: LaunchNats | undefined;
}

export interface RunningNats {
  /** `nats://host:port`, without a user; of a cluster all of them, with commas. */
  readonly url: string;
  /** With user and password, for `TARMAC_NATS_SYSTEM_URL`. */
  readonly systemUrl: string;
  readonly host: string;
  /** Of a cluster, this and the next two are the first server's, as it was first started. */
  readonly port: number;
  readonly pid: number;
  readonly exited: Promise<ChildExit>;
  /** How each user connects. */
  readonly logins: Readonly<Record<NatsUser, NatsLogin>>;
  /** Each server: one, or those of the cluster. */
  readonly members: readonly NatsMember[];
  /**
   * Returns once all servers are healthy and, of a cluster, know their leader.
   * @throws Error when one has ended, or is not healthy within two minutes.
   */
  readonly untilHealthy: () => Promise<void>;
  readonly stop: () => Promise<ChildExit>;
}

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
  const passwords = await natsPasswords(options.keysDir);
  const tls = options.tls === undefined ? {} : { tls: options.tls };
  const ca = await certificatesOf(options.tls);

  for (let attempt = 1; ; attempt++) {
    const port =
      options.port ??
      (await preferredOrFreePort(attempt === 1 ? await lastPort(dir) : undefined, host));
    // JetStream makes the folder `jetstream` in it.
    const values = { host, port, storeDir: dir, passwords, shards: options.shards, ...tls };
    const logins = loginsOf([`${nameFor(host, options.tls)}:${port}`], passwords, ca);
    const { binary, logFile, predecessorMsMax } = options;
    const server = new NatsProcess({
      name: "tarmac",
      binary,
      dir,
      port,
      config: await renderNatsConfig(values),
      logFile,
      system: logins.system,
      launch: options.launch,
      ...(predecessorMsMax === undefined ? {} : { predecessorMsMax }),
    });
    await server.launch();
    const failure = await server.untilHealthy();
    if (failure === undefined) {
      await writeFile(join(dir, "port"), `${port}\n`);
      return runningNats([server], host, logins);
    }
    await server.stop();
    // Another process took the port between the choice and its use.
    if (lostItsPort(failure) && options.port === undefined && attempt < PORT_TRIES) continue;
    throw new Error(`nats-server did not start: ${failure}\nIts log: ${logFile}`);
  }
}

/** What clients call a server of this machine by: a certificate is compared with a name only. */
export function nameFor(host: string, tls: NatsTlsFiles | undefined): string {
  return tls === undefined ? host : "localhost";
}

/** Whether a server ended because its port was taken. */
export function lostItsPort(failure: string): boolean {
  return failure.includes("address already in use");
}

/** What clients are to trust, as PEM. */
export async function certificatesOf(tls: NatsTlsFiles | undefined): Promise<string | undefined> {
  return tls === undefined ? undefined : readFile(tls.caFile, "utf8");
}

/** How each user connects to `servers`. */
export function loginsOf(
  servers: readonly string[],
  passwords: Readonly<Record<NatsUser, string>>,
  ca: string | undefined,
): Record<NatsUser, NatsLogin> {
  const entries = NATS_USERS.map((user): [NatsUser, NatsLogin] => [
    user,
    natsLogin(user, servers.join(","), passwords[user], ca),
  ]);
  return Object.fromEntries(entries) as Record<NatsUser, NatsLogin>;
}

/** What callers hold of servers that are healthy. */
export function runningNats(
  members: readonly NatsProcess[],
  host: string,
  logins: Readonly<Record<NatsUser, NatsLogin>>,
): RunningNats {
  const [first] = members;
  if (first === undefined) throw new Error("a cluster has at least one server");
  const scheme = logins.system.tls === undefined ? "nats" : "tls";
  return {
    url: logins.system.servers
      .split(",")
      .map((server) => `${scheme}://${server}`)
      .join(","),
    systemUrl: natsLoginUrl(logins.system),
    host,
    port: first.port,
    pid: first.pid,
    exited: first.exited,
    logins,
    members,
    untilHealthy: async () => {
      const failures = await Promise.all(members.map((member) => member.untilHealthy()));
      const found = failures.find((failure) => failure !== undefined);
      if (found !== undefined) throw new Error(`nats-server is not healthy: ${found}`);
    },
    stop: async () => {
      // Together: the last of a cluster would find nobody to hand over to, and wait for one.
      const [how] = await Promise.all(members.map((member) => member.stop()));
      return how ?? first.exited;
    },
  };
}

async function lastPort(dir: string): Promise<number | undefined> {
  const text = await readFile(join(dir, "port"), "utf8").catch(() => "");
  const port = Number(text);
  return Number.isInteger(port) && port > 0 && port < 65_536 ? port : undefined;
}
