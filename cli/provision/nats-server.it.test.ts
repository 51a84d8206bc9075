/**
 * Goal: the nats-server Tarmac starts maps every command to its workspace's shard, syncs every
 * write, keeps what it acknowledged through a kill, and gives each user its rights and no more.
 * Method: a real server, real clients of each user; a forbidden publish must not arrive, and what
 * is granted must work through the very client calls that use it.
 */
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  DiscardPolicy,
  jetstream,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
} from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";

import { EntryEvents } from "../../bus/entry-events.ts";
import { provisionConfig } from "./config.ts";
import { freePort } from "./free-port.ts";
import { findNatsServer } from "./nats-binary.ts";
import type { NatsUser } from "./nats-config.ts";
import { startNats } from "./nats-server.ts";
import { startTestNats } from "./test-cluster.ts";

const SHARDS = 7;
const COMMANDS = ["authorize", "settle", "void", "renew", "adjust", "configure", "inspect"];
/** What a client is told: at once where the subject is its own, by silence where it is mapped. */
const FORBIDDEN = /permissions violation|timeout/i;
const nats = await startTestNats({ shards: SHARDS });
afterAll(async () => {
  await nats.stop();
});

async function as(user: NatsUser): Promise<NatsConnection> {
  const connection = await connect({ ...nats.logins[user], noAsyncTraces: true, timeout: 5_000 });
  onTestFinished(() => connection.close());
  return connection;
}

/** Answers each command with the subject it arrived on, as an owner of every shard. */
async function answerAll(): Promise<NatsConnection> {
  const node = await as("node");
  node.subscribe("shard.>", {
    callback: (_error, message) => void message.respond(message.subject),
  });
  await node.flush();
  return node;
}

function fnv1a32(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}

describe("mapping", () => {
  test("authorize: goes to the shard that FNV-1a 32 of the workspace names", async () => {
    await answerAll();
    const gateway = await as("gateway");
    const letters = "abcdefghijklmnopqrstuvwxyz0123456789_-";
    const name = (index: number) =>
      `w${Array.from({ length: 1 + (index % 40) }, () => letters[Math.floor(Math.random() * letters.length)]).join("")}`;
    const names = Array.from({ length: 2_000 }, (_, index) => name(index));
    const arrived = await Promise.all(
      names.map(async (ws) => (await gateway.request(`authorize.${ws}`, "")).string()),
    );
    expect(arrived).toEqual(names.map((ws) => `shard.${fnv1a32(ws) % SHARDS}.authorize.${ws}`));
  });

  test.each(COMMANDS)("%s: is mapped for the operator", async (command) => {
    await answerAll();
    const operator = await as("operator");
    const reply = await operator.request(`${command}.acme`, "");
    expect(reply.string()).toBe(`shard.${fnv1a32("acme") % SHARDS}.${command}.acme`);
  });
});

