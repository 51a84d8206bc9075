/**
 * One run: servers, nodes and load; faults for so long; then everything comes to its end, and what
 * clients were told is held against the journal and Postgres.
 */
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Answer } from "../../actors/commands.ts";
import { EngineClient } from "../../bus/engine-client.ts";
import { openReadModel } from "../../readmodel/read-model.ts";
import { benchWorkspace } from "../cluster/workspaces.ts";
import { BOUND, freshId } from "../load/holds.ts";
import { seeded } from "../providers/prose.ts";
import { compareProjection, compareTold, countFindings, type Findings } from "./audit.ts";
import { Caller, type CallerWorkspace } from "./caller.ts";
import { type FaultName, faultsFor } from "./faults.ts";
import { Gaps, Heard } from "./heard.ts";
import { LedgerFold, type Limits } from "./ledger-fold.ts";
import { readJournal } from "./read-journal.ts";
import { doFaults, type FaultReport } from "./schedule.ts";
import { faultsWorkspaces } from "./workspaces.ts";
import { World } from "./world.ts";

export interface FaultsOptions {
  readonly minutes: number;
  readonly seed: number;
  readonly servers: 1 | 3;
  /** Holds a second. */
  readonly rate: number;
  readonly nodes?: number;
  readonly shards?: number;
  /** Every kind there is unless given. */
  readonly kinds?: readonly FaultName[];
  readonly keep?: boolean;
  /** Where the timeline goes, line by line. */
  readonly tell?: (line: string) => void;
}

export interface FaultsReport {
  readonly seed: number;
  readonly servers: number;
  readonly minutes: number;
  readonly answered: number;
  readonly admitted: number;
  readonly refused: number;
  readonly settled: number;
  /** Answered after more than 400 ms, and not decided in time: 503 at a gateway. */
  readonly late: number;
  readonly unreachable: number;
  /** Calls that were not made, because too many were under way. */
  readonly shed: number;
  readonly near_limit: number;
  readonly entries: number;
  readonly claims: number;
  readonly faults: readonly FaultReport[];
  readonly findings: Findings;
  readonly pass: boolean;
}

const PROGRESS_MS = 5_000;
/** Patience with everything that must come to an end by itself: holds, the projection. ms */
const QUIET_MS = 120_000;

export async function runFaults(options: FaultsOptions): Promise<FaultsReport> {
  const { rate, seed, servers } = options;
  const shards = options.shards ?? 4;
  const tell = options.tell ?? (() => undefined);
  const random = seeded(seed);
  tell(`faults: --seed ${seed} --servers ${servers} --minutes ${options.minutes} --rate ${rate}`);
  const nodes = options.nodes ?? 3;
  const world = await World.start({ keep: options.keep ?? false, nodes, servers, shards });
  try {
    await world.untilSettled();
    const engines: EngineClient[] = [];
    for (let i = 0; i < 2; i += 1) engines.push(new EngineClient(await world.connect("gateway")));
    const { limits, workspaces } = faultsWorkspaces(shards, await oneHold(world, engines[0]));
    for (const workspace of workspaces) await world.configure(workspace);
    const heard = new Heard();
    const startedAt = performance.now();
    const gaps = new Gaps(shards, startedAt);
    const caller = new Caller({ engines, gaps, heard, random, rate, shards, workspaces });
    caller.start();
    const progress = setInterval(() => {
      tell(`${stamp(startedAt)}  ${progressOf(heard, caller.inFlight)}`);
    }, PROGRESS_MS);
    const faults = await doFaults({
      gaps,
      names: options.kinds ?? faultsFor(servers),
      random,
      startedAt,
      tell: (report) => tell(lineOf(report)),
      until: startedAt + options.minutes * 60_000,
      world,
      wrong: (what) => heard.odd("a fault", what),
    });
    tell(`${stamp(startedAt)}  faults are over; ${caller.inFlight} calls come to their end`);
    await caller.stop();
    clearInterval(progress);
    return await audit({ faults, heard, limits, options, tell, workspaces, world });
  } finally {
    await world.stop();
  }
}

function stamp(startedAt: number): string {
  return `${((performance.now() - startedAt) / 1_000).toFixed(1).padStart(6)} s`;
}

function progressOf(heard: Heard, inFlight: number): string {
  const { late, oddities, refused, shed, told, unreachable } = heard;
  return `${told.length} answers (${late} late), ${refused} refused, ${unreachable} not decided, ${inFlight} under way, ${shed} shed, ${oddities.length} oddities`;
}

function lineOf(report: FaultReport): string {
  const { at_s: at, kind, ms_to_recover: recover, ms_unavailable: gap, what } = report;
  return `${at.toFixed(1).padStart(6)} s  ${kind}: ${what}; ${gap} ms without an answer, all answered ${recover} ms after`;
}

