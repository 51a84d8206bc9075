import { chown, mkdir, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";

import { preferredOrFreePort } from "./free-port.ts";
import { findPostgresBinaries } from "./postgres-binaries.ts";
import { type PostgresHome, preparePostgresHome } from "./postgres-home.ts";
import { awaitPredecessor, type ChildExit, type RunningChild, startChild } from "./processes.ts";
import { runCommand } from "./run-command.ts";
import { readOrCreateSecret, readSecret } from "./secrets.ts";

export interface PostgresOptions {
  /** Holds the data (`data/`, or a link to it), the last port and the pid. */
  readonly dir: string;
  /** Holds the password, in `postgres`. */
  readonly keysDir: string;
  readonly logFile: string;
  /** 127.0.0.1 unless given. */
  readonly host?: string;
  /** The last one used, if it is free, else any free one, unless given. */
  readonly port?: number;
  /** How long a server of an earlier start may take to end; 15,000 unless given. */
  readonly predecessorMsMax?: number;
  /** For tests and throw-away databases: `fsync` off. What was acknowledged may then be lost. */
  readonly unsafeNoSync?: boolean;
  /** Replaces the environment of this process. */
  readonly env?: NodeJS.ProcessEnv;
  /** Where a service user's copies go, for tests; see postgres-home.ts. */
  readonly sharedCache?: string;
  readonly sharedData?: string;
}

export interface RunningPostgres {
  /** Of the superuser `tarmac` on the database `postgres`, with its password. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly pid: number;
  readonly exited: Promise<ChildExit>;
  readonly stop: () => Promise<ChildExit>;
  /**
   * Creates a database unless it is there, as a copy of `template` if one is named, and returns
   * its URL. Nobody may be connected to a template while it is copied.
   */
  readonly createDatabase: (name: string, template?: string) => Promise<string>;
}

const SUPERUSER = "tarmac";
const PORT_TRIES = 5;
const NICENESS = "10";
/** Recovery after a kill replays the log since the last checkpoint: at most `max_wal_size`. */
const READY_MS_MAX = 180_000;

/**
 * For a machine that also runs everything else. Memory in megabytes, times in seconds unless
 * marked. Writes stay as safe as Postgres makes them: fsync and full_page_writes are on, and
 * whoever may lose a commit says so with `synchronous_commit` for itself.
 */
const SETTINGS: Readonly<Record<string, string>> = {
  shared_buffers: "256MB",
  max_connections: "100",
  effective_cache_size: "1GB",
  work_mem: "16MB",
  maintenance_work_mem: "128MB",
  // One report must not take a second core from the holds beside it.
  max_parallel_workers_per_gather: "0",
  // Nobody replicates from this server, so the log need only bring it back after a crash.
  wal_level: "minimal",
  max_wal_senders: "0",
  max_logical_replication_workers: "0",
  max_wal_size: "2GB",
  checkpoint_timeout: "15min",
  checkpoint_completion_target: "0.9",
  timezone: "UTC",
  log_timezone: "UTC",
  // Nothing listens on a path: it could be too long, or in a directory others may write.
  unix_socket_directories: "",
  log_line_prefix: "%m [%p] %d ",
};

/**
 * Starts the Postgres that came with npm on `<dir>/data`, made on first use, and returns when it
 * accepts connections.
 *
 * @throws Error when one already runs on `dir`, when it cannot run here (with each way tried), or
 * when it ends before it is ready (with the end of its log).
 */
export async function startPostgres(options: PostgresOptions): Promise<RunningPostgres> {
  const dir = resolve(options.dir);
  const host = options.host ?? "127.0.0.1";
  const home = await preparePostgresHome(await findPostgresBinaries(), { ...options, dir });
  const pidFile = join(dir, "pid");
  await awaitPredecessor("Postgres", pidFile, home.data, options.predecessorMsMax);
  const password = await initialisedPassword(home, options);
  await removeStaleLock(home, options.predecessorMsMax);

  for (let attempt = 1; ; attempt++) {
    const port =
      options.port ??
      (await preferredOrFreePort(attempt === 1 ? await lastPort(dir) : undefined, host));
    const child = await startChild({
      name: "Postgres",
      command: join(home.binaries.root, "bin", "postgres"),
      args: ["-D", home.data, ...serverArgs(host, port, options.unsafeNoSync === true)],
      // Nothing is decided by Postgres: it gives way to what decides, on a machine that both share.
      prefix: ["nice", "-n", NICENESS, ...home.prefix],
      ...home.user,
      cwd: "/",
      ...(options.env === undefined ? {} : { env: options.env }),
      logFile: options.logFile,
      pidFile,
      // Fast shutdown: clients are cut, what they committed is kept. Then without a checkpoint.
      stop: [
        { signal: "SIGINT", graceMs: 20_000 },
        { signal: "SIGQUIT", graceMs: 5_000 },
      ],
      parentDeathSignal: "SIGINT",
    });
    const url = `postgresql://${SUPERUSER}:${password}@${host}:${port}/postgres`;
    const failure = await untilAccepting(child, url);
    if (failure === undefined) {
      await writeFile(join(dir, "port"), `${port}\n`);
      return running(child, url, host, port);
    }
    await child.stop();
    // The port was taken between choice and use; or children of a killed server are still ending.
    const portRace = failure.includes("could not bind") && options.port === undefined;
    const dying = failure.includes("pre-existing shared memory block");
    if ((portRace || dying) && attempt < PORT_TRIES) {
      if (dying) await sleep(500 * attempt);
      continue;
    }
    throw new Error(`Postgres did not start: ${failure}\nIts log: ${options.logFile}`);
  }
}

function serverArgs(host: string, port: number, unsafeNoSync: boolean): string[] {
  const settings: Record<string, string> = {
    ...SETTINGS,
    listen_addresses: host,
    port: String(port),
    ...(unsafeNoSync ? { fsync: "off", full_page_writes: "off", synchronous_commit: "off" } : {}),
  };
  return Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
}

function running(child: RunningChild, url: string, host: string, port: number): RunningPostgres {
  return {
    url,
    host,
    port,
    pid: child.pid,
    exited: child.exited,
    stop: child.stop,
    createDatabase: (name, template) => createDatabase(url, name, template),
  };
}

/**
 * Creates a database on the server of `adminUrl` unless it is there, and returns its URL.
 *
 * @throws Error when a name is not plain, or the template is missing or in use.
 */
export async function createDatabase(
  adminUrl: string,
  name: string,
  template?: string,
): Promise<string> {
  for (const each of template === undefined ? [name] : [name, template]) {
    if (!/^[a-z][a-z0-9_]{0,62}$/.test(each)) {
      throw new Error(`"${each}" is no database name: a letter, then letters, digits and _`);
    }
  }
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  try {
    const from = template === undefined ? "" : ` TEMPLATE "${template}"`;
    await client.query(`CREATE DATABASE "${name}"${from}`);
  } catch (error) {
    // 42P04: a database of this name exists.
    if ((error as { code?: string }).code !== "42P04") throw error;
  } finally {
    await client.end();
  }
  const url = new URL(adminUrl);
  url.pathname = `/${name}`;
  return url.href;
}

/** The superuser's password; makes the data directory, with that password, if there is none. */
async function initialisedPassword(home: PostgresHome, options: PostgresOptions): Promise<string> {
  const passwordFile = join(options.keysDir, "postgres");
  const found = await readFile(join(home.data, "PG_VERSION"), "utf8").catch(() => undefined);
  if (found === undefined) {
    if ((await stat(home.data).catch(() => undefined)) !== undefined) {
      throw new Error(`${home.data} is there, but it is no Postgres data directory: move it away`);
    }
    const password = await readOrCreateSecret(passwordFile);
    await initialise(home, password, options);
    return password;
  }
  if (found.trim() !== home.binaries.major) {
    throw new Error(
      `${home.data} was made by Postgres ${found.trim()}, and this is ${home.binaries.version}: ` +
        "move it away and the journal rebuilds it, or use the Tarmac that made it",
    );
  }
  const password = await readSecret(passwordFile);
  if (password !== undefined) return password;
  throw new Error(
    `${passwordFile} is gone, and with it the password of ${home.data}: put it back, ` +
      "or move the data away and the journal rebuilds it",
  );
}

/** Makes the data directory under another name first: one that is there is complete. */
async function initialise(
  home: PostgresHome,
  password: string,
  options: PostgresOptions,
): Promise<void> {
  const draft = `${home.data}.new`;
  const passwordDraft = `${home.data}.password`;
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { mode: 0o700 });
  try {
    // A copy, because a service user may not enter the directory of the keys.
    await writeFile(passwordDraft, `${password}\n`, { mode: 0o600 });
    if (home.user !== undefined) {
      await chown(draft, home.user.uid, home.user.gid);
      await chown(passwordDraft, home.user.uid, home.user.gid);
    }
    // Text sorts by code point everywhere, whatever the machine's own locale is or lacks.
    const locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin"];
    const [command, ...args] = [
      ...home.prefix,
      join(home.binaries.root, "bin", "initdb"),
      ...["-D", draft, "-U", SUPERUSER, `--pwfile=${passwordDraft}`],
      ...["--auth=scram-sha-256", "--builtin-locale=C.UTF-8", ...locale],
      ...(options.unsafeNoSync === true ? ["--no-sync"] : []),
    ];
    const env = options.env === undefined ? {} : { env: options.env };
    await runCommand(command ?? "initdb", args, {
      timeoutMs: 120_000,
      cwd: "/",
      ...env,
      ...home.user,
    });
    await rename(draft, home.data);
    if (home.link !== home.data) await symlink(home.data, home.link);
  } finally {
    await rm(passwordDraft, { force: true });
    await rm(draft, { recursive: true, force: true });
  }
}

