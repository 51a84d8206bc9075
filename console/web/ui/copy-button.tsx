import Check from "lucide-solid/icons/check";
import Copy from "lucide-solid/icons/copy";
import { createSignal, type JSX, onCleanup, Show } from "solid-js";

/** How long a button says that it has copied, in ms. */
const SAID_MS = 1_500;

/** Copies a text and says so. */
export function CopyButton(props: {
  readonly text: string;
  /** What is copied, for whoever does not see the icon. */
  readonly what: string;
  /** Shown beside the icon; without it the icon stands alone. */
  readonly label?: string;
}): JSX.Element {
  const [copied, setCopied] = createSignal(false);
  let timer: ReturnType<typeof setTimeout> | undefined;
  onCleanup(() => clearTimeout(timer));
  const copy = async () => {
    await navigator.clipboard.writeText(props.text);
    setCopied(true);
    clearTimeout(timer);
    timer = setTimeout(() => setCopied(false), SAID_MS);
  };
  return (
    <button
      type="button"
      class={
        props.label === undefined
          ? "inline-flex size-6 items-center justify-center rounded-sm text-muted hover:bg-hover hover:text-text"
          : "button"
      }
      aria-label={props.label === undefined ? `Copy ${props.what}` : undefined}
      title={`Copy ${props.what}`}
      onClick={() => void copy()}
    >
      <Show when={copied()} fallback={<Copy size={14} />}>
        <Check size={14} class="text-ok" />
      </Show>
      {props.label}
      <span class="sr-only" role="status">
        {copied() ? "Copied" : ""}
      </span>
    </button>
  );
}
