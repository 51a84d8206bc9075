/**
 * Goal: the console shows who has which shard with no other rights than its own, to those who look after
 * the cluster, and follows as it changes.
 * Method: the console over a real nats-server; members and leases are written as workers write them.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { Bucket } from "../bus/bucket.ts";
import type { NatsConnection } from "../bus/connect.ts";
import { encodeLease, encodeMark, encodeMember } from "../bus/membership.ts";
import { LEASES_BUCKET, MEMBERS_BUCKET } from "../bus/subjects.ts";
import { testDatabase, testNats } from "../cli/provision/vitest-servers.ts";
import { connectAs } from "../nodes/testing/bus-fixture.ts";
import { type ConsoleWorld, startConsoleWorld } from "./testing/console-world.ts";
import type { ErrorBody, NodeMap } from "./wire.ts";

const FORMAT = { reads: 1, writes: 1 };
const STARTED = Date.parse("2026-11-22T12:00:00Z");

let world: ConsoleWorld;
let nc: NatsConnection;

beforeAll(async () => {
  const nats = await testNats();
  world = await startConsoleWorld({ nats, postgresUrl: await testDatabase() });
  nc = await connectAs(nats, "node");
});

afterAll(async () => {
  await nc.close();
  await world.stop();
});

async function put(bucket: string, key: string, value: string | undefined, note?: string) {
  const { revision } = await new Bucket(nc, bucket).read(key);
  await new Bucket(nc, bucket).write(key, value, revision, note === undefined ? {} : { note });
}

test("nodes: workers and shards as they stand, and as they change", async () => {
  const formats = { journal: FORMAT, snapshot: FORMAT };
  const about = {
    version: "1.2.3",
    worker: 0,
    shards: 4,
    run: "r",
    startedAt: STARTED,
    ...formats,
  };
  const { note, value } = encodeMember({ node: "one", weight: 2, about });
  const lease = { owner: "one/0-r", member: "one-0", epoch: 7n, phase: "owning" } as const;
  const halted = encodeMark({ member: "one-0", reason: "the journal went back" });
  await put(MEMBERS_BUCKET, "one-0", value, note);
  await put(LEASES_BUCKET, "2.1", encodeLease(lease));
  await put(LEASES_BUCKET, "halted.3.1", halted);
  const ada = await world.signIn({ role: "operator" });
  const shown = async () => await ada.json<NodeMap>("/api/nodes");
  const phases = async () => (await shown()).shards.map(({ phase }) => phase).join();
  const deadline = performance.now() + 30_000;
  while ((await phases()) !== "free,free,owned,halted" && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const { shards, workers } = await shown();
  const started_at = "2026-11-22T12:00:00.000Z";
  expect(workers).toEqual([
    { id: "one-0", node: "one", weight: 2, version: "1.2.3", started_at, shards: [2] },
  ]);
  expect(shards[2]).toEqual({
    shard: 2,
    phase: "owned",
    owner: "one-0",
    epoch: "7",
    wanted: "one-0",
  });
  expect(shards[3]).toMatchObject({ phase: "halted", reason: "one-0: the journal went back" });
  await put(LEASES_BUCKET, "2.1", undefined);
  while ((await phases()) !== "free,free,free,halted") {
    expect(performance.now(), await phases()).toBeLessThan(deadline);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
});

test("nodes: who looks after one's spending only is told so", async () => {
  for (const role of ["viewer", "finance"] as const) {
    const response = await (await world.signIn({ role })).get("/api/nodes");
    expect(response.status).toBe(403);
    expect(((await response.json()) as ErrorBody).error.code).toBe("forbidden");
  }
});
