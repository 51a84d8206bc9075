/** `/r/:id`: any id that somebody has at hand leads to its page. */
import { Navigate, useParams } from "@solidjs/router";
import { useQuery } from "@tanstack/solid-query";
import { type JSX, Match, Switch } from "solid-js";
import type { Resolved } from "../../wire.ts";
import { ApiProblem, request } from "../api.ts";
import { Loading, Problem } from "../ui/states.tsx";

export default function ResolvePage(): JSX.Element {
  const params = useParams<{ id: string }>();
  const resolved = useQuery(() => ({
    queryFn: () => request<Resolved>(`/api/resolve/${encodeURIComponent(params.id)}`),
    queryKey: ["resolve", params.id],
  }));
  const problem = () => (resolved.error instanceof ApiProblem ? resolved.error : undefined);
  return (
    <div class="p-6">
      <h1 class="sr-only">Looking for {params.id}</h1>
      <Switch fallback={<Loading what={params.id} />}>
        <Match when={problem()}>
          {(failed) => <Problem problem={failed()} onRetry={() => void resolved.refetch()} />}
        </Match>
        <Match when={resolved.data}>{(found) => <Navigate href={found().path} />}</Match>
      </Switch>
    </div>
  );
}
