/**
 * Goal: with two of three NATS servers gone nothing is decided and nothing is forwarded; when one of
 * them is back, everything goes on by itself, and the ledger has each answered call once.
 * Method: three nats-servers, two engine nodes and a gateway as processes; calls through the gateway
 * before, during and after. Two servers are killed while calls are under way, and one is started again.
 * Where openssl makes certificates, all of it is encrypted.
 */
import Anthropic from "@anthropic-ai/sdk";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeCertificates, openssl } from "../../cli/provision/testing/certificates.ts";
import type { Entry, EntryOf } from "../../ledger/entries.ts";
import { servedTotal } from "../testing/audit.ts";
import { type Cluster, startCluster, until } from "./harness.ts";

const ask = {
  model: "claude-haiku-4-5",
  max_tokens: 100,
  messages: [{ role: "user" as const, content: "Hello" }],
};

let cluster: Cluster;

beforeAll(async () => {
  const encrypted = openssl.path === undefined ? {} : { certificates: makeCertificates };
  cluster = await startCluster({ agents: { claude: {} }, natsServers: 3, ...encrypted });
});
afterAll(() => cluster?.stop());

interface Outcome {
  readonly status: number;
  /** The authorization, where the answer names it. */
  readonly authorization: string | null;
}

async function call(): Promise<Outcome> {
  const apiKey = cluster.keys["claude"] ?? "";
  const baseURL = `${cluster.gatewayUrl}/v1/anthropic`;
  const client = new Anthropic({ apiKey, baseURL, maxRetries: 0 });
  try {
    const { response } = await client.messages.create(ask).withResponse();
    return { status: 200, authorization: response.headers.get("x-tarmac-authorization") };
  } catch (error) {
    if (!(error instanceof Anthropic.APIError) || error.status === undefined) throw error;
    return {
      status: error.status,
      authorization: error.headers?.get("x-tarmac-authorization") ?? null,
    };
  }
}

function calls(count: number): Promise<Outcome[]> {
  return Promise.all(Array.from({ length: count }, call));
}

function ofKind<K extends Entry["kind"]>(entries: readonly Entry[], kind: K): EntryOf<K>[] {
  return entries.filter((entry): entry is EntryOf<K> => entry.kind === kind);
}

test("two of three servers gone: nothing is decided; one back: all goes on, none lost, none twice", async () => {
  const [first, second] = cluster.nats.members;
  const before = await calls(8);
  expect(before.map(({ status }) => status)).toEqual(Array(8).fill(200));

  // Those under way may still be answered, and are then in the ledger like any other.
  const underWay = calls(8);
  await Promise.all([first?.kill(), second?.kill()]);
  const atTheKill = await underWay;
  const served = cluster.providers.served.length;
  const during = await calls(4);
  expect(during.map(({ status }) => status)).toEqual(Array(4).fill(503));
  expect(cluster.providers.served.length).toBe(served);

  await first?.start();
  const after: Outcome[] = [];
  await until(
    async () => after[after.push(await call()) - 1]?.status === 200,
    "a call is answered again",
    60_000,
  );
  after.push(...(await calls(8)));
  expect(after.slice(-8).map(({ status }) => status)).toEqual(Array(8).fill(200));
  expect(cluster.nodesEnded()).toBe(0);

  await cluster.quiet();
  const entries = await cluster.entries();
  const all = [...before, ...atTheKill, ...during, ...after];
  const answered = all.filter(({ status }) => status === 200).map((each) => each.authorization);
  expect(new Set(all.map(({ status }) => status))).toEqual(new Set([200, 503]));
  expect(new Set(answered).size).toBe(answered.length);
  const settles = ofKind(entries, "settle");
  expect(settles.map(({ authorization }) => authorization).toSorted()).toEqual(answered.toSorted());
  expect(settles.filter(({ basis }) => basis !== "measured")).toEqual([]);
  const admitted = ofKind(entries, "authorize").map(({ authorization }) => authorization);
  expect(admitted).toEqual(expect.arrayContaining(answered));
  expect(new Set(admitted).size).toBe(admitted.length);
  expect((await cluster.balance()).settled).toBe(servedTotal(cluster.providers.served.records));
}, 120_000);
