/**
 * Goal: the stream of live entries, which is in memory, is there again after NATS was restarted, without
 * a restart of nodes. Method: a real node process over a nats-server that is killed and started again.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { jetstreamManager } from "@nats-io/jetstream";
import { expect, test } from "vitest";
import { EVENTS_STREAM } from "../bus/subjects.ts";
import { natsLoginUrl } from "../cli/provision/nats-config.ts";
import { startChild } from "../cli/provision/processes.ts";
import { testDatabase } from "../cli/provision/vitest-servers.ts";
import { connectAs, restartableNats } from "./testing/bus-fixture.ts";

const server = await restartableNats();
const postgresUrl = await testDatabase();

test("live entries: their stream is made again when NATS is back", async () => {
  const home = await mkdtemp(join(tmpdir(), "tarmac-live-"));
  const node = await startChild({
    name: "node-1",
    command: process.execPath,
    args: [fileURLToPath(new URL("main.ts", import.meta.url)), "--init", "--name", "node-1"],
    logFile: join(home, "node.log"),
    stop: [{ signal: "SIGTERM", graceMs: 10_000 }],
    parentDeathSignal: "SIGTERM",
    env: {
      ...process.env,
      TARMAC_HOME: home,
      TARMAC_NATS_URL: natsLoginUrl(server.nats().logins.node),
      TARMAC_NATS_SYSTEM_URL: server.nats().systemUrl,
      TARMAC_POSTGRES_URL: postgresUrl,
      TARMAC_SHARDS: "4",
      TARMAC_WORKERS: "1",
    },
  });
  const nc = await connectAs(server.nats(), "operator");
  const isThere = async () => {
    const jsm = await jetstreamManager(nc, { checkAPI: false, timeout: 1_000 });
    const { config } = await jsm.streams.info(EVENTS_STREAM);
    return config.storage;
  };
  const options = { timeout: 20_000, interval: 100 };
  // A node that is still starting when NATS goes away ends, and says so.
  await expect.poll(() => node.output(), options).toContain("node started");
  await expect.poll(() => isThere().catch(() => undefined), options).toBe("memory");
  await server.kill();
  await server.start();
  await expect.poll(() => isThere().catch(() => undefined), options).toBe("memory");
  await nc.close();
  await node.stop();
  await server.close();
  await rm(home, { recursive: true, force: true, maxRetries: 10 });
});
