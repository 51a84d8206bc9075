/** Priority and tier: one hue, told apart by weight and by the word that always stands there. */
import { For, type JSX } from "solid-js";
import type { Priority, Tier } from "../../wire.ts";

const PRIORITY_LOOK: Readonly<Record<Priority, string>> = {
  P0: "border-accent bg-accent text-on-accent",
  P1: "border-control bg-hover text-text",
  P2: "border-control text-text",
  P3: "border-control border-dashed text-muted",
};

export function PriorityMark(props: { readonly priority: Priority }): JSX.Element {
  return (
    <span class={`chip figures font-medium ${PRIORITY_LOOK[props.priority]}`}>
      {props.priority}
    </span>
  );
}

const TIERS: readonly Tier[] = ["S", "M", "L", "XL"];

/** Four bars of which the tier fills its share, and its letter. */
export function TierMark(props: { readonly tier: Tier }): JSX.Element {
  const filled = () => TIERS.indexOf(props.tier) + 1;
  return (
    <span class="inline-flex items-center gap-1.5 font-medium">
      <svg aria-hidden="true" class="shrink-0" width="15" height="12" viewBox="0 0 15 12">
        <For each={TIERS}>
          {(_tier, index) => (
            <rect
              x={index() * 4}
              y={9 - index() * 3}
              width="3"
              height={3 + index() * 3}
              rx="0.5"
              class={index() < filled() ? "fill-text" : "fill-line"}
            />
          )}
        </For>
      </svg>
      {props.tier}
    </span>
  );
}
