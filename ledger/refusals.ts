/** What a caller may do about a refusal. */
export type Retry = "never" | "soon" | "next-period" | "when-released";

export interface RefusalSpec {
  /** HTTP status at the gateway. */
  readonly status: 400 | 401 | 402 | 403 | 404 | 409 | 413 | 503;
  readonly retry: Retry;
}

/** Ordered by precedence: when several apply, the first one listed is the one returned. */
export const REFUSALS = {
  // Not decided: the engine did not get as far as a decision, and nothing was spent.
  "fail-closed": { status: 503, retry: "soon" },
  misrouted: { status: 503, retry: "soon" },
  "too-late": { status: 503, retry: "soon" },
  "append-unresolved": { status: 503, retry: "soon" },
  halted: { status: 503, retry: "never" },
  "not-configured": { status: 403, retry: "never" },
  // The request itself.
  "bad-request": { status: 400, retry: "never" },
  "body-too-large": { status: 413, retry: "never" },
  unsupported: { status: 404, retry: "never" },
  unauthenticated: { status: 401, retry: "never" },
  "unknown-agent": { status: 403, retry: "never" },
  forbidden: { status: 403, retry: "never" },
  stale: { status: 409, retry: "never" },
  "idempotency-conflict": { status: 409, retry: "never" },
  "in-progress": { status: 409, retry: "never" },
  "already-settled": { status: 409, retry: "never" },
  "unknown-authorization": { status: 404, retry: "never" },
  "version-conflict": { status: 409, retry: "never" },
  "lane-frozen": { status: 409, retry: "never" },
  // Rule 00.
  frozen: { status: 402, retry: "never" },
  policy: { status: 402, retry: "never" },
  "tool-quota": { status: 402, retry: "next-period" },
  "model-not-in-lane": { status: 403, retry: "never" },
  unpriced: { status: 403, retry: "never" },
  "no-eligible-tier": { status: 402, retry: "never" },
  // Rules 01 to 04.
  "per-run-cap": { status: 402, retry: "never" },
  "monthly-cap": { status: 402, retry: "next-period" },
  "yearly-cap": { status: 402, retry: "next-period" },
  "priority-rebalance": { status: 402, retry: "when-released" },
} as const satisfies Record<string, RefusalSpec>;

export type RefusalCode = keyof typeof REFUSALS;

export const REFUSAL_CODES = Object.keys(REFUSALS) as readonly RefusalCode[];

/** Reasons that a decided authorization can carry: refusals of the cascade and its two downward steps. */
export const REASONS = [
  "frozen",
  "policy",
  "tool-quota",
  "model-not-in-lane",
  "unpriced",
  "no-eligible-tier",
  "per-run-cap",
  "monthly-cap",
  "yearly-cap",
  "priority-rebalance",
  "per-run-tier-down",
  "heaviest-fit",
] as const;
export type Reason = (typeof REASONS)[number];
