import {
  type Lane,
  laneKey,
  type ModelPrice,
  modelKey,
  TIERS,
  type Tier,
} from "../ledger/price-card.ts";
import { findModel, type PriceCard, stampCard } from "./card.ts";

/** A mistake that only the card shows, by the field it is in, so that its reader can be shown the line. */
export interface FieldProblem {
  /** Position in the list handed in, then names of fields: `[0, "tiers", "M", "model"]`. */
  readonly path: readonly (number | string)[];
  readonly message: string;
}

/** A new card, or every mistake at once. */
export type Overridden =
  | { readonly ok: true; readonly card: PriceCard }
  | { readonly ok: false; readonly problems: readonly FieldProblem[] };

/** Limits that a workspace states for a tier's model; what is absent stays as it is. */
export interface TierLimits
  extends Partial<Pick<ModelPrice, "modalities" | "output_max" | "window">> {
  readonly tier: Tier;
  readonly model: string;
}

/** A lane of `lanes.yaml`, read: it takes the place of the card's lane of that name, whole. */
export interface LaneOverride {
  readonly lane: Lane;
  readonly limits: readonly TierLimits[];
}

/** Limits of models by `provider/model`, kept once for each however many lanes name it. */
export type StatedLimits = ReadonlyMap<string, Omit<TierLimits, "model" | "tier">>;

const LIMITS = ["window", "output_max", "modalities"] as const;

/** Gathers what lanes state of their models, and reports where two of them disagree. */
export function statedLimits(
  overrides: readonly LaneOverride[],
  problems: FieldProblem[] = [],
): StatedLimits {
  const stated = new Map<string, Omit<TierLimits, "model" | "tier">>();
  for (const [at, { lane, limits }] of overrides.entries()) {
    for (const { model, tier, ...now } of limits) {
      const key = modelKey(lane.prices, model);
      const before = stated.get(key) ?? {};
      for (const field of LIMITS) {
        if (now[field] === undefined || before[field] === undefined) continue;
        if (String(now[field]) === String(before[field])) continue;
        const message = `differs from what another tier says of ${model}`;
        problems.push({ path: [at, "tiers", tier, field], message });
      }
      stated.set(key, { ...before, ...now });
    }
  }
  return stated;
}

/** Mistakes of one lane that need the card or the whole lane to be seen. */
function laneProblems(card: PriceCard, lane: Lane, at: number): readonly FieldProblem[] {
  const problems: FieldProblem[] = [];
  if (!card.models.some((model) => model.provider === lane.prices)) {
    const message = `${lane.prices} has no priced models`;
    return [{ path: [at, "prices"], message }];
  }
  if (lane.tiers.length === 0) problems.push({ path: [at, "tiers"], message: "names no model" });
  const tierOf = new Map<string, Tier>();
  for (const { aliases, model, tier } of lane.tiers) {
    if (!TIERS.includes(tier)) continue;
    if (findModel(card, lane.prices, model) === undefined) {
      const message = `${model} has no price at ${lane.prices}: give one in rates.yaml`;
      problems.push({ path: [at, "tiers", tier, "model"], message });
    }
    for (const name of new Set([model, ...aliases])) {
      const other = tierOf.get(name);
      // A name that two tiers share would make the tier of a call a matter of chance.
      if (other !== undefined) {
        const message = `${name} is a name of tier ${other} too`;
        problems.push({ path: [at, "tiers", tier], message });
      }
      tierOf.set(name, tier);
    }
  }
  return problems;
}

/** The model with the limits stated for it; an output that is not stated is cut to a shorter window. */
function limited(model: ModelPrice, stated: StatedLimits): ModelPrice {
  const own = stated.get(modelKey(model.provider, model.model));
  if (own === undefined) return model;
  const next = { ...model, ...own };
  return next.output_max > next.window ? { ...next, output_max: next.window } : next;
}

/**
 * Lays the lanes of `lanes.yaml` over a card: each replaces the lane of its name or is added. Limits of a
 * model hold in every lane that names it. The new card has a hash of its own.
 */
export function applyLaneOverrides(
  card: PriceCard,
  overrides: readonly LaneOverride[],
): Overridden {
  const problems: FieldProblem[] = [];
  const stated = statedLimits(overrides, problems);
  const lanes = new Map(card.lanes.map((lane) => [laneKey(lane), lane]));
  const listed = new Set<string>();
  for (const [at, { lane }] of overrides.entries()) {
    const key = laneKey(lane);
    if (listed.has(key)) problems.push({ path: [at], message: `lane ${key} is listed twice` });
    listed.add(key);
    problems.push(...laneProblems(card, lane, at));
    lanes.set(key, lane);
  }
  if (problems.length > 0) return { ok: false, problems };
  const models = card.models.map((model) => limited(model, stated));
  return { ok: true, card: stampCard({ ...card, lanes: [...lanes.values()], models }) };
}
