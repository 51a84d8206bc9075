/**
 * Goal: an engine starts only on a JetStream that keeps what it acknowledges, and never makes a second
 * journal by mistake.
 * Method: real nats-servers with and without `sync_interval: always`; streams made by hand with one
 * thing different.
 */
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jetstreamManager } from "@nats-io/jetstream";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { provisionConfig } from "../cli/provision/config.ts";
import { freePort } from "../cli/provision/free-port.ts";
import { findNatsServer } from "../cli/provision/nats-binary.ts";
import { testNats } from "../cli/provision/vitest-servers.ts";
import { connectAs, login } from "../nodes/testing/bus-fixture.ts";
import { connectBus, type NatsConnection, parseNatsUrl } from "./connect.ts";
import { judge, NotDurable, readDurability, requireDurable } from "./durability.ts";
import {
  differences,
  ensureJournals,
  ensureLosable,
  journalConfig,
  StreamRefused,
} from "./streams.ts";

const nats = await testNats({ shards: 4 });
let nc: NatsConnection;

beforeAll(async () => {
  nc = await connectAs(nats, "node");
});
afterAll(() => nc.close());

const plan = (shards: number, era = 1) => ({ shards, era, replicas: 1 });

describe("ensureJournals", () => {
  test("refuses to begin a journal unless it is told to", async () => {
    await expect(ensureJournals(nc, plan(2), false)).rejects.toThrow(
      /JOURNAL_0_1, JOURNAL_1_1.*--init/,
    );
    await ensureJournals(nc, plan(2), true);
    await ensureJournals(nc, plan(2), false);
  });

  test("reads back every field as it was set", async () => {
    await ensureJournals(nc, plan(2), true);
    const jsm = await jetstreamManager(nc);
    const { config } = await jsm.streams.info("JOURNAL_0_1");
    expect(differences(journalConfig(0, plan(2)), config)).toEqual([]);
    expect(config).toMatchObject({
      retention: "limits",
      storage: "file",
      discard: "new",
      deny_delete: true,
      deny_purge: true,
      max_age: 0,
      subjects: ["journal.0.1.block", "journal.0.1.fence"],
    });
    expect(config.allow_rollup_hdrs).toBe(false);
  });

  test.each([1, 3, 4])(
    "refuses another number of shards than the journal was made for (%i)",
    async (shards) => {
      await ensureJournals(nc, plan(2), true);
      await expect(ensureJournals(nc, plan(shards), true)).rejects.toThrow(/TARMAC_SHARDS/);
      const jsm = await jetstreamManager(nc);
      expect((await jsm.streams.names().next()).filter((name) => name.endsWith("_1"))).toHaveLength(
        2,
      );
    },
  );

  test("refuses a journal that may lose messages, naming the field", async () => {
    const jsm = await jetstreamManager(nc);
    const config = journalConfig(0, plan(1, 9));
    await jsm.streams.add({ ...config, deny_purge: false, max_age: 3_600_000_000_000 });
    const refused = ensureJournals(nc, plan(1, 9), false);
    await expect(refused).rejects.toThrow(StreamRefused);
    await expect(refused).rejects.toThrow(/JOURNAL_0_9: deny_purge: is/);
    await expect(refused).rejects.toThrow(/JOURNAL_0_9: max_age: is 3600000000000/);
  });

  test("delete and purge are not for a node", async () => {
    await ensureJournals(nc, plan(2), true);
    const jsm = await jetstreamManager(nc, { timeout: 500 });
    await expect(jsm.streams.purge("JOURNAL_0_1")).rejects.toThrow(
      /Permissions Violation|timeout/i,
    );
    await expect(jsm.streams.delete("JOURNAL_0_1")).rejects.toThrow(
      /Permissions Violation|timeout/i,
    );
    await jsm.streams.info("JOURNAL_0_1");
  });
});

test("ensureLosable: makes events and buckets, and finds them again", async () => {
  await ensureLosable(nc, 1);
  await ensureLosable(nc, 1);
  const jsm = await jetstreamManager(nc);
  const names = (await jsm.streams.names().next()).filter((name) => !name.startsWith("JOURNAL"));
  expect(names.sort()).toEqual([
    "EVENTS",
    "KV_tarmac-config",
    "KV_tarmac-leases",
    "KV_tarmac-members",
  ]);
});

