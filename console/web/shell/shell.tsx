/** The frame of every page of the console: who looks, where one can go, and whether it is live. */
import { useNavigate } from "@solidjs/router";
import { useQuery } from "@tanstack/solid-query";
import { createEffect, ErrorBoundary, type JSX, Match, Show, Suspense, Switch } from "solid-js";
import type { Session } from "../../wire.ts";
import { ApiProblem, request } from "../api.ts";
import { SIGNED_OUT } from "../links.ts";
import { LiveProvider, useLive } from "../live/store.tsx";
import { SessionProvider } from "../session.tsx";
import { Empty, Failed, Loading } from "../ui/states.tsx";
import { Sidebar } from "./sidebar.tsx";
import { TopBar } from "./top-bar.tsx";

export function Shell(props: { readonly children?: JSX.Element }): JSX.Element {
  const navigate = useNavigate();
  const session = useQuery(() => ({
    queryFn: () => request<Session>("/api/session"),
    queryKey: ["session"],
    staleTime: Number.POSITIVE_INFINITY,
  }));
  const problem = () => (session.error instanceof ApiProblem ? session.error : undefined);
  createEffect(() => {
    if (problem()?.code === "unauthenticated") leaveFor(navigate);
  });
  return (
    <Switch fallback={<Loading what="the console" />}>
      <Match when={problem()}>
        {(failed) => (
          <main>
            <h1 class="sr-only">Tarmac</h1>
            <Failed problem={failed()} onRetry={() => void session.refetch()} />
          </main>
        )}
      </Match>
      <Match when={session.data}>
        {(data) => (
          <SessionProvider session={data()}>
            <LiveProvider>
              <Frame session={data()}>{props.children}</Frame>
            </LiveProvider>
          </SessionProvider>
        )}
      </Match>
    </Switch>
  );
}

/** A button and not a link to `#content`: that would be another address for the router. */
function SkipLink(): JSX.Element {
  return (
    <button
      type="button"
      class="button-strong button fixed top-2 left-2 z-50 not-focus:sr-only"
      onClick={() => document.getElementById("content")?.focus()}
    >
      Skip to content
    </button>
  );
}

/** Where one came from is kept, so that the next sign-in can lead back. */
function leaveFor(navigate: ReturnType<typeof useNavigate>): void {
  const { pathname, search } = window.location;
  navigate(`${SIGNED_OUT}?from=${encodeURIComponent(pathname + search)}`, { replace: true });
}

function Frame(props: { readonly session: Session; readonly children: JSX.Element }): JSX.Element {
  const live = useLive();
  const navigate = useNavigate();
  createEffect(() => {
    if (live.status().state === "signed-out") leaveFor(navigate);
  });
  return (
    <div class="flex min-h-dvh flex-col md:h-dvh md:overflow-hidden">
      <SkipLink />
      <TopBar />
      <Show when={props.session.simulated_providers.length > 0}>
        <aside
          aria-label="Simulated providers"
          class="shrink-0 border-b border-line bg-info-surface px-4 py-1 text-xs"
        >
          <strong class="font-semibold text-info">Simulated:</strong>{" "}
          {props.session.simulated_providers.join(", ")}. Their calls cost no real money; the ledger
          of them is real.
        </aside>
      </Show>
      <div class="flex min-h-0 flex-1 flex-col md:flex-row">
        <Sidebar version={props.session.version} />
        <main
          id="content"
          tabindex="-1"
          class="min-h-0 min-w-0 flex-1 outline-none md:overflow-y-auto"
        >
          <Show
            when={props.session.workspaces.length > 0}
            fallback={
              <Empty title="No workspace yet">
                <p>
                  A workspace is made from its files:{" "}
                  <code class="font-mono">npx tarmac apply FOLDER</code>
                </p>
              </Empty>
            }
          >
            <ErrorBoundary
              fallback={(error: unknown, reset) => (
                <Failed
                  problem={
                    error instanceof ApiProblem ? error : new ApiProblem("internal", String(error))
                  }
                  onRetry={reset}
                />
              )}
            >
              <Suspense fallback={<Loading what="the page" />}>{props.children}</Suspense>
            </ErrorBoundary>
          </Show>
        </main>
      </div>
    </div>
  );
}
