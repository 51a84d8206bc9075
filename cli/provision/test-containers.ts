import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";

import type { TestImages } from "./config.ts";
import { startContainer } from "./container-child.ts";
import { freePort } from "./free-port.ts";
import type { NatsTlsFiles } from "./nats-config.ts";
import type { LaunchNats } from "./nats-member.ts";
import { createDatabase, type RunningPostgres } from "./postgres.ts";
import { newSecret } from "./secrets.ts";

const HOST = "127.0.0.1";
/** To make its data on a slow disk, ms. */
const READY_MS_MAX = 120_000;

/**
 * Starts nats-servers in containers of an image, each on the directory it would have as a process, and
 * with the files of its certificate where they stand here.
 */
export function natsInContainers({ nats: image }: TestImages, tls?: NatsTlsFiles): LaunchNats {
  const files = tls === undefined ? [] : [tls.certFile, tls.keyFile, tls.caFile];
  return ({ configFile, dir, logFile, name }) => {
    const dirs = [dir, ...files.map((file) => dirname(file))];
    return startContainer({
      args: ["-c", configFile],
      dirs,
      graceSeconds: 10,
      image,
      logFile,
      name,
    });
  };
}

/**
 * Starts a Postgres in a container, whose data goes with it.
 * @throws Error when it does not accept connections in time.
 */
export async function startPostgresContainer(
  { postgres: image }: TestImages,
  dir: string,
): Promise<RunningPostgres> {
  const port = await freePort(HOST);
  const password = newSecret();
  const child = await startContainer({
    args: ["-c", `port=${port}`, "-c", `listen_addresses=${HOST}`, "-c", "timezone=UTC"],
    env: {
      POSTGRES_DB: "postgres",
      POSTGRES_INITDB_ARGS: "--encoding=UTF8 --locale=C --data-checksums",
      POSTGRES_PASSWORD: password,
      POSTGRES_USER: "tarmac",
    },
    graceSeconds: 20,
    image,
    logFile: join(dir, "logs", "postgres.log"),
    name: "Postgres",
  });
  const url = `postgresql://tarmac:${password}@${HOST}:${port}/postgres`;
  const deadline = performance.now() + READY_MS_MAX;
  while (!(await accepts(url))) {
    if (child.exit() !== undefined || performance.now() > deadline) {
      await child.stop();
      throw new Error(`Postgres in a container of ${image} is not ready: ${await child.output()}`);
    }
    await sleep(50);
  }
  return {
    createDatabase: (name, template) => createDatabase(url, name, template),
    exited: child.exited,
    host: HOST,
    pid: child.pid,
    port,
    stop: child.stop,
    url,
  };
}

async function accepts(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  client.on("error", () => undefined);
  try {
    await client.connect();
    await client.query("SELECT 1");
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}
