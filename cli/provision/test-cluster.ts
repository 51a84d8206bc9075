import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { provisionConfig, type TestImages } from "./config.ts";
import { findNatsServer } from "./nats-binary.ts";
import { startNatsCluster } from "./nats-cluster.ts";
import type { NatsTlsFiles } from "./nats-config.ts";
import { type RunningNats, startNats } from "./nats-server.ts";
import { createDatabase, type RunningPostgres, startPostgres } from "./postgres.ts";
import { stopInOrder } from "./processes.ts";

export interface TestServersOptions {
  /** 4 unless given. */
  readonly shards?: number;
  /** How many nats-servers: 1 unless given, or a cluster of 3. */
  readonly servers?: 1 | 3;
  /** Of a cluster: clients and routes are encrypted. */
  readonly tls?: NatsTlsFiles;
  /** Of a cluster: what becomes of a server's configuration; `number` counts from 1. */
  readonly alter?: (config: string, number: number) => string;
  /** The caller starts or stops the programs themselves: they never run in containers. */
  readonly asProcesses?: boolean;
}

export interface TestServers {
  readonly nats: RunningNats;
  readonly postgres: RunningPostgres;
  /** A directory of these servers, removed by `stop`; for whatever else the caller keeps. */
  readonly dir: string;
  /** A new, empty database of a name of its own; returns its URL. */
  readonly createDatabase: () => Promise<string>;
  readonly stop: () => Promise<void>;
}

/** A server for a test or a bench, in a directory that `stop` removes. */
export type Disposable<Server> = Server & { readonly dir: string };

const SHARDS = 4;

/**
 * Starts a nats-server and a Postgres of their own, with the real settings, in a new directory.
 *
 * @throws Error when one of them cannot be found or started; nothing is left running then.
 */
export async function startTestServers(options: TestServersOptions = {}): Promise<TestServers> {
  const postgres = await startTestPostgres(options);
  let nats: RunningNats;
  try {
    nats = await startTestNats(options);
  } catch (error) {
    await postgres.stop();
    throw error;
  }
  return {
    nats,
    postgres,
    dir: postgres.dir,
    createDatabase: () => createTestDatabase(postgres.url),
    stop: () => stopInOrder([nats, postgres]),
  };
}

/**
 * Starts a nats-server of its own, healthy in under 100 ms, or a cluster of three, which takes some
 * seconds to elect its leader. Its members can be killed, paused and started again one by one.
 *
 * @throws Error when none can be found or it does not start.
 */
export async function startTestNats(
  options: TestServersOptions = {},
): Promise<Disposable<RunningNats>> {
  const images = testImages(options);
  const launch = images && (await containers()).natsInContainers(images, options.tls);
  const binary = launch === undefined ? await natsBinary() : "";
  return disposable("tarmac-nats-", (dir) => {
    const shared = {
      binary,
      launch,
      dir: join(dir, "nats"),
      keysDir: join(dir, "keys"),
      shards: options.shards ?? SHARDS,
    };
    const logs = join(dir, "logs");
    const { servers, tls, alter } = options;
    if (servers !== 3) return startNats({ ...shared, logFile: join(logs, "nats.log") });
    return startNatsCluster({
      ...shared,
      logsDir: logs,
      servers,
      ...(tls === undefined ? {} : { tls }),
      ...(alter === undefined ? {} : { alter }),
    });
  });
}

async function natsBinary(): Promise<string> {
  const { cacheDir, natsServer } = provisionConfig();
  const { path } = await findNatsServer({
    cacheDir,
    ...(natsServer === undefined ? {} : { explicitPath: natsServer }),
    onProgress: tellIfFetching,
  });
  return path;
}

/**
 * Starts a Postgres of its own; making its data takes most of a second.
 *
 * @throws Error when it does not start.
 */
export async function startTestPostgres(
  options: Pick<TestServersOptions, "asProcesses"> = {},
): Promise<Disposable<RunningPostgres>> {
  const images = testImages(options);
  if (images !== undefined) {
    const { startPostgresContainer } = await containers();
    return disposable("tarmac-postgres-", (dir) => startPostgresContainer(images, dir));
  }
  return disposable("tarmac-postgres-", (dir) =>
    startPostgres({
      dir: join(dir, "postgres"),
      keysDir: join(dir, "keys"),
      logFile: join(dir, "logs", "postgres.log"),
    }),
  );
}

/** Loaded where it is used: its package is there for development only. */
const containers = () => import("./test-containers.ts");

function testImages({ asProcesses }: TestServersOptions): TestImages | undefined {
  return asProcesses === true ? undefined : provisionConfig().testImages;
}

/** A new database on the server of `adminUrl`, empty or a copy of `template`; returns its URL. */
export function createTestDatabase(adminUrl: string, template?: string): Promise<string> {
  return createDatabase(adminUrl, `test_${randomBytes(8).toString("hex")}`, template);
}

/** Runs `start` in a new directory that goes with the server, or at once when it fails. */
async function disposable<Server extends { readonly stop: () => Promise<unknown> }>(
  prefix: string,
  start: (dir: string) => Promise<Server>,
): Promise<Disposable<Server>> {
  const dir = await mkdtemp(join(tmpdir(), prefix));
  try {
    const server = await start(dir);
    const stop = async () => {
      const how = await server.stop();
      await removeDirectory(dir);
      return how;
    };
    return { ...server, dir, stop };
  } catch (error) {
    await removeDirectory(dir);
    throw error;
  }
}

/** What a server's last children still write does not make this fail. */
async function removeDirectory(dir: string): Promise<void> {
  await rm(dir, { recursive: true, force: true, maxRetries: 10 });
}

function tellIfFetching(line: string): void {
  if (/^fetching|^ {2}no|is kept at/.test(line)) process.stderr.write(`${line}\n`);
}
