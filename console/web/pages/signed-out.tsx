import { useSearchParams } from "@solidjs/router";
import { type JSX, Show } from "solid-js";
import { CopyButton } from "../ui/copy-button.tsx";
import { Mark } from "../ui/mark.tsx";

/** Prints a new link to sign in with. */
const LINK_COMMAND = "npx tarmac console --link";

export default function SignedOutPage(): JSX.Element {
  const [search] = useSearchParams();
  const from = () => {
    const path = search["from"];
    // Only a path of this page: an address of another origin would be a trap.
    return typeof path === "string" && /^\/(?!\/)/.test(path) ? path : undefined;
  };
  return (
    <main class="flex min-h-dvh items-center justify-center p-4">
      <div class="w-full max-w-md rounded-lg border border-line bg-surface p-6">
        <p class="mb-5 flex items-center gap-2 text-lg font-semibold tracking-tight">
          <Mark /> Tarmac
        </p>
        <h1>You are signed out</h1>
        <p class="mt-2 text-muted">
          One signs in by a link that works once. Where Tarmac runs, ask for a new one and open it
          in this browser:
        </p>
        <div class="mt-4 flex items-center justify-between gap-2 rounded-md border border-line bg-canvas py-2 pr-2 pl-3">
          <code class="font-mono">{LINK_COMMAND}</code>
          <CopyButton text={LINK_COMMAND} what="the command" />
        </div>
        <p class="mt-4 text-muted">
          <code class="font-mono text-text">npm start</code> prints one as well. A session lasts 12
          hours.
        </p>
        <Show when={from()}>
          {(path) => (
            <p class="mt-4 border-t border-line pt-4 text-muted">
              Signed in again, this leads back:{" "}
              <a class="link break-all" href={path()}>
                {path()}
              </a>
            </p>
          )}
        </Show>
      </div>
    </main>
  );
}
