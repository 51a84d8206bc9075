/**
 * Goal: the whole path of a call through real processes (nats-server that syncs, Postgres, two engine
 * nodes, a gateway) holds exactly what fits, settles exactly what was served, and loses nothing when
 * the gateway or the engine is killed in the middle.
 * Method: the vendors' SDKs over HTTP, simulated providers that remember what they served, and the
 * ledger as it stands in Postgres, compared to the nano-dollar.
 */
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Entry, EntryOf } from "../../ledger/entries.ts";
import { servedTotal } from "../testing/audit.ts";
import { GPT, usd } from "../testing/workspace.ts";
import { type Cluster, startCluster, until } from "./harness.ts";

/** What a cap of `fits` must let through of {@link ask}. */
const FITS = 25;
const EXPIRY_MS = 10_000;
const hello = [{ role: "user" as const, content: "Hello" }];
const ask = { model: "claude-haiku-4-5", max_tokens: 100, messages: hello };

let cluster: Cluster;
/** Nano-USD; found by one call, since a cap must be set before the workspace is made. */
let held: bigint;

beforeAll(async () => {
  const probe = await startCluster({ agents: { probe: {} } });
  const { response } = await claude(probe, "probe").messages.create(ask).withResponse();
  held = usd(response.headers.get("x-tarmac-held") ?? "");
  await probe.stop();
  cluster = await startCluster({
    expiryMs: EXPIRY_MS,
    agents: {
      claude: {},
      gpt: { lane: GPT },
      run: { caps: { run: usdOf(held * BigInt(FITS)) } },
      month: { caps: { month: usdOf(held * BigInt(FITS) + 7n) } },
      year: { caps: { year: usdOf(held * BigInt(FITS + 1) - 1n) } },
    },
  });
});
afterEach(() => cluster.providers.control.reset());
afterAll(() => cluster?.stop());

function usdOf(nano: bigint) {
  return usd((Number(nano) / 1e9).toFixed(9));
}

function claude(of: Cluster, agent: string): Anthropic {
  const apiKey = of.keys[agent] ?? "";
  return new Anthropic({ apiKey, baseURL: `${of.gatewayUrl}/v1/anthropic`, maxRetries: 0 });
}

function gpt(of: Cluster): OpenAI {
  const apiKey = of.keys["gpt"] ?? "";
  return new OpenAI({ apiKey, baseURL: `${of.gatewayUrl}/v1/openai`, maxRetries: 0 });
}

function ofKind<K extends Entry["kind"]>(entries: readonly Entry[], kind: K): EntryOf<K>[] {
  return entries.filter((entry): entry is EntryOf<K> => entry.kind === kind);
}

/** Assumed settles, less what the same calls were served for; both in nano-USD. */
async function books() {
  await cluster.quiet();
  const entries = await cluster.entries();
  const { settled } = await cluster.balance();
  return { entries, settled, served: servedTotal(cluster.providers.served.records) };
}

describe("exactly what fits", () => {
  test.each(["run", "month", "year"])(
    "admit: of 1,000 calls at once under a cap per %s exactly k go out, with R1 at every entry (leak A)",
    async (agent) => {
      const { control } = cluster.providers;
      control.set({ hold: true });
      const client = claude(cluster, agent);
      const run = { headers: { "x-tarmac-run": "run-1" } };
      let refused = 0;
      const calls = Array.from({ length: 1_000 }, () =>
        client.messages.create(ask, run).then(
          () => 200,
          (error: unknown) => {
            refused++;
            return (error as { readonly status: number }).status;
          },
        ),
      );
      // The provider is silent until every call is decided.
      await until(async () => refused === 1_000 - FITS, "all but k are refused", 60_000);
      await control.untilWaiting(FITS, 30_000);
      expect(control.waiting).toBe(FITS);
      control.reset();
      const statuses = await Promise.all(calls);
      expect(statuses.filter((status) => status === 200)).toHaveLength(FITS);
      expect(statuses.filter((status) => status === 402)).toHaveLength(1_000 - FITS);
      const { entries, settled, served } = await books();
      const over = entries
        .flatMap((entry) => ("legs" in entry ? entry.legs : []))
        .filter((leg) => leg.limit !== undefined && leg.settled + leg.held > leg.limit);
      expect(over).toEqual([]);
      expect(settled).toBe(served);
    },
  );
});

