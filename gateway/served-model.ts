import type { Lane } from "../ledger/price-card.ts";

/** A dated snapshot of a model: `gpt-4o-2024-08-06`, `claude-sonnet-4-5-20250929`. */
const SNAPSHOT = /^-(\d{4}-\d{2}-\d{2}|\d{8})$/;

/**
 * The model to name in a settle: undefined where the one granted was served, by its own name, by an
 * alias of its tier or as a dated snapshot; another tier's own model for that one's aliases; else the
 * name as the provider gave it, which the card may have no price for.
 */
export function servedModel(
  granted: string,
  reported: string | undefined,
  lane: Lane | undefined,
): string | undefined {
  if (reported === undefined || isSame(granted, reported)) return undefined;
  for (const { model, aliases } of lane?.tiers ?? []) {
    if (isSame(model, reported) || aliases.includes(reported)) {
      return model === granted ? undefined : model;
    }
  }
  return reported;
}

function isSame(model: string, reported: string): boolean {
  if (model === reported) return true;
  return reported.startsWith(model) && SNAPSHOT.test(reported.slice(model.length));
}
