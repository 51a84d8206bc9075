import { A } from "@solidjs/router";
import { type JSX, Show } from "solid-js";
import type { AgentRow, AgentUse, Outcome } from "../../../wire.ts";
import { age, basisPoints, count, instant } from "../../format.ts";
import { liveOfAgentPath } from "../../links.ts";
import { useLive } from "../../live/store.tsx";
import { useSession } from "../../session.tsx";
import { LimitText, Meter } from "../../ui/meter.tsx";
import { Money } from "../../ui/money.tsx";
import { OUTCOME_TEXT, OutcomeShape } from "../../ui/outcome.tsx";
import { PriorityMark } from "../../ui/rank.tsx";

const CELL = "px-3 py-2 align-middle first:pl-4 last:pr-4";

/** The cells of one agent. They stay in the page when figures change: only their text does. */
export function AgentCells(props: { readonly row: AgentRow }): JSX.Element {
  const live = useLive();
  const { zone } = useSession();
  return (
    <>
      <th scope="row" class={`${CELL} font-medium`}>
        <span class="flex flex-wrap items-center gap-2">
          <A href={liveOfAgentPath(props.row.agent)} class="link py-0.5 md:whitespace-nowrap">
            {props.row.agent}
          </A>
          <span class="md:hidden">
            <PriorityMark priority={props.row.priority} />
          </span>
          <Show when={props.row.frozen}>
            <span class="chip border-bad text-bad">frozen</span>
          </Show>
        </span>
        <span class="block text-xs font-normal text-muted">{belongsTo(props.row)}</span>
      </th>
      <td class={`${CELL} max-md:hidden`}>
        <PriorityMark priority={props.row.priority} />
      </td>
      <td class={`${CELL} max-md:hidden`}>
        <span class="block whitespace-nowrap">{props.row.lane.family}</span>
        <span class="block text-xs whitespace-nowrap text-muted">
          {props.row.lane.provider} · {props.row.lane.region}
        </span>
      </td>
      <td class={`${CELL} max-md:hidden`}>
        <span class="figures flex justify-end gap-3">
          <Tally outcome="admit" value={props.row.admits} />
          <Tally outcome="throttle" value={props.row.throttles} />
          <Tally outcome="hold" value={props.row.holds} />
        </span>
      </td>
      <td class={`${CELL} text-right max-md:hidden`}>
        <Show when={props.row.run} fallback={<span class="text-muted">–</span>}>
          {(run) => <Use use={run()} label={`Latest run of ${props.row.agent}`} />}
        </Show>
      </td>
      <td class={`${CELL} text-right`}>
        <Use use={props.row.month} label={`Month of ${props.row.agent}`} />
      </td>
      <td class={`${CELL} figures text-right max-md:hidden`}>
        <Show when={props.row.month.pace} fallback={<span class="text-muted">–</span>}>
          {(pace) => (
            <span class={Number(pace()) >= 10_000 ? "font-semibold text-hold" : ""}>
              {basisPoints(pace())}
            </span>
          )}
        </Show>
      </td>
      <td class={`${CELL} text-right max-xl:hidden`}>
        <Use use={props.row.year} label={`Year of ${props.row.agent}`} />
      </td>
      <td class={`${CELL} figures text-right whitespace-nowrap text-muted`}>
        <Show when={props.row.last_at} fallback="never">
          {(at) => (
            <time datetime={at()} title={instant(at(), zone())}>
              {age(live.now() - Date.parse(at()))} ago
            </time>
          )}
        </Show>
      </td>
    </>
  );
}

/** Team and cost centre, once where both have the same name. */
function belongsTo({ cost_center, team }: AgentRow): string {
  return [...new Set([team, cost_center])].filter((name) => name !== undefined).join(" · ");
}

function Tally(props: { readonly outcome: Outcome; readonly value: number }): JSX.Element {
  return (
    <span
      class={`inline-flex min-w-10 items-center justify-end gap-1 ${props.value === 0 ? "text-muted" : OUTCOME_TEXT[props.outcome]}`}
      title={`${count(props.value)} ${props.outcome}`}
    >
      <OutcomeShape outcome={props.outcome} size={12} />
      <span class="sr-only">{props.outcome} </span>
      {count(props.value)}
    </span>
  );
}

/** Spent, how much of a limit that is, and the limit. */
function Use(props: { readonly use: AgentUse; readonly label: string }): JSX.Element {
  return (
    <span class="ml-auto flex w-24 flex-col items-stretch gap-1 text-right whitespace-nowrap">
      <Money amount={props.use.settled_nano} class="font-medium" />
      <Show when={props.use.limit_nano}>
        {(limit) => (
          <Meter
            label={props.label}
            settled={props.use.settled_nano}
            held={props.use.held_nano}
            limit={limit()}
          />
        )}
      </Show>
      <span class="text-xs text-muted">
        <LimitText limit={props.use.limit_nano} />
      </span>
    </span>
  );
}
