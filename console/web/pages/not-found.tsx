import { A, useLocation } from "@solidjs/router";
import type { JSX } from "solid-js";
import { LIVE } from "../links.ts";

export default function NotFoundPage(): JSX.Element {
  const location = useLocation();
  return (
    <div class="flex flex-col items-start gap-3 p-6 md:p-10">
      <h1>There is no such page</h1>
      <p class="text-muted">
        Nothing stands at <code class="font-mono break-all text-text">{location.pathname}</code>. An
        id of an authorization, a receipt, an agent or a run opens at{" "}
        <code class="font-mono text-text">/r/ID</code>.
      </p>
      <A href={LIVE} class="button">
        Go to what is live
      </A>
    </div>
  );
}
