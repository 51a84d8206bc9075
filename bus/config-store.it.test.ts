/**
 * Goal: gateways see what owners write, in order, over deletes, lost servers and zombies; the engine
 * client repeats identical bytes and knows when nothing can have been decided.
 * Method: writers, caches and clients over a real nats-server that is killed and started again.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { KEY, World } from "../actors/testing/world.ts";
import { createWorkspace, type WorkspaceState } from "../actors/workspace.ts";
import type { ConfigChange } from "../ledger/workspace-config.ts";
import { login, prepareStreams, restartableNats } from "../nodes/testing/bus-fixture.ts";
import { Bucket } from "./bucket.ts";
import { decodeCommand, encodeAnswer } from "./codec.ts";
import { ConfigCache } from "./config-cache.ts";
import { configItemsOf } from "./config-items.ts";
import { ConfigWriter } from "./config-writer.ts";
import { connectBus, type NatsConnection } from "./connect.ts";
import { EngineClient, EngineUnreachable } from "./engine-client.ts";
import { CONFIG_BUCKET, LEASES_BUCKET, TTL_HEADER } from "./subjects.ts";

const server = await restartableNats();
let node: NatsConnection;
let gateway: NatsConnection;
const KEY_HASH = "cd".repeat(32);

beforeAll(async () => {
  node = await connectBus(login(server.nats(), "node"));
  gateway = await connectBus(login(server.nats(), "gateway"));
  await prepareStreams(node);
});

afterAll(async () => {
  await node.close();
  await gateway.close();
  await server.close();
});

function workspace(ws: string): WorkspaceState {
  return new World({ ws }).state;
}

/** Commits one more change. */
function commit(state: WorkspaceState, changes: readonly ConfigChange[]): void {
  const world = new World({ ws: state.ws });
  world.state = state;
  const answer = world.send({
    base_seq: state.configSeq,
    by: "test",
    changes: [changes],
    commit: true,
    kind: "configure",
    stage: `stage-${state.configSeq}`,
  });
  if (answer.kind !== "configured") throw new Error(answer.kind);
}

