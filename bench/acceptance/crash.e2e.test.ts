/**
 * Goal: whatever was answered is in the ledger, once, although everything is killed at any moment.
 * Method: under load over NATS and over HTTP, nats-server, Postgres, both nodes and the gateway are
 * killed with SIGKILL at a random moment and in a random order, then started again on the same
 * directories, several times. In the end the ledger is read from the read model, verified from its
 * first entry, and held against every answer that any client got and every call that the providers
 * served; what nobody ended must expire and give its money back.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Entry } from "../../ledger/entries.ts";
import { parseUsd } from "../../ledger/money.ts";
import { openReadModel, type ReadModel } from "../../readmodel/read-model.ts";
import { seeded } from "../providers/prose.ts";
import { type Providers, startProviders } from "../providers/server.ts";
import { CrashLoad } from "./testing/crash-load.ts";
import { type Audit, auditLedger, balancesAfter, untilClosed } from "./testing/ledger-audit.ts";
import { Machine } from "./testing/machine.ts";
import { type Case, casesOf } from "./testing/mixed-cases.ts";
import { mixedWorkspace } from "./testing/mixed-workspaces.ts";
import { acceptanceOptions } from "./testing/options.ts";
import { PauseWitness } from "./testing/pause-witness.ts";

const { long, seed } = acceptanceOptions();
const ROUNDS = long ? 20 : 3;
/** Life of a hold, and R13's grace after a takeover, in ms. */
const LIFE_MS = 30_000;
/** What may come on top: a turn of the expiry timer on a machine that is out of breath. ms */
const SLACK_MS = 3_000;
/** Patience with the closing of all holds; how long it took is held against {@link LIFE_MS}. ms */
const CLOSE_MS = 120_000;

const holds = mixedWorkspace("crash-holds");
const http = mixedWorkspace("crash-http");
const random = seeded(seed);
let machine: Machine;
let providers: Providers;
let readModel: ReadModel;
let load: CrashLoad;
let witness: PauseWitness;
/** From the last recovery until no hold was open, in ms. */
let closedAfterMs = 0;
const audits = new Map<string, Audit>();
let cases: readonly Case[] = [];

beforeAll(async () => {
  process.stderr.write(`crash: ${ROUNDS} rounds, TARMAC_TEST_SEED=${seed}\n`);
  witness = new PauseWitness();
  // Slow enough for calls to be in flight at any moment.
  providers = await startProviders({
    behavior: { firstByteMs: 60, jitter: 0.9, outputTokens: 120, paceMs: 12 },
    seed,
  });
  machine = await Machine.create({ providers });
  await machine.start([holds, http]);
  const engine = await machine.engine();
  load = new CrashLoad({ engine, gatewayUrl: machine.gatewayUrl, holds, http, random });
  for (let round = 1; round <= ROUNDS; round += 1) await crashOnce(round);
  const recoveredAt = performance.now();
  await providers.served.idle(30_000);
  const session = await machine.session();
  await untilClosed(session, http.ws, CLOSE_MS);
  await untilClosed(session, holds.ws, CLOSE_MS);
  closedAfterMs = performance.now() - recoveredAt;
  readModel = openReadModel(machine.postgresUrl);
  for (const { ws } of [holds, http]) audits.set(ws, await auditLedger(session, readModel, ws));
  cases = casesOf(http.ws, auditOf(http.ws), [], providers.served.records);
}, 360_000);

afterAll(async () => {
  witness?.stop();
  await readModel?.close();
  await machine?.close();
  await providers?.stop();
});

async function crashOnce(round: number): Promise<void> {
  const ms = 1_200 + random() * 1_800;
  await load.run(ms);
  const order = [...machine.running].map((name) => ({ key: random(), name }));
  const names = order.toSorted((a, b) => a.key - b.key).map(({ name }) => name);
  await machine.kill(...names);
  await load.ended();
  const startedMs = performance.now();
  await machine.start();
  const tookMs = Math.round(performance.now() - startedMs);
  process.stderr.write(
    `crash: round ${round}: killed after ${Math.round(ms)} ms (${names.join(", ")}); ready again in ${tookMs} ms; ${load.posts.length} posts and ${load.calls.length} calls answered so far, ${load.unanswered} not\n`,
  );
}

function auditOf(ws: string): Audit {
  const audit = audits.get(ws);
  if (audit === undefined) throw new Error(`no audit of ${ws}`);
  return audit;
}

test("load: was answered, was cut off, and said nothing strange", () => {
  expect(load.oddities).toEqual([]);
  expect(load.posts.filter(({ kind }) => kind === "authorize").length).toBeGreaterThan(ROUNDS * 40);
  expect(load.posts.filter(({ kind }) => kind === "settle").length).toBeGreaterThan(ROUNDS * 20);
  expect(load.posts.filter(({ kind }) => kind === "void").length).toBeGreaterThan(ROUNDS);
  expect(load.calls.length).toBeGreaterThan(ROUNDS * 5);
  expect(load.unanswered).toBeGreaterThan(0);
});