describe("rights", () => {
  /** Whether what `user` publishes on `subject` reaches a node that listens to everything it may. */
  async function arrives(user: NatsUser, subject: string): Promise<boolean> {
    await answerAll();
    const connection = await as(user);
    return connection.request(subject, "", { timeout: 300 }).then(
      () => true,
      () => false,
    );
  }

  test.each([
    ["gateway", "authorize", true],
    ["gateway", "settle", true],
    ["gateway", "void", true],
    ["gateway", "renew", true],
    ["gateway", "inspect", true],
    ["gateway", "adjust", false],
    ["gateway", "configure", false],
    ["console", "inspect", false],
    ["console", "authorize", false],
    ["console", "configure", false],
    ["node", "authorize", false],
    ["node", "configure", false],
  ] as const)("%s: may %s: %s", async (user, command, may) => {
    expect(await arrives(user, `${command}.acme`)).toBe(may);
    expect(await arrives(user, `shard.1.${command}.acme`)).toBe(may);
  });

  test("node: alone writes the journal, and nobody drops or changes it", async () => {
    const node = await as("node");
    const jsm = await jetstreamManager(node);
    const journal = {
      name: "JOURNAL_0_1",
      subjects: ["journal.0.1.block", "journal.0.1.fence"],
      retention: RetentionPolicy.Limits,
      discard: DiscardPolicy.New,
      storage: StorageType.File,
      deny_delete: true,
      deny_purge: true,
      max_msg_size: 256 * 1024,
      max_bytes: 64 * 1024 ** 3,
    };
    await jsm.streams.add(journal);
    const ack = await jetstream(node).publish("journal.0.1.block", "block");
    expect(ack.seq).toBe(1);

    for (const user of ["gateway", "operator", "console"] as const) {
      const other = await as(user);
      const publish = jetstream(other).publish("journal.0.1.block", "forged", { timeout: 300 });
      await expect(publish, user).rejects.toThrow(FORBIDDEN);
    }
    for (const user of ["node", "gateway", "operator", "console"] as const) {
      const api = await as(user);
      const calls = ["STREAM.DELETE", "STREAM.PURGE", "STREAM.UPDATE", "STREAM.MSG.DELETE"];
      for (const call of calls) {
        const asked = api.request(`$JS.API.${call}.JOURNAL_0_1`, "{}", { timeout: 200 });
        await expect(asked, `${user} ${call}`).rejects.toThrow(FORBIDDEN);
      }
    }
    expect((await jsm.streams.info("JOURNAL_0_1")).state.messages).toBe(1);
  });

  test("operator: reads the journal through a consumer", async () => {
    const node = await as("node");
    await (await jetstreamManager(node)).streams.add({
      name: "JOURNAL_1_1",
      subjects: ["journal.1.>"],
    });
    await jetstream(node).publish("journal.1.1.block", "block");
    const consumer = await jetstream(await as("operator")).consumers.get("JOURNAL_1_1");
    expect((await consumer.next({ expires: 2_000 }))?.string()).toBe("block");
  });

  test("node: writes the buckets; gateway reads and watches tarmac-config only", async () => {
    const kvm = new Kvm(await as("node"));
    await kvm.create("tarmac-members", { markerTTL: 1_000 });
    const leases = await kvm.create("tarmac-leases", { markerTTL: 1_000 });
    await leases.create("shard-0", "owner", "3s");
    const config = await kvm.create("tarmac-config");
    await config.put("ws.acme", "1");

    const gateway = await as("gateway");
    const failures: string[] = [];
    void (async () => {
      for await (const status of gateway.status()) {
        if (status.type === "error") failures.push(status.error.message);
      }
    })();
    const readable = await new Kvm(gateway).open("tarmac-config");
    expect((await readable.get("ws.acme"))?.string()).toBe("1");
    const watch = await readable.watch();
    const seen: string[] = [];
    for await (const entry of watch) {
      seen.push(entry.string());
      if (seen.length === 1) await config.put("ws.acme", "2");
      else break;
    }
    expect(seen).toEqual(["1", "2"]);
    const keys: string[] = [];
    for await (const key of await readable.keys()) keys.push(key);
    expect(keys).toEqual(["ws.acme"]);
    expect(failures).toEqual([]);

    const forged = gateway.request("$KV.tarmac-config.ws.acme", "3", { timeout: 300 });
    await expect(forged).rejects.toThrow(FORBIDDEN);
    expect((await readable.get("ws.acme"))?.string()).toBe("2");
    const forbidden = await new Kvm(gateway).open("tarmac-leases");
    await expect(forbidden.get("shard-0")).rejects.toThrow(FORBIDDEN);
  });

  test("console: follows live entries of a workspace through its own consumer, and nothing else", async () => {
    const node = await as("node");
    await (await jetstreamManager(node)).streams.add({
      name: "EVENTS",
      subjects: ["events.>"],
      storage: StorageType.Memory,
    });
    await new Kvm(node).create("tarmac-members", { markerTTL: 1_000 });
    const view = await as("console");
    const heard = Promise.withResolvers<string>();
    const ready = Promise.withResolvers<void>();
    const events = new EntryEvents(view, "acme", {
      entry: (line) => heard.resolve(line),
      ready: () => ready.resolve(),
      lost: (reason) => heard.reject(new Error(reason)),
    });
    await ready.promise;
    await jetstream(node).publish("events.other.authorize.support", "of another workspace");
    await jetstream(node).publish("events.acme.authorize.support", "entry");
    expect(await heard.promise).toBe("entry");
    events.stop();
    for (const subject of [
      "events.acme.authorize.support",
      "$JS.API.STREAM.INFO.EVENTS",
      "$JS.API.STREAM.MSG.GET.EVENTS",
      "$JS.API.CONSUMER.CREATE.JOURNAL_0_1.x",
      "$JS.API.CONSUMER.CREATE.KV_tarmac-config.x.$KV.tarmac-config.>",
    ]) {
      const asked = view.request(subject, "{}", { timeout: 300 });
      await expect(asked, subject).rejects.toThrow(FORBIDDEN);
    }
  });

  test("replies: no user can listen to the answers of another", async () => {
    const console_ = await as("console");
    const closed = new Promise<Error | undefined>((resolve) => {
      console_.subscribe("_INBOX_gateway.>", { callback: (error) => resolve(error ?? undefined) });
    });
    expect((await closed)?.message).toMatch(/permissions violation/i);
  });

  test("connect: a wrong password, or none, is refused", async () => {
    const options = { servers: nats.logins.node.servers, reconnect: false };
    await expect(connect({ ...options, user: "node", pass: "wrong" })).rejects.toThrow(
      /authorization violation/i,
    );
    await expect(connect(options)).rejects.toThrow(/authorization violation/i);
  });
});