async function until(condition: () => boolean, ms = 5_000): Promise<void> {
  const deadline = performance.now() + ms;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error("it did not come about");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const quiet = () => undefined;

describe("ConfigWriter and ConfigCache", () => {
  test("what an owner writes, a gateway reads, with everything it belongs to", async () => {
    const cache = new ConfigCache(gateway);
    const writer = new ConfigWriter(node, quiet);
    const state = workspace("one");
    writer.write("one", configItemsOf(state));
    expect(await cache.whenAtLeast("one", state.configSeq, 5_000)).toBe(true);
    expect(cache.isReady()).toBe(true);
    expect(cache.configSeq("one")).toBe(state.configSeq);
    expect(cache.agent("one", "bot")?.settings).toEqual(state.config.agents.get("bot"));
    expect(cache.key(KEY_HASH)).toMatchObject({
      config_seq: state.configSeq,
      key: KEY,
      revoked: false,
      ws: "one",
    });
    expect(cache.workspace("one")?.price).toEqual(state.prices.get(state.priceSeq)?.settings);
    expect(await cache.whenAtLeast("one", state.configSeq + 1n, 50)).toBe(false);
    cache.stop();
    writer.stop();
  });

  test("what is removed goes away, and a late cache never sees it", async () => {
    const writer = new ConfigWriter(node, quiet);
    const cache = new ConfigCache(gateway);
    const state = workspace("two");
    state.config.keys.clear();
    writer.write("two", configItemsOf(state));
    await cache.whenAtLeast("two", state.configSeq, 5_000);
    commit(state, [{ id: "bot", item: "agent" }]);
    writer.write("two", configItemsOf(state));
    expect(await cache.whenAtLeast("two", state.configSeq, 5_000)).toBe(true);
    expect(cache.agent("two", "bot")).toBeUndefined();
    const late = new ConfigCache(gateway);
    await late.whenReady();
    expect(late.configSeq("two")).toBe(state.configSeq);
    expect(late.agent("two", "bot")).toBeUndefined();
    for (const each of [cache, late, writer]) each.stop();
  });

  test("a zombie cannot bring back what a later commit removed", async () => {
    const state = workspace("three");
    state.config.keys.clear();
    const stale = configItemsOf(state);
    const zombie = new ConfigWriter(node, quiet);
    zombie.write("three", stale);
    await until(() => zombie.isIdle());
    commit(state, [{ id: "bot", item: "agent" }]);
    const owner = new ConfigWriter(node, quiet);
    owner.write("three", configItemsOf(state));
    await until(() => owner.isIdle());
    zombie.write("three", stale);
    await until(() => zombie.isIdle());
    const cache = new ConfigCache(gateway);
    await cache.whenReady();
    expect(cache.configSeq("three")).toBe(state.configSeq);
    expect(cache.agent("three", "bot")).toBeUndefined();
    for (const each of [cache, owner, zombie]) each.stop();
  });

  test("a key of another workspace is not overwritten", async () => {
    const problems: string[] = [];
    const writer = new ConfigWriter(node, (problem) => problems.push(problem));
    const cache = new ConfigCache(gateway);
    const [first, second] = [workspace("four-a"), workspace("four-b")];
    writer.write("four-a", configItemsOf(first));
    await until(() => writer.isIdle());
    const owner = await cacheOwner(cache);
    writer.write("four-b", configItemsOf(second));
    await until(() => writer.isIdle());
    expect(problems.join()).toContain(`key.${KEY_HASH} belongs to workspace ${owner}`);
    expect(cache.key(KEY_HASH)?.ws).toBe(owner);
    cache.stop();
    writer.stop();
  });

  test("survive a server that is killed: the rest is written and read when it is back", async () => {
    const cache = new ConfigCache(gateway);
    await cache.whenReady();
    const writer = new ConfigWriter(node, quiet);
    await until(() => writer.isIdle());
    await server.kill();
    const state = workspace("five");
    writer.write("five", configItemsOf(state));
    await server.start();
    expect(await cache.whenAtLeast("five", state.configSeq, 15_000)).toBe(true);
    cache.stop();
    writer.stop();
  });
});

async function cacheOwner(cache: ConfigCache): Promise<string> {
  await until(() => cache.key(KEY_HASH) !== undefined);
  return cache.key(KEY_HASH)?.ws ?? "";
}

describe("Bucket", () => {
  test("write: only over the revision it names", async () => {
    const bucket = new Bucket(node, LEASES_BUCKET);
    const first = await bucket.write("cas", "a", 0);
    expect(await bucket.write("cas", "b", 0)).toBeUndefined();
    const second = await bucket.write("cas", "b", first ?? 0);
    expect(await bucket.read("cas")).toMatchObject({ value: "b", revision: second });
    await bucket.write("cas", undefined, second ?? 0, { note: "7" });
    expect(await bucket.read("cas")).toMatchObject({ value: undefined, note: "7" });
  });

  test("time to live: a key that is written again lives on, one that is not runs out and is told", async () => {
    const bucket = new Bucket(node, LEASES_BUCKET);
    const told: string[] = [];
    const watch = bucket.watch({
      changed: ({ key, value }) => {
        if (key === "ttl") told.push(value ?? "gone");
      },
      complete: quiet,
    });
    let revision = (await bucket.write("ttl", "0", 0, { ttlSeconds: 1 })) ?? 0;
    for (let i = 1; i <= 4; i++) {
      await new Promise((resolve) => setTimeout(resolve, 500));
      revision = (await bucket.write("ttl", `${i}`, revision, { ttlSeconds: 1 })) ?? 0;
      expect(revision).toBeGreaterThan(0);
    }
    await until(() => told.at(-1) === "gone");
    expect(told).toEqual(["0", "1", "2", "3", "4", "gone"]);
    watch.stop();
  });

  test("a gateway may read the configuration and write nothing", async () => {
    const denied = new Bucket(gateway, CONFIG_BUCKET).write("ws.x", "{}", 0);
    await expect(denied).rejects.toThrow(/Permissions Violation|timeout/i);
  });
});

describe("EngineClient", () => {
  const options = { tryTimeoutMs: 100, deadlineMs: 600 };

  function serve(answers: readonly (string | undefined)[]) {
    const seen: { bytes: string; ttl: number }[] = [];
    const subscription = node.subscribe("shard.*.inspect.*", {
      callback: (_error, message) => {
        const code = answers[Math.min(seen.length, answers.length - 1)];
        seen.push({ bytes: message.string(), ttl: Number(message.headers?.get(TTL_HEADER)) });
        if (code === undefined) return;
        const refused = { kind: "refused", code: code as "halted", message: "no" } as const;
        message.respond(encodeAnswer(refused));
      },
    });
    return { seen, stop: () => subscription.unsubscribe() };
  }

  test("nobody owns the shard: unreachable, and certainly not decided", async () => {
    const client = new EngineClient(gateway);
    const asked = client.request("nobody", { kind: "inspect" }, options);
    await expect(asked).rejects.toMatchObject({ code: "engine-unreachable", outcome: "none" });
  });

  test("no answer within the deadline: unreachable, and nobody knows", async () => {
    const { seen, stop } = serve([undefined]);
    const asked = new EngineClient(gateway).request("silent", { kind: "inspect" }, options);
    await expect(asked).rejects.toThrow(EngineUnreachable);
    await expect(asked).rejects.toMatchObject({ outcome: "unknown" });
    expect(seen.length).toBeGreaterThan(2);
    stop();
  });

  test("asks again with identical bytes after silence and after what was not decided", async () => {
    const notDecided = ["misrouted", "too-late", "append-unresolved", "fail-closed"];
    const { seen, stop } = serve([undefined, ...notDecided, "halted"]);
    const command = { kind: "inspect", agent: "bot" } as const;
    const answer = await new EngineClient(gateway).request("again", command, {
      tryTimeoutMs: 100,
      deadlineMs: 3_000,
    });
    expect(answer).toMatchObject({ kind: "refused", code: "halted" });
    expect(seen).toHaveLength(6);
    expect(new Set(seen.map(({ bytes }) => bytes)).size).toBe(1);
    expect(decodeCommand(Buffer.from(seen[0]?.bytes ?? ""))).toEqual({ ok: true, value: command });
    const ttls = seen.map(({ ttl }) => ttl);
    expect(ttls).toEqual([...ttls].sort((a, b) => b - a));
    expect(ttls[0]).toBeGreaterThan(2_000);
    stop();
  });

  test("a connection that is closed ends what waits at once, and nobody knows", async () => {
    const { stop } = serve([undefined]);
    const own = await connectBus(login(server.nats(), "gateway"));
    const client = new EngineClient(own);
    const startedAt = performance.now();
    const waiting = client.request("closing", { kind: "inspect" }, { tryTimeoutMs: 60_000 });
    await Promise.all([expect(waiting).rejects.toMatchObject({ outcome: "unknown" }), own.close()]);
    const after = client.request("closing", { kind: "inspect" });
    await expect(after).rejects.toThrow("the connection to NATS is closed");
    expect(performance.now() - startedAt).toBeLessThan(2_000);
    stop();
  });

  test("only refusals that were not decided: another owner may have decided all the same", async () => {
    const { stop } = serve(["append-unresolved"]);
    const asked = new EngineClient(gateway).request("refused", { kind: "inspect" }, options);
    await expect(asked).rejects.toMatchObject({ outcome: "unknown" });
    stop();
  });
});

test("configItemsOf: a workspace that was not made has none", () => {
  expect(configItemsOf(createWorkspace("empty"))).toEqual([]);
});
