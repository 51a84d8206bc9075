/**
 * Goal: three nats-servers join over routes that only a certificate and a password open, take clients
 * over TLS only, and give each user its rights and no more, whichever server it is connected to.
 * Method: a real cluster with certificates made for the test; a stranger that would join; what each user
 * must not do is tried, and must not be answered.
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";

import { BusUnreachable, connectBus, parseNatsUrl } from "../../bus/connect.ts";
import { ensureJournals, ensureLosable } from "../../bus/streams.ts";
import { provisionConfig } from "./config.ts";
import { freePort } from "./free-port.ts";
import { findNatsServer } from "./nats-binary.ts";
import {
  type NatsTlsFiles,
  type NatsUser,
  natsLogin,
  natsLoginUrl,
  natsPasswords,
  renderNatsConfig,
  routePassword,
} from "./nats-config.ts";
import { NatsProcess } from "./nats-member.ts";
import type { RunningNats } from "./nats-server.ts";
import { type Disposable, startTestNats } from "./test-cluster.ts";
import { makeCertificates, openssl } from "./testing/certificates.ts";

describe.skipIf(openssl.path === undefined)(`TLS${openssl.missing}`, async () => {
  const certificates = await mkdtemp(join(tmpdir(), "tarmac-certificates-"));
  let tls: NatsTlsFiles | undefined;
  let nats: Disposable<RunningNats> | undefined;
  afterAll(async () => {
    await nats?.stop();
    await rm(certificates, { recursive: true, force: true });
  });

  async function cluster(): Promise<Disposable<RunningNats>> {
    tls ??= await makeCertificates(join(certificates, "ours"));
    nats ??= await startTestNats({ servers: 3, tls });
    return nats;
  }

  /** Connects by URL, as a process does, to the server of that number. */
  async function as(user: NatsUser, member = 0) {
    const { logins, members } = await cluster();
    const login = { ...logins[user], servers: `localhost:${members[member]?.port}` };
    const ca = login.tls?.ca;
    const nc = await connectBus(parseNatsUrl(natsLoginUrl(login), "test", ca));
    onTestFinished(() => nc.close());
    return nc;
  }

  test("clients: are taken with the authority's certificate only", async () => {
    const { logins } = await cluster();
    const url = natsLoginUrl(logins.node);
    expect(url).toMatch(/^tls:\/\/node:[^,]+,tls:\/\/node:[^,]+,tls:\/\/node:[^,]+$/);
    const nc = await as("node");
    expect(nc.info?.tls_required).toBe(true);

    // Neither a server that nobody vouches for, nor one that somebody else does.
    const foreign = await makeCertificates(join(certificates, "theirs"));
    const other = await readFile(foreign.caFile, "utf8");
    for (const ca of [undefined, other]) {
      const refused = connectBus(parseNatsUrl(url, "test", ca), 0);
      await expect(refused).rejects.toThrow(BusUnreachable);
      await expect(refused).rejects.toThrow(/certificate|self.signed/i);
    }
  });

  test("routes: a server with the password and a certificate of another authority does not join", async () => {
    const { members, dir } = await cluster();
    const foreign = await makeCertificates(join(certificates, "stranger"));
    const { cacheDir, natsServer } = provisionConfig();
    const explicit = natsServer === undefined ? {} : { explicitPath: natsServer };
    const found = await findNatsServer({ cacheDir, ...explicit, onProgress: () => undefined });
    const ours = await readFile(join(dir, "nats", "tarmac-1", "server.conf"), "utf8");
    const routes = JSON.parse(/^TARMAC_NATS_ROUTES: (.*)$/m.exec(ours)?.[1] ?? "[]") as string[];
    expect(routes).toHaveLength(3);
    const keysDir = join(dir, "keys");
    const passwords = await natsPasswords(keysDir);
    const port = await freePort();
    const stranger = new NatsProcess({
      name: "stranger",
      binary: found.path,
      dir: join(dir, "stranger"),
      port,
      config: await renderNatsConfig({
        name: "stranger",
        host: "127.0.0.1",
        port,
        storeDir: join(dir, "stranger"),
        shards: 4,
        passwords,
        cluster: {
          routePort: await freePort(),
          routes: routes.map((route) => new URL(route).host),
          routePassword: await routePassword(keysDir),
        },
        tls: foreign,
      }),
      logFile: join(dir, "stranger.log"),
      system: natsLogin("system", `127.0.0.1:${port}`, passwords.system),
    });
    await stranger.launch();
    onTestFinished(async () => {
      await stranger.stop();
    });
    const failure = await stranger.until(async () =>
      /TLS route handshake error/.test(await readFile(join(dir, "stranger.log"), "utf8")),
    );
    expect(failure).toBeUndefined();
    expect(await serverNames()).toEqual(members.map(({ name }) => name));
  });

  async function serverNames(): Promise<string[]> {
    const system = await as("system");
    const names: string[] = [];
    const replies = await system.requestMany("$SYS.REQ.SERVER.PING", "", {
      strategy: "stall",
      maxWait: 3_000,
      stall: 500,
    });
    for await (const reply of replies) {
      names.push(reply.json<{ server: { name: string } }>().server.name);
    }
    return names.sort();
  }

  test("rights: each user does its work through any server, and no other's", async () => {
    const node = await as("node", 0);
    await ensureJournals(node, { shards: 4, era: 1, replicas: 3 }, true);
    await ensureLosable(node, 3);
    node.subscribe("shard.>", {
      callback: (_error, message) => void message.respond(message.subject),
    });
    await node.flush();
    expect((await jetstream(node).publish("journal.0.1.block", "block")).seq).toBe(1);
    const gateway = await as("gateway", 1);
    expect((await gateway.request("settle.acme", "", { timeout: 5_000 })).string()).toMatch(
      /^shard\.\d\.settle\.acme$/,
    );

    const change = ["DELETE", "PURGE", "UPDATE", "MSG.DELETE", "LEADER.STEPDOWN", "PEER.REMOVE"];
    const forbidden: Record<NatsUser, readonly string[]> = {
      node: [
        "authorize.acme",
        ...change.map((call) => `$JS.API.STREAM.${call}.JOURNAL_0_1`),
        "$JS.API.SERVER.REMOVE",
        "$JS.API.META.LEADER.STEPDOWN",
      ],
      gateway: ["configure.acme", "adjust.acme", "journal.0.1.block", "$KV.tarmac-leases.0.1"],
      operator: ["journal.0.1.block", "$KV.tarmac-config.x", "$JS.API.STREAM.PURGE.JOURNAL_0_1"],
      console: ["authorize.acme", "$JS.API.STREAM.INFO.JOURNAL_0_1"],
      system: ["authorize.acme", "$JS.API.STREAM.PURGE.JOURNAL_0_1", "$SYS.REQ.SERVER.X.SHUTDOWN"],
    };
    await Promise.all(
      Object.entries(forbidden).map(async ([user, subjects], index) => {
        const nc = await as(user as NatsUser, index % 3);
        for (const subject of subjects) {
          const asked = nc.request(subject, "{}", { timeout: 250 });
          await expect(asked, `${user} ${subject}`).rejects.toThrow(/permissions|timeout/i);
        }
      }),
    );
    const { state } = await (await jetstreamManager(node)).streams.info("JOURNAL_0_1");
    expect(state).toMatchObject({ messages: 1, last_seq: 1 });
  });
});

describe("configuration", () => {
  test("one server: has no cluster and no TLS; a cluster without certificates has no TLS", async () => {
    const passwords = { console: "c", gateway: "g", node: "n", operator: "o", system: "s" };
    const one = { host: "127.0.0.1", port: 1, storeDir: "/d", shards: 16, passwords };
    expect(await renderNatsConfig(one)).not.toMatch(/^cluster|^tls|^include/m);
    const cluster = { routePort: 2, routes: ["a:2", "b:2"], routePassword: "r" };
    const plain = await renderNatsConfig({ ...one, cluster });
    expect(plain).toMatch(/^cluster \{$/m);
    expect(plain).not.toMatch(/^ *(tls|include)/m);
    expect(plain).toContain("partition(16,1)");
    const tls = { certFile: "/c", keyFile: "/k", caFile: "/a" };
    const whole = await renderNatsConfig({ ...one, cluster, tls });
    expect(whole.match(/^tls \{$/gm)).toHaveLength(2);
    expect(whole).not.toMatch(/^ *include/m);
  });
});
