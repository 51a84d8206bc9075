/**
 * Goal: engine nodes as processes: they refuse to start where they must not, share the shards, hand
 * them over, and take over from a node that was killed, with every answered command still in the ledger.
 * Method: real node processes on real nats-server and Postgres; each answer is asked for again later,
 * and must come back the same.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import type { Answer } from "../actors/commands.ts";
import { foundingCommand } from "../actors/testing/world.ts";
import { Bucket } from "../bus/bucket.ts";
import { ConfigCache } from "../bus/config-cache.ts";
import { connectBus, type NatsConnection } from "../bus/connect.ts";
import { EngineClient } from "../bus/engine-client.ts";
import { encodeMember } from "../bus/membership.ts";
import { MEMBERS_BUCKET } from "../bus/subjects.ts";
import { natsLogin, natsLoginUrl } from "../cli/provision/nats-config.ts";
import { testDatabase } from "../cli/provision/vitest-servers.ts";
import type { NodeHealth } from "./health.ts";
import { login, restartableNats } from "./testing/bus-fixture.ts";
import { authorize, settle } from "./testing/shard-fixture.ts";

const MAIN = fileURLToPath(new URL("main.ts", import.meta.url));
const WORKSPACES = Array.from({ length: 12 }, (_, i) => `team-${i}`);
const DEADLINE = { deadlineMs: 30_000 };

const server = await restartableNats();
const postgresUrl = await testDatabase();
let home: string;
let operator: NatsConnection;
let client: EngineClient;
const running = new Map<string, NodeUnderTest>();

interface NodeUnderTest {
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;
  readonly output: () => string;
}

function environment(overrides: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const { logins, systemUrl } = server.nats();
  return {
    PATH: process.env["PATH"],
    TARMAC_HOME: home,
    TARMAC_NATS_URL: natsLoginUrl(logins.node),
    TARMAC_NATS_SYSTEM_URL: systemUrl,
    TARMAC_POSTGRES_URL: postgresUrl,
    TARMAC_SHARDS: "4",
    TARMAC_WORKERS: "1",
    ...overrides,
  };
}

function startNode(args: readonly string[], env: NodeJS.ProcessEnv = environment()): NodeUnderTest {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  child.stdout.on("data", (data: Buffer) => {
    output += data.toString();
  });
  child.stderr.on("data", (data: Buffer) => {
    output += data.toString();
  });
  const exited = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const node = { child, exited, output: () => output };
  const name = args[args.indexOf("--name") + 1];
  if (args.includes("--name") && name !== undefined) running.set(name, node);
  return node;
}

async function health(name: string): Promise<NodeHealth | undefined> {
  const text = await readFile(join(home, "nodes", `${name}.json`), "utf8").catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as NodeHealth);
}

/** Waits until the live nodes own every shard between them. */
async function untilAllOwned(names: readonly string[]): Promise<number[][]> {
  const deadline = performance.now() + 50_000;
  for (;;) {
    const owned: number[][] = [];
    for (const name of names) {
      const shards = (await health(name))?.shards ?? [];
      owned.push(shards.filter(({ phase }) => phase === "owning").map(({ shard }) => shard));
    }
    if (
      owned
        .flat()
        .sort((a, b) => a - b)
        .join() === "0,1,2,3" &&
      owned.every((each) => each.length > 0)
    ) {
      return owned;
    }
    if (performance.now() > deadline) {
      throw new Error(names.map((name) => running.get(name)?.output()).join("\n---\n"));
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function stop(name: string, signal: NodeJS.Signals): Promise<number | null> {
  const node = running.get(name);
  running.delete(name);
  node?.child.kill(signal);
  return (await node?.exited) ?? null;
}

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "tarmac-node-"));
  operator = await connectBus(login(server.nats(), "operator"));
  client = new EngineClient(operator);
});

afterAll(async () => {
  for (const name of [...running.keys()]) await stop(name, "SIGKILL");
  await operator.close();
  await server.close();
  await rm(home, { recursive: true, force: true, maxRetries: 10 });
});

describe("refuses to start", () => {
  test("with every mistake at once, and exit 2", async () => {
    const node = startNode(["--what"], {
      PATH: process.env["PATH"],
      TARMAC_NATS_URL: "http://127.0.0.1",
      TARMAC_SHARDS: "many",
      TARMAC_WEIGHT: "0",
    });
    expect(await node.exited).toBe(2);
    for (const word of [
      "--what",
      "TARMAC_NATS_URL",
      "TARMAC_POSTGRES_URL",
      "TARMAC_SHARDS",
      "TARMAC_WEIGHT",
    ]) {
      expect(node.output()).toContain(word);
    }
  });

  test("where there is no journal, without --init", async () => {
    const node = startNode([]);
    expect(await node.exited).toBe(1);
    expect(node.output()).toMatch(/JOURNAL_0_1.*--init/);
  });

  test("where it cannot see that JetStream is durable", async () => {
    const { TARMAC_NATS_SYSTEM_URL: _system, ...env } = environment();
    const node = startNode(["--init"], env);
    expect(await node.exited).toBe(1);
    expect(node.output()).toMatch(/not durable.*TARMAC_NATS_SYSTEM_URL/s);
  });

  test("where nobody takes the connection, naming where", async () => {
    const nobody = natsLogin("node", "127.0.0.1:1", "secret");
    const node = startNode([], environment({ TARMAC_NATS_URL: natsLoginUrl(nobody) }));
    expect(await node.exited).toBe(1);
    expect(node.output()).toMatch(/127\.0\.0\.1:1 as node.*check that nats-server runs/);
    expect(node.output()).not.toContain("secret");
  });
});

