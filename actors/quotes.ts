import { worstCaseCost } from "../ledger/cost.ts";
import type { TierQuote } from "../ledger/entries.ts";
import { formatExactCost, holdAmount } from "../ledger/money.ts";
import { type Lane, modelKey, type Tier, tierRank } from "../ledger/price-card.ts";
import type { UsageBound } from "../ledger/usage.ts";
import type { AgentSettings } from "../ledger/workspace-config.ts";
import type { PriceTable } from "./state.ts";

/** What a client writes to leave the choice of tier to the cascade. */
export const AUTO_MODEL = "auto";

/** The tier that a request prefers: that of its model, or for `auto` the heaviest the agent may use. */
export function preferredTier(lane: Lane, agent: AgentSettings, model: string): Tier | undefined {
  if (model === AUTO_MODEL) {
    return lane.tiers.findLast(({ tier }) => agent.tiers.includes(tier))?.tier;
  }
  const named = lane.tiers.find((tier) => tier.model === model || tier.aliases.includes(model));
  return named?.tier;
}

/** Prices every tier of a lane for a bound, and says of each that cannot serve the request why not. */
export function quoteTiers(
  prices: PriceTable,
  lane: Lane,
  agent: AgentSettings,
  bound: UsageBound,
  preferred: Tier,
  floor: Tier | undefined,
): TierQuote[] {
  const floorRank = floor === undefined ? 0 : Math.min(tierRank(floor), tierRank(preferred));
  return lane.tiers.map(({ tier, model }): TierQuote => {
    const price = prices.models.get(modelKey(lane.prices, model));
    if (price === undefined) return { model, tier, skip: "unpriced" };
    const cost = worstCaseCost(price, bound);
    if ("unpriced" in cost) return { model, tier, skip: "unpriced" };
    const quote = { amount: holdAmount(cost), model, pico: formatExactCost(cost), tier };
    if (tierRank(tier) > tierRank(preferred)) return { ...quote, skip: "above-preferred" };
    if (!agent.tiers.includes(tier)) return { ...quote, skip: "not-allowed" };
    if (tierRank(tier) < floorRank) return { ...quote, skip: "below-floor" };
    if (!bound.modalities.every((modality) => price.modalities.includes(modality))) {
      return { ...quote, skip: "modality" };
    }
    if (bound.counted && bound.input > price.window) return { ...quote, skip: "window" };
    return quote;
  });
}
