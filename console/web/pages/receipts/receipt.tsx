/** A receipt that proves itself: this page believes nothing the server says, and shows how it checks. */
import { A, useParams } from "@solidjs/router";
import { useQuery } from "@tanstack/solid-query";
import { type JSX, Match, Show, Switch } from "solid-js";
import type { Authorization, ReceiptProof } from "../../../wire.ts";
import { ApiProblem, request } from "../../api.ts";
import { authorizationPath, LIVE } from "../../links.ts";
import { useSession } from "../../session.tsx";
import { CopyButton } from "../../ui/copy-button.tsx";
import { MoneyOfOne } from "../../ui/money.tsx";
import { OutcomeMark } from "../../ui/outcome.tsx";
import { Fact, Panel } from "../../ui/panel.tsx";
import { Loading, Notice, Problem } from "../../ui/states.tsx";
import { Instant } from "../../ui/time.tsx";
import { TakeAway } from "./take-away.tsx";
import { ReceiptVerification } from "./verification.tsx";

/** A checkpoint comes every second or so; until one covers the entry, ask again, in ms. */
const UNCOVERED_REFRESH_MS = 1_500;

export default function ReceiptPage(): JSX.Element {
  const params = useParams<{ id: string }>();
  const path = (resource: string) => `/api/${resource}/${encodeURIComponent(params.id)}`;
  const receipt = useQuery(() => ({
    queryFn: () => request<ReceiptProof>(path("receipts")),
    queryKey: ["receipt", params.id],
    refetchInterval: (query: { state: { data: ReceiptProof | undefined } }) =>
      query.state.data?.proof === null ? UNCOVERED_REFRESH_MS : false,
  }));
  const authorization = useQuery(() => ({
    queryFn: () => request<Authorization>(path("authorizations")),
    queryKey: ["authorization", params.id],
    retry: false,
  }));
  const problem = () => (receipt.error instanceof ApiProblem ? receipt.error : undefined);
  return (
    <div class="mx-auto flex max-w-5xl flex-col gap-4 p-3 md:p-5">
      <nav aria-label="Where this is" class="text-xs text-muted">
        <A href={LIVE} class="link">
          Live
        </A>{" "}
        /{" "}
        <A href={authorizationPath(receipt.data?.authorization ?? params.id)} class="link">
          Authorization
        </A>{" "}
        / Receipt
      </nav>
      <Switch fallback={<Loading what="the receipt" lines={9} />}>
        <Match when={receipt.data === undefined && problem()}>
          {(failed) => (
            <>
              <h1 class="sr-only">Receipt {params.id}</h1>
              <Problem problem={failed()} onRetry={() => void receipt.refetch()} />
            </>
          )}
        </Match>
        <Match when={receipt.data}>
          {(data) => (
            <Shown
              receipt={data()}
              authorization={authorization.data}
              settled={!authorization.isPending}
              onAgain={() => {
                void receipt.refetch();
                void authorization.refetch();
              }}
            />
          )}
        </Match>
      </Switch>
    </div>
  );
}

function Shown(props: {
  readonly receipt: ReceiptProof;
  readonly authorization: Authorization | undefined;
  /** True once it is known whether there is an authorization to show. */
  readonly settled: boolean;
  readonly onAgain: () => void;
}): JSX.Element {
  const recordedHash = () =>
    props.authorization?.entries.find(({ seq }) => seq === props.receipt.seq)?.hash;
  return (
    <>
      <header class="flex flex-wrap items-start justify-between gap-3">
        <div class="min-w-0">
          <h1>Receipt</h1>
          <p class="mt-1 flex items-center gap-1 text-xs text-muted">
            <code class="min-w-0 font-mono break-all">{props.receipt.receipt}</code>
            <CopyButton text={props.receipt.receipt} what="the id" />
          </p>
        </div>
        <A href={authorizationPath(props.receipt.authorization)} class="button">
          The authorization
        </A>
      </header>
      <Show when={props.receipt.simulated}>
        <Notice tone="info">
          A simulator answered this call, so its money is not real. The entry and its proof are.
        </Notice>
      </Show>
      <Show when={props.authorization}>
        {(authorization) => <Slip authorization={authorization()} />}
      </Show>
      <Show
        when={props.receipt.proof !== null && props.receipt.checkpoint !== null}
        fallback={
          <Panel title="Verified in this browser">
            <p role="status" class="p-4 text-muted">
              No checkpoint covers entry {props.receipt.seq} yet. One is signed every few seconds;
              this page waits for it.
            </p>
          </Panel>
        }
      >
        <Show when={props.settled}>
          <ReceiptVerification
            receipt={props.receipt}
            recordedHash={recordedHash()}
            onAgain={props.onAgain}
          />
        </Show>
        <TakeAway receipt={props.receipt} />
      </Show>
      <Panel title={`Entry ${props.receipt.seq}, byte for byte`}>
        <div class="relative bg-surface">
          <span class="absolute top-2 right-2">
            <CopyButton text={props.receipt.line} what="the entry" />
          </span>
          <pre class="p-4 pr-12 font-mono text-xs break-all whitespace-pre-wrap">
            {props.receipt.line}
          </pre>
        </div>
      </Panel>
    </>
  );
}

/** What was bought and what it came to, as on a till receipt. */
function Slip(props: { readonly authorization: Authorization }): JSX.Element {
  const { session } = useSession();
  const zone = () =>
    session().workspaces.find(({ ws }) => ws === props.authorization.ws)?.time_zone ?? "UTC";
  const receipt = () => props.authorization.receipt;
  return (
    <dl class="grid grid-cols-2 gap-x-6 gap-y-4 rounded-lg border border-line p-4 md:grid-cols-4">
      <Fact name="Outcome">
        <Show when={receipt().outcome} fallback={receipt().state}>
          {(outcome) => (
            <span class="flex flex-wrap items-center gap-2">
              <OutcomeMark outcome={outcome()} />
              <span class="chip">{receipt().state}</span>
            </span>
          )}
        </Show>
      </Fact>
      <Fact name="Agent">{receipt().agent ?? "–"}</Fact>
      <Fact name="Model">
        <span class="break-all">{receipt().granted_model ?? receipt().model ?? "–"}</span>
      </Fact>
      <Fact name="Decided">
        <Instant at={receipt().at} zone={zone()} />
      </Fact>
      <Fact name="Set aside">
        <MoneyOfOne amount={receipt().held_nano} />
      </Fact>
      <Fact name="Settled">
        <MoneyOfOne amount={receipt().settled_nano} class="text-base font-semibold" />
      </Fact>
      <Fact name="Given back">
        <MoneyOfOne amount={receipt().released_nano} />
      </Fact>
      <Fact name="Closed">
        <Show when={receipt().closed_at} fallback="still open">
          {(at) => <Instant at={at()} zone={zone()} />}
        </Show>
      </Fact>
    </dl>
  );
}
