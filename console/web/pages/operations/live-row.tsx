import { A } from "@solidjs/router";
import ReceiptText from "lucide-solid/icons/receipt-text";
import { createSignal, type JSX, Show } from "solid-js";
import type { DecisionRow } from "../../../wire.ts";
import { clock, count } from "../../format.ts";
import { authorizationPath, receiptPath } from "../../links.ts";
import type { Missing } from "../../live/feed.ts";
import { useSession } from "../../session.tsx";
import { Money, MoneyOfOne } from "../../ui/money.tsx";
import { OutcomeMark } from "../../ui/outcome.tsx";
import { PriorityMark, TierMark } from "../../ui/rank.tsx";
import { Clock } from "../../ui/time.tsx";
import { capInShort, capInWords, reasonInWords, ruleInWords } from "../../words.ts";

/** One grid for head and rows; on a narrow screen a row folds into two lines. */
export const STREAM_COLUMNS =
  "grid items-center gap-x-3 px-3 grid-cols-[6.2rem_5.4rem_minmax(8rem,1.3fr)_minmax(12rem,2.2fr)_2.8rem_minmax(6rem,1fr)_6rem_minmax(9rem,0.9fr)_1.5rem] max-md:grid-cols-[5.2rem_1fr_auto] max-md:gap-x-2 max-md:gap-y-0 max-md:py-2";

const CELL = "min-w-0 truncate";

/** The cells of one decision. The time is a link whose area is the whole row. */
export function DecisionCells(props: { readonly row: DecisionRow }): JSX.Element {
  const { zone } = useSession();
  return (
    <>
      <span role="cell" class={`${CELL} max-md:order-4 max-md:text-xs`}>
        <A
          href={authorizationPath(props.row.authorization)}
          class="text-muted after:absolute after:inset-0"
          aria-label={`${clock(props.row.at, zone())}, authorization ${props.row.authorization}`}
          data-authorization={props.row.authorization}
        >
          <Clock at={props.row.at} zone={zone()} />
        </A>
      </span>
      <span role="cell" class={`${CELL} max-md:order-1`}>
        <OutcomeMark outcome={props.row.outcome} />
      </span>
      <span role="cell" class={`${CELL} flex items-center gap-2 font-medium max-md:order-2`}>
        <span class="truncate">{props.row.agent}</span>
        <PriorityMark priority={props.row.priority} />
      </span>
      <span
        role="cell"
        class={`${CELL} max-md:order-5 max-md:text-xs`}
        title={`Rule ${props.row.rule}. ${ruleInWords(props.row.rule)}`}
      >
        <span class="figures mr-1.5 text-muted max-md:hidden">{props.row.rule}</span>
        {reasonInWords(props.row.reason)}
      </span>
      <span role="cell" class={`${CELL} max-md:hidden`}>
        <Show when={props.row.tier} fallback={<span class="text-muted">–</span>}>
          {(tier) => <TierMark tier={tier()} />}
        </Show>
      </span>
      <span role="cell" class={`${CELL} text-muted max-md:hidden`} title={props.row.asked_model}>
        {props.row.model ?? props.row.asked_model}
      </span>
      <span role="cell" class={`${CELL} text-right max-md:order-3`}>
        <MoneyOfOne amount={props.row.held_nano} />
      </span>
      <span role="cell" class={`${CELL} text-right max-md:hidden`}>
        <Show when={props.row.remaining_nano} fallback={<span class="text-muted">no limit</span>}>
          {(remaining) => (
            <span title={capInWords(props.row.remaining_cap ?? "")}>
              <Money amount={remaining()} />{" "}
              <span class="text-xs text-muted">
                {capInShort(props.row.remaining_cap ?? "", props.row.agent)}
              </span>
            </span>
          )}
        </Show>
      </span>
      <span role="cell" class="relative z-10 max-md:order-6">
        <A
          href={receiptPath(props.row.authorization)}
          class="inline-flex size-6 items-center justify-center rounded-sm text-muted hover:text-text"
          aria-label={`Receipt of ${props.row.authorization}`}
          title="Receipt"
        >
          <ReceiptText size={15} aria-hidden="true" />
        </A>
      </span>
    </>
  );
}

/** A place where decisions are not shown, that says so and can be filled. */
export function MissingCells(props: {
  readonly missing: Missing;
  readonly onFill: (missing: Missing) => Promise<void>;
}): JSX.Element {
  const [state, setState] = createSignal<"idle" | "loading" | "failed">("idle");
  const fill = () => {
    setState("loading");
    props.onFill(props.missing).then(
      () => setState("idle"),
      () => setState("failed"),
    );
  };
  const says = () =>
    props.missing.count === undefined
      ? `Entries ${count(props.missing.from)} to ${count(props.missing.to)} are not loaded`
      : `${count(props.missing.count)} more decisions, faster than they can be shown`;
  return (
    <span
      role="cell"
      class="figures col-span-full flex items-center justify-center gap-3 text-xs text-muted"
    >
      {state() === "failed" ? "They could not be loaded" : says()}
      <button
        type="button"
        class="link min-h-6 text-xs font-medium"
        disabled={state() === "loading"}
        onClick={fill}
      >
        {state() === "loading" ? "Loading…" : "Show them"}
      </button>
    </span>
  );
}
