/**
 * Goal: what memory has forgotten is found as it was written, and a Postgres that is away or slow is a
 * typed fault within a second or two. Method: a projection of real entries in a real Postgres.
 */
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bound } from "../actors/testing/world.ts";
import { testDatabase, testNats } from "../cli/provision/vitest-servers.ts";
import { migrate } from "./postgres/migrate.ts";
import { ERA, TestLedger } from "./postgres/testing/test-ledger.ts";
import { startProjector } from "./projector.ts";
import { openRecords, type PostgresRecords } from "./records.ts";
import { connectAs, login, prepareStreams } from "./testing/bus-fixture.ts";

let records: PostgresRecords;
let ledger: TestLedger;
let url: string;
const IDEMPOTENCY = "ab".repeat(32);
let authorization: string;

const nats = await testNats();

beforeAll(async () => {
  url = await testDatabase();
  await migrate(url);
  const nc = await connectAs(nats, "node");
  await prepareStreams(nc);
  ledger = new TestLedger(nc, 2, ["acme", "other"]);
  await ledger.claim();
  const world = ledger.worlds[0];
  if (world === undefined) throw new Error("no workspace");
  // The second call of a key, after the first was forgotten, is the one that the key belongs to.
  world.authorize({ authorization: world.id(), idempotency: IDEMPOTENCY });
  world.now += 600_000;
  authorization = world.id();
  world.state.idempotency.clear();
  world.authorize({ authorization, idempotency: IDEMPOTENCY, usage_bound: bound(50n, 50n) });
  world.settle(authorization, { usage: { input: 10n } });
  await ledger.append();
  const projector = await startProjector({
    postgresUrl: url,
    nats: login(nats, "node"),
    era: ERA,
    onLog: () => undefined,
  });
  projector.own(2);
  await projector.flush();
  await projector.stop();
  await nc.close();
  records = openRecords(url);
});

afterAll(async () => {
  await records.close();
});

test("entriesOf: the canonical lines of one authorization, in order", async () => {
  const lines = ledger.worlds[0]?.entries
    .filter(({ entry }) => "authorization" in entry && entry.authorization === authorization)
    .map(({ line }) => line);
  expect(lines?.length).toBeGreaterThan(1);
  expect(await records.entriesOf("acme", authorization)).toEqual(lines);
  expect(await records.entriesOf("other", authorization)).toEqual([]);
});

test("byIdempotency: the last authorization of a key, in its own workspace", async () => {
  expect(await records.byIdempotency("acme", IDEMPOTENCY)).toBe(authorization);
  expect(await records.byIdempotency("other", IDEMPOTENCY)).toBeUndefined();
});

test("durablePosition: the projector's, and 0 for a shard that was never projected", async () => {
  expect(await records.durablePosition(2, ERA)).toBe(2);
  expect(await records.durablePosition(3, ERA)).toBe(0);
});

test("away: no server, and a server that does not answer in time, are typed faults", async () => {
  const nowhere = openRecords("postgresql://nobody@127.0.0.1:1/none");
  const fault = { code: "postgres-unavailable", outcome: "none" };
  await expect(nowhere.entriesOf("acme", authorization)).rejects.toMatchObject(fault);
  await nowhere.close();
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query("BEGIN; LOCK TABLE entries IN ACCESS EXCLUSIVE MODE");
  const before = performance.now();
  await expect(records.entriesOf("acme", authorization)).rejects.toMatchObject(fault);
  expect(performance.now() - before).toBeLessThan(5_000);
  await client.end();
  expect(await records.entriesOf("acme", authorization)).not.toEqual([]);
});
