/** What happens now: every decision as it is made, and the money that flows. */
import { useSearchParams } from "@solidjs/router";
import { createMemo, type JSX, Match, Show, Switch } from "solid-js";
import type { Outcome } from "../../../wire.ts";
import type { FeedFilter } from "../../live/feed.ts";
import { useLive } from "../../live/store.tsx";
import { StandingBanner, useStanding } from "../../shell/connection-badge.tsx";
import { Loading, Problem } from "../../ui/states.tsx";
import { LiveCharts } from "./live-charts.tsx";
import { LiveFilters } from "./live-filters.tsx";
import { LiveStream } from "./live-stream.tsx";
import { LiveTotals } from "./live-totals.tsx";

const OUTCOMES: ReadonlySet<string> = new Set<Outcome>(["admit", "throttle", "hold"]);

const only = (value: string | readonly string[] | undefined) =>
  typeof value === "string" && value !== "" ? value : undefined;

export function LivePage(): JSX.Element {
  const live = useLive();
  const standing = useStanding();
  const [search, setSearch] = useSearchParams();
  const filter = createMemo<FeedFilter>(() => {
    const outcome = only(search["outcome"]);
    const agent = only(search["agent"]);
    return {
      ...(outcome !== undefined && OUTCOMES.has(outcome) && { outcome: outcome as Outcome }),
      ...(agent !== undefined && { agent }),
    };
  });
  const choose = (next: FeedFilter) =>
    setSearch({ agent: next.agent ?? null, outcome: next.outcome ?? null });
  const old = () => ["stale", "reconnecting"].includes(standing().kind);

  return (
    <div class="flex min-h-full flex-col gap-3 p-3 md:h-full md:gap-4 md:p-5">
      <h1 class="sr-only">Live</h1>
      <StandingBanner standing={standing()} />
      <Switch fallback={<Loading what="the live view" lines={8} />}>
        <Match when={!live.loaded() && live.problem()}>
          {(problem) => <Problem problem={problem()} onRetry={live.retry} />}
        </Match>
        <Match when={live.loaded()}>
          <div
            data-old={old()}
            class={`flex min-h-0 flex-1 flex-col gap-3 md:gap-4 ${old() ? "out-of-date" : ""}`}
          >
            <LiveTotals />
            <LiveCharts />
            <div class="flex min-h-0 flex-1 flex-col gap-2">
              <LiveFilters filter={filter()} onChange={choose} />
              <Show when={JSON.stringify(filter())} keyed>
                <LiveStream filter={filter()} onClear={() => choose({})} />
              </Show>
            </div>
          </div>
        </Match>
      </Switch>
    </div>
  );
}
