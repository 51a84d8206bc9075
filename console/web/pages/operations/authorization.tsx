/** One authorization: why it came out as it did, every cap that applied, and what became of it. */
import { A, useParams } from "@solidjs/router";
import { useQuery } from "@tanstack/solid-query";
import ReceiptText from "lucide-solid/icons/receipt-text";
import { type JSX, Match, Show, Switch } from "solid-js";
import type { Authorization, AuthorizationReceipt } from "../../../wire.ts";
import { ApiProblem, request } from "../../api.ts";
import { LIVE, liveOfAgentPath, receiptPath } from "../../links.ts";
import { useLive } from "../../live/store.tsx";
import { useSession } from "../../session.tsx";
import { CopyButton } from "../../ui/copy-button.tsx";
import { MoneyOfOne } from "../../ui/money.tsx";
import { OUTCOME_TEXT, OutcomeShape } from "../../ui/outcome.tsx";
import { Fact } from "../../ui/panel.tsx";
import { PriorityMark, TierMark } from "../../ui/rank.tsx";
import { Loading, Notice, Problem } from "../../ui/states.tsx";
import { Instant } from "../../ui/time.tsx";
import { reasonInWords } from "../../words.ts";
import { CapTable, QuoteTable } from "./authorization-caps.tsx";
import { EntryList, LifeLine } from "./authorization-life.tsx";

/** While a hold is open its end is awaited, in ms. */
const OPEN_REFRESH_MS = 2_000;

export default function AuthorizationPage(): JSX.Element {
  const params = useParams<{ id: string }>();
  const live = useLive();
  const found = useQuery(() => ({
    queryFn: () => request<Authorization>(`/api/authorizations/${encodeURIComponent(params.id)}`),
    queryKey: ["authorization", params.id],
    refetchInterval: (query: { state: { data: Authorization | undefined } }) =>
      query.state.data?.receipt.state === "open" && !live.paused() ? OPEN_REFRESH_MS : false,
  }));
  const problem = () => (found.error instanceof ApiProblem ? found.error : undefined);
  return (
    <div class="mx-auto flex max-w-6xl flex-col gap-4 p-3 md:p-5">
      <nav aria-label="Where this is" class="text-xs text-muted">
        <A href={LIVE} class="link">
          Live
        </A>{" "}
        / Authorization
      </nav>
      <Switch fallback={<Loading what="the authorization" lines={9} />}>
        <Match when={found.data === undefined && problem()}>
          {(failed) => (
            <>
              <h1 class="sr-only">Authorization {params.id}</h1>
              <Problem problem={failed()} onRetry={() => void found.refetch()} />
            </>
          )}
        </Match>
        <Match when={found.data}>{(data) => <Shown authorization={data()} />}</Match>
      </Switch>
    </div>
  );
}

function Shown(props: { readonly authorization: Authorization }): JSX.Element {
  const { session } = useSession();
  const zone = () =>
    session().workspaces.find(({ ws }) => ws === props.authorization.ws)?.time_zone ?? "UTC";
  const receipt = () => props.authorization.receipt;
  return (
    <>
      <header class="flex flex-wrap items-start justify-between gap-3">
        <div class="min-w-0">
          <h1 class="flex flex-wrap items-center gap-x-3 gap-y-1">
            <Show when={receipt().outcome} fallback="Voided before it was asked for">
              {(outcome) => (
                <span class={`inline-flex items-center gap-2 ${OUTCOME_TEXT[outcome()]}`}>
                  <OutcomeShape outcome={outcome()} size={20} />
                  {outcome()}
                </span>
              )}
            </Show>
            <span class="chip text-sm font-medium">{receipt().state}</span>
            <Show when={props.authorization.simulated}>
              <span class="chip border-info font-medium text-info">simulated provider</span>
            </Show>
          </h1>
          <p class="mt-1 flex items-center gap-1 text-xs text-muted">
            <code class="min-w-0 font-mono break-all">{receipt().authorization}</code>
            <CopyButton text={receipt().authorization} what="the id" />
          </p>
        </div>
        <A href={receiptPath(receipt().id)} class="button">
          <ReceiptText size={15} aria-hidden="true" /> Receipt and proof
        </A>
      </header>
      <Why authorization={props.authorization} />
      <Facts authorization={props.authorization} zone={zone()} />
      <CapTable legs={props.authorization.legs} refused={receipt().outcome === "hold"} />
      <QuoteTable quotes={props.authorization.quotes} preferred={receipt().model} />
      <LifeLine authorization={props.authorization} zone={zone()} />
      <EntryList entries={props.authorization.entries} />
    </>
  );
}