/** Every answer that was given, by its command. */
const answered: { ws: string; command: ReturnType<typeof authorize>; answer: Answer }[] = [];

async function callAll(times: number): Promise<void> {
  const calls = WORKSPACES.flatMap((ws) => Array.from({ length: times }, () => ws));
  await Promise.all(
    calls.map(async (ws) => {
      const command = authorize();
      const answer = await client.request(ws, command, DEADLINE);
      expect(answer).toMatchObject({ kind: "decided", state: "open" });
      answered.push({ ws, command, answer });
    }),
  );
}

/** Each command again: the same answer, whoever owns the shard now. */
async function askAgain(): Promise<void> {
  await Promise.all(
    answered.map(async ({ ws, command, answer }) => {
      // Nobody renews it, so on a busy machine its 30 s may be over by now.
      const state: unknown = expect.stringMatching(/^(open|expired)$/);
      expect(await client.request(ws, command, DEADLINE)).toEqual({ ...answer, state });
    }),
  );
}

describe("nodes", () => {
  test("one node takes every shard and decides", async () => {
    startNode(["--init", "--name", "one"]);
    await untilAllOwned(["one"]);
    for (const ws of WORKSPACES) {
      const made = await client.request(ws, foundingCommand({ ws }), DEADLINE);
      expect(made).toMatchObject({ kind: "configured" });
    }
    await callAll(10);
    await askAgain();
    expect((await health("one"))?.ready).toBe(true);
  });

  test("what is configured is in the gateways' cache", async () => {
    const gateway = await connectBus(login(server.nats(), "gateway"));
    const cache = new ConfigCache(gateway);
    for (const ws of WORKSPACES) expect(await cache.whenAtLeast(ws, 2n, 5_000)).toBe(true);
    expect([...cache.agents("team-3").keys()]).toEqual(["bot"]);
    cache.stop();
    await gateway.close();
  });

  test("a second node takes its share while calls go on", async () => {
    startNode(["--name", "two"]);
    const [one, two] = await Promise.all([untilAllOwned(["one", "two"]), callAll(10)]).then(
      ([owned]) => owned,
    );
    expect((one?.length ?? 0) + (two?.length ?? 0)).toBe(4);
    await askAgain();
  });

  test("SIGTERM: hands over in order, exits 0, and nothing that was answered is lost", async () => {
    const calls = callAll(5);
    expect(await stop("two", "SIGTERM")).toBe(0);
    await calls;
    await untilAllOwned(["one"]);
    await askAgain();
    expect(await health("two")).toBeUndefined();
  });

  test("SIGKILL: the other takes over when the lease ran out", async () => {
    startNode(["--name", "three"]);
    await untilAllOwned(["one", "three"]);
    const calls = callAll(5);
    await stop("one", "SIGKILL");
    await calls;
    await untilAllOwned(["three"]);
    await askAgain();
  });

  test("nats-server killed and started again: the same node goes on with the same ledger", async () => {
    await server.kill();
    const calls = callAll(2);
    await server.start();
    await calls;
    await askAgain();
    const settled = await Promise.all(
      answered.slice(0, 50).map(async ({ ws, command }) => {
        return await client.request(ws, settle(command.authorization), DEADLINE);
      }),
    );
    for (const answer of settled)
      expect(answer).toMatchObject({ kind: "posted", state: "settled" });
  });

  test("refuses to start beside a newer node whose journal it could not read, and says what to do", async () => {
    const nc = await connectBus(login(server.nats(), "node"));
    const formats = { journal: { reads: 99, writes: 99 }, snapshot: { reads: 1, writes: 1 } };
    const about = { version: "99.0.0", worker: 0, shards: 4, run: "r", startedAt: 1, ...formats };
    const { note, value } = encodeMember({ node: "newer", weight: 1, about });
    const members = new Bucket(nc, MEMBERS_BUCKET);
    const written = await members.write("newer-0", value, 0, { note, ttlSeconds: 60 });
    const node = startNode(["--name", "older"]);
    expect(await node.exited).toBe(1);
    expect(node.output()).toMatch(
      /node newer \(Tarmac 99\.0\.0\) writes journal format 99.*reads up to 1: start the version/,
    );
    await members.write("newer-0", undefined, written ?? 0);
    await nc.close();
  });

  test("refuses another number of shards than the journal has", async () => {
    const node = startNode(["--init"], environment({ TARMAC_SHARDS: "8" }));
    expect(await node.exited).toBe(1);
    expect(node.output()).toMatch(/made for 4 shards and this node is set to 8/);
  });
});
