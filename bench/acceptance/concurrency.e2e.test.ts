/**
 * Goal: a cap is never passed, however many calls ask at once and however long the money stays held.
 * Method: 1,000 calls of one tier go through a real gateway at once, against a cap with room for k of
 * their holds, while the provider says nothing to anyone until every call is decided; then it lets go.
 * Who got in is counted by the clients, by the provider, and in the ledger, entry by entry.
 */
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { testDatabase } from "../../cli/provision/vitest-servers.ts";
import type { NanoUsd } from "../../ledger/money.ts";
import { nanoUsd, parseUsd } from "../../ledger/money.ts";
import { openReadModel, type ReadModel } from "../../readmodel/read-model.ts";
import { type BenchWorkspace, benchWorkspace, CLAUDE, GPT } from "../cluster/workspaces.ts";
import { type Providers, startProviders } from "../providers/server.ts";
import {
  call,
  chat,
  type HttpAnswer,
  newClient,
  problemOf,
  type SurfaceName,
  untilKnown,
} from "./testing/http-calls.ts";
import { auditLedger, balancesAfter, excesses } from "./testing/ledger-audit.ts";
import { Machine } from "./testing/machine.ts";

const CALLS = 1_000;
const OUTPUT_MAX = 900;
/** A million dollars: no limit to these calls. */
const PLENTY = nanoUsd(1_000_000_000_000_000n);

interface Variant {
  readonly cap: "month" | "run" | "year";
  readonly surface: SurfaceName;
  readonly code: string;
  /** How many of the calls the cap has room for. */
  readonly fits: number;
}

const VARIANTS: readonly Variant[] = [
  { cap: "run", code: "per-run-cap", fits: 137, surface: "anthropic" },
  { cap: "month", code: "monthly-cap", fits: 61, surface: "openai" },
  { cap: "year", code: "yearly-cap", fits: 200, surface: "anthropic" },
];

const postgresUrl = await testDatabase();
let machine: Machine;
let providers: Providers;
let readModel: ReadModel;
/** What one call of a surface holds, as a call without any limit was told. */
const holdOf = new Map<SurfaceName, NanoUsd>();
const client = newClient();

beforeAll(async () => {
  providers = await startProviders();
  machine = await Machine.create({ postgresUrl, providers });
  const probes = [
    workspace("probe-anthropic", "anthropic", {}),
    workspace("probe-openai", "openai", {}),
  ] as const;
  // A machine that is out of breath is waited for: that a call can also be answered 503 is no question here.
  await machine.start(probes, { TARMAC_DECISION_MS: "60000" });
  readModel = openReadModel(postgresUrl);
  for (const [index, surface] of (["anthropic", "openai"] as const).entries()) {
    const answer = await ask(probes[index]?.secret ?? "", surface, "probe");
    const held = parseUsd(String(answer.headers["x-tarmac-held"]));
    if (answer.status !== 200 || held === undefined) {
      throw new Error(`the probe was answered ${answer.status}: ${answer.text}`);
    }
    holdOf.set(surface, held);
  }
});

afterEach(() => providers.control.reset());

afterAll(async () => {
  providers?.control.reset();
  await readModel?.close();
  await client.close();
  await machine?.close();
  await providers?.stop();
});

/** One agent with the lightest tier and nothing limited but what `limits` say. */
function workspace(
  ws: string,
  surface: SurfaceName,
  limits: { readonly [C in Variant["cap"]]?: NanoUsd },
): BenchWorkspace {
  return benchWorkspace(ws, {
    agent: { tiers: ["S"] },
    caps: { month: PLENTY, run: PLENTY, year: PLENTY, ...limits },
    lane: surface === "anthropic" ? CLAUDE : GPT,
  });
}

function ask(key: string, surface: SurfaceName, run: string): Promise<HttpAnswer> {
  const headers = { "x-tarmac-run": run };
  return call(
    machine.gatewayUrl,
    { body: chat(surface, OUTPUT_MAX), headers, key, surface },
    client,
  );
}

for (const { cap, code, fits, surface } of VARIANTS) {
  test(`admit: of ${CALLS} calls at once the ${cap} cap lets in exactly the ${fits} it fits`, async () => {
    const hold = holdOf.get(surface);
    if (hold === undefined) throw new Error(`no probe of ${surface}`);
    // A little more than k holds: what is left over is too little for any call.
    const limit = nanoUsd(hold * BigInt(fits) + hold / 10n);
    const plan = workspace(`storm-${cap}`, surface, { [cap]: limit });
    await machine.configure(plan);
    await untilKnown(machine.gatewayUrl, plan.secret);
    providers.control.set({ hold: true });
    const servedBefore = providers.served.length;

    const decided: HttpAnswer[] = [];
    const answers = Array.from({ length: CALLS }, async () => {
      const answer = await ask(plan.secret, surface, "one-run");
      decided.push(answer);
      return answer;
    });
    await providers.control.untilWaiting(fits, 60_000);
    await expect.poll(() => decided.length, { timeout: 60_000 }).toBe(CALLS - fits);
    // All are decided now: these are refused, the others wait for the provider.
    expect(providers.control.waiting).toBe(fits);
    expect(providers.served.length).toBe(servedBefore);
    for (const answer of decided) {
      expect(answer.status).toBe(402);
      expect(answer.headers["x-should-retry"]).toBe("false");
      const problem = problemOf(answer);
      expect(problem.code).toBe(code);
      expect(problem.message).toContain(`agent:${plan.agent}/${cap}`);
      expect(problem.message).toContain("held by calls in flight");
    }

    providers.control.reset();
    const all = await Promise.all(answers);
    await providers.served.idle();
    expect(all.filter(({ status }) => status === 200)).toHaveLength(fits);
    expect(all.filter(({ status }) => status === 402)).toHaveLength(CALLS - fits);
    const served = providers.served.since(servedBefore);
    expect(served).toHaveLength(fits);
    expect(served.every(({ leaked }) => leaked.length === 0)).toBe(true);

    const audit = await auditLedger(await machine.session(), readModel, plan.ws);
    const decisions = audit.of("authorize");
    expect(decisions).toHaveLength(CALLS);
    const admitted = decisions.filter(({ outcome }) => outcome !== "hold");
    expect(admitted).toHaveLength(fits);
    expect(new Set(admitted.map(({ grant }) => grant?.tier))).toEqual(new Set(["S"]));
    expect(new Set(admitted.map(({ held }) => held))).toEqual(new Set([hold]));
    const refused = decisions.filter(({ outcome }) => outcome === "hold");
    expect(new Set(refused.map(({ reason }) => reason))).toEqual(new Set([code]));
    expect(audit.of("settle")).toHaveLength(fits);
    expect(audit.of("settle").every(({ basis }) => basis === "measured")).toBe(true);
    // R1, at every entry and on every capped counter.
    expect(excesses(audit.entries)).toEqual([]);
    for (const { held } of balancesAfter(audit.entries).values()) expect(held).toBe(0n);
  });
}
