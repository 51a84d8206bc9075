/**
 * Goal: the projection outlives its servers. Postgres killed in the middle of transactions, or away when
 * it starts, and a nats-server that comes back, lose nothing and double nothing; what was called durable
 * is still there after a kill.
 * Method: servers of the test's own are killed with SIGKILL and started again on the same data and port
 * while blocks keep coming, and the tables are compared with the actors' own state.
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";

import type { NatsConnection } from "../bus/connect.ts";
import { provisionConfig } from "../cli/provision/config.ts";
import { findNatsServer } from "../cli/provision/nats-binary.ts";
import { startNats } from "../cli/provision/nats-server.ts";
import { type RunningPostgres, startPostgres } from "../cli/provision/postgres.ts";
import { startTestServers } from "../cli/provision/test-cluster.ts";
import { migrate } from "./postgres/migrate.ts";
import { differences } from "./postgres/testing/audit.ts";
import { ERA, TestLedger } from "./postgres/testing/test-ledger.ts";
import { startProjector } from "./projector.ts";
import type { ProjectorLog } from "./projector-log.ts";
import { openRecords } from "./records.ts";
import { connectAs, login, prepareStreams } from "./testing/bus-fixture.ts";

const open: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function startServers() {
  const servers = await startTestServers({ asProcesses: true, shards: 2 });
  open.push(() => servers.stop());
  const nc = await connectAs(servers.nats, "node");
  open.push(() => nc.close());
  await prepareStreams(nc, 2);
  return { ...servers, nc };
}

type Servers = Awaited<ReturnType<typeof startServers>>;

async function startLedgers(nc: NatsConnection): Promise<TestLedger[]> {
  const ledgers = [0, 1].map((shard) => new TestLedger(nc, shard, [`ws-${shard}`, `wt-${shard}`]));
  for (const ledger of ledgers) await ledger.claim();
  return ledgers;
}

async function startOn({ nats }: Servers, url: string, logs: ProjectorLog[] = []) {
  const onLog = (line: ProjectorLog) => logs.push(line);
  const projector = await startProjector({
    postgresUrl: url,
    nats: login(nats, "node"),
    era: ERA,
    onLog,
  });
  open.push(() => projector.stop());
  for (const shard of [0, 1]) projector.own(shard);
  return projector;
}

/** Ends a Postgres without a word, as a power cut would, and waits until it is gone. */
async function kill(postgres: RunningPostgres): Promise<void> {
  process.kill(-postgres.pid, "SIGKILL");
  await postgres.exited;
}

function restart({ dir }: Servers, postgres: RunningPostgres): Promise<RunningPostgres> {
  return startPostgres({
    dir: join(dir, "postgres"),
    keysDir: join(dir, "keys"),
    logFile: join(dir, "logs", "postgres.log"),
    port: postgres.port,
  });
}

test("postgres: killed and started again under load, nothing is lost or doubled", async () => {
  const servers = await startServers();
  const url = await servers.createDatabase();
  await migrate(url);
  const ledgers = await startLedgers(servers.nc);
  const logs: ProjectorLog[] = [];
  const projector = await startOn(servers, url, logs);
  let postgres = servers.postgres;
  for (let round = 0; round < 3; round++) {
    const appending = (async () => {
      for (let i = 0; i < 10; i++) {
        for (const ledger of ledgers) {
          ledger.work(15);
          await ledger.append(20_000);
        }
      }
    })();
    await sleep(120 + round * 170);
    const records = openRecords(url);
    const durable = await Promise.all([0, 1].map((shard) => records.durablePosition(shard, ERA)));
    await kill(postgres);
    await appending;
    postgres = await restart(servers, postgres);
    open.push(postgres.stop);
    const after = await Promise.all([0, 1].map((shard) => records.durablePosition(shard, ERA)));
    for (const [shard, position] of after.entries()) {
      expect(position).toBeGreaterThanOrEqual(durable[shard] ?? 0);
    }
    await records.close();
  }
  await projector.flush(20_000);
  expect(await differences(url, ledgers)).toEqual([]);
  expect(logs.some(({ message }) => /not available to|waits/.test(message))).toBe(true);
});

test("flush: what it called durable is there after Postgres is killed at once", async () => {
  const servers = await startServers();
  const url = await servers.createDatabase();
  await migrate(url);
  const ledgers = await startLedgers(servers.nc);
  const projector = await startOn(servers, url);
  for (const ledger of ledgers) {
    ledger.work(30);
    await ledger.append(20_000);
  }
  await projector.flush();
  await kill(servers.postgres);
  await projector.stop();
  const postgres = await restart(servers, servers.postgres);
  open.push(postgres.stop);
  expect(await differences(url, ledgers)).toEqual([]);
});

test("postgres: away at the start, the projection waits and then has everything", async () => {
  const servers = await startServers();
  const url = await servers.createDatabase();
  await migrate(url);
  await kill(servers.postgres);
  const ledgers = await startLedgers(servers.nc);
  const logs: ProjectorLog[] = [];
  const projector = await startOn(servers, url, logs);
  for (const ledger of ledgers) {
    ledger.work(200);
    await ledger.append(20_000);
  }
  await sleep(1_200);
  expect((await projector.backlog()).every(({ behind }) => (behind ?? 0) > 1)).toBe(true);
  await expect(projector.flush(100)).rejects.toThrow("is durable up to message 0");
  const postgres = await restart(servers, servers.postgres);
  open.push(postgres.stop);
  await projector.flush(20_000);
  expect(await differences(url, ledgers)).toEqual([]);
  // One line a shard, not one a try.
  expect(logs.filter(({ level }) => level === "warn")).toHaveLength(2);
});

test("nats: killed and started again, the projection goes on behind what it has", async () => {
  const servers = await startServers();
  const url = await servers.createDatabase();
  await migrate(url);
  const ledgers = await startLedgers(servers.nc);
  const projector = await startOn(servers, url);
  for (let round = 0, running = servers.nats; round < 2; round++) {
    for (const ledger of ledgers) {
      ledger.work(60);
      await ledger.append(20_000);
    }
    process.kill(-running.pid, "SIGKILL");
    await running.exited;
    await sleep(300);
    const { cacheDir, natsServer } = provisionConfig();
    const found = await findNatsServer({
      cacheDir,
      ...(natsServer === undefined ? {} : { explicitPath: natsServer }),
      onProgress: () => undefined,
    });
    running = await startNats({
      binary: found.path,
      dir: `${natsDir(servers)}/nats`,
      keysDir: `${natsDir(servers)}/keys`,
      shards: 2,
      logFile: `${natsDir(servers)}/logs/nats.log`,
      port: servers.nats.port,
    });
    open.push(running.stop);
    while (servers.nc.isClosed() || !(await answers(servers.nc))) await sleep(50);
    for (const ledger of ledgers) {
      ledger.work(60);
      await ledger.append(20_000);
    }
    await projector.flush(20_000);
    expect(await differences(url, ledgers)).toEqual([]);
  }
});

/** The nats-server of a pair has a directory of its own. */
function natsDir({ nats }: Servers): string {
  return (nats as unknown as { readonly dir: string }).dir;
}

async function answers(nc: NatsConnection): Promise<boolean> {
  return nc.rtt().then(
    () => true,
    () => false,
  );
}
