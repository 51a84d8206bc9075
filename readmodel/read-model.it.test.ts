/**
 * Goal: commands and console read what the entries say: lines byte for byte, receipts with all that
 * happened to them, balances and agents. Method: a projection of real entries, read back and compared.
 */
import { hash } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";

import { testDatabase, testNats } from "../cli/provision/vitest-servers.ts";
import { receiptId } from "../ledger/ids.ts";
import { migrate } from "../nodes/postgres/migrate.ts";
import { ERA, TestLedger } from "../nodes/postgres/testing/test-ledger.ts";
import { startProjector } from "../nodes/projector.ts";
import { connectAs, login, prepareStreams } from "../nodes/testing/bus-fixture.ts";
import { openReadModel, type ReadModel } from "./read-model.ts";

let model: ReadModel;
let ledger: TestLedger;

const nats = await testNats();

beforeAll(async () => {
  const url = await testDatabase();
  await migrate(url);
  const nc = await connectAs(nats, "node");
  await prepareStreams(nc);
  ledger = new TestLedger(nc, 0, ["acme", "zeta"]);
  await ledger.claim();
  ledger.work(1_200);
  await ledger.append();
  const projector = await startProjector({
    postgresUrl: url,
    nats: login(nats, "node"),
    era: ERA,
    onLog: () => undefined,
  });
  projector.own(0);
  const { authorization } = acme().authorize();
  await ledger.append();
  await projector.flush(30_000);
  // A transaction of its own, in which nothing says what limits the counters that it moves.
  acme().settle(authorization, { usage: { input: 10n } });
  await ledger.append();
  await projector.flush();
  await projector.stop();
  await nc.close();
  model = openReadModel(url);
});

afterAll(async () => {
  await model.close();
});

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** The first workspace of the ledger. */
function acme() {
  const world = ledger.worlds[0];
  if (world === undefined) throw new Error("no workspace");
  return world;
}

test("workspaces: each with its head", async () => {
  const told = (await model.workspaces()).map(({ ws, seq, hash: head }) => [ws, seq, head]);
  expect(told).toEqual(
    ledger.worlds.map(({ state }) => [state.ws, state.head.seq, state.head.hash]),
  );
});

test("entries: all lines in order, over several pages, and any range of them", async () => {
  const lines = await all(model.entries("acme"));
  expect(lines.length).toBeGreaterThan(1_000);
  expect(lines.map(({ line }) => line)).toEqual(acme().entries.map(({ line }) => line));
  expect(lines.every(({ line, hash: told }) => hash("sha256", line) === told)).toBe(true);
  const some = await all(model.entries("acme", { from: 5n, to: 1_006n }));
  expect(some.map(({ seq }) => seq)).toEqual(
    Array.from({ length: 1_002 }, (_, i) => BigInt(i + 5)),
  );
  expect(await all(model.entries("nobody"))).toEqual([]);
});

test("receipt: by either id, with every entry it has had", async () => {
  for (const record of [...acme().state.authorizations.values()].slice(0, 50)) {
    const found = await model.receipt(receiptId(record.authorization));
    expect(await model.receipt(record.authorization, "acme")).toEqual(found);
    expect(found?.receipt).toMatchObject({
      authorization: record.authorization,
      ws: "acme",
      state: record.state,
      settled: record.settled,
      open: record.held,
      held: record.decided?.held ?? 0n,
    });
    expect(found?.entries.map(({ line }) => line)).toEqual(
      acme()
        .entries.filter(
          ({ entry }) => "authorization" in entry && entry.authorization === record.authorization,
        )
        .map(({ line }) => line),
    );
    expect(await model.receipt(record.authorization, "zeta")).toBeUndefined();
  }
  expect(await model.receipt("not-an-id")).toBeUndefined();
});

test("receipt: what was set aside is spent within the hold, given back, or set aside still", async () => {
  const adjusted = new Set(
    acme().entries.map(({ entry }) => (entry.kind === "adjust" ? entry.authorization : "")),
  );
  // A late settle posts after its hold was given back, and a correction has no hold at all.
  const plain = (await model.recent("acme", { limit: 1_000 })).filter(
    (row) => !row.late && !adjusted.has(row.authorization),
  );
  expect(plain.length).toBeGreaterThan(100);
  for (const { held, open, settled, overage, released } of plain) {
    expect(held).toBe(open + settled - overage + released);
  }
});

test("recent: the latest decision first, a page at a time, of all agents or one", async () => {
  const decided = acme()
    .entries.filter(({ entry }) => entry.kind === "authorize")
    .reverse();
  const first = await model.recent("acme", { limit: 20 });
  const last = first.at(-1)?.openedSeq;
  const second = await model.recent("acme", { limit: 20, ...(last && { before: last }) });
  expect([...first, ...second].map(({ openedSeq }) => openedSeq)).toEqual(
    decided.slice(0, 40).map(({ entry }) => entry.seq),
  );
  const own = await model.recent("acme", { agent: "bot-2", limit: 1_000 });
  expect(own.length).toBe(
    decided.filter(({ entry }) => entry.kind === "authorize" && entry.agent === "bot-2").length,
  );
});

test("balances: by cap and period, as the counters are", async () => {
  const rows = await model.balances("acme", { period: "2026-11@UTC" });
  expect(rows.map(({ cap }) => cap)).toContain("workspace:acme/month");
  for (const { cap, period, settled, held } of rows) {
    expect({ settled, held }).toEqual(acme().balance(cap, period));
  }
  const [month] = await model.balances("acme", { cap: "workspace:acme/month" });
  expect(month?.limit).toBe(40_000_000_000n);
});

test("agents: as configured, with their latest month and year", async () => {
  const agents = await model.agents("acme");
  expect(agents.map(({ agent }) => agent)).toEqual(["bot", "bot-2"]);
  for (const { agent, settings, month } of agents) {
    expect(settings).toEqual(acme().state.config.agents.get(agent));
    expect(month).toEqual({
      period: "2026-11@UTC",
      ...acme().balance(`agent:${agent}/month`),
    });
  }
});

test("away: a typed fault that says what was to be read", async () => {
  const away = openReadModel("postgresql://nobody@127.0.0.1:1/none");
  await expect(away.workspaces()).rejects.toThrow("not available to read the workspaces");
  await expect(all(away.entries("acme"))).rejects.toMatchObject({
    code: "postgres-unavailable",
  });
  await away.close();
});
