import { type JSX, Show } from "solid-js";
import { type Amount, meterThousandths, money, percentOf, sumOf } from "../format.ts";

export interface MeterProps {
  readonly label: string;
  readonly settled: Amount;
  readonly held: Amount;
  readonly limit: Amount;
}

/** What is spent, and behind it what is set aside, of a limit. Drawn by attributes: no inline style. */
export function Meter(props: MeterProps): JSX.Element {
  const committed = () => sumOf([props.settled, props.held]);
  const spent = () => meterThousandths(props.settled, props.limit);
  const both = () => meterThousandths(committed(), props.limit);
  return (
    <svg
      role="img"
      aria-label={`${props.label}: ${percentOf(committed(), props.limit)} used, ${money(props.settled)} spent and ${money(props.held)} set aside of ${money(props.limit)}`}
      class="block h-1.5 w-full overflow-hidden rounded-full"
      viewBox="0 0 1000 6"
      preserveAspectRatio="none"
    >
      <rect width="1000" height="6" class="fill-line" />
      <rect width={both()} height="6" class="fill-control" />
      <rect width={spent()} height="6" class={both() >= 1_000 ? "fill-hold" : "fill-text"} />
    </svg>
  );
}

/** A limit in words: the amount, that there is none, or that it is not known, which is something else. */
export function LimitText(props: {
  readonly limit: Amount | undefined;
  readonly unknown?: boolean;
}): JSX.Element {
  return (
    <Show
      when={props.limit}
      fallback={<span>{props.unknown === true ? "limit unknown" : "no limit"}</span>}
    >
      {(limit) => <span class="figures">of {money(limit())}</span>}
    </Show>
  );
}
