import { For, type JSX, Show } from "solid-js";
import type { Authorization, AuthorizationEntry } from "../../../wire.ts";
import { count } from "../../format.ts";
import { CopyButton } from "../../ui/copy-button.tsx";
import { MoneyOfOne } from "../../ui/money.tsx";
import { Panel } from "../../ui/panel.tsx";
import { Clock } from "../../ui/time.tsx";
import { kindInWords } from "../../words.ts";

/** What an entry did to the money, in words. */
function movement(kind: string, refused: boolean): string {
  switch (kind) {
    case "authorize":
      return refused ? "refused; nothing was set aside" : "set aside";
    case "settle":
      return "spent";
    case "release":
      return "given back";
    case "expire":
      return "ended by time";
    case "void":
      return "given back, unused";
    case "adjust":
      return "corrected by";
    default:
      return "";
  }
}

function elapsed(fromMs: number, toMs: number): string {
  const ms = toMs - fromMs;
  return ms < 1_000 ? `+${ms} ms` : `+${(ms / 1_000).toFixed(ms < 10_000 ? 2 : 1)} s`;
}

/** From decision to close: what each entry moved, and how long after the decision. */
export function LifeLine(props: {
  readonly authorization: Authorization;
  readonly zone: string;
}): JSX.Element {
  const entries = () => props.authorization.entries;
  const startMs = () => Date.parse(entries()[0]?.at ?? props.authorization.receipt.at);
  return (
    <Panel title="Its life">
      <ol class="p-4">
        <For each={entries()}>
          {(entry, index) => (
            <li class="relative grid grid-cols-[1.25rem_1fr] gap-x-2 pb-4 last:pb-0">
              <Show
                when={
                  index() < entries().length - 1 || props.authorization.receipt.state === "open"
                }
              >
                <span aria-hidden="true" class="absolute top-4 bottom-0 left-[7px] w-px bg-line" />
              </Show>
              <span
                aria-hidden="true"
                class="mt-1 size-[15px] rounded-full border-[4px] border-text bg-canvas"
              />
              <div class="flex flex-wrap items-baseline gap-x-3">
                <span class="font-semibold">{kindInWords(entry.kind)}</span>
                <Show when={entry.amount_nano}>
                  {(amount) => (
                    <span>
                      <MoneyOfOne amount={amount()} />{" "}
                      <span class="text-muted">
                        {movement(entry.kind, props.authorization.receipt.outcome === "hold")}
                      </span>
                    </span>
                  )}
                </Show>
                <span class="figures text-xs text-muted">
                  <Clock at={entry.at} zone={props.zone} />
                  <Show when={index() > 0}> · {elapsed(startMs(), Date.parse(entry.at))}</Show>
                  {" · "}entry {count(BigInt(entry.seq))}
                </span>
              </div>
            </li>
          )}
        </For>
        <Show when={props.authorization.receipt.state === "open"}>
          <li class="grid grid-cols-[1.25rem_1fr] gap-x-2 text-muted">
            <span
              aria-hidden="true"
              class="mt-1 size-[15px] rounded-full border-2 border-dashed border-control"
            />
            <span>Open: it is settled, voided, or ended by time. This page follows it.</span>
          </li>
        </Show>
      </ol>
    </Panel>
  );
}

/** The entries byte for byte, as they are hashed. */
export function EntryList(props: { readonly entries: readonly AuthorizationEntry[] }): JSX.Element {
  return (
    <Panel
      title="Entries, byte for byte"
      note="these bytes are what is hashed, exported and proved"
    >
      <For each={props.entries}>
        {(entry) => (
          <details class="group border-b border-line last:border-b-0">
            <summary class="flex flex-wrap items-center gap-x-3 px-4 py-2 hover:bg-hover">
              <span class="figures font-medium">
                {count(BigInt(entry.seq))} {entry.kind}
              </span>
              <code class="min-w-0 truncate font-mono text-xs text-muted">{entry.hash}</code>
            </summary>
            <div class="relative border-t border-line bg-surface">
              <span class="absolute top-2 right-2">
                <CopyButton text={entry.line} what={`entry ${entry.seq}`} />
              </span>
              <pre class="p-4 pr-12 font-mono text-xs break-all whitespace-pre-wrap">
                {entry.line}
              </pre>
            </div>
          </details>
        )}
      </For>
    </Panel>
  );
}
