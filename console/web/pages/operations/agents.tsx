/** Every agent of the workspace: what it may spend, what it has spent, and how its calls come out. */
import { useSearchParams } from "@solidjs/router";
import { useQuery } from "@tanstack/solid-query";
import { createEffect, createMemo, type JSX, Match, on, Show, Switch } from "solid-js";
import type { AgentPage } from "../../../wire.ts";
import { ApiProblem, request } from "../../api.ts";
import { count, instant } from "../../format.ts";
import { useLive } from "../../live/store.tsx";
import { useSession } from "../../session.tsx";
import { StandingBanner, useStanding } from "../../shell/connection-badge.tsx";
import { Empty, EmptyByFilter, Loading, Notice, Problem } from "../../ui/states.tsx";
import { AgentTable } from "./agent-table.tsx";

/** At most this often while decisions come in, in ms. */
const REFRESH_MS = 2_000;
/** While nothing comes in, in ms: somebody may have changed a cap. */
const REFRESH_IDLE_MS = 30_000;

/** The agents, read again when something moved them: but not with every frame. */
function useAgents() {
  const live = useLive();
  const { ws } = useSession();
  const agents = useQuery(() => ({
    queryFn: () => request<AgentPage>(`/api/workspaces/${encodeURIComponent(ws())}/agents`),
    queryKey: ["agents", ws()],
    refetchInterval: live.paused() ? false : REFRESH_IDLE_MS,
  }));
  let asked = Date.now();
  let late: ReturnType<typeof setTimeout> | undefined;
  const renew = () => {
    if (live.paused() || late !== undefined) return;
    const wait = Math.max(0, asked + REFRESH_MS - Date.now());
    late = setTimeout(() => {
      late = undefined;
      asked = Date.now();
      void agents.refetch();
    }, wait);
  };
  createEffect(on([live.received, live.month], renew, { defer: true }));
  return agents;
}

export default function AgentsPage(): JSX.Element {
  const standing = useStanding();
  const agents = useAgents();
  const [search, setSearch] = useSearchParams();
  const wanted = () => (typeof search["q"] === "string" ? search["q"] : "");
  const rows = createMemo(() => {
    const text = wanted().toLowerCase();
    return (agents.data?.agents ?? []).filter(({ agent, cost_center, team, title }) =>
      [agent, title, team, cost_center].some((name) => name?.toLowerCase().includes(text)),
    );
  });
  const problem = () => (agents.error instanceof ApiProblem ? agents.error : undefined);
  const filter = (text: string) => setSearch({ q: text || null }, { replace: true });

  return (
    <div class="flex min-h-full flex-col gap-4 p-3 md:p-5">
      <StandingBanner standing={standing()} />
      <AgentsHead page={agents.data} count={rows().length} wanted={wanted()} onFilter={filter} />
      <Show when={problem() !== undefined && agents.data !== undefined}>
        <Notice tone="warn">
          The figures could not be renewed: {problem()?.message} What stands here is older.
        </Notice>
      </Show>
      <Switch fallback={<AgentTable rows={rows()} />}>
        <Match when={agents.data === undefined && problem()}>
          {(failed) => <Problem problem={failed()} onRetry={() => void agents.refetch()} />}
        </Match>
        <Match when={agents.data === undefined}>
          <Loading what="the agents" lines={10} />
        </Match>
        <Match when={agents.data?.agents.length === 0}>
          <Empty title="No agent yet">
            <p>
              Agents come with the workspace's files:{" "}
              <code class="font-mono">npx tarmac apply FOLDER</code>
            </p>
          </Empty>
        </Match>
        <Match when={rows().length === 0}>
          <EmptyByFilter what="agents" onClear={() => filter("")} />
        </Match>
      </Switch>
    </div>
  );
}

function AgentsHead(props: {
  readonly page: AgentPage | undefined;
  /** Agents that the filter lets through. */
  readonly count: number;
  readonly wanted: string;
  readonly onFilter: (text: string) => void;
}): JSX.Element {
  const { zone } = useSession();
  return (
    <div class="flex flex-wrap items-end justify-between gap-3">
      <div>
        <h1>
          Agents{" "}
          <span class="figures font-normal text-muted">{props.page && count(props.count)}</span>
        </h1>
        <Show when={props.page}>
          {(page) => (
            <p class="figures text-xs text-muted">
              As of {instant(page().at, zone())}. Decisions since{" "}
              {instant(page().counted_since, zone())}.
            </p>
          )}
        </Show>
      </div>
      <input
        type="search"
        class="field w-64 max-md:w-full"
        placeholder="Filter by name, team, cost centre"
        aria-label="Filter agents by name, team or cost centre"
        value={props.wanted}
        onInput={(event) => props.onFilter(event.currentTarget.value)}
      />
    </div>
  );
}
