/**
 * Goal: what the ledger says was spent is what the providers say they served, to the nano-dollar, and
 * nothing is left hanging. Method: thousands of calls over both vendors' own SDKs, streamed and not,
 * with caching, tools and choices, of which many are left in the middle, refused, broken off, or
 * answered without usage or by another model; then provider, ledger, receipts and clients are held
 * against each other, call by call. Costs are worked out here a second time, from the provider's log
 * and the price entry.
 */
import { isDeepStrictEqual } from "node:util";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { testDatabase } from "../../cli/provision/vitest-servers.ts";
import { decodeOwnEntry } from "../../ledger/codec.ts";
import { receiptId } from "../../ledger/ids.ts";
import { nanoUsd, parseUsd } from "../../ledger/money.ts";
import { openReadModel, type ReadModel } from "../../readmodel/read-model.ts";
import { Prose, seeded } from "../providers/prose.ts";
import { type Providers, startProviders } from "../providers/server.ts";
import { type Audit, auditLedger, balancesAfter, untilClosed } from "./testing/ledger-audit.ts";
import { Machine } from "./testing/machine.ts";
import { drawBehavior } from "./testing/mixed-behaviors.ts";
import {
  type Clients,
  makeCall,
  type PlannedCall,
  planCalls,
  type Told,
} from "./testing/mixed-calls.ts";
import { type Case, casesOf } from "./testing/mixed-cases.ts";
import { type MixedWorkspace, mixedWorkspace } from "./testing/mixed-workspaces.ts";
import { acceptanceOptions } from "./testing/options.ts";
import { usageOfBill } from "./testing/served-cost.ts";

const { long, seed } = acceptanceOptions();
const CALLS = long ? 20_000 : 3_200;
const AT_ONCE = 40;

const workspaces = [
  mixedWorkspace("mixed-a", { tightRun: nanoUsd(600_000_000n) }),
  mixedWorkspace("mixed-b"),
] as const;
const postgresUrl = await testDatabase();
let machine: Machine;
let providers: Providers;
let readModel: ReadModel;
const told = new Map<string, Told[]>();
const audits = new Map<string, Audit>();
const cases: Case[] = [];

beforeAll(async () => {
  process.stderr.write(`reconcile: ${CALLS} calls, TARMAC_TEST_SEED=${seed}\n`);
  providers = await startProviders({ seed });
  machine = await Machine.create({ postgresUrl, providers });
  await machine.start(workspaces);
  readModel = openReadModel(postgresUrl);
  await Promise.all(workspaces.map((workspace, index) => drive(workspace, index)));
  await providers.served.idle(30_000);
  const session = await machine.session();
  for (const { ws } of workspaces) {
    await untilClosed(session, ws);
    const audit = await auditLedger(session, readModel, ws);
    audits.set(ws, audit);
    cases.push(...casesOf(ws, audit, told.get(ws) ?? [], providers.served.records));
  }
});

afterAll(async () => {
  await readModel?.close();
  await machine?.close();
  await providers?.stop();
});

/** Plays one workspace's share of the calls, some at a time. */
async function drive(workspace: MixedWorkspace, index: number): Promise<void> {
  const random = seeded(seed + index);
  const prose = new Prose(seed + index);
  const share = CALLS / workspaces.length;
  const calls = planCalls(share, index * share, workspace.agents, random, prose);
  const common = { apiKey: workspace.secret, maxRetries: 0 };
  const clients: Clients = {
    anthropic: new Anthropic({ ...common, baseURL: `${machine.gatewayUrl}/v1/anthropic` }),
    openai: new OpenAI({ ...common, baseURL: `${machine.gatewayUrl}/v1/openai` }),
  };
  // Long enough for every model to cache it.
  const prefix = `${workspace.ws}: ${prose.take(0, 18_000)}`;
  const heard: Told[] = [];
  told.set(workspace.ws, heard);
  const queue: PlannedCall[] = [...calls].toReversed();
  const worker = async () => {
    for (let call = queue.pop(); call !== undefined; call = queue.pop()) {
      const patch = drawBehavior(call.surface, random);
      providers.control.next(patch, { match: { provider: call.surface } });
      heard.push(await makeCall(clients, call, prefix));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE / workspaces.length }, worker));
}

/** The refusals that providers are told to make. */
const ERRORS = [400, 429, 500, 529];