/**
 * Removes the `postmaster.pid` of a killed server. Postgres itself does so unless a process of the
 * same number lives, which in a container is the rule: numbers begin again at each start.
 */
async function removeStaleLock(
  home: PostgresHome,
  predecessorMsMax: number | undefined,
): Promise<void> {
  const lock = join(home.data, "postmaster.pid");
  await awaitPredecessor("Postgres", lock, home.data, predecessorMsMax);
  await rm(lock, { force: true });
}

const ENDED = new Error("it ended");

/** Undefined once it accepts connections; else why it will not. */
async function untilAccepting(child: RunningChild, url: string): Promise<string | undefined> {
  const deadline = performance.now() + READY_MS_MAX;
  let last = "";
  while (performance.now() < deadline) {
    const exit = child.exit();
    if (exit !== undefined) {
      const lines = (await child.output()).trim().split("\n");
      return `it ended (${exit.signal ?? exit.code}) and said\n${lines.slice(-8).join("\n")}`;
    }
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
    // A server that ends while this waits says so on the connection as well.
    client.on("error", () => undefined);
    try {
      // Something else may hold the port, take connections and say nothing.
      await Promise.race([client.connect(), child.exited.then(() => Promise.reject(ENDED))]);
      await client.query("SELECT 1");
      await client.end();
      return undefined;
    } catch (error) {
      last = error instanceof Error ? error.message : String(error);
      const closed = client.end().catch(() => undefined);
      if (error === ENDED) continue;
      await closed;
      // 28P01: this is another server, or the password file is not the one of this data.
      if ((error as { code?: string }).code === "28P01") return `it refuses its password: ${last}`;
    }
    await sleep(25);
  }
  return `it did not accept connections within ${READY_MS_MAX / 1000} s (${last})`;
}

async function lastPort(dir: string): Promise<number | undefined> {
  const text = await readFile(join(dir, "port"), "utf8").catch(() => "");
  const port = Number(text);
  return Number.isInteger(port) && port > 0 && port < 65_536 ? port : undefined;
}
