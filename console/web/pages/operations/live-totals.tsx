import { type JSX, Show } from "solid-js";
import type { Outcome } from "../../../wire.ts";
import { counted, percentOf, periodName, perSecond, sumOf } from "../../format.ts";
import { useLive } from "../../live/store.tsx";
import { LimitText, Meter } from "../../ui/meter.tsx";
import { Money } from "../../ui/money.tsx";
import { OUTCOME_TEXT, OutcomeShape } from "../../ui/outcome.tsx";

function Total(props: {
  readonly name: string;
  readonly children: JSX.Element;
  readonly note?: JSX.Element;
}): JSX.Element {
  return (
    <div class="flex min-w-0 flex-col gap-0.5 bg-canvas px-4 py-2.5">
      <dt class="column-label">{props.name}</dt>
      <dd class="flex min-w-0 flex-col gap-1">
        <span class="figures truncate text-xl font-semibold tracking-tight">{props.children}</span>
        <span class="min-h-4 text-xs text-muted">{props.note}</span>
      </dd>
    </div>
  );
}

/** The figures above the stream: burn, the month against its limit, what is set aside, how many a second. */
export function LiveTotals(): JSX.Element {
  const live = useLive();
  const rates = () => live.flow().rates(live.now());
  const month = () => live.month() ?? { held: 0n, settled: 0n };
  const limits = () => live.overview()?.month;
  return (
    <dl class="grid shrink-0 grid-cols-2 gap-px overflow-hidden rounded-lg border border-line bg-line lg:grid-cols-4">
      <Total name="Burn, last minute" note="settled spend per minute">
        <Money amount={rates().burnPerMinute} />
        <span class="text-sm font-normal text-muted"> /min</span>
      </Total>
      <Total
        name={`Spent in ${periodName(limits()?.period ?? "")}`}
        note={
          <Show
            when={limits()?.limit_nano}
            fallback={<LimitText limit={undefined} unknown={limits()?.limit_unknown === true} />}
          >
            {(limit) => (
              <span class="flex flex-col gap-1">
                <Meter
                  label="Month"
                  settled={month().settled}
                  held={month().held}
                  limit={limit()}
                />
                <span>
                  {percentOf(sumOf([month().settled, month().held]), limit())} used{" "}
                  <LimitText limit={limit()} />
                </span>
              </span>
            )}
          </Show>
        }
      >
        <Money amount={month().settled} />
      </Total>
      <Total name="Set aside now" note={counted(live.overview()?.open_holds ?? 0, "open hold")}>
        <Money amount={month().held} />
      </Total>
      <Total
        name="Decisions per second"
        note={`${counted(live.overview()?.agents_active ?? 0, "agent")} in 15 minutes`}
      >
        <span class="flex items-center gap-2.5 max-md:text-lg md:gap-4">
          <Rate outcome="admit" rate={rates().admit} />
          <Rate outcome="throttle" rate={rates().throttle} />
          <Rate outcome="hold" rate={rates().hold} />
        </span>
      </Total>
    </dl>
  );
}

function Rate(props: { readonly outcome: Outcome; readonly rate: number }): JSX.Element {
  return (
    <span
      class={`inline-flex items-center gap-1.5 ${OUTCOME_TEXT[props.outcome]}`}
      title={`${props.outcome}: ${perSecond(props.rate)} a second of late`}
    >
      <OutcomeShape outcome={props.outcome} size={15} />
      <span class="sr-only">{props.outcome} </span>
      {perSecond(props.rate)}
    </span>
  );
}
