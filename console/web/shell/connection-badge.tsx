import { createMemo, createSignal, type JSX, Match, onCleanup, Show, Switch } from "solid-js";
import { age, count } from "../format.ts";
import type { ConnectionStatus } from "../live/connection.ts";
import { STALE_MS } from "../live/connection.ts";
import { useLive } from "../live/store.tsx";
import { Notice } from "../ui/states.tsx";

/** What the badge says, and how it looks: shape and word first, colour besides. */
export type Standing =
  | { readonly kind: "live" | "connecting" | "signed-out" }
  | { readonly kind: "paused"; readonly backlog: number }
  | { readonly kind: "stale" | "reconnecting" | "behind"; readonly silentMs: number };

/** One standing out of connection and pause. Old data are said to be old, also while paused. */
export function standingOf(
  status: ConnectionStatus,
  paused: boolean,
  backlog: number,
  now: number,
): Standing {
  const silentMs = status.heardAt === 0 ? 0 : now - status.heardAt;
  if (status.state === "signed-out") return { kind: "signed-out" };
  if (status.state === "reconnecting") return { kind: "reconnecting", silentMs };
  if (status.state === "stale" || (status.heardAt > 0 && silentMs >= STALE_MS + 1_000)) {
    return { kind: "stale", silentMs };
  }
  if (paused) return { backlog, kind: "paused" };
  if (status.state === "connecting") return { kind: "connecting" };
  return status.behind === undefined ? { kind: "live" } : { kind: "behind", silentMs };
}

/** A clock of its own, in ms: ages go on while the page is paused. */
export function useSeconds(): () => number {
  const [now, setNow] = createSignal(Date.now());
  const timer = setInterval(() => setNow(Date.now()), 1_000);
  onCleanup(() => clearInterval(timer));
  return now;
}

/** The standing of the live connection, moved once a second. */
export function useStanding(): () => Standing {
  const live = useLive();
  const now = useSeconds();
  return createMemo(() => {
    // A status that has just come is newer than the clock's last second.
    const at = Math.max(now(), live.status().heardAt);
    return standingOf(live.status(), live.paused(), live.backlog(), at);
  });
}

const LOOK: Readonly<Record<Standing["kind"], string>> = {
  behind: "border-throttle text-throttle",
  connecting: "border-line text-muted",
  live: "border-line text-ok",
  paused: "border-control text-text",
  reconnecting: "border-bad text-bad",
  "signed-out": "border-bad text-bad",
  stale: "border-throttle text-throttle",
};

export function StandingBadge(props: { readonly standing: Standing }): JSX.Element {
  return (
    <span
      data-standing={props.standing.kind}
      class={`figures inline-flex h-7 items-center gap-1.5 rounded-md border px-2 text-xs font-medium whitespace-nowrap ${LOOK[props.standing.kind]}`}
    >
      <StandingShape kind={props.standing.kind} />
      <span>{standingInWords(props.standing)}</span>
    </span>
  );
}

function standingInWords(standing: Standing): string {
  switch (standing.kind) {
    case "live":
      return "Live";
    case "connecting":
      return "Connecting";
    case "signed-out":
      return "Signed out";
    case "paused":
      return standing.backlog > 0 ? `Paused · ${count(standing.backlog)} new` : "Paused";
    case "stale":
      return `Stale · ${age(standing.silentMs)} old`;
    case "behind":
      return "Behind";
    case "reconnecting":
      return standing.silentMs > 0
        ? `Reconnecting · ${age(standing.silentMs)} old`
        : "Reconnecting";
    default:
      return standing satisfies never;
  }
}

function StandingShape(props: { readonly kind: Standing["kind"] }): JSX.Element {
  return (
    <svg
      aria-hidden="true"
      width="10"
      height="10"
      viewBox="0 0 10 10"
      fill="none"
      stroke="currentColor"
      stroke-width="1.6"
    >
      <Switch fallback={<path d="M5 1.2L9 8.6H1z" />}>
        <Match when={props.kind === "live"}>
          <circle cx="5" cy="5" r="4" fill="currentColor" stroke="none" />
        </Match>
        <Match when={props.kind === "connecting"}>
          <circle cx="5" cy="5" r="3.6" stroke-dasharray="3 2" />
        </Match>
        <Match when={props.kind === "paused"}>
          <path d="M3 1v8M7 1v8" />
        </Match>
        <Match when={props.kind === "reconnecting" || props.kind === "signed-out"}>
          <path d="M1.5 1.5l7 7M8.5 1.5l-7 7" />
        </Match>
      </Switch>
    </svg>
  );
}

/** Across the page while what it shows is not up to date; gone with the first thing heard again. */
export function StandingBanner(props: { readonly standing: Standing }): JSX.Element {
  const old = () => {
    const { standing } = props;
    return standing.kind === "stale" || standing.kind === "reconnecting" ? standing : undefined;
  };
  return (
    <>
      <Show when={old()}>
        {(standing) => (
          <Notice tone={standing().kind === "stale" ? "warn" : "bad"}>
            <strong class="font-semibold">
              {standing().silentMs > 0
                ? `What you see is ${age(standing().silentMs)} old.`
                : "There is no live connection."}
            </strong>
            <span>
              {standing().kind === "stale"
                ? "The server has gone silent."
                : "The connection is down and is being made again."}{" "}
              Nothing is lost: what happens meanwhile is shown when it is back.
            </span>
          </Notice>
        )}
      </Show>
      <Show when={props.standing.kind === "behind"}>
        <Notice tone="warn">
          <strong class="font-semibold">The server is behind.</strong>
          <span>It cannot reach all that it reads from; figures may be older than they look.</span>
        </Notice>
      </Show>
    </>
  );
}
