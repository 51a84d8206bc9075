/**
 * Goal: a hold lives as long as its call by this gateway's word (R7), and a call whose hold cannot be
 * kept is cut while the hold still stands (leak L).
 * Method: a virtual clock and an engine that renews, falls silent, or says that a hold has ended.
 */
import { expect, test } from "vitest";
import type { Answer, Command } from "../actors/commands.ts";
import { newForwardedId } from "./call-ids.ts";
import { InFlight } from "./in-flight.ts";
import type { EnginePort } from "./ports.ts";
import { memoryLog, VirtualClock } from "./testing/virtual-clock.ts";

const LIFE_MS = 30_000;
const id = newForwardedId(Date.UTC(2026, 10, 22));
const other = newForwardedId(Date.UTC(2026, 10, 22) + 1);

function world() {
  const clock = new VirtualClock();
  const renewals: { readonly at: number; readonly ids: readonly string[] }[] = [];
  const state = { up: true, ended: [] as string[] };
  const engine: EnginePort = {
    request: async (_ws: string, command: Command): Promise<Answer> => {
      if (!state.up) throw new Error("silent");
      if (command.kind !== "renew") throw new Error("not asked for");
      renewals.push({ at: clock.monotonicMs(), ids: command.authorizations });
      const ended = state.ended
        .filter((authorization) => command.authorizations.includes(authorization))
        .map((authorization) => ({ authorization, state: "expired" as const }));
      return {
        kind: "renewed",
        ended,
        renewed: command.authorizations.length - ended.length,
        expires_ms: LIFE_MS,
      };
    },
  };
  const inFlight = new InFlight(engine, clock, memoryLog(), () => LIFE_MS);
  return { clock, renewals, state, inFlight };
}

test("renew: every third of a life, all ids of a workspace in one command", async () => {
  const { clock, renewals, inFlight } = world();
  inFlight.begin("acme", id, LIFE_MS);
  inFlight.begin("acme", other, LIFE_MS);
  await clock.advance(10 * 60_000);
  expect(renewals.length).toBeGreaterThanOrEqual(45);
  for (const { ids } of renewals) expect(ids).toEqual([id, other]);
  const gaps = renewals.slice(1).map(({ at }, i) => at - (renewals[i]?.at ?? 0));
  for (const gap of gaps) expect(gap).toBeLessThanOrEqual(LIFE_MS / 2);
  inFlight.end("acme", id);
  inFlight.end("acme", other);
  const before = renewals.length;
  await clock.advance(60_000);
  expect(renewals.length).toBe(before);
  expect(inFlight.count).toBe(0);
});

test("lose: a call is cut while its hold still stands, and only once", async () => {
  const { clock, state, inFlight } = world();
  const losses: { readonly loss: string; readonly leftMs: number; readonly at: number }[] = [];
  inFlight.begin("acme", id, LIFE_MS, (loss, leftMs) =>
    losses.push({ loss, leftMs, at: clock.monotonicMs() }),
  );
  await clock.advance(12_000);
  state.up = false;
  await clock.advance(300_000);
  expect(losses).toHaveLength(1);
  const [lost] = losses;
  expect(lost?.loss).toBe("unrenewed");
  // Renewed last at 10 s, so it stands until 40 s; cut with time left to drain the provider in.
  expect(lost?.at).toBeLessThan(40_000);
  expect(lost?.leftMs).toBeGreaterThan(LIFE_MS / 8);
  expect((lost?.at ?? 0) + (lost?.leftMs ?? 0)).toBeLessThanOrEqual(40_000);
});

test("lose: an engine that comes back in time costs nothing", async () => {
  const { clock, state, inFlight } = world();
  const losses: string[] = [];
  inFlight.begin("acme", id, LIFE_MS, (loss) => losses.push(loss));
  for (let i = 0; i < 10; i++) {
    state.up = false;
    await clock.advance(8_000);
    state.up = true;
    await clock.advance(10_000);
  }
  expect(losses).toEqual([]);
});

test("lose: a hold that the engine says has ended cuts at once", async () => {
  const { clock, state, inFlight } = world();
  const losses: string[] = [];
  inFlight.begin("acme", id, LIFE_MS, (loss) => losses.push(loss));
  inFlight.begin("acme", other, LIFE_MS, (loss) => losses.push(`other ${loss}`));
  state.ended.push(id);
  await clock.advance(13_000);
  expect(losses).toEqual(["ended"]);
  expect(inFlight.count).toBe(1);
});

test("quiet: a settle on its way is renewed and never cut", async () => {
  const { clock, renewals, state, inFlight } = world();
  inFlight.begin("acme", id, LIFE_MS, () => expect.unreachable("cut"));
  inFlight.quiet("acme", id);
  await clock.advance(60_000);
  expect(renewals.length).toBeGreaterThan(3);
  state.up = false;
  await clock.advance(120_000);
  expect(inFlight.count).toBe(1);
});