test("mixed run: has its share of everything that can happen to a call", () => {
  const all = [...told.values()].flat();
  const count = (result: Told["result"]) => all.filter((one) => one.result === result).length;
  const outcomes: Record<string, number> = {};
  for (const { opened } of cases) {
    const key = `${opened.outcome} ${opened.reason}`;
    outcomes[key] = (outcomes[key] ?? 0) + 1;
  }
  const summary = {
    assumed: cases.filter(({ basis }) => basis === "assumed").length,
    broken: count("broken"),
    left: count("left"),
    measured: cases.filter(({ basis }) => basis === "measured").length,
    ok: count("ok"),
    outcomes,
    refused: count("refused"),
    served: providers.served.counts,
    voided: cases.filter(({ voids }) => voids.length > 0).length,
  };
  process.stderr.write(`reconcile: ${JSON.stringify(summary)}\n`);
  expect(all).toHaveLength(CALLS);
  expect(summary.ok).toBeGreaterThan(CALLS * 0.5);
  expect(summary.measured).toBeGreaterThan(CALLS * 0.6);
  for (const few of [summary.assumed, summary.broken, summary.left, summary.voided]) {
    expect(few).toBeGreaterThan(CALLS * 0.02);
  }
  const served = providers.served.records;
  expect(served.some(({ usage }) => usage.cache_read > 0 && usage.input > 0)).toBe(true);
  expect(served.some(({ usage }) => usage.cache_write_1h > 0)).toBe(true);
  expect(served.some(({ usage }) => usage.web_search > 0)).toBe(true);
  const throttled = cases.filter(({ opened }) => opened.outcome === "throttle");
  expect(throttled.length).toBeGreaterThan(5);
  expect(cases.filter(({ admitted }) => !admitted).length).toBeGreaterThan(5);
  // Left in the middle, and settled at the real usage all the same.
  const drained = cases.filter((one) => one.told?.result === "left" && one.basis === "measured");
  expect(drained.length).toBeGreaterThan(CALLS * 0.02);
});

test("close: every hold is closed once, in order, and no money stays set aside", async () => {
  const odd = cases.filter(({ admitted, others, settles, voids }) => {
    const ends = settles.length + voids.length;
    const inOrder = settles.every(({ final, late }) => final && !late);
    return ends !== (admitted ? 1 : 0) || others > 0 || !inOrder;
  });
  expect(odd.map(({ name }) => name)).toEqual([]);
  for (const { ws } of workspaces) {
    const answer = await (await machine.session()).request(ws, { kind: "inspect" });
    if (answer.kind !== "inspected") throw new Error(`inspect answered ${answer.kind}`);
    const held = [
      ...balancesAfter(auditOf(ws).entries).values(),
      ...(await readModel.balances(ws)),
      ...(answer.balances ?? []),
    ].filter((balance) => balance.held !== 0n);
    expect(held).toEqual([]);
  }
});

test("forward: a call goes out once when it is let out, and never else", () => {
  const { records } = providers.served;
  const numbers = records.flatMap(({ output_max: max }) => max ?? []);
  expect(new Set(numbers).size).toBe(numbers.length);
  const refusedOut = cases.filter(({ admitted, served }) => !admitted && served !== undefined);
  expect(refusedOut.map(({ name }) => name)).toEqual([]);
  const neverServed = cases.filter(({ served, settles }) => settles.length > 0 && !served);
  expect(neverServed.map(({ name }) => name)).toEqual([]);
  // A client that left before the head came knows no ids: its refused call is found by its void.
  const seen = new Set(cases.flatMap(({ served }) => served?.seq ?? []));
  const unseen = records.filter(({ outcome, seq }) => !seen.has(seq) && outcome !== "refused");
  expect(unseen).toEqual([]);
  const voids = cases.flatMap((one) => one.voids);
  const reasons = (reason: string) => voids.filter((entry) => entry.reason === reason).length;
  let refusals = 0;
  for (const status of ERRORS) {
    const refused = records.filter((record) => record.status === status).length;
    expect(reasons(`the provider answered ${status}`), `voids of ${status}`).toBe(refused);
    refusals += refused;
  }
  expect(voids.length).toBe(reasons("the client left") + refusals);
});

