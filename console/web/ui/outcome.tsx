import type { JSX } from "solid-js";
import type { Outcome } from "../../wire.ts";

/** Outlines on a 16 px grid: a circle with a tick, a triangle that points down, a square with two bars. */
const SHAPES: Readonly<Record<Outcome, string>> = {
  admit: "M8 1.5a6.5 6.5 0 1 0 0 13a6.5 6.5 0 1 0 0-13zM5.1 8.2l2 2l3.9-4.2",
  throttle: "M1.8 3.2h12.4L8 14zM8 6.2v3",
  hold: "M2.2 2.2h11.6v11.6H2.2zM6.3 5.4v5.2M9.7 5.4v5.2",
};

export const OUTCOME_TEXT: Readonly<Record<Outcome, string>> = {
  admit: "text-admit",
  throttle: "text-throttle",
  hold: "text-hold",
};

/** The shape alone; whoever uses it says the word beside it. */
export function OutcomeShape(props: {
  readonly outcome: Outcome;
  readonly size?: number;
}): JSX.Element {
  return (
    <svg
      aria-hidden="true"
      class={`shrink-0 ${OUTCOME_TEXT[props.outcome]}`}
      width={props.size ?? 16}
      height={props.size ?? 16}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      stroke-width="1.6"
      stroke-linecap="round"
      stroke-linejoin="round"
    >
      <path d={SHAPES[props.outcome]} />
    </svg>
  );
}

/** A decision told apart by shape, word and colour. */
export function OutcomeMark(props: {
  readonly outcome: Outcome;
  readonly size?: number;
}): JSX.Element {
  return (
    <span class={`inline-flex items-center gap-1.5 font-medium ${OUTCOME_TEXT[props.outcome]}`}>
      <OutcomeShape outcome={props.outcome} size={props.size ?? 14} />
      {props.outcome}
    </span>
  );
}
