import { createMemo, createSignal, For, type JSX, onCleanup } from "solid-js";
import type { Outcome } from "../../../wire.ts";
import { axisDollars, perSecond } from "../../format.ts";
import { useLive } from "../../live/store.tsx";
import { useSession } from "../../session.tsx";
import { Chart, type ChartLine } from "../../ui/chart.tsx";
import { OutcomeShape } from "../../ui/outcome.tsx";

const BURN: readonly ChartLine[] = [{ color: "info", filled: true, label: "burn" }];
/** Told apart by stroke as well as by colour. */
const DECISIONS: readonly ChartLine[] = [
  { color: "admit", label: "admit" },
  { color: "throttle", dash: [6, 3], label: "throttle" },
  { color: "hold", dash: [2, 3], label: "hold" },
];
const OUTCOMES: readonly Outcome[] = ["admit", "throttle", "hold"];
const narrow = window.matchMedia("(max-width: 767px)");

/** The last fifteen minutes, redrawn once for each showing of the store. */
export function LiveCharts(): JSX.Element {
  const live = useLive();
  const { zone } = useSession();
  const columns = createMemo(() => live.flow().columns(live.now()));
  const [height, setHeight] = createSignal(narrow.matches ? 112 : 148);
  const fit = () => setHeight(narrow.matches ? 112 : 148);
  narrow.addEventListener("change", fit);
  onCleanup(() => narrow.removeEventListener("change", fit));
  return (
    <div class="grid shrink-0 gap-3 md:gap-4 lg:grid-cols-2">
      <Chart
        title="Burn, $ per minute"
        summary="Settled spend per minute over the last 15 minutes; the figures are in the totals above."
        lines={BURN}
        data={[columns().times, columns().burn]}
        format={axisDollars}
        zone={zone()}
        height={height()}
        legend="last 15 min"
      />
      <Chart
        title="Decisions per second"
        summary="Admits, throttles and holds per second over the last 15 minutes."
        lines={DECISIONS}
        data={[columns().times, columns().admit, columns().throttle, columns().hold]}
        format={perSecond}
        zone={zone()}
        height={height()}
        legend={
          <span class="flex gap-3">
            <For each={OUTCOMES}>
              {(outcome) => (
                <span class="inline-flex items-center gap-1">
                  <OutcomeShape outcome={outcome} size={12} />
                  {outcome}
                </span>
              )}
            </For>
          </span>
        }
      />
    </div>
  );
}
