/**
 * Goal: a new owner starts from exactly what the journal says, from a snapshot or without one, and
 * stops where journal, snapshot and projection disagree.
 * Method: terms over a real journal, with housekeeping writing snapshots into maps; then the maps, or
 * what they say of the journal, are falsified.
 */
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { shardOf } from "../actors/placement.ts";
import { encodeSnapshot } from "../actors/snapshot.ts";
import type { NatsConnection } from "../bus/connect.ts";
import { testNats } from "../cli/provision/vitest-servers.ts";
import { machineClock } from "./actor-clock.ts";
import { Housekeeping } from "./housekeeping.ts";
import { type Journal, JournalBroken } from "./journal.ts";
import { prepareShard } from "./recovery.ts";
import { ShardTerm } from "./shard.ts";
import { SnapshotDisagrees } from "./snapshots.ts";
import { connectAs, journalOf, prepareStreams } from "./testing/bus-fixture.ts";
import {
  authorize,
  beginShard,
  found,
  MemoryLog,
  MemoryStores,
  newId,
  PLACE,
  send,
  settle,
  type TestShard,
} from "./testing/shard-fixture.ts";

const SHARDS = 12;
const nats = await testNats({ shards: SHARDS });
let nc: NatsConnection;
let shardNumber = -1;
const begun: { shard: TestShard; keeping: Housekeeping }[] = [];

beforeAll(async () => {
  nc = await connectAs(nats, "node");
  await prepareStreams(nc, SHARDS);
  return () => nc.close();
});

afterEach(() => {
  for (const { shard, keeping } of begun.splice(0)) {
    keeping.stop();
    shard.term.abandon("test over");
  }
});

/** Each test has a journal of its own, with workspaces `a` and `b` that belong to it. */
function nextPlace() {
  shardNumber += 1;
  return shardAt(shardNumber);
}

function shardAt(shard: number) {
  const names = Array.from({ length: 100 }, (_, i) => `w-${i}`);
  const [a, b] = names.filter((name) => shardOf(name, SHARDS) === shard);
  if (a === undefined || b === undefined) throw new Error("no names for this shard");
  return { journal: journalOf(nc, nc, shard), place: { ...PLACE, shard, shards: SHARDS }, a, b };
}

async function begin(
  journal: Journal,
  place: typeof PLACE,
  stores: MemoryStores,
  hurry = () => undefined as void,
) {
  const shard = await beginShard(journal, stores, place);
  const ports = { snapshots: stores, records: stores, clock: machineClock, log: shard.log, hurry };
  const keeping = new Housekeeping(place, shard.term, shard.recovered, ports);
  begun.push({ shard, keeping });
  return { ...shard, keeping };
}

function prepareBeside(journal: Journal, place: typeof PLACE, stores: MemoryStores) {
  const log = new MemoryLog();
  return prepareShard(place, {
    journal,
    snapshots: stores,
    records: stores,
    clock: machineClock,
    log,
  });
}

async function work(shard: TestShard, ws: string, calls: number): Promise<string[]> {
  const ids = Array.from({ length: calls }, newId);
  await Promise.all(ids.map((id) => send(shard.term, ws, authorize(id)).answer));
  await Promise.all(ids.slice(1).map((id) => send(shard.term, ws, settle(id)).answer));
  return ids;
}

async function states(shard: TestShard): Promise<string[]> {
  const { actors } = shard.term;
  await Promise.all([...actors.resting.keys()].map((ws) => actors.load(ws)));
  return [...shard.term.workspaces.values()].map((state) => {
    state.holdsUntil = 0;
    return encodeSnapshot(state);
  });
}