describe("to the nano-dollar", () => {
  test("mixed: hundreds of streams, aborts, tools and provider errors", async () => {
    cluster.providers.control.set({ paceMs: 2, outputTokens: 60 });
    const calls = Array.from({ length: 400 }, async (_, i) => {
      if (i % 10 === 3) cluster.providers.control.next({ errorStatus: 529 });
      await new Promise((resolve) => setTimeout(resolve, i * 5));
      const abort = new AbortController();
      if (i % 7 === 2) setTimeout(() => abort.abort(), 10 + (i % 40));
      const { signal } = abort;
      switch (i % 4) {
        case 0:
          return claude(cluster, "claude").messages.create({ ...ask, model: "auto" }, { signal });
        case 1:
          return claude(cluster, "claude").messages.stream(ask, { signal }).done();
        case 2:
          return gpt(cluster).chat.completions.create(
            { model: "gpt-5.6-luna", messages: hello, n: 2 },
            { signal },
          );
        default: {
          const stream = await gpt(cluster).chat.completions.create(
            { model: "gpt-5.6-sol", stream: true, messages: hello },
            { signal },
          );
          for await (const _chunk of stream);
          return undefined;
        }
      }
    });
    const results = await Promise.allSettled(calls);
    expect(results.filter(({ status }) => status === "fulfilled").length).toBeGreaterThan(250);
    const { entries, settled, served } = await books();
    expect(settled).toBe(served);
    expect(cluster.providers.served.counts.leaks).toBe(0);
    expect(ofKind(entries, "expire")).toEqual([]);
    cluster.providers.control.reset();
  });
});

describe("killed in the middle", () => {
  test("gateway: calls in flight are settled by the one that starts after it (leak K)", async () => {
    const before = (await cluster.entries()).length;
    cluster.providers.control.set({ paceMs: 50, outputTokens: 600 });
    const streams = Array.from({ length: 10 }, () =>
      claude(cluster, "claude")
        .messages.stream({ ...ask, max_tokens: 2_000 })
        .done()
        .catch(() => "broken"),
    );
    await until(
      async () => (await cluster.balance()).held >= 10n * held,
      "ten streams are in flight",
    );
    await new Promise((resolve) => setTimeout(resolve, 500));
    await cluster.killGateway();
    expect(await Promise.all(streams)).toEqual(Array(10).fill("broken"));
    cluster.providers.control.reset();
    await until(async () => (await cluster.balance()).held === 0n, "every hold has ended");
    const entries = (await cluster.entries()).slice(before);
    const opened = ofKind(entries, "authorize");
    const settles = ofKind(entries, "settle");
    expect(settles).toHaveLength(10);
    // What nobody measured is taken at the hold, never at nothing (R11).
    expect(settles.map(({ basis, amount }) => ({ basis, amount }))).toEqual(
      opened.map(({ held: amount }) => ({ basis: "assumed", amount })),
    );
    expect(await cluster.gatewayLog()).toContain("the outbox takes over");
  });

  test("engine: silent, then back: 503 without a forward, no hold left behind (leaks I and L)", async () => {
    await cluster.quiet();
    const served = cluster.providers.served.length;
    cluster.signalNodes("SIGSTOP");
    const calls = Array.from({ length: 5 }, () =>
      claude(cluster, "claude")
        .messages.create(ask)
        .catch((error: unknown) => (error as { status: number }).status),
    );
    expect(await Promise.all(calls)).toEqual(Array(5).fill(503));
    cluster.signalNodes("SIGCONT");
    expect(cluster.providers.served.length).toBe(served);
    await until(
      async () => (await cluster.balance().catch(() => ({ held: 1n }))).held === 0n,
      "every hold has ended",
    );
    await claude(cluster, "claude").messages.create(ask);
  });

  test("engine: gone at the settle: the client has its answer, the settle follows once (leak K)", async () => {
    cluster.providers.control.set({ firstByteMs: 600 });
    const before = (await cluster.entries()).length;
    const call = claude(cluster, "claude").messages.create(ask);
    await until(async () => (await cluster.balance()).held > 0n, "the call is held");
    cluster.signalNodes("SIGSTOP");
    await call;
    cluster.signalNodes("SIGCONT");
    cluster.providers.control.reset();
    await until(
      async () => (await cluster.balance().catch(() => ({ held: 1n }))).held === 0n,
      "the settle is posted",
    );
    const settles = ofKind((await cluster.entries()).slice(before), "settle");
    expect(settles).toMatchObject([{ basis: "measured" }]);
  });

  test("SIGTERM: streams in flight end whole and settled", async () => {
    cluster.providers.control.set({ paceMs: 30, outputTokens: 200 });
    const before = (await cluster.entries()).length;
    const stream = claude(cluster, "claude").messages.stream({ ...ask, max_tokens: 500 });
    const message = stream.finalMessage();
    await until(async () => (await cluster.balance()).held > 0n, "the stream is held");
    await new Promise((resolve) => setTimeout(resolve, 200));
    const stopped = cluster.stopGateway();
    expect((await message).usage.output_tokens).toBe(200);
    await stopped;
    expect(ofKind((await cluster.entries()).slice(before), "settle")).toMatchObject([
      { basis: "measured" },
    ]);
    cluster.providers.control.reset();
    await cluster.startGateway();
  });
});