describe("durability", () => {
  test("a server that syncs every write is taken", async () => {
    const good = { problems: [], waitsFor: undefined, silent: 0 };
    expect(await readDurability(nc, login(nats, "system"))).toEqual(good);
    await requireDurable(nc, login(nats, "system"), false, () => undefined);
  });

  test("what cannot be read counts as not durable", async () => {
    expect((await readDurability(nc, undefined)).problems[0]).toMatch(
      /TARMAC_NATS_SYSTEM_URL is not set/,
    );
    const wrong = { ...login(nats, "system"), pass: "wrong" };
    expect((await readDurability(nc, wrong)).problems[0]).toMatch(/check TARMAC_NATS_SYSTEM_URL/);
    // A user of the ordinary account hears nothing.
    expect((await readDurability(nc, login(nats, "node"))).problems[0]).toMatch(/system account/);
  });

  test("--unsafe-dev goes on, loudly", async () => {
    const warnings: string[] = [];
    await requireDurable(nc, undefined, true, (message) => warnings.push(message));
    expect(warnings[0]).toMatch(/^UNSAFE: .*--unsafe-dev/);
  });

  test("a server without `sync_interval: always` is refused, with what to do", async () => {
    const plain = await startPlainServer();
    try {
      const connection = await connectBus(parseNatsUrl(plain.url, "test"));
      const system = parseNatsUrl(plain.systemUrl, "test");
      const refused = requireDurable(connection, system, false, () => undefined);
      await expect(refused).rejects.toThrow(NotDurable);
      await expect(refused).rejects.toThrow(/lacks `sync_interval: always`.*restart/);
      await connection.close();
    } finally {
      await plain.stop();
    }
  });

  test("every server counts: one that does not sync, is too old, or is silent", () => {
    const good = { server: { name: "a", ver: "2.15.1" }, data: { config: { sync_always: true } } };
    const lax = { server: { name: "b", ver: "2.15.1" }, data: { config: { sync_always: false } } };
    const old = { server: { name: "c", ver: "2.14.5" }, data: { config: { sync_always: true } } };
    expect(judge([good])).toEqual({ problems: [], waitsFor: undefined, silent: 0 });
    expect(judge([good, lax]).problems).toEqual([expect.stringContaining("b answers before")]);
    expect(judge([good, old]).problems).toEqual([expect.stringContaining("2.14.5")]);
    expect(judge([]).problems).toHaveLength(1);
  });

  test("a cluster: waits for the servers without which nothing can be written, and for no more", () => {
    const member = (leader: string) => ({
      server: { name: "a", ver: "2.15.1" },
      data: { config: { sync_always: true }, meta_cluster: { cluster_size: 3, leader } },
    });
    const [a, b, c] = [member("b"), member("b"), member("b")];
    expect(judge([a, b, c])).toEqual({ problems: [], waitsFor: undefined, silent: 0 });
    expect(judge([a, b])).toEqual({ problems: [], waitsFor: undefined, silent: 1 });
    expect(judge([a]).waitsFor).toMatch(/only 1 of 3 .* before 2 do: start the others/);
    expect(judge([member(""), member("")]).waitsFor).toMatch(/have not elected a leader/);
  });
});

describe("parseNatsUrl", () => {
  test("reads servers, user and password", () => {
    expect(parseNatsUrl("nats://node:p%40ss@10.0.0.1:4333", "n")).toEqual({
      servers: "10.0.0.1:4333",
      user: "node",
      pass: "p@ss",
      name: "n",
    });
    expect(parseNatsUrl("nats://u:p@a:1,nats://u:p@b", "n").servers).toBe("a:1,b:4222");
  });

  test.each(["", "http://x", "nats://", "nats://a:b@"])("refuses %j", (url) => {
    expect(() => parseNatsUrl(url, "n")).toThrow(/nats:\/\/user:password@/);
  });
});

/** A nats-server with JetStream as it comes: acknowledged is not on the disk. */
async function startPlainServer() {
  const { cacheDir, natsServer } = provisionConfig();
  const { path } = await findNatsServer({
    cacheDir,
    ...(natsServer === undefined ? {} : { explicitPath: natsServer }),
    onProgress: () => undefined,
  });
  const dir = await mkdtemp(join(tmpdir(), "tarmac-plain-"));
  const port = await freePort();
  const config = `
    listen: 127.0.0.1:${port}
    jetstream { store_dir: ${JSON.stringify(dir)} }
    accounts {
      A { jetstream: enabled, users: [{ user: a, password: a }] }
      SYS { users: [{ user: s, password: s }] }
    }
    system_account: SYS`;
  await writeFile(join(dir, "server.conf"), config);
  const child = spawn(path, ["-c", join(dir, "server.conf")], { stdio: "ignore" });
  return {
    url: `nats://a:a@127.0.0.1:${port}`,
    systemUrl: `nats://s:s@127.0.0.1:${port}`,
    stop: async () => {
      const exited = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGTERM");
      await exited;
      await rm(dir, { recursive: true, force: true, maxRetries: 10 });
    },
  };
}