describe("recoverShard", () => {
  test("snapshot and replay come to what replay alone comes to", async () => {
    const { journal, place, a, b } = nextPlace();
    const stores = new MemoryStores();
    const first = await begin(journal, place, stores);
    await found(first.term, a);
    await found(first.term, b);
    await work(first, a, 20);
    await work(first, b, 5);
    stores.durable = 1_000_000;
    await first.term.stop();
    await first.keeping.handOver();
    expect(stores.position?.seq).toBe(first.term.tail.seq);
    expect(stores.position?.blockHash).toBe(first.term.tail.blockHash);

    stores.durable = stores.position?.seq ?? 0;
    const second = await begin(journal, place, stores);
    expect(second.recovered.replayed).toBe(0);
    await work(second, a, 7);
    await second.term.stop();

    const third = await begin(journal, place, stores);
    const alone = await begin(journal, place, new MemoryStores());
    expect(third.recovered.replayed).toBeLessThan(alone.recovered.replayed);
    expect(third.recovered.lastBlock).toBe(alone.recovered.lastBlock);
    expect((await states(third)).sort()).toEqual((await states(alone)).sort());
  });

  test("no snapshot is saved before the projection is durable up to all of it", async () => {
    const { journal, place, a } = nextPlace();
    const stores = new MemoryStores();
    const first = await begin(journal, place, stores);
    await found(first.term, a);
    await work(first, a, 3);
    stores.durable = first.term.tail.seq - 1;
    await first.term.stop();
    await first.keeping.handOver();
    expect(stores.position).toBeUndefined();
  });

  test("journal that went back: halts instead of deciding twice", async () => {
    const { journal, place, a } = nextPlace();
    const stores = new MemoryStores();
    const first = await begin(journal, place, stores);
    await found(first.term, a);
    stores.durable = first.term.tail.seq + 100;
    const refused = begin(journal, place, stores);
    await expect(refused).rejects.toThrow(JournalBroken);
    await expect(refused).rejects.toThrow(/went back/);
  });

  test("another block where the snapshot was cut: halts", async () => {
    const { journal, place, a } = nextPlace();
    const stores = new MemoryStores();
    const first = await begin(journal, place, stores);
    await found(first.term, a);
    stores.durable = 1_000_000;
    await first.term.stop();
    await first.keeping.handOver();
    stores.durable = 0;
    const position = stores.position;
    if (position === undefined) throw new Error("no snapshot was cut");
    stores.position = { ...position, blockHash: "ab".repeat(32) };
    await expect(begin(journal, place, stores)).rejects.toThrow(/the snapshot was cut at a block/);
    // A claim, not a block.
    stores.position = { ...position, seq: position.seq + 1 };
    await expect(begin(journal, place, stores)).rejects.toThrow(JournalBroken);
  });
});

describe("recoverShard: a snapshot that cannot be used", () => {
  /** A journal with a snapshot of `a` and `b`, and one more entry of `a` behind it. */
  async function cut() {
    const { journal, place, a, b } = nextPlace();
    const stores = new MemoryStores();
    const first = await begin(journal, place, stores);
    await found(first.term, a);
    await found(first.term, b);
    stores.durable = 1_000_000;
    await first.keeping.cutNow();
    await send(first.term, a, authorize()).answer;
    await first.term.stop();
    stores.durable = 0;
    const row = stores.snapshots.get(a);
    if (row === undefined) throw new Error("no snapshot was cut");
    return { journal, place, a, b, stores, row, entries: first.term.stats.entries };
  }

  test("a state that cannot be read: the whole journal is replayed, with an alarm", async () => {
    const { journal, place, a, stores, row, entries } = await cut();
    stores.snapshots.set(a, { ...row, state: Buffer.from('{"v":99}') });
    const next = await begin(journal, place, stores);
    expect(next.recovered.replayed).toBe(entries);
    expect(next.log.lines).toContainEqual(
      expect.objectContaining({
        level: "alarm",
        message: expect.stringContaining("whole journal"),
      }),
    );
  });

  test("a projection that disagrees halts that workspace alone", async () => {
    const { journal, place, a, b, stores } = await cut();
    const fault = new SnapshotDisagrees(`the snapshot of workspace ${a} stands on another entry`);
    stores.states = async () => await Promise.resolve([{ ws: a, fault }]);
    const next = await begin(journal, place, stores);
    expect([...next.recovered.halted]).toEqual([[a, fault.message]]);
    expect(next.term.actors.resting.has(b)).toBe(true);
    const refused = await send(next.term, a, authorize()).answer;
    expect(refused).toMatchObject({ kind: "refused", code: "halted" });
  });

  test("a state on another entry than the journal has halts the shard", async () => {
    const { journal, place, a, stores, row } = await cut();
    const other = { ...row, seq: row.seq + 1n, hash: "ab".repeat(32) };
    const text = Buffer.from(row.state).toString("utf8");
    const state = text
      .replace(`"hash":"${row.hash}"`, `"hash":"${other.hash}"`)
      .replace(`,"seq":"${row.seq}","staged"`, `,"seq":"${other.seq}","staged"`);
    stores.snapshots.set(a, { ...other, state: Buffer.from(state) });
    await expect(begin(journal, place, stores)).rejects.toThrow(/is not the one its snapshot has/);
    stores.snapshots.delete(a);
  });
});

