/**
 * Goal: a decision explains itself: for every cap, what stood before plus what was asked is what the
 * entry says, and a cap that is said not to fit does not. Method: decisions of a real actor.
 */
import { expect, test } from "vitest";
import { agent, bound, usd, World } from "../../actors/testing/world.ts";
import type { AuthorizeEntry } from "../../ledger/entries.ts";
import { legsOf } from "./authorization-show.ts";

function decisions(): readonly AuthorizeEntry[] {
  const world = new World({
    caps: { month: usd("2.00") },
    agents: { bot: agent({ caps: { month: usd("1.00"), run: usd("0.20") } }) },
  });
  for (let call = 0; call < 120; call++) {
    const decided = world.authorize({
      authorization: world.id(),
      usage_bound: bound(BigInt((call * 977) % 9_000) + 1n, 400n),
      run: `run-${Math.floor(call / 12)}`,
    });
    if (decided.state !== "open") continue;
    world.settle(decided.authorization, { usage: { input: 500n, output: 300n } });
  }
  return world.entries.flatMap(({ entry }) => (entry.kind === "authorize" ? [entry] : []));
}

test("legs: before and after differ by the hold, and a refusal moves nothing", () => {
  const all = decisions();
  expect(all.some(({ outcome }) => outcome === "hold")).toBe(true);
  for (const entry of all) {
    for (const [index, leg] of legsOf(entry).entries()) {
      const before = BigInt(leg.before_held_nano) + BigInt(leg.before_settled_nano);
      const after = BigInt(leg.after_held_nano) + BigInt(leg.after_settled_nano);
      expect(after - before).toBe(entry.held);
      expect(after).toBe((entry.legs[index]?.held ?? 0n) + (entry.legs[index]?.settled ?? 0n));
    }
  }
});

test("legs: one that fits leaves room for what was asked, one that does not falls short by what is said", () => {
  for (const entry of decisions()) {
    for (const leg of legsOf(entry)) {
      if (leg.limit_nano === undefined) {
        expect(leg.fits).toBe(true);
        continue;
      }
      const used = BigInt(leg.before_held_nano) + BigInt(leg.before_settled_nano);
      const over = used + BigInt(leg.amount_nano) - BigInt(leg.limit_nano);
      expect(leg.fits, `${entry.seq} ${leg.cap}`).toBe(over <= 0n);
      if (!leg.fits) expect(leg.shortfall_nano).toBe(String(over));
    }
  }
});
