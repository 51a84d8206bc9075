import { type JSX, Show } from "solid-js";
import { type Amount, exactMoney, money, moneyParts } from "../format.ts";

/** A total in two decimals. The exact amount is what hovering shows and copying takes. */
export function Money(props: { readonly amount: Amount; readonly class?: string }): JSX.Element {
  return (
    <span
      class={`figures ${props.class ?? ""}`}
      title={exactMoney(props.amount)}
      data-exact={exactMoney(props.amount)}
    >
      {money(props.amount)}
    </span>
  );
}

/** A single decision's amount in six decimals, of which closing zeros recede. */
export function MoneyOfOne(props: {
  readonly amount: Amount;
  readonly class?: string;
}): JSX.Element {
  const parts = () => moneyParts(props.amount);
  return (
    <span
      class={`figures ${props.class ?? ""}`}
      title={exactMoney(props.amount)}
      data-exact={exactMoney(props.amount)}
    >
      {parts().digits}
      <Show when={parts().zeros !== ""}>
        <span class="text-muted">{parts().zeros}</span>
      </Show>
    </span>
  );
}

/**
 * Copies the exact amount when a single shown amount is what is selected: the rounded one would be
 * wrong wherever it is pasted.
 */
export function copyExactAmounts(): void {
  document.addEventListener("copy", (event) => {
    const selection = document.getSelection();
    const node = selection?.anchorNode;
    const element = node instanceof Element ? node : node?.parentElement;
    const amount = element?.closest<HTMLElement>("[data-exact]");
    if (!amount || selection?.toString().trim() !== amount.textContent?.trim()) return;
    event.clipboardData?.setData("text/plain", amount.dataset["exact"] ?? "");
    event.preventDefault();
  });
}
