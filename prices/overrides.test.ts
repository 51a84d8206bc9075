/**
 * Goal: `lanes.yaml` changes what it names and nothing else, and every mistake is told with its field.
 * Method: lanes as the file's reader hands them over, good and bad.
 */
import { describe, expect, test } from "vitest";
import type { Lane, LaneTier } from "../ledger/price-card.ts";
import { buildPriceCard, findLane, findModel } from "./card.ts";
import {
  applyLaneOverrides,
  type LaneOverride,
  type Overridden,
  type TierLimits,
} from "./overrides.ts";

const card = buildPriceCard();
const CLAUDE = { family: "claude", provider: "anthropic", region: "global" } as const;
const claude = findLane(card, CLAUDE) as Lane;

function override(
  tiers: readonly LaneTier[],
  limits: readonly TierLimits[] = [],
  lane: Lane = claude,
): LaneOverride {
  return { lane: { ...lane, tiers }, limits };
}

const small: LaneTier = { aliases: [], model: "claude-haiku-4-5", tier: "S" };
const medium: LaneTier = { aliases: ["sonnet"], model: "claude-sonnet-5-5", tier: "M" };

function good(result: Overridden) {
  if (!result.ok) throw new Error(told(result).join("\n"));
  return result.card;
}

function told(result: Overridden): readonly string[] {
  return result.ok
    ? []
    : result.problems.map(({ path, message }) => `${path.join(".")}: ${message}`);
}

describe("good overrides", () => {
  test("apply: a lane takes the place of its namesake, whole; the hash is new", () => {
    const next = good(applyLaneOverrides(card, [override([small, medium])]));
    expect(findLane(next, CLAUDE)?.tiers).toEqual([small, medium]);
    expect(next.hash).not.toBe(card.hash);
    expect(next.lanes.length).toBe(card.lanes.length);
    expect(findLane(card, CLAUDE)?.tiers.length).toBe(4);
  });

  test("apply: limits and modalities of a model are the file's, the rest stays", () => {
    const limits: TierLimits[] = [
      { modalities: ["image", "text"], model: "claude-haiku-4-5", output_max: 8_000n, tier: "S" },
    ];
    const next = good(applyLaneOverrides(card, [override([small], limits)]));
    expect(findModel(next, "anthropic", "claude-haiku-4-5")).toMatchObject({
      modalities: ["image", "text"],
      output_max: 8_000n,
      window: 200_000n,
    });
    expect(findModel(card, "anthropic", "claude-haiku-4-5")?.output_max).toBe(64_000n);
  });

  test("apply: an output does not outgrow a window that was cut", () => {
    const limits: TierLimits[] = [{ model: "claude-haiku-4-5", tier: "S", window: 10_000n }];
    const next = good(applyLaneOverrides(card, [override([small], limits)]));
    expect(findModel(next, "anthropic", "claude-haiku-4-5")?.output_max).toBe(10_000n);
  });

  test("apply: a new lane is added", () => {
    const next = good(
      applyLaneOverrides(card, [override([small], [], { ...claude, region: "eu" })]),
    );
    expect(findLane(next, { ...CLAUDE, region: "eu" })?.tiers).toEqual([small]);
    expect(next.lanes.length).toBe(card.lanes.length + 1);
  });

  test("apply: nothing changes nothing, not even the hash", () => {
    expect(good(applyLaneOverrides(card, [])).hash).toBe(card.hash);
  });
});

describe("mistakes", () => {
  test("apply: tells all of them at once, each with its field", () => {
    const result = applyLaneOverrides(card, [
      override([small, { ...medium, model: "claude-nope" }]),
      override([small], [], { ...claude, prices: "nobody", region: "eu" }),
      override([]),
      override([small, { ...medium, aliases: ["claude-haiku-4-5"] }], [], {
        ...claude,
        region: "us",
      }),
    ]);
    expect(told(result)).toEqual([
      "0.tiers.M.model: claude-nope has no price at anthropic: give one in rates.yaml",
      "1.prices: nobody has no priced models",
      "2: lane anthropic/claude/global is listed twice",
      "2.tiers: names no model",
      "3.tiers.M: claude-haiku-4-5 is a name of tier S too",
    ]);
  });

  test("apply: two lanes must not give one model different limits", () => {
    const limit = (window: bigint): TierLimits[] => [
      { model: "claude-haiku-4-5", tier: "S", window },
    ];
    const other = { ...claude, region: "eu" };
    const result = applyLaneOverrides(card, [
      override([small], limit(1_000n)),
      override([small], limit(2_000n), other),
    ]);
    expect(told(result)).toEqual([
      "1.tiers.S.window: differs from what another tier says of claude-haiku-4-5",
    ]);
    expect(
      good(
        applyLaneOverrides(card, [
          override([small], limit(1_000n)),
          override([small], limit(1_000n), other),
        ]),
      ).lanes.length,
    ).toBe(6);
  });
});
