import X from "lucide-solid/icons/x";
import { createMemo, For, type JSX, Show } from "solid-js";
import type { Outcome } from "../../../wire.ts";
import type { FeedFilter } from "../../live/feed.ts";
import { useLive } from "../../live/store.tsx";
import { OutcomeShape } from "../../ui/outcome.tsx";

const OUTCOMES: readonly Outcome[] = ["admit", "throttle", "hold"];

/** What of the stream is shown. The address carries it, so a filtered view can be passed on. */
export function LiveFilters(props: {
  readonly filter: FeedFilter;
  readonly onChange: (filter: FeedFilter) => void;
}): JSX.Element {
  const live = useLive();
  const agents = createMemo<readonly string[]>((before: readonly string[]) => {
    const names = new Set(before);
    for (const item of live.items()) if (item.kind === "decision") names.add(item.row.agent);
    if (props.filter.agent !== undefined) names.add(props.filter.agent);
    return names.size === before.length ? before : [...names].sort();
  }, []);
  const withOutcome = (outcome: Outcome | undefined) => {
    const { outcome: _dropped, ...rest } = props.filter;
    props.onChange(outcome === undefined ? rest : { ...rest, outcome });
  };
  const withAgent = (agent: string) => {
    const { agent: _dropped, ...rest } = props.filter;
    props.onChange(agent === "" ? rest : { ...rest, agent });
  };
  return (
    <div class="flex shrink-0 flex-wrap items-center gap-2">
      <h2 class="mr-2 max-md:sr-only">Decisions</h2>
      <fieldset class="inline-flex overflow-hidden rounded-md border border-control">
        <legend class="sr-only">Outcome</legend>
        <Choice chosen={props.filter.outcome === undefined} onClick={() => withOutcome(undefined)}>
          All
        </Choice>
        <For each={OUTCOMES}>
          {(outcome) => (
            <Choice chosen={props.filter.outcome === outcome} onClick={() => withOutcome(outcome)}>
              <span class="max-sm:hidden">
                <OutcomeShape outcome={outcome} size={13} />
              </span>
              {outcome}
            </Choice>
          )}
        </For>
      </fieldset>
      <select
        aria-label="Agent"
        class="field h-8 min-w-0 max-w-44 max-md:flex-1"
        value={props.filter.agent ?? ""}
        onChange={(event) => withAgent(event.currentTarget.value)}
      >
        <option value="">All agents</option>
        <For each={agents()}>
          {(agent) => (
            <option value={agent} selected={agent === props.filter.agent}>
              {agent}
            </option>
          )}
        </For>
      </select>
      <Show when={props.filter.outcome !== undefined || props.filter.agent !== undefined}>
        <button type="button" class="button" onClick={() => props.onChange({})}>
          <X size={14} aria-hidden="true" /> Clear
        </button>
      </Show>
    </div>
  );
}

function Choice(props: {
  readonly chosen: boolean;
  readonly onClick: () => void;
  readonly children: JSX.Element;
}): JSX.Element {
  return (
    <button
      type="button"
      aria-pressed={props.chosen}
      class={`inline-flex h-8 items-center gap-1.5 border-l border-control px-2.5 font-medium -outline-offset-2 first-of-type:border-l-0 ${
        props.chosen ? "bg-hover text-text" : "bg-raised text-muted hover:text-text"
      }`}
      onClick={() => props.onClick()}
    >
      {props.children}
    </button>
  );
}
