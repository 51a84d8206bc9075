/** The states that a part of a page can be in. They mean different things, so they look different. */
import CircleAlert from "lucide-solid/icons/circle-alert";
import Inbox from "lucide-solid/icons/inbox";
import ListFilter from "lucide-solid/icons/list-filter";
import Lock from "lucide-solid/icons/lock";
import { For, type JSX, Match, Show, Switch } from "solid-js";
import type { ApiProblem } from "../api.ts";

export function Loading(props: { readonly what: string; readonly lines?: number }): JSX.Element {
  return (
    <div role="status" class="flex flex-col gap-3 p-4">
      <span class="sr-only">Loading {props.what}</span>
      <For each={Array.from({ length: props.lines ?? 5 })}>
        {(_line, index) => (
          <div
            class={`h-3 animate-pulse rounded-sm bg-line ${["w-11/12", "w-3/4", "w-5/6", "w-2/3"][index() % 4]}`}
          />
        )}
      </For>
    </div>
  );
}

interface SayingProps {
  readonly icon: JSX.Element;
  readonly title: string;
  readonly children: JSX.Element;
  readonly action?: JSX.Element;
}

function Saying(props: SayingProps): JSX.Element {
  return (
    <div class="flex flex-col items-center justify-center gap-1 px-6 py-12 text-center">
      <span class="mb-2 text-muted">{props.icon}</span>
      <p class="text-base font-semibold">{props.title}</p>
      <div class="max-w-[52ch] text-muted">{props.children}</div>
      <Show when={props.action}>
        <div class="mt-4 flex flex-wrap justify-center gap-2">{props.action}</div>
      </Show>
    </div>
  );
}

/** There is nothing yet; the children say how something comes about. */
export function Empty(props: {
  readonly title: string;
  readonly children: JSX.Element;
}): JSX.Element {
  return (
    <Saying icon={<Inbox size={24} />} title={props.title}>
      {props.children}
    </Saying>
  );
}

/** There is something, but not under this filter. */
export function EmptyByFilter(props: {
  readonly what: string;
  readonly onClear: () => void;
}): JSX.Element {
  return (
    <Saying
      icon={<ListFilter size={24} />}
      title={`No ${props.what} under this filter`}
      action={
        <button type="button" class="button" onClick={() => props.onClear()}>
          Clear the filter
        </button>
      }
    >
      There are others that it leaves out.
    </Saying>
  );
}

export function Forbidden(props: { readonly children: JSX.Element }): JSX.Element {
  return (
    <Saying icon={<Lock size={24} />} title="You may not see this">
      {props.children}
    </Saying>
  );
}

/** Something went wrong: what, an id to quote, and a way to try again. */
export function Failed(props: {
  readonly problem: ApiProblem;
  readonly onRetry?: (() => void) | undefined;
}): JSX.Element {
  return (
    <div role="alert">
      <Saying
        icon={<CircleAlert size={24} class="text-bad" />}
        title={TITLES[props.problem.code] ?? "This could not be loaded"}
        action={
          <Show when={props.onRetry}>
            {(retry) => (
              <button type="button" class="button" onClick={() => retry()()}>
                Try again
              </button>
            )}
          </Show>
        }
      >
        <p>{props.problem.message}</p>
        <Show when={props.problem.id}>
          {(id) => (
            <p class="mt-2 text-xs">
              Quote this id: <code class="font-mono select-all text-text">{id()}</code>
            </p>
          )}
        </Show>
      </Saying>
    </div>
  );
}

const TITLES: Readonly<Record<string, string>> = {
  busy: "Too much is asked at once",
  "nats-unavailable": "The nodes cannot be asked right now",
  "not-found": "There is no such thing",
  "postgres-unavailable": "The records cannot be read right now",
  unreachable: "The server does not answer",
};

/** A problem as what it is: being forbidden is no failure. */
export function Problem(props: {
  readonly problem: ApiProblem;
  readonly onRetry?: (() => void) | undefined;
}): JSX.Element {
  return (
    <Switch fallback={<Failed problem={props.problem} onRetry={props.onRetry} />}>
      <Match when={props.problem.code === "forbidden"}>
        <Forbidden>{props.problem.message}</Forbidden>
      </Match>
    </Switch>
  );
}

/** A line above what it is about: old, incomplete, or otherwise not all that it seems. */
export function Notice(props: {
  readonly tone: "warn" | "bad" | "info" | "ok";
  readonly children: JSX.Element;
}): JSX.Element {
  return (
    <div
      role="status"
      class={`flex flex-wrap items-center gap-x-3 gap-y-1 rounded-md border px-3 py-2 ${NOTICE_LOOK[props.tone]}`}
    >
      {props.children}
    </div>
  );
}

const NOTICE_LOOK = {
  bad: "border-bad bg-bad-surface",
  info: "border-info bg-info-surface",
  ok: "border-ok bg-ok-surface",
  warn: "border-throttle bg-warn-surface",
} as const;
