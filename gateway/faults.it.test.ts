/**
 * Goal: whatever breaks (the engine, the provider, the client, the gateway itself), nothing goes out
 * without a hold, nothing that went out is forgotten, and nothing is taken for free.
 * Method: simulated providers that fail in every way they know; the real workspace actor behind a link
 * that can be down, mute or slow; gateways that end in the middle.
 */
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { EntryOf } from "../ledger/entries.ts";
import { servedTotal } from "./testing/audit.ts";
import { type LocalWorld, startLocalWorld, until } from "./testing/local-world.ts";
import { GPT } from "./testing/workspace.ts";

let world: LocalWorld;
beforeEach(async () => {
  const agents = { claude: {}, gpt: { lane: GPT } };
  world = await startLocalWorld({ agents, expiryMs: 2_000 });
});
afterEach(() => world.stop());

const hello = [{ role: "user" as const, content: "Hello" }];
const claude = () =>
  new Anthropic({
    apiKey: world.keys["claude"] ?? "",
    baseURL: `${world.gateway().url}/v1/anthropic`,
    maxRetries: 0,
  });
const gpt = () =>
  new OpenAI({
    apiKey: world.keys["gpt"] ?? "",
    baseURL: `${world.gateway().url}/v1/openai`,
    maxRetries: 0,
  });
const ask = { model: "claude-sonnet-5", max_tokens: 200, messages: hello };
const failure = (call: PromiseLike<unknown>) =>
  Promise.resolve(call).catch((error: unknown) => error);

function entries<K extends "authorize" | "expire" | "settle" | "void">(kind: K): EntryOf<K>[] {
  return world.engine.entries
    .map(({ entry }) => entry)
    .filter((entry): entry is EntryOf<K> => entry.kind === kind);
}

describe("the engine", () => {
  test("down: 503 at once in the vendor's envelope, nothing forwarded, nothing owed (leak I)", async () => {
    world.engine.mode = "down";
    for (const call of [
      claude().messages.create(ask),
      gpt().chat.completions.create({ model: "gpt-5.6-luna", messages: hello }),
    ]) {
      const error = (await failure(call)) as InstanceType<typeof Anthropic.APIError>;
      expect(error.status).toBe(503);
      expect(error.headers?.get("retry-after")).toBe("1");
      expect(JSON.stringify(error.error)).toContain("fail-closed");
    }
    world.engine.mode = "up";
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(world.providers.served.length).toBe(0);
    expect(world.engine.entries.filter(({ entry }) => entry.kind === "void")).toHaveLength(0);
  });

  test("mute: a lost answer is 503, and its hold is voided once the engine is back (leak L)", async () => {
    world.engine.modes.set("authorize", "mute").set("void", "down");
    const error = (await failure(claude().messages.create(ask))) as { readonly status: number };
    expect(error.status).toBe(503);
    expect(world.balance().held).toBeGreaterThan(0n);
    world.engine.modes.clear();
    await until(() => world.balance().held === 0n, "the hold is given back");
    expect(entries("void")).toHaveLength(1);
    expect(world.providers.served.length).toBe(0);
  });

  test("mute: the void survives a gateway that is restarted before it can be sent", async () => {
    world.engine.modes.set("authorize", "mute").set("void", "down");
    await failure(claude().messages.create(ask));
    await world.restartGateway();
    expect(world.balance().held).toBeGreaterThan(0n);
    world.engine.modes.clear();
    await until(() => world.balance().held === 0n, "the hold is given back");
  });

  test.each([false, true])(
    "slow: the last byte waits at most 250 ms, then the outbox has the settle (stream %s)",
    async (stream) => {
      world.engine.only.add("settle");
      world.engine.delayMs = 2_500;
      const startedAt = performance.now();
      if (stream) await claude().messages.stream(ask).done();
      else {
        await claude().messages.create(ask);
      }
      const tookMs = performance.now() - startedAt;
      expect(tookMs).toBeGreaterThan(240);
      expect(tookMs).toBeLessThan(2_000);
      world.engine.delayMs = 0;
      await world.quiet();
      expect(world.balance().settled).toBe(servedTotal(world.providers.served.records));
      expect(entries("settle")).toHaveLength(1);
    },
  );

  test("down at the settle: the answer comes, its settle is owed, renewed for and posted once (leak K)", async () => {
    world.engine.only.add("settle");
    world.engine.mode = "down";
    await claude().messages.create(ask);
    // Longer than a hold lives: it is renewed until the settle is posted.
    await new Promise((resolve) => setTimeout(resolve, 2_600));
    world.engine.expire(world.ws);
    expect(entries("expire")).toHaveLength(0);
    world.engine.mode = "up";
    await world.quiet();
    expect(entries("settle")).toMatchObject([{ basis: "measured", late: false }]);
    expect(world.balance().settled).toBe(servedTotal(world.providers.served.records));
  });

  test("down in the middle: a stream that cannot be renewed is cut before its hold can end (leak L)", async () => {
    world.providers.control.set({ paceMs: 40, outputTokens: 1_200, tokensPerChunk: 6 });
    const read = async () => {
      for await (const event of claude().messages.stream({ ...ask, max_tokens: 4_000 })) {
        if (event.type === "message_start") world.engine.mode = "down";
      }
    };
    const startedAt = performance.now();
    await expect(read()).rejects.toThrow(/terminated|closed|error/i);
    expect(performance.now() - startedAt).toBeLessThan(2_500);
    expect(entries("expire")).toHaveLength(0);
    world.engine.mode = "up";
    await until(() => entries("settle").length === 1, "the cut call is settled");
    // The provider was ended with the hold, so what it used is not measured: the hold is spent.
    const [opened] = entries("authorize");
    expect(entries("settle")).toMatchObject([{ basis: "assumed", amount: opened?.held }]);
  });

  test("long: a stream of several lives keeps its hold (leak L)", async () => {
    world.providers.control.set({ paceMs: 100, outputTokens: 300, tokensPerChunk: 6 });
    await claude()
      .messages.stream({ ...ask, max_tokens: 1_000 })
      .done();
    world.engine.expire(world.ws);
    expect(entries("expire")).toHaveLength(0);
    expect(entries("settle")).toMatchObject([{ basis: "measured", late: false }]);
  });
});

