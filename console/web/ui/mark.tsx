import type { JSX } from "solid-js";

/** The mark: a runway seen from above. */
export function Mark(): JSX.Element {
  return (
    <svg aria-hidden="true" width="20" height="20" viewBox="0 0 32 32">
      <path class="fill-text" d="M10.6 4h2.2L8.4 28H4.4zM19.2 4h2.2l6.2 24h-4z" />
      <path class="fill-throttle" d="M14.6 4h2.8v6h-2.8zM14.3 13h3.4v6.4h-3.4zM14 22.4h4V28h-4z" />
    </svg>
  );
}
