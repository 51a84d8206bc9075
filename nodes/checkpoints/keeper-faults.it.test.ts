/**
 * Goal: a Postgres that is killed in the middle costs time and nothing else: no log halts, no checkpoint
 * is wrong, and what was signed before is continued.
 * Method: one of the test's own is killed with SIGKILL under load and started again; every note that was
 * ever stored is compared with the actors' own lines.
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { afterEach, expect, test } from "vitest";

import { startPostgres } from "../../cli/provision/postgres.ts";
import { startTestServers } from "../../cli/provision/test-cluster.ts";
import { parseCheckpoint } from "../../ledger/checkpoint.ts";
import { TreeFrontier } from "../../ledger/merkle.ts";
import { parseNote } from "../../ledger/signed-note.ts";
import { newLogKeyLine } from "../../readmodel/log-keys.ts";
import { sha256 } from "../../readmodel/node-crypto.ts";
import { openReadModel } from "../../readmodel/read-model.ts";
import { migrate } from "../postgres/migrate.ts";
import { ERA, TestLedger } from "../postgres/testing/test-ledger.ts";
import { startProjector } from "../projector.ts";
import type { ProjectorLog } from "../projector-log.ts";
import { connectAs, login, prepareStreams } from "../testing/bus-fixture.ts";
import { startKeeper } from "./keeper.ts";

const open: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

test("postgres: killed under load three times, the chain of checkpoints goes on and is true", async () => {
  const servers = await startTestServers({ asProcesses: true, shards: 2 });
  open.push(() => servers.stop());
  const nc = await connectAs(servers.nats, "node");
  open.push(() => nc.close());
  await prepareStreams(nc, 2);
  const url = await servers.createDatabase();
  await migrate(url);
  const logs: ProjectorLog[] = [];
  const common = {
    postgresUrl: url,
    nats: login(servers.nats, "node"),
    onLog: (line: ProjectorLog) => logs.push(line),
  };
  const keys = [{ variable: "KEY", text: newLogKeyLine() }];
  const keeper = await startKeeper({ ...common, host: "h", keys, passMs: 10, restMs: 1 });
  open.push(() => keeper.stop());
  const projector = await startProjector({
    ...common,
    era: ERA,
    onDurable: (shard, heads) => keeper.durable(shard, heads),
  });
  open.push(() => projector.stop());
  const ledger = new TestLedger(nc, 0, ["one", "two"]);
  await ledger.claim();
  projector.own(0);
  let { postgres } = servers;
  for (let round = 0; round < 3; round++) {
    const appending = (async () => {
      for (let i = 0; i < 12; i++) {
        ledger.work(30);
        await ledger.append(20_000);
        await sleep(60);
      }
    })();
    await sleep(400 + round * 170);
    process.kill(-postgres.pid, "SIGKILL");
    await postgres.exited;
    await appending;
    postgres = await startPostgres({
      dir: join(servers.dir, "postgres"),
      keysDir: join(servers.dir, "keys"),
      logFile: join(servers.dir, "logs", "postgres.log"),
      port: postgres.port,
    });
    open.push(postgres.stop);
  }
  await projector.flush(20_000);
  const model = openReadModel(url);
  open.push(() => model.close());
  const pool = new pg.Pool({ connectionString: url, max: 1 });
  open.push(() => pool.end());
  for (const { state, entries } of ledger.worlds) {
    const found = await model.log.checkpointAtLeast(state.ws, state.head.seq, 15_000);
    expect(found?.size).toBe(state.head.seq);
    const notes = await pool.query<{ note: string }>(
      "SELECT note FROM checkpoints WHERE ws = $1 AND note IS NOT NULL ORDER BY size",
      [state.ws],
    );
    expect(notes.rows.length).toBeGreaterThan(2);
    const tree = new TreeFrontier(sha256);
    for (const { note } of notes.rows) {
      const { size, root } = parseCheckpoint(parseNote(note).text);
      for (const { line } of entries.slice(Number(tree.size), Number(size))) {
        tree.append(Buffer.from(line));
      }
      expect(Buffer.from(root)).toEqual(Buffer.from(tree.root()));
    }
  }
  expect(keeper.halted()).toEqual([]);
  expect(logs.filter(({ message }) => message.startsWith("checkpoints wait")).length).toBeLessThan(
    10,
  );
});