describe("the provider", () => {
  const streamOf = async () => {
    for await (const _event of claude().messages.stream(ask));
  };
  const gptStream = async () => {
    const stream = await gpt().chat.completions.create({
      model: "gpt-5.6-luna",
      messages: hello,
      stream: true,
    });
    for await (const _chunk of stream);
  };

  test("reset before the answer: assumed at the hold, said to the caller (leak D)", async () => {
    world.providers.control.next({ fault: "reset-before" });
    const error = (await failure(claude().messages.create(ask))) as { readonly status: number };
    expect(error.status).toBe(502);
    expect(JSON.stringify(error)).toContain("provider-broken");
    const [opened] = entries("authorize");
    expect(entries("settle")).toMatchObject([{ basis: "assumed", amount: opened?.held }]);
  });

  test("not there: nothing was sent, so the hold is given back", async () => {
    await world.providers.stop();
    const error = (await failure(claude().messages.create(ask))) as { readonly status: number };
    expect(error.status).toBe(502);
    expect(JSON.stringify(error)).toContain("provider-unreachable");
    expect(entries("void")).toHaveLength(1);
    expect(world.balance()).toEqual({ settled: 0n, held: 0n });
    // The world's own stop must find something to stop.
    world = await startLocalWorld();
  });

  test.each(["reset-after", "cut", "end-early", "error-event"] as const)(
    "%s in a stream: not measured, so assumed, and the client sees no whole answer (leaks D and E)",
    async (fault) => {
      for (const run of [streamOf, gptStream]) {
        world.providers.control.next({ fault, outputTokens: 60 });
        await run().catch(() => undefined);
      }
      await world.quiet();
      const held = entries("authorize").map((entry) => entry.held);
      expect(entries("settle").map(({ basis, amount }) => ({ basis, amount }))).toEqual(
        held.map((amount) => ({ basis: "assumed", amount })),
      );
    },
  );

  test("reset-after and cut reach the client as broken connections", async () => {
    for (const fault of ["reset-after", "cut"] as const) {
      world.providers.control.next({ fault, outputTokens: 60 });
      await expect(streamOf()).rejects.toThrow(/terminated|closed|error/i);
    }
  });

  test("cut before the end marker: the usage had come, so it is measured", async () => {
    for (const run of [streamOf, gptStream]) {
      world.providers.control.next({ fault: "cut-before-done" });
      await run().catch(() => undefined);
    }
    await world.quiet();
    expect(entries("settle").map(({ basis }) => basis)).toEqual(["measured", "measured"]);
    expect(world.balance().settled).toBe(servedTotal(world.providers.served.records));
  });

  test.each(["missing", "null"] as const)(
    "usage %s is not zero: assumed (leaks D and E)",
    async (usage) => {
      world.providers.control.set({ usage });
      await failure(claude().messages.create(ask));
      await streamOf().catch(() => undefined);
      await failure(gpt().chat.completions.create({ model: "gpt-5.6-luna", messages: hello }));
      await gptStream();
      await world.quiet();
      expect(entries("settle").map(({ basis }) => basis)).toEqual(Array(4).fill("assumed"));
    },
  );

  test("usage zero is zero (leak D)", async () => {
    world.providers.control.set({ usage: "zero" });
    await claude().messages.create(ask);
    await gptStream();
    expect(entries("settle")).toMatchObject([
      { basis: "measured", amount: 0n },
      { basis: "measured", amount: 0n },
    ]);
  });

  test("another tier's model, or one without a price, is settled as what it is (leak C)", async () => {
    world.providers.control.next({ servedModel: "claude-haiku-4-5" });
    await claude().messages.create(ask);
    world.providers.control.next({ servedModel: "claude-unheard-of-9" });
    await claude().messages.create(ask);
    const [first, second] = entries("settle");
    expect(first).toMatchObject({ basis: "measured", model: "claude-haiku-4-5" });
    expect(second).toMatchObject({ basis: "assumed", unpriced: true });
    expect(second?.amount).toBe(entries("authorize")[1]?.held);
  });

  test("a dearer tier of service than the card's is assumed and alarmed (leak H)", async () => {
    world.providers.control.next({ serviceTier: "priority" });
    await claude().messages.create(ask);
    expect(entries("settle")).toMatchObject([{ basis: "assumed" }]);
    expect(world.log.map(({ message }) => message)).toContain(
      "served on terms that the card has no price for",
    );
  });

  test("more output than was asked for posts in full (leak H)", async () => {
    world.providers.control.set({ outputTokens: 200, overageTokens: 5_000 });
    await claude().messages.create(ask);
    const [posted] = entries("settle");
    expect(posted?.overage).toBeGreaterThan(0n);
    expect(world.balance().settled).toBe(servedTotal(world.providers.served.records));
  });
});

