/**
 * Goal: workers come and go, and only what has to move moves: a join takes its own share, a leave gives
 * up its own, with calls going on and none of them lost; nobody is given what it is not ready for; and a
 * lease that was taken away ends its owner's term.
 * Method: workers in this process over a real nats-server and Postgres, told apart by what they own and by
 * epochs, with calls that are all asked again at the end.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";

import { rendezvous } from "../actors/placement.ts";
import { Bucket } from "../bus/bucket.ts";
import type { NatsConnection } from "../bus/connect.ts";
import { encodeMember, leaseKey } from "../bus/membership.ts";
import { FIRST_ERA, LEASES_BUCKET, MEMBERS_BUCKET } from "../bus/subjects.ts";
import { testDatabase, testNats } from "../cli/provision/vitest-servers.ts";
import { migrate } from "./postgres/migrate.ts";
import type { ShardWorkerOptions } from "./shard-worker.ts";
import { connectAs, prepareStreams } from "./testing/bus-fixture.ts";
import {
  Callers,
  epochs,
  mapOf,
  owned,
  SHARDS,
  startWorker,
  type TestWorker,
  until,
} from "./testing/worker-fixture.ts";

const nats = await testNats();
const postgresUrl = await testDatabase();
const WORKSPACES = Array.from({ length: 8 }, (_, i) => `team-${i}`);
const ALL = Array.from({ length: SHARDS }, (_, shard) => shard);
/** A day: whoever looks only so often has to be told. */
const NEVER_MS = 86_400_000;

let nc: NatsConnection;
let operator: NatsConnection;
let callers: Callers;
const running: TestWorker[] = [];

async function start(node: string, options: Partial<ShardWorkerOptions> = {}): Promise<TestWorker> {
  const worker = await startWorker(nats, postgresUrl, node, options);
  running.push(worker);
  return worker;
}

async function stop(worker: TestWorker): Promise<void> {
  running.splice(running.indexOf(worker), 1);
  await worker.stop();
}

/** What hashing gives each of the nodes. */
function shares(...nodes: readonly { readonly node: string; readonly weight?: number }[]) {
  const members = nodes.map(({ node, weight = 1 }) => ({ id: `${node}-0`, weight }));
  const share = (id: string) => ALL.filter((shard) => rendezvous(shard, members) === id);
  return members.map(({ id }) => share(id));
}

function untilOwns(worker: TestWorker, shards: readonly number[] | undefined): Promise<void> {
  const has = () => owned(worker).join() === shards?.join();
  return until(has, () => `${shards?.join()}; it is ${JSON.stringify(worker.log.lines.slice(-8))}`);
}

beforeAll(async () => {
  nc = await connectAs(nats, "node");
  operator = await connectAs(nats, "operator");
  await prepareStreams(nc, SHARDS);
  await migrate(postgresUrl);
  callers = new Callers(operator, WORKSPACES);
  const first = await start("first");
  await untilOwns(first, ALL);
  await callers.found();
  await stop(first);
});

afterEach(async () => {
  callers.stop();
  while (running.length > 0) await stop(running[0] as TestWorker);
});

afterAll(async () => {
  await operator.close();
  await nc.close();
});

