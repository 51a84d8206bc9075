import type { JSX } from "solid-js";
import { clock, instant } from "../format.ts";

/** An instant with its zone. */
export function Instant(props: { readonly at: string; readonly zone: string }): JSX.Element {
  return (
    <time class="figures md:whitespace-nowrap" datetime={props.at} title={props.at}>
      {instant(props.at, props.zone)}
    </time>
  );
}

/** Time of day to the millisecond; the whole of it is what hovering shows. */
export function Clock(props: { readonly at: string; readonly zone: string }): JSX.Element {
  return (
    <time class="figures" datetime={props.at} title={instant(props.at, props.zone)}>
      {clock(props.at, props.zone)}
    </time>
  );
}
