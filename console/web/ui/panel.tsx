import { type JSX, Show } from "solid-js";

/** A bordered part of a page with its heading. */
export function Panel(props: {
  readonly title: string;
  readonly note?: JSX.Element;
  readonly children: JSX.Element;
  readonly class?: string;
}): JSX.Element {
  return (
    <section class={`min-w-0 rounded-lg border border-line bg-canvas ${props.class ?? ""}`}>
      <header class="flex flex-wrap items-baseline justify-between gap-x-4 gap-y-1 border-b border-line px-4 py-2.5">
        <h2>{props.title}</h2>
        <Show when={props.note}>
          <span class="text-xs text-muted">{props.note}</span>
        </Show>
      </header>
      {props.children}
    </section>
  );
}

/** A name and what it is, under each other. */
export function Fact(props: {
  readonly name: string;
  readonly children: JSX.Element;
}): JSX.Element {
  return (
    <div class="min-w-0">
      <dt class="column-label">{props.name}</dt>
      <dd class="min-w-0 break-words">{props.children}</dd>
    </div>
  );
}