test("settle: a measured call costs what its provider served, to the nano-dollar", () => {
  const measured = cases.filter(({ basis }) => basis === "measured");
  const differing = measured.flatMap(({ cost, name, served, settles, told: one }) => {
    const [settle] = settles;
    const toClient = one?.settled === undefined ? settle?.amount : parseUsd(one.settled);
    const usage = served === undefined ? undefined : usageOfBill(served.usage);
    const same =
      settle?.amount === cost &&
      toClient === cost &&
      isDeepStrictEqual({ ...settle?.usage }, usage);
    return same
      ? []
      : [{ cost, ledger: settle?.amount, name, served, toClient, usage: settle?.usage }];
  });
  expect(differing).toEqual([]);
});

test("settle: only what no provider stated is assumed, and then at its hold", () => {
  const reasons: Record<string, number> = {};
  const odd = cases.flatMap(({ basis, cost, name, opened, served, settles }) => {
    const [settle] = settles;
    if (settle === undefined) return [];
    const stated = served?.usage_reported === "complete" && cost !== undefined;
    if (stated || basis !== "assumed") return stated === (basis === "measured") ? [] : [name];
    const why = settle.unpriced === true ? "no price" : `usage ${served?.usage_reported}`;
    const key = `${why}, ${served?.outcome}`;
    reasons[key] = (reasons[key] ?? 0) + 1;
    // The hold covers what was really served: an assumption never takes too little.
    return settle.amount === opened.held && (cost ?? 0n) <= opened.held ? [] : [name];
  });
  process.stderr.write(`reconcile: assumed ${JSON.stringify(reasons)}\n`);
  expect(odd).toEqual([]);
});

for (const { ws } of workspaces) {
  test(`totals: the spend of ${ws} is what its providers served, and the assumed holds`, async () => {
    let total = 0n;
    for (const { basis, cost, opened } of cases.filter((one) => one.ws === ws)) {
      if (basis === "measured") total += cost ?? 0n;
      if (basis === "assumed") total += opened.held;
    }
    expect(total).toBeGreaterThan(0n);
    for (const period of ["month", "year"]) {
      const cap = `workspace:${ws}/${period}`;
      const balances = await readModel.balances(ws, { cap });
      expect(balances.map(({ settled }) => settled)).toEqual([total]);
      const counted = [...balancesAfter(auditOf(ws).entries)].filter(([key]) =>
        key.startsWith(cap),
      );
      expect(counted.map(([, { settled }]) => settled)).toEqual([total]);
    }
  });
}

test("receipts: there is one for every authorization, and it says how it ended", async () => {
  for (const { ws } of workspaces) {
    const mine = cases.filter((one) => one.ws === ws);
    const rows = await readModel.recent(ws, { limit: CALLS * 2 });
    const receipts = rows.map(
      ({ assumed, authorization, held, open, receipt, settled, state }) => ({
        assumed,
        authorization,
        held,
        open,
        receipt,
        settled,
        state,
      }),
    );
    const expected = mine.toReversed().map(({ admitted, basis, opened, settles, voids }) => ({
      assumed: basis === "assumed",
      authorization: opened.authorization,
      held: opened.held,
      open: 0n,
      receipt: receiptId(opened.authorization),
      settled: settles[0]?.amount ?? 0n,
      state: !admitted ? "refused" : voids.length > 0 ? "voided" : "settled",
    }));
    expect(receipts).toEqual(expected);
    for (const one of mine.filter((_, index) => index % 97 === 0)) {
      const found = await readModel.receipt(receiptId(one.opened.authorization), ws);
      const kinds = found?.entries.map(({ line }) => decodeOwnEntry(line).kind);
      const ending = one.voids.length > 0 ? ["void"] : one.settles.map(() => "settle");
      expect(kinds, one.name).toEqual(expect.arrayContaining(["authorize", ...ending]));
    }
  }
});

test("clients: who was answered in full had a call that is settled", () => {
  const byAuthorization = new Map(cases.map((one) => [one.opened.authorization, one]));
  const odd = [...told.values()].flat().filter(({ authorization, call, result }) => {
    if (result !== "ok") return false;
    const found = byAuthorization.get(authorization ?? "");
    if (found?.settles.length !== 1) return true;
    const run = call.run ?? authorization;
    return found.opened.run !== run || found.opened.agent !== call.agent;
  });
  expect(odd).toEqual([]);
});

test("forward: nothing of ours reaches a provider, and every call goes under its credential", () => {
  const odd = providers.served.records.filter(
    ({ key, leaked }) => leaked.length > 0 || key.tail !== "ated",
  );
  expect(odd).toEqual([]);
});

function auditOf(ws: string): Audit {
  const audit = audits.get(ws);
  if (audit === undefined) throw new Error(`no audit of ${ws}`);
  return audit;
}
