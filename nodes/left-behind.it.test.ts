/**
 * Goal: an owner that was left behind by the world says nothing, and the wall clock moves no money.
 * Method: a real journal under one shard's term, with a lease that runs out between the append and its
 * acknowledgement, and with a clock whose wall time is set forward and back by an hour.
 */
import { hash } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { foundingCommand } from "../actors/testing/world.ts";
import { connectBus, type NatsConnection } from "../bus/connect.ts";
import { testNats } from "../cli/provision/vitest-servers.ts";
import { decodeOwnEntry } from "../ledger/codec.ts";
import { machineClock } from "./actor-clock.ts";
import { decodeBlock } from "./block.ts";
import type { Journal } from "./journal.ts";
import { recoverShard } from "./recovery.ts";
import { saltSource } from "./salts.ts";
import { type ShardPorts, ShardTerm } from "./shard.ts";
import { journalOf, login, prepareStreams } from "./testing/bus-fixture.ts";
import { authorize, MemoryLog, MemoryStores, PLACE, send } from "./testing/shard-fixture.ts";
import { rememberingPeriods } from "./zone.ts";

const HOUR_MS = 3_600_000;
const nats = await testNats({ shards: 1 });
let nc: NatsConnection;
let journal: Journal;

beforeAll(async () => {
  nc = await connectBus(login(nats, "node"));
  await prepareStreams(nc, 1);
  journal = journalOf(nc, nc);
});

afterAll(() => nc?.close());

/** A term with ports of the test's own. */
async function begin(overrides: Partial<ShardPorts>): Promise<ShardTerm> {
  const stores = new MemoryStores();
  const ports = {
    clock: machineClock,
    journal,
    log: new MemoryLog(),
    periodsAt: rememberingPeriods(),
    publishConfig: () => undefined,
    records: stores,
    salt: saltSource(),
    sha256Hex: (text: string) => hash("sha256", text),
    snapshots: stores,
    ...overrides,
  };
  const recovered = await recoverShard(PLACE, ports);
  return new ShardTerm(PLACE, recovered, ports);
}

test("acknowledgement: a true one that comes after the lease ran out lets no answer out", async () => {
  let isLeased = true;
  const term = await begin({
    mayDecide: () => isLeased,
    journal: {
      append: async (block, tail, claim) => {
        const outcome = await journal.append(block, tail, claim);
        // Stopped here, and woken when another owner may be at work.
        isLeased = block.length < 2_000;
        return outcome;
      },
      claim: (owner) => journal.claim(owner),
      end: () => journal.end(),
      replay: (from, until, each) => journal.replay(from, until, each),
      resolve: (block, tail) => journal.resolve(block, tail),
    },
  });
  const before = term.tail.seq;
  isLeased = true;
  const sent = send(term, "left", foundingCommand({ ws: "left" }));
  expect(await term.ended).toMatchObject({ kind: "conflict" });
  expect(sent.answered).toBeUndefined();
  // It is in the journal all the same: the next owner answers for it.
  const next = await begin({});
  expect(next.tail.seq).toBe(before + 2);
  expect(next.workspaces.has("left")).toBe(true);
  await next.stop();
});

test("wall clock: set an hour forward and back, it moves neither ledger time nor an expiry", async () => {
  let stepMs = 0;
  const wallMs = () => machineClock.wallMs() + stepMs;
  const lines: string[] = [];
  const term = await begin({
    clock: { monotonicMs: () => machineClock.monotonicMs(), wallMs },
    journal: {
      append: (block, tail, claim) => {
        lines.push(...decodeBlock(block).lines);
        return journal.append(block, tail, claim);
      },
      claim: (owner) => journal.claim(owner),
      end: () => journal.end(),
      replay: (from, until, each) => journal.replay(from, until, each),
      resolve: (block, tail) => journal.resolve(block, tail),
    },
  });
  await send(term, "steps", foundingCommand({ ws: "steps" })).answer;
  for (const step of [0, HOUR_MS, -HOUR_MS]) {
    stepMs = step;
    expect(await send(term, "steps", authorize()).answer).toMatchObject({ state: "open" });
    expect(Math.round(term.clock.driftMs() / HOUR_MS) + 0).toBe(step === 0 ? 0 : -step / HOUR_MS);
  }
  await term.stop();
  const entries = lines.map((line) => decodeOwnEntry(line));
  expect(entries.filter(({ kind }) => kind === "expire")).toEqual([]);
  const decided = entries.filter(({ kind }) => kind === "authorize");
  const [first, forward, back] = decided;
  if (first === undefined || forward === undefined || back === undefined) throw new Error("no");
  // Ledger time is that of the server's stamp and the monotonic clock: it saw no hour pass.
  expect(back.at - first.at).toBeLessThan(HOUR_MS / 2);
  expect(forward.recorded_at - first.recorded_at).toBeGreaterThan(HOUR_MS / 2);
  expect(first.recorded_at - back.recorded_at).toBeGreaterThan(HOUR_MS / 2);
});