describe("prepareShard", () => {
  test("catches up with an owner that goes on, and takes over what recovery alone comes to", async () => {
    const { journal, place, a, b } = nextPlace();
    const stores = new MemoryStores();
    const first = await begin(journal, place, stores);
    await found(first.term, a);
    await work(first, a, 5);
    const prepared = await prepareBeside(journal, place, stores);
    expect(prepared.replayed).toBe(first.term.stats.entries);
    await found(first.term, b);
    await work(first, b, 5);
    await prepared.catchUp();
    expect(prepared.replayed).toBe(first.term.stats.entries);
    await work(first, a, 3);
    stores.durable = 1_000_000;
    await first.keeping.cutNow();
    stores.durable = stores.position?.seq ?? 0;
    await first.term.stop();

    const recovered = await prepared.takeOver();
    expect(recovered.claim.epoch).toBe(first.term.claim.epoch + 1n);
    const alone = await begin(journal, place, new MemoryStores());
    const taken = { ...first, term: new ShardTerm(place, recovered, alone.ports) };
    expect((await states(taken)).sort()).toEqual((await states(alone)).sort());
    taken.term.abandon("test over");
  });

  test("a takeover of a journal that went back meanwhile halts", async () => {
    const { journal, place, a } = nextPlace();
    const stores = new MemoryStores();
    const first = await begin(journal, place, stores);
    await found(first.term, a);
    const prepared = await prepareBeside(journal, place, stores);
    stores.durable = first.term.tail.seq + 100;
    await expect(prepared.takeOver()).rejects.toThrow(/went back/);
  });
});

describe("cutNow", () => {
  test("saves what a serving owner has, once the projection is asked and durable", async () => {
    const { journal, place, a } = nextPlace();
    const stores = new MemoryStores();
    const shard = await begin(journal, place, stores, () => {
      stores.durable = 1_000_000;
    });
    await found(shard.term, a);
    await shard.keeping.cutNow();
    expect(stores.position?.seq).toBe(shard.term.tail.seq);
    const { answer } = send(shard.term, a, authorize());
    expect((await answer).kind).toBe("decided");
  });

  test("rejects when Postgres is away, and the shard is served on", async () => {
    const { journal, place, a } = shardAt(shardNumber);
    const stores = new MemoryStores();
    const shard = await begin(journal, place, stores);
    await send(shard.term, a, authorize()).answer;
    stores.away = new Error("Postgres is away");
    await expect(shard.keeping.cutNow()).rejects.toThrow("Postgres is away");
    expect((await send(shard.term, a, authorize()).answer).kind).toBe("decided");
  });
});

test("recoverShard: with Postgres away nothing is claimed", async () => {
  // Every journal of the server is taken by a test above; the first is read again.
  const { journal, place, a } = shardAt(0);
  const stores = new MemoryStores();
  const before = await begin(journal, place, stores);
  stores.away = new Error("Postgres is away");
  await expect(begin(journal, place, stores)).rejects.toThrow("Postgres is away");
  const answer = await send(before.term, a, authorize()).answer;
  expect(answer.kind).toBe("decided");
});
