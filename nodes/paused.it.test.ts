/**
 * Goal: whoever stood still finds out by itself. A worker whose lease ran out while it was stopped decides
 * and expires nothing, also where nobody took over; a worker whose server stood still does not believe that
 * it is the only one left.
 * Method: a term over a real journal whose lease is said to be over, with holds that are due; workers in
 * this process, which stops for longer than a lease lasts; a nats-server of the test's own that is stopped
 * for longer than members live.
 */
import { afterEach, describe, expect, test } from "vitest";

import type { MemberAbout } from "../bus/membership.ts";
import { testDatabase, testNats } from "../cli/provision/vitest-servers.ts";
import { machineClock } from "./actor-clock.ts";
import { Members } from "./members.ts";
import { migrate } from "./postgres/migrate.ts";
import { connectAs, journalOf, prepareStreams, restartableNats } from "./testing/bus-fixture.ts";
import { authorize, beginShard, found, send } from "./testing/shard-fixture.ts";
import { Callers, epochs, owned, SHARDS, startWorker, until } from "./testing/worker-fixture.ts";

const ABOUT: MemberAbout = {
  version: "0.0.0-test",
  worker: 0,
  shards: SHARDS,
  run: "r",
  startedAt: 1,
  journal: { reads: 1, writes: 1 },
  snapshot: { reads: 1, writes: 1 },
};
/** A lease lasts 3 s on one server. */
const PAUSE_MS = 3_500;

const open: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

describe("a worker that was stopped", () => {
  test("term: decides nothing and expires nothing when its lease is over, and no line is added", async () => {
    const nc = await connectAs(await testNats(), "node");
    open.push(() => nc.close());
    await prepareStreams(nc, SHARDS);
    const journal = journalOf(nc, nc);
    const lease = { isOurs: true, laterMs: 0 };
    const monotonicMs = () => machineClock.monotonicMs() + lease.laterMs;
    const { term } = await beginShard(journal, undefined, undefined, {
      clock: { ...machineClock, monotonicMs },
      mayDecide: () => lease.isOurs,
    });
    await found(term, "acme");
    expect(await send(term, "acme", authorize()).answer).toMatchObject({ state: "open" });
    const before = await journal.end();
    // It wakes a minute later: the hold is due, and a call was waiting.
    lease.isOurs = false;
    lease.laterMs = 60_000;
    const arrivedAt = monotonicMs();
    const late = send(term, "acme", authorize(), { arrivedAt });
    expect(await late.answer).toMatchObject({ kind: "refused", code: "fail-closed" });
    expect(await journal.end()).toBe(before);
    // With the lease, the same turn would have expired the hold.
    lease.isOurs = true;
    await send(term, "acme", authorize(), { arrivedAt }).answer;
    expect(await journal.end()).toBeGreaterThan(before);
    await term.stop();
  });

  test("worker: ends every term that its lease did not outlast, and goes on under new claims", async () => {
    const nats = await testNats();
    const postgresUrl = await testDatabase();
    await migrate(postgresUrl);
    const nc = await connectAs(nats, "node");
    open.push(() => nc.close());
    await prepareStreams(nc, SHARDS);
    const operator = await connectAs(nats, "operator");
    open.push(() => operator.close());
    const a = await startWorker(nats, postgresUrl, "pause");
    open.push(() => a.stop());
    const all = Array.from({ length: SHARDS }, (_, shard) => shard).join();
    await until(
      () => owned(a).join() === all,
      () => "every shard is owned",
    );
    const callers = new Callers(operator, ["acme-1", "acme-2"]);
    await callers.found();
    await callers.once();
    const before = epochs(a);
    // Nothing of this process runs meanwhile.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
    const isNew = () => [...before].every(([shard, epoch]) => (epochs(a).get(shard) ?? 0n) > epoch);
    await until(isNew, () => `new epochs: ${JSON.stringify(a.log.lines.slice(-6))}`);
    const over = a.log.lines.filter(({ message }) => message === "term over");
    expect(over.length).toBeGreaterThanOrEqual(SHARDS);
    await callers.once();
    expect(await callers.askAgain()).toEqual([]);
  });
});

describe("a server that was stopped", () => {
  test("members: all keys ran out alike, and nobody thinks that the others are gone", async () => {
    const server = await restartableNats();
    open.push(() => server.close());
    const nc = await connectAs(server.nats(), "node");
    open.push(() => nc.close());
    await prepareStreams(nc, SHARDS);
    const seen: string[] = [];
    const join = async (id: string) => {
      const self = { id, node: id, weight: 1, about: ABOUT };
      const members: Members = new Members(nc, self, 1, () => {
        seen.push(
          (members.alive ?? [])
            .map((each) => each.id)
            .sort()
            .join(),
        );
      });
      open.push(async () => members.stop());
      await members.join();
      return members;
    };
    const all = [await join("a"), await join("b"), await join("c")];
    const knowAll = () => all.every((each) => each.alive?.length === 3);
    await until(knowAll, () => `all three: ${seen.join(" ")}`);
    seen.length = 0;
    process.kill(server.nats().pid, "SIGSTOP");
    try {
      await new Promise((resolve) => setTimeout(resolve, 2_500));
    } finally {
      process.kill(server.nats().pid, "SIGCONT");
    }
    // One that leaves is seen to go, so what was written before it was seen as well.
    await all[2]?.leave();
    await until(
      () => seen.some((ids) => ids === "a,b"),
      () => `two left: ${seen.join(" ")}`,
    );
    expect(seen.filter((ids) => !ids.includes("a") || !ids.includes("b"))).toEqual([]);
  });
});