/** What one hold takes of a cap. */
async function oneHold(world: World, engine: EngineClient | undefined): Promise<bigint> {
  const probe = benchWorkspace("probe", { agent: { tiers: ["S"] } });
  await world.configure(probe);
  const answer = await engine?.request(
    probe.ws,
    {
      agent: probe.agent,
      authorization: freshId(),
      key: probe.keyId,
      kind: "authorize",
      model: "auto",
      refinable: false,
      usage_bound: BOUND,
    },
    { deadlineMs: 15_000 },
  );
  if (answer?.kind !== "decided") throw new Error("the first hold was not decided");
  return answer.held;
}

interface AuditInput {
  readonly world: World;
  readonly options: FaultsOptions;
  readonly heard: Heard;
  readonly faults: readonly FaultReport[];
  readonly workspaces: readonly CallerWorkspace[];
  readonly limits: ReadonlyMap<string, Limits>;
  readonly tell: (line: string) => void;
}

async function audit(input: AuditInput): Promise<FaultsReport> {
  const { faults, heard, limits, options, tell, workspaces, world } = input;
  const shards = world.options.shards;
  const held: string[] = [];
  for (const { ws } of workspaces) held.push(...(await untilNothingHeld(world, ws)));
  tell("nothing is open any more; the journal is read");
  const operator = await world.connect("operator");
  const folds = new Map(
    workspaces.map(({ ws }) => [ws, new LedgerFold(ws, limits.get(ws) ?? new Map())]),
  );
  const problems: string[] = [];
  let claims = 0;
  for (let shard = 0; shard < shards; shard += 1) {
    const read = await readJournal(operator, shard, (line, epoch) => {
      const ws = /"ws":"([^"]+)"/.exec(line)?.[1] ?? "";
      folds.get(ws)?.take(line, epoch);
    });
    problems.push(...read.problems);
    claims += read.claims;
  }
  for (const fold of folds.values()) {
    problems.push(...fold.problems);
    held.push(...fold.held.map((what) => `${fold.ws} ${what}`));
  }
  tell("the journal was folded; Postgres is read");
  const projection = await projectionOf(world, folds);
  for (const halted of await world.halted()) heard.odd("halted", halted);
  const findings: Findings = {
    ...compareTold(heard, folds),
    held,
    ledger: problems,
    oddities: heard.oddities,
    projection,
  };
  const told = (kind: string) => heard.told.filter((one) => one.kind === kind).length;
  let [entries, nearLimit] = [0, 0];
  for (const fold of folds.values()) {
    entries += fold.facts.length;
    nearLimit += fold.nearLimit;
  }
  return {
    admitted: told("authorize") - heard.refused,
    answered: heard.told.length,
    claims,
    entries,
    faults,
    findings,
    late: heard.late,
    minutes: options.minutes,
    near_limit: nearLimit,
    pass: countFindings(findings) === 0,
    refused: heard.refused,
    seed: options.seed,
    servers: options.servers,
    settled: told("settle"),
    shed: heard.shed,
    unreachable: heard.unreachable,
  };
}

async function projectionOf(
  world: World,
  folds: ReadonlyMap<string, LedgerFold>,
): Promise<readonly string[]> {
  const readModel = openReadModel(world.postgresUrl, "faults");
  try {
    const deadline = performance.now() + QUIET_MS;
    for (;;) {
      const projected = new Map((await readModel.workspaces()).map(({ seq, ws }) => [ws, seq]));
      const behind = [...folds.values()].filter(
        ({ facts, ws }) => (projected.get(ws) ?? 0n) < BigInt(facts.length),
      );
      if (behind.length === 0 || performance.now() > deadline) break;
      await sleep(100);
    }
    const hashOf = (line: string) => createHash("sha256").update(line).digest("hex");
    return await compareProjection(readModel, folds, hashOf);
  } finally {
    await readModel.close();
  }
}

/** Waits until no hold of a workspace is open; what still is, and what its counters still hold. */
async function untilNothingHeld(world: World, ws: string): Promise<readonly string[]> {
  const deadline = performance.now() + QUIET_MS;
  for (;;) {
    const answer: Answer = await world.session.request(ws, { kind: "inspect" });
    if (answer.kind !== "inspected") return [`${ws}: inspect answered ${answer.kind}`];
    const held = (answer.balances ?? []).filter((balance) => balance.held !== 0n);
    if (answer.open_holds === 0) return held.map(({ cap }) => `${ws}: ${cap} holds money`);
    if (performance.now() > deadline) return [`${ws} has ${answer.open_holds} open holds`];
    await sleep(100);
  }
}