function Why(props: { readonly authorization: Authorization }): JSX.Element {
  const receipt = () => props.authorization.receipt;
  const failing = () => props.authorization.legs.filter(({ fits }) => !fits);
  const tone = () => {
    if (receipt().outcome === "hold") return "bad";
    return receipt().outcome === "throttle" ? "warn" : "ok";
  };
  return (
    <Show when={receipt().rule}>
      {(rule) => (
        <Notice tone={tone()}>
          <div class="min-w-0">
            <p>
              <span class="figures font-semibold">Rule {rule()}.</span>{" "}
              {reasonInWords(receipt().reason ?? "")}
              <Show when={failing().length > 0}>
                {" "}
                ({failing().length === 1 ? "one cap" : `${failing().length} caps`} did not fit,
                marked below)
              </Show>
              .
            </p>
            <Show when={props.authorization.policy_rule}>
              {(policy) => (
                <p class="mt-1 text-xs">
                  <code class="font-mono break-all">{policy().source}</code>{" "}
                  <span class="text-muted">
                    {policy().file}, line {policy().line}, policy as of entry{" "}
                    {props.authorization.policy_seq}
                  </span>
                </p>
              )}
            </Show>
            <Show when={props.authorization.policy_seq === "0" && rule() === "03"}>
              <p class="mt-1 text-xs text-muted">
                The built-in table decided: no policy has been published.
              </p>
            </Show>
          </div>
        </Notice>
      )}
    </Show>
  );
}

function Facts(props: {
  readonly authorization: Authorization;
  readonly zone: string;
}): JSX.Element {
  const receipt = () => props.authorization.receipt;
  return (
    <dl class="grid grid-cols-2 gap-x-6 gap-y-4 rounded-lg border border-line p-4 md:grid-cols-4">
      <Fact name="Agent">
        <span class="flex flex-wrap items-center gap-2">
          <Show when={receipt().agent} fallback="–">
            {(agent) => (
              <A class="link font-medium" href={liveOfAgentPath(agent())}>
                {agent()}
              </A>
            )}
          </Show>
          <Show when={receipt().priority}>
            {(priority) => <PriorityMark priority={priority()} />}
          </Show>
        </span>
      </Fact>
      <Fact name="Run">
        <span class="break-all">{receipt().run ?? "of its own"}</span>
      </Fact>
      <Fact name="Asked for">
        <span class="break-all">{receipt().model ?? "–"}</span>
      </Fact>
      <Fact name="Granted">
        <Show when={receipt().granted_model} fallback="nothing: the call did not go out">
          {(model) => (
            <span class="flex flex-wrap items-center gap-x-2">
              <span class="break-all">{model()}</span>
              <Show when={receipt().tier}>{(tier) => <TierMark tier={tier()} />}</Show>
            </span>
          )}
        </Show>
      </Fact>
      <Amounts receipt={receipt()} />
      <Fact name="Decided">
        <Instant at={receipt().at} zone={props.zone} />
      </Fact>
      <Fact name="Closed">
        <Show when={receipt().closed_at} fallback="still open">
          {(at) => <Instant at={at()} zone={props.zone} />}
        </Show>
      </Fact>
      <Fact name="Provider">{receipt().provider ?? "–"}</Fact>
      <Fact name="Key">
        <code class="font-mono text-xs break-all">{receipt().key ?? "–"}</code>
      </Fact>
    </dl>
  );
}

/** What became of the money. */
function Amounts(props: { readonly receipt: AuthorizationReceipt }): JSX.Element {
  const above = () => props.receipt.overage_nano !== "0";
  return (
    <>
      <Fact name="Set aside">
        <MoneyOfOne amount={props.receipt.held_nano} class="font-medium" />
      </Fact>
      <Fact name="Settled">
        <span class="flex flex-wrap items-center gap-2">
          <MoneyOfOne amount={props.receipt.settled_nano} class="font-medium" />
          <Show when={props.receipt.assumed}>
            <span class="chip border-throttle text-throttle">assumed</span>
          </Show>
          <Show when={props.receipt.late}>
            <span class="chip border-throttle text-throttle">late</span>
          </Show>
        </span>
      </Fact>
      <Fact name="Given back">
        <MoneyOfOne amount={props.receipt.released_nano} class="font-medium" />
      </Fact>
      <Fact name={above() ? "Above its hold" : "Still set aside"}>
        <MoneyOfOne
          amount={above() ? props.receipt.overage_nano : props.receipt.open_nano}
          class="font-medium"
        />
      </Fact>
    </>
  );
}