test("system: reads that every write is synced", async () => {
  const system = await as("system");
  const reply = await system.request("$SYS.REQ.SERVER.PING.JSZ", "", { timeout: 2_000 });
  const answer = reply.json<{ data: { config: { sync_always?: boolean } } }>();
  expect(answer.data.config.sync_always).toBe(true);
});

describe("start", () => {
  async function place() {
    const dir = await mkdtemp(join(tmpdir(), "tarmac-nats-it-"));
    onTestFinished(() => rm(dir, { recursive: true, force: true, maxRetries: 10 }));
    const { cacheDir, natsServer } = provisionConfig();
    const explicit = natsServer === undefined ? {} : { explicitPath: natsServer };
    const { path } = await findNatsServer({ cacheDir, ...explicit, onProgress: () => undefined });
    return {
      binary: path,
      dir: join(dir, "nats"),
      keysDir: join(dir, "keys"),
      logFile: join(dir, "logs", "nats.log"),
      shards: 4,
    };
  }

  test("after kill -9: carries on with what it acknowledged, its port and its passwords", async () => {
    const options = await place();
    const first = await startNats(options);
    const node = await connect({ ...first.logins.node, reconnect: false });
    await (await jetstreamManager(node)).streams.add({
      name: "JOURNAL_0_1",
      subjects: ["journal.0.>"],
    });
    const acks = [];
    for (let n = 0; n < 50; n++)
      acks.push(await jetstream(node).publish("journal.0.1.block", `${n}`));
    process.kill(first.pid, "SIGKILL");
    expect((await first.exited).signal).toBe("SIGKILL");
    await node.close().catch(() => undefined);

    const second = await startNats(options);
    onTestFinished(async () => {
      await second.stop();
    });
    expect({ url: second.url, logins: second.logins }).toEqual({
      url: first.url,
      logins: first.logins,
    });
    const again = await connect(second.logins.node);
    onTestFinished(() => again.close());
    const { state } = await (await jetstreamManager(again)).streams.info("JOURNAL_0_1");
    expect(state.last_seq).toBe(acks.at(-1)?.seq);
  });

  test("twice on one directory: the second is refused, and names the first", async () => {
    const options = await place();
    const first = await startNats(options);
    onTestFinished(async () => {
      await first.stop();
    });
    const refused = startNats({ ...options, predecessorMsMax: 100 });
    await expect(refused).rejects.toThrow(`process ${first.pid}`);
  });

  test("a last port that is taken: gives way to a free one; a port that was asked for does not", async () => {
    const options = await place();
    const first = await startNats(options);
    await first.stop();
    const squatter = await listen(first.port);
    onTestFinished(() => void squatter.close());
    const second = await startNats(options);
    expect(second.port).not.toBe(first.port);
    await second.stop();
    await expect(startNats({ ...options, port: first.port })).rejects.toThrow(
      /address already in use/,
    );
  });

  test("secrets: lie in files only their owner can read", async () => {
    const options = await place();
    const server = await startNats(options);
    await server.stop();
    const keys = (await readdir(options.keysDir)).map((name) => join(options.keysDir, name));
    expect(keys).toHaveLength(5);
    for (const path of [...keys, join(options.dir, "server.conf")]) {
      expect((await stat(path)).mode & 0o777, path).toBe(0o600);
    }
  });

  test("a number of shards that makes no sense: is refused before anything starts", async () => {
    const options = await place();
    for (const shards of [0, 1.5, Number.NaN]) {
      await expect(startNats({ ...options, shards })).rejects.toThrow(/TARMAC_SHARDS/);
    }
  });

  test("a server that cannot start: says why, from its own log", async () => {
    const options = await place();
    const port = await freePort();
    await expect(startNats({ ...options, port, host: "192.0.2.1" })).rejects.toThrow(
      /cannot assign requested address/,
    );
  });
});

function listen(port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}
