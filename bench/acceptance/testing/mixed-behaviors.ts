import type { BehaviorPatch } from "../../providers/behavior.ts";
import type { SurfaceName } from "./http-calls.ts";

/** How providers treat calls in a mixed run: a share of the whole, and the knobs. */
interface Share {
  readonly weight: number;
  readonly patch: BehaviorPatch;
  readonly only?: SurfaceName;
}

/** A model of each lane that is not the one usually asked for, and one that no card has. */
const OTHER = { anthropic: "claude-sonnet-5", openai: "gpt-5.6-terra" } as const;
const OFF_CARD = { anthropic: "claude-unheard-of-9", openai: "gpt-unheard-of-9" } as const;

const SHARES: readonly Share[] = [
  { patch: {}, weight: 260 },
  { patch: { outputTokens: 60, paceMs: 2 }, weight: 200 },
  { patch: { firstByteMs: 40, outputTokens: 40, paceMs: 3 }, weight: 120 },
  { patch: { outputTokens: 700 }, weight: 40 },
  { patch: { splitBytes: 97 }, weight: 20 },
  { patch: { refusal: true }, weight: 10 },
  { only: "anthropic", patch: { usageDeltas: 3 }, weight: 40 },
  // Refused before the first byte.
  { patch: { errorStatus: 400 }, weight: 15 },
  { patch: { errorStatus: 429 }, weight: 25 },
  { patch: { errorStatus: 500 }, weight: 20 },
  { patch: { errorStatus: 529 }, weight: 15 },
  // Broken off.
  { patch: { fault: "error-event" }, weight: 25 },
  { patch: { fault: "cut" }, weight: 20 },
  { patch: { fault: "end-early" }, weight: 15 },
  { patch: { fault: "cut-before-done" }, weight: 20 },
  { patch: { fault: "reset-before" }, weight: 12 },
  { patch: { fault: "reset-after" }, weight: 15 },
  { patch: { fault: "stall", stallMs: 60 }, weight: 10 },
  // Usage that is not there, or zero.
  { patch: { usage: "missing" }, weight: 12 },
  { patch: { usage: "null" }, weight: 12 },
  { patch: { usage: "zero" }, weight: 12 },
  // More than the request allowed.
  { patch: { overageTokens: 300 }, weight: 15 },
  { only: "anthropic", patch: { servedModel: OTHER.anthropic }, weight: 20 },
  { only: "openai", patch: { servedModel: OTHER.openai }, weight: 20 },
  { only: "anthropic", patch: { servedModel: OFF_CARD.anthropic }, weight: 8 },
  { only: "openai", patch: { servedModel: OFF_CARD.openai }, weight: 8 },
];

/** Draws how a provider treats its next call. */
export function drawBehavior(surface: SurfaceName, random: () => number): BehaviorPatch {
  const open = SHARES.filter(({ only }) => only === undefined || only === surface);
  const total = open.reduce((sum, { weight }) => sum + weight, 0);
  let left = random() * total;
  for (const { patch, weight } of open) {
    left -= weight;
    if (left < 0) return patch;
  }
  return {};
}