describe("the gateway itself", () => {
  test("SIGTERM in the middle: what runs is finished and settled, what comes is refused", async () => {
    world.providers.control.set({ paceMs: 20, outputTokens: 120, tokensPerChunk: 6 });
    const stream = claude().messages.stream({ ...ask, max_tokens: 1_000 });
    const words: string[] = [];
    const read = (async () => {
      for await (const event of stream) {
        if (event.type === "content_block_delta" && event.delta.type === "text_delta") {
          words.push(event.delta.text);
        }
      }
    })();
    await until(() => words.length > 2, "the stream runs");
    const stopped = world.gateway().stop();
    expect(await failure(claude().messages.create(ask))).toBeInstanceOf(Error);
    await read;
    await stopped;
    expect(words.length).toBeGreaterThanOrEqual(20);
    expect(entries("settle")).toMatchObject([{ basis: "measured" }]);
    expect(world.balance()).toEqual({
      settled: servedTotal(world.providers.served.records),
      held: 0n,
    });
    await world.restartGateway();
  });

  test("restart with settles owed: the next process delivers them", async () => {
    world.engine.only.add("settle");
    world.engine.mode = "down";
    await claude().messages.create(ask);
    await gpt().chat.completions.create({ model: "gpt-5.6-luna", messages: hello });
    await world.restartGateway();
    expect(entries("settle")).toHaveLength(0);
    world.engine.mode = "up";
    await world.quiet();
    expect(world.balance().settled).toBe(servedTotal(world.providers.served.records));
  });
});
