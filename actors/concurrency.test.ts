/**
 * Goal: however many calls arrive at once, exactly as many are admitted as a cap has room for.
 * Method: 1,000 authorizes of one tier before any settle, for a cap per run, month and year; then again
 * with settles and voids in between.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bound } from "./testing/prices.ts";
import { agent, usd, World } from "./testing/world.ts";

/** $0.006 at tier S. */
const CALL = { model: "model-s", run: "r1", usage_bound: bound(1_000n, 1_000n) };
const PRICE = usd("0.006");

describe("1,000 calls at once", () => {
  test.each([
    ["run", "1", 166],
    ["month", "1.2", 200],
    ["year", "5.999999999", 999],
    ["month", "6", 1_000],
    ["run", "0.005999999", 0],
    ["year", "0.006", 1],
  ] as const)("authorize: a cap per %s of $%s admits exactly %d (R1)", (kind, limit, k) => {
    const world = new World({ agents: { bot: agent({ caps: { [kind]: usd(limit) } }) } });
    const answers = Array.from({ length: 1_000 }, () => world.authorize(CALL));
    const admitted = answers.filter(({ outcome }) => outcome === "admit");
    expect(admitted).toHaveLength(k);
    // First come, first served; every refusal says that holds alone stand in the way.
    expect(answers.slice(0, k).every(({ outcome }) => outcome === "admit")).toBe(true);
    const refused = answers.slice(k);
    expect(refused.every(({ outcome }) => outcome === "hold")).toBe(true);
    if (k > 0) expect(refused.every(({ blocked_by }) => blocked_by === "holds")).toBe(true);
    const key = kind === "run" ? "r1" : kind === "month" ? "2026-11@UTC" : "2026@UTC";
    const { held, settled } = world.balance(`agent:bot/${kind}`, key);
    expect([held, settled]).toEqual([BigInt(k) * PRICE, 0n]);
    expect(world.auditor.heldBy(`agent:bot/${kind}|${key}`)).toBe(held);
  });

  test("authorize: the narrowest of several caps decides, and each holds the same (R1)", () => {
    const world = new World({
      agents: {
        bot: agent({ caps: { run: usd("9"), year: usd("8") }, cost_center: "labs", team: "core" }),
      },
      caps: { month: usd("3"), year: usd("7") },
      changes: [
        { id: "core", item: "team", value: { caps: { month: usd("0.6") } } },
        { id: "labs", item: "cost_center", value: { caps: { year: usd("1") } } },
      ],
    });
    const answers = Array.from({ length: 1_000 }, () => world.authorize(CALL));
    expect(answers.filter(({ outcome }) => outcome === "admit")).toHaveLength(100);
    const held = new Set([...world.state.counters.values()].map((counter) => counter.held));
    expect([...held]).toEqual([usd("0.6")]);
  });

  test("authorize: with settles and voids in between, never more than the room there is (R1)", () => {
    const step = fc.oneof(
      { arbitrary: fc.constant("authorize" as const), weight: 3 },
      fc.constantFrom("settle" as const, "void" as const),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const world = new World({ agents: { bot: agent({ caps: { month: usd("0.06") } }) } });
        const open: string[] = [];
        let spent = 0n;
        for (const one of steps) {
          if (one === "authorize") {
            const room = usd("0.06") - spent - BigInt(open.length) * PRICE;
            const answer = world.authorize(CALL);
            expect(answer.outcome).toBe(room >= PRICE ? "admit" : "hold");
            if (answer.outcome === "admit") open.push(answer.authorization);
            continue;
          }
          const next = open.shift();
          if (next === undefined) continue;
          if (one === "void") world.void(next);
          else spent += world.settle(next, { usage: { output: 300n } }).amount;
        }
      }),
      { numRuns: 30 },
    );
  });
});
