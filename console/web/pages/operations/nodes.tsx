/** The workers that run, and which of them decides which shard: what `tarmac nodes` prints. */
import { useQuery } from "@tanstack/solid-query";
import { For, type JSX, Match, Show, Switch } from "solid-js";
import type { NodeMap, NodeShard, NodeWorker } from "../../../wire.ts";
import { ApiProblem, request } from "../../api.ts";
import { count, instant } from "../../format.ts";
import { useSession } from "../../session.tsx";
import { Panel } from "../../ui/panel.tsx";
import { Empty, Loading, Notice, Problem } from "../../ui/states.tsx";

/** A hand-over takes well under a second; the map is some seconds late at most. ms */
const REFRESH_MS = 2_000;

export default function NodesPage(): JSX.Element {
  const nodes = useQuery(() => ({
    queryFn: () => request<NodeMap>("/api/nodes"),
    queryKey: ["nodes"],
    refetchInterval: REFRESH_MS,
  }));
  const problem = () => (nodes.error instanceof ApiProblem ? nodes.error : undefined);
  return (
    <div class="flex min-h-full flex-col gap-4 p-3 md:p-5">
      <h1>Nodes</h1>
      <Show when={problem() !== undefined && nodes.data !== undefined}>
        <Notice tone="warn">This could not be renewed: {problem()?.message}</Notice>
      </Show>
      <Switch fallback={<Show when={nodes.data}>{(map) => <Map map={map()} />}</Show>}>
        <Match when={nodes.data === undefined && problem()}>
          {(failed) => <Problem problem={failed()} onRetry={() => void nodes.refetch()} />}
        </Match>
        <Match when={nodes.data === undefined}>
          <Loading what="the nodes" lines={6} />
        </Match>
        <Match when={nodes.data?.workers.length === 0}>
          <Empty title="No node runs">
            <p>
              Nothing is decided until one does: <code class="font-mono">npx tarmac node</code>
            </p>
          </Empty>
        </Match>
      </Switch>
    </div>
  );
}

function Map(props: { readonly map: NodeMap }): JSX.Element {
  const undecided = () =>
    props.map.shards.filter(({ phase }) => phase === "halted" || phase === "free");
  return (
    <>
      <Show when={undecided().length > 0}>
        <Notice tone="bad">
          Decided by nobody: shard{" "}
          {undecided()
            .map(({ shard }) => shard)
            .join(", ")}
          . Calls of its workspaces are refused.
        </Notice>
      </Show>
      <Panel title="Workers" note={count(props.map.workers.length)}>
        <Table heads={["Worker", "Weight", "Version", "Started", "Shards"]} caption="Workers">
          <For each={props.map.workers}>{(worker) => <WorkerRow worker={worker} />}</For>
        </Table>
      </Panel>
      <Panel title="Shards" note={count(props.map.shards.length)}>
        <Table heads={["Shard", "State", "Worker", "Epoch", "Note"]} caption="Shards">
          <For each={props.map.shards}>{(shard) => <ShardRow shard={shard} />}</For>
        </Table>
      </Panel>
    </>
  );
}

function Table(props: {
  readonly heads: readonly string[];
  readonly caption: string;
  readonly children: JSX.Element;
}): JSX.Element {
  return (
    <section class="overflow-x-auto" aria-label={props.caption} tabindex="0">
      <table class="w-full border-collapse text-left">
        <caption class="sr-only">{props.caption}</caption>
        <thead>
          <tr class="border-b border-line">
            <For each={props.heads}>
              {(head) => (
                <th scope="col" class="column-label px-4 py-2 whitespace-nowrap">
                  {head}
                </th>
              )}
            </For>
          </tr>
        </thead>
        <tbody>{props.children}</tbody>
      </table>
    </section>
  );
}

const ROW = "border-b border-line last:border-b-0";
const CELL = "figures px-4 py-2 whitespace-nowrap";

function WorkerRow(props: { readonly worker: NodeWorker }): JSX.Element {
  const { zone } = useSession();
  return (
    <tr class={ROW}>
      <th scope="row" class={`${CELL} font-medium`}>
        {props.worker.id}
      </th>
      <td class={CELL}>{count(props.worker.weight)}</td>
      <td class={CELL}>{props.worker.version ?? "an earlier one"}</td>
      <td class={CELL}>
        <Show when={props.worker.started_at}>{(at) => instant(at(), zone())}</Show>
      </td>
      <td class="figures px-4 py-2">{props.worker.shards.join(", ") || "none"}</td>
    </tr>
  );
}

const STATES: Readonly<Record<NodeShard["phase"], string>> = {
  free: "Decided by nobody",
  halted: "Halted",
  moving: "Decides, moves soon",
  owned: "Decides",
  taking: "Reads the journal",
};

function ShardRow(props: { readonly shard: NodeShard }): JSX.Element {
  const note = () => {
    const { owner, phase, reason, wanted } = props.shard;
    if (phase === "halted") return reason ?? "";
    return owner !== undefined && wanted !== undefined && wanted !== owner
      ? `goes to ${wanted}`
      : "";
  };
  return (
    <tr class={ROW} data-shard={props.shard.shard}>
      <th scope="row" class={`${CELL} font-medium`}>
        {props.shard.shard}
      </th>
      <td class={CELL}>{STATES[props.shard.phase]}</td>
      <td class={CELL}>{props.shard.owner ?? "none"}</td>
      <td class={CELL}>{props.shard.epoch ?? ""}</td>
      <td class="px-4 py-2">{note()}</td>
    </tr>
  );
}
