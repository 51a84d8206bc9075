import Check from "lucide-solid/icons/check";
import X from "lucide-solid/icons/x";
import { For, type JSX, Show } from "solid-js";
import type { AuthorizationLeg, AuthorizationQuote } from "../../../wire.ts";
import { basisPoints, exactMoney, periodName, sumOf } from "../../format.ts";
import { MoneyOfOne } from "../../ui/money.tsx";
import { Panel } from "../../ui/panel.tsx";
import { TierMark } from "../../ui/rank.tsx";
import { capInWords, skipInWords } from "../../words.ts";

const HEAD = "column-label px-3 py-2 text-left whitespace-nowrap first:pl-4 last:pr-4";
const CELL = "px-3 py-2 align-top first:pl-4 last:pr-4";

/** Every cap that applied: what it held before, what was asked of it, what that comes to, its limit. */
export function CapTable(props: {
  readonly legs: readonly AuthorizationLeg[];
  readonly refused: boolean;
}): JSX.Element {
  return (
    <Panel
      title="Every cap that applied"
      note={
        props.refused
          ? "asked: what the cheapest tier in question takes; nothing was set aside"
          : "asked: what was set aside on each of them"
      }
    >
      <Show
        when={props.legs.length > 0}
        fallback={<p class="p-4 text-muted">None: it was never decided.</p>}
      >
        <div class="overflow-x-auto" tabindex="0" role="region" aria-label="Every cap that applied">
          <table class="w-full border-collapse">
            <thead>
              <tr class="border-b border-line">
                <th class={HEAD}>Cap</th>
                <th class={HEAD}>Period</th>
                <th class={`${HEAD} text-right`}>Before</th>
                <th class={`${HEAD} text-right`}>Asked</th>
                <th class={`${HEAD} text-right`}>Would be</th>
                <th class={`${HEAD} text-right`}>Limit</th>
                <th class={`${HEAD} text-right`}>Pace</th>
                <th class={HEAD}>Result</th>
              </tr>
            </thead>
            <tbody>
              <For each={props.legs}>{(leg) => <CapRow leg={leg} />}</For>
            </tbody>
          </table>
        </div>
      </Show>
    </Panel>
  );
}

function CapRow(props: { readonly leg: AuthorizationLeg }): JSX.Element {
  const before = () => sumOf([props.leg.before_settled_nano, props.leg.before_held_nano]);
  const wouldBe = () => before() + BigInt(props.leg.amount_nano);
  return (
    <tr class={`border-b border-line last:border-b-0 ${props.leg.fits ? "" : "bg-bad-surface"}`}>
      <th scope="row" class={`${CELL} text-left font-medium whitespace-nowrap`}>
        {capInWords(props.leg.cap)}
      </th>
      <td class={`${CELL} figures max-w-44 truncate whitespace-nowrap`} title={props.leg.period}>
        {periodName(props.leg.period)}
      </td>
      <td
        class={`${CELL} text-right whitespace-nowrap`}
        title={`${exactMoney(props.leg.before_settled_nano)} spent, ${exactMoney(props.leg.before_held_nano)} set aside`}
      >
        <MoneyOfOne amount={before()} />
      </td>
      <td class={`${CELL} text-right whitespace-nowrap`}>
        <MoneyOfOne amount={props.leg.amount_nano} />
      </td>
      <td class={`${CELL} text-right whitespace-nowrap`}>
        <MoneyOfOne amount={wouldBe()} class="font-medium" />
      </td>
      <td class={`${CELL} text-right whitespace-nowrap`}>
        <Show when={props.leg.limit_nano} fallback={<span class="text-muted">no limit</span>}>
          {(limit) => <MoneyOfOne amount={limit()} />}
        </Show>
      </td>
      <td class={`${CELL} figures text-right`}>
        <Show when={props.leg.pace} fallback={<span class="text-muted">–</span>}>
          {(pace) => basisPoints(pace())}
        </Show>
      </td>
      <td class={`${CELL} whitespace-nowrap`}>
        <Show
          when={props.leg.fits}
          fallback={
            <span class="inline-flex items-center gap-1.5 font-semibold text-bad">
              <X size={15} aria-hidden="true" /> fails
              <Show when={props.leg.shortfall_nano}>
                {(shortfall) => (
                  <span class="font-normal">
                    short by <MoneyOfOne amount={shortfall()} />
                  </span>
                )}
              </Show>
            </span>
          }
        >
          <span class="inline-flex items-center gap-1.5 text-ok">
            <Check size={15} aria-hidden="true" /> fits
          </span>
        </Show>
      </td>
    </tr>
  );
}

/** What each tier of the lane could have cost at most, and why those that were passed over were. */
export function QuoteTable(props: {
  readonly quotes: readonly AuthorizationQuote[];
  readonly preferred: string | undefined;
}): JSX.Element {
  return (
    <Panel title="Worst-case cost of each tier" note="at the prices in force when it was decided">
      <Show
        when={props.quotes.length > 0}
        fallback={<p class="p-4 text-muted">None: the model is not of the agent's lane.</p>}
      >
        <div
          class="overflow-x-auto"
          tabindex="0"
          role="region"
          aria-label="Worst-case cost of each tier"
        >
          <table class="w-full border-collapse">
            <thead>
              <tr class="border-b border-line">
                <th class={HEAD}>Tier</th>
                <th class={HEAD}>Model</th>
                <th class={`${HEAD} text-right`}>At most</th>
                <th class={HEAD}>Outcome</th>
              </tr>
            </thead>
            <tbody>
              <For each={props.quotes}>
                {(quote) => (
                  <tr class="border-b border-line last:border-b-0">
                    <th scope="row" class={`${CELL} text-left`}>
                      <TierMark tier={quote.tier} />
                    </th>
                    <td class={`${CELL} whitespace-nowrap`}>
                      {quote.model}{" "}
                      <Show when={quote.model === props.preferred}>
                        <span class="text-xs text-muted">asked for</span>
                      </Show>
                    </td>
                    <td class={`${CELL} text-right whitespace-nowrap`}>
                      <Show
                        when={quote.cost_nano}
                        fallback={<span class="text-muted">no price</span>}
                      >
                        {(cost) => <MoneyOfOne amount={cost()} />}
                      </Show>
                    </td>
                    <td class={`${CELL} whitespace-nowrap`}>{outcomeOf(quote)}</td>
                  </tr>
                )}
              </For>
            </tbody>
          </table>
        </div>
      </Show>
    </Panel>
  );
}

function outcomeOf(quote: AuthorizationQuote): JSX.Element {
  if (quote.granted) {
    return (
      <span class="inline-flex items-center gap-1.5 font-semibold text-ok">
        <Check size={15} aria-hidden="true" /> granted
      </span>
    );
  }
  return (
    <span class="text-muted">
      {quote.skip === undefined ? "eligible, not granted" : skipInWords(quote.skip)}
    </span>
  );
}
