import type { NanoUsd } from "./money.ts";

/** How much a call matters when a cap tightens: P0 first, P3 is shed first. */
export const PRIORITIES = ["P0", "P1", "P2", "P3"] as const;
export type Priority = (typeof PRIORITIES)[number];

/** What a cap is set on. */
export const SCOPES = ["agent", "cost_center", "team", "workspace"] as const;
export type Scope = (typeof SCOPES)[number];

/** `run` counts one run of one agent; the others count calendar periods. */
export const CAP_KINDS = ["run", "month", "year"] as const;
export type CapKind = (typeof CAP_KINDS)[number];

/**
 * The id of a cap: `agent:support-triage/month`. It also names the counter of a scope that has no cap,
 * since counters run for every scope from first use.
 */
export function capId(scope: Scope, name: string, kind: CapKind): string {
  return `${scope}:${name}/${kind}`;
}

/** What a cap has counted in one period, in nano-USD. */
export interface Balance {
  readonly settled: NanoUsd;
  readonly held: NanoUsd;
}

/** The key of one counter: a cap in one period, or in one run. */
export function counterKey(cap: string, period: string): string {
  return `${cap}|${period}`;
}

/** The cap and the period, or run, that a key joins: neither has a `|` in it. */
export function counterName(key: string): { readonly cap: string; readonly period: string } {
  const split = key.indexOf("|");
  return { cap: key.slice(0, split), period: key.slice(split + 1) };
}

/** The kind of a cap from its id. */
export function capKind(cap: string): CapKind {
  return cap.slice(cap.lastIndexOf("/") + 1) as CapKind;
}