test("answer: every hold, settle and void that was answered is in the ledger, where it was said to be", () => {
  const bySeq = new Map(auditOf(holds.ws).entries.map((entry) => [entry.seq, entry]));
  const lost = load.posts.filter(({ amount, authorization, kind, seq }) => {
    const entry = bySeq.get(seq);
    if (entry === undefined || !("authorization" in entry)) return true;
    // A settle is followed by the release of the rest, which closes: the answer names the last.
    const settle = kind === "settle" && entry.kind === "release" ? bySeq.get(seq - 1n) : entry;
    if (entry.authorization !== authorization || settle?.kind !== kind) return true;
    const said = settle.kind === "authorize" ? settle.held : settle.amount;
    return amount !== undefined && said !== amount;
  });
  expect(lost).toEqual([]);
});

test("entry: none is written twice, and each authorization ends once", () => {
  for (const { ws } of [holds, http]) {
    const audit = auditOf(ws);
    const twice = (["authorize", "settle", "release", "expire", "void"] as const).flatMap((kind) =>
      [...audit.byAuthorization(kind)].filter(([, entries]) => entries.length > 1),
    );
    expect(twice).toEqual([]);
    const ends = endings(audit);
    const admitted = audit.of("authorize").filter(({ outcome }) => outcome !== "hold");
    expect(admitted.filter(({ authorization }) => ends.get(authorization) !== 1)).toEqual([]);
  }
});

/** How many entries end each authorization. */
function endings(audit: Audit): ReadonlyMap<string, number> {
  const ends = new Map<string, number>();
  const isEnd = (entry: Entry) =>
    entry.kind === "settle" || entry.kind === "void" || entry.kind === "expire";
  for (const entry of audit.entries) {
    if (!isEnd(entry) || !("authorization" in entry)) continue;
    ends.set(entry.authorization, (ends.get(entry.authorization) ?? 0) + 1);
  }
  return ends;
}

test("call: every one that was answered over HTTP is settled, at what its client was told", () => {
  const byNumber = new Map(cases.map((one) => [one.served?.output_max, one]));
  const odd = load.calls.filter(({ authorization, number, settled }) => {
    const found = byNumber.get(number);
    const [settle] = found?.settles ?? [];
    if (found?.opened.authorization !== authorization || settle?.basis !== "measured") return true;
    return (
      settle.amount !== found.cost || (settled !== undefined && parseUsd(settled) !== found.cost)
    );
  });
  expect(odd).toEqual([]);
});

test("outbox: whatever a provider served is settled, also when the gateway died over it", () => {
  const known = new Set(cases.flatMap(({ served }) => served?.seq ?? []));
  expect(providers.served.records.filter(({ seq }) => !known.has(seq))).toEqual([]);
  const served = cases.filter(({ served: record }) => record !== undefined);
  const odd = served.filter(({ basis, cost, opened, settles }) => {
    const amount = settles[0]?.amount ?? -1n;
    return basis === "measured" ? amount !== cost : amount !== opened.held || amount < (cost ?? 0n);
  });
  expect(odd).toEqual([]);
  const answered = new Set(load.calls.map(({ authorization }) => authorization));
  const inFlight = served.filter(({ opened }) => !answered.has(opened.authorization));
  process.stderr.write(
    `crash: ${served.length} calls served, of which ${inFlight.length} in flight at a kill: ${inFlight.filter(({ basis }) => basis === "assumed").length} assumed\n`,
  );
  expect(inFlight.length).toBeGreaterThan(0);
});

test("expiry: what nobody ended ends by itself within its life, and frees its money", () => {
  const audit = auditOf(holds.ws);
  const opened = new Map(audit.of("authorize").map((entry) => [entry.authorization, entry]));
  const expiries = audit.of("expire");
  expect(expiries.length).toBeGreaterThan(0);
  const slackMs = SLACK_MS + witness.pausedMs;
  const late = expiries.filter(({ at, authorization, due_at: due, epoch }) => {
    const expiresAt = opened.get(authorization)?.expires_at ?? 0;
    const claims = audit.of("takeover").filter((claim) => claim.epoch <= epoch);
    const latest = Math.max(expiresAt, ...claims.map(({ holds_until: until }) => until));
    return due > latest || at - due > slackMs;
  });
  expect(late).toEqual([]);
  expect(closedAfterMs).toBeLessThan(LIFE_MS + slackMs);
  for (const { ws } of [holds, http]) {
    const held = [...balancesAfter(auditOf(ws).entries)].filter(([, leg]) => leg.held !== 0n);
    expect(held).toEqual([]);
  }
});
