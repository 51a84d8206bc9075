import { worstCaseCost } from "../ledger/cost.ts";
import type { TierQuote } from "../ledger/entries.ts";
import { formatExactCost, holdAmount, isCallCost } from "../ledger/money.ts";
import { type Lane, type ModelPrice, modelKey, type Tier, tierRank } from "../ledger/price-card.ts";
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
    const quote = { model, tier, ...(price === undefined ? {} : quoteOf(price, bound)) };
    const rank = tierRank(tier);
    if (rank > tierRank(preferred)) return { ...quote, skip: "above-preferred" };
    if (!agent.tiers.includes(tier)) return { ...quote, skip: "not-allowed" };
    if (rank < floorRank) return { ...quote, skip: "below-floor" };
    if (price === undefined || quote.amount === undefined) return { ...quote, skip: "unpriced" };
    if (!bound.modalities.every((modality) => price.modalities.includes(modality))) {
      return { ...quote, skip: "modality" };
    }
    if (bound.counted && bound.input > price.window) return { ...quote, skip: "window" };
    return quote;
  });
}

/** What a bound costs at worst on one model; nothing where that has no price, or no price makes sense. */
function quoteOf(price: ModelPrice, bound: UsageBound): Pick<TierQuote, "amount" | "pico"> {
  const cost = worstCaseCost(price, bound);
  if ("unpriced" in cost || !isCallCost(cost)) return {};
  return { amount: holdAmount(cost), pico: formatExactCost(cost) };
}