describe("ShardWorker", () => {
  test("join and leave: only the share of who comes and goes moves, under calls that are all answered", async () => {
    const [ofA, ofB] = shares({ node: "ann" }, { node: "bob" });
    expect([ofA?.length, ofB?.length].every((count) => (count ?? 0) > 0)).toBe(true);
    const a = await start("ann");
    await untilOwns(a, ALL);
    const calls = callers.run();
    const before = epochs(a);
    const b = await start("bob");
    await Promise.all([untilOwns(a, ofA), untilOwns(b, ofB)]);
    for (const shard of ofA ?? []) expect(epochs(a).get(shard)).toBe(before.get(shard));
    const taken = b.log.lines.filter(({ message }) => message === "shard taken");
    expect(taken.map(({ fields }) => fields["stood_by"])).toEqual(taken.map(() => true));
    await stop(b);
    await untilOwns(a, ALL);
    for (const shard of ofA ?? []) expect(epochs(a).get(shard)).toBe(before.get(shard));
    callers.stop();
    await calls;
    expect(callers.count).toBeGreaterThan(WORKSPACES.length);
    expect(await callers.askAgain()).toEqual([]);
  });

  test("weight: a worker that counts for nothing beside another leaves it nearly everything", async () => {
    const [heavy, light] = shares({ node: "w", weight: 1_000 }, { node: "l" });
    expect(heavy).toEqual(ALL);
    const l = await start("l");
    await untilOwns(l, ALL);
    const w = await start("w", { weight: 1_000 });
    await untilOwns(w, heavy);
    await untilOwns(l, light);
    const { members, shards } = await mapOf(operator);
    expect(members.map(({ id, weight, shards: has }) => [id, weight, has])).toEqual([
      ["l-0", 1, []],
      ["w-0", 1_000, ALL],
    ]);
    expect(shards.map(({ owner, wanted }) => [owner, wanted])).toEqual(
      ALL.map(() => ["w-0", "w-0"]),
    );
  });

  test("takes a lease at once when it is freed: it is told, and does not look", async () => {
    const a = await start("ann");
    await untilOwns(a, ALL);
    const b = await start("bob", { placeMs: NEVER_MS });
    const [, ofB] = shares({ node: "ann" }, { node: "bob" });
    await untilOwns(b, ofB);
    await stop(a);
    await untilOwns(b, ALL);
    await callers.once();
  });

  test("projection behind: a join does not wait for it, who stands by has read the journal", async () => {
    const a = await start("ann");
    await untilOwns(a, ALL);
    a.postgres.behind = true;
    await callers.once();
    const b = await start("bob");
    const [ofA, ofB] = shares({ node: "ann" }, { node: "bob" });
    await Promise.all([untilOwns(a, ofA), untilOwns(b, ofB)]);
    expect(await callers.askAgain()).toEqual([]);
  });

  test("Postgres away: a join waits, calls go on, and it is done when Postgres is back", async () => {
    const a = await start("ann");
    await untilOwns(a, ALL);
    await callers.once();
    a.postgres.away = true;
    const b = await start("bob");
    const waits = () => a.log.lines.some(({ message }) => message.startsWith("no snapshot for"));
    await until(waits, () => "the owner says that its hand-over waits");
    expect(owned(a)).toEqual(ALL);
    await callers.once();
    a.postgres.away = false;
    const [ofA, ofB] = shares({ node: "ann" }, { node: "bob" });
    await Promise.all([untilOwns(a, ofA), untilOwns(b, ofB)]);
    await callers.once();
  });

  test("Postgres away: who ends frees its leases all the same", async () => {
    const a = await start("ann");
    await untilOwns(a, ALL);
    const b = await start("bob", { settleMs: NEVER_MS });
    b.postgres.away = true;
    a.postgres.away = true;
    await stop(a);
    expect(owned(b)).toEqual([]);
    b.postgres.away = false;
    await untilOwns(b, ALL);
    await callers.once();
    expect(await callers.askAgain()).toEqual([]);
  });

  test("a worker that only just came is given nothing that another decides", async () => {
    const a = await start("ann", { settleMs: NEVER_MS });
    await untilOwns(a, ALL);
    const b = await start("bob");
    const isReady = async () => {
      const { shards } = await mapOf(operator);
      return shards.some(({ ready }) => ready === "bob-0");
    };
    await until(isReady, () => "the one that came is ready");
    await callers.once();
    expect(owned(a)).toEqual(ALL);
    expect(owned(b)).toEqual([]);
    expect(b.worker.missing).toEqual([]);
  });

  test("a lease that another took ends the term, and the next term has a higher epoch", async () => {
    const a = await start("ann");
    await untilOwns(a, ALL);
    const before = epochs(a).get(0) ?? 0n;
    const leases = new Bucket(nc, LEASES_BUCKET);
    const key = leaseKey(0, FIRST_ERA);
    let stolen: number | undefined;
    while (stolen === undefined) {
      const { revision } = await leases.read(key);
      stolen = await leases.write(key, "a thief of the first version", revision, { ttlSeconds: 2 });
    }
    const over = () => a.log.lines.some(({ message }) => message === "term over");
    await until(over, () => "the term is over");
    expect(a.log.lines.find(({ message }) => message === "term over")?.fields).toMatchObject({
      shard: 0,
      reason: "the lease was lost to another worker",
    });
    await until(
      () => (epochs(a).get(0) ?? 0n) > before,
      () => "a later epoch",
    );
    await callers.once();
  });

  test("a worker of the first version is given its share without saying that it is ready", async () => {
    const a = await start("ann");
    await untilOwns(a, ALL);
    const [ofA, ofOld] = shares({ node: "ann" }, { node: "bob" });
    const members = new Bucket(nc, MEMBERS_BUCKET);
    const { value } = encodeMember({ node: "bob", weight: 1, about: undefined });
    const { revision } = await members.read("bob-0");
    const joined = await members.write("bob-0", value, revision, { ttlSeconds: 60 });
    await untilOwns(a, ofA);
    // It took its shards as that version writes a lease, and left.
    const leases = new Bucket(nc, LEASES_BUCKET);
    for (const shard of ofOld ?? []) {
      const key = leaseKey(shard, FIRST_ERA);
      const free = await leases.read(key);
      expect(free.value).toBeUndefined();
      const taken = await leases.write(key, "bob/0-1234", free.revision, { ttlSeconds: 60 });
      expect((await mapOf(operator)).shards[shard]).toMatchObject({
        owner: "bob/0-1234",
        phase: "owned",
      });
      await leases.write(key, undefined, taken ?? 0);
    }
    await members.write("bob-0", undefined, joined ?? 0);
    await untilOwns(a, ALL);
    await callers.once();
  });
});
