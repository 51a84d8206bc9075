import { shardOf } from "../../actors/placement.ts";
import { nanoUsd } from "../../ledger/money.ts";
import { benchWorkspace } from "../cluster/workspaces.ts";
import type { CallerWorkspace } from "./caller.ts";
import type { Limits } from "./ledger-fold.ts";

/** A million dollars, which no run spends. */
const PLENTY = nanoUsd(10n ** 15n);
/** Life of a hold where settles come late, ms. */
const HASTY_MS = 2_000;

export interface FaultsWorkspaces {
  readonly workspaces: readonly CallerWorkspace[];
  /** By workspace. */
  readonly limits: ReadonlyMap<string, Limits>;
}

/**
 * Two workspaces for each shard at least, of four kinds: without limits to speak of, with runs that
 * have room for a few calls, with a month that has room for a few holds at once and is never used up,
 * and with holds that end before some of their settles come.
 *
 * `oneHold`: what a hold takes, nano-USD.
 */
export function faultsWorkspaces(shards: number, oneHold: bigint): FaultsWorkspaces {
  const kinds = ["plenty", "runs", "month", "hasty"] as const;
  const workspaces: CallerWorkspace[] = [];
  const limits = new Map<string, Limits>();
  for (let shard = 0; shard < shards; shard += 1) {
    for (const kind of [kinds[shard % 4] ?? "plenty", kinds[(shard + 2) % 4] ?? "plenty"]) {
      const ws = nameIn(shard, shards, kind);
      const run = kind === "runs" ? nanoUsd(oneHold * 3n) : PLENTY;
      const month = kind === "month" ? nanoUsd(oneHold * 4n) : PLENTY;
      const made = benchWorkspace(ws, {
        agent: { tiers: ["S"] },
        caps: { month, run, year: PLENTY },
        ...(kind === "hasty" ? { expiryMs: HASTY_MS } : {}),
      });
      workspaces.push({
        ...made,
        ...(kind === "hasty" ? { lateAfterMs: HASTY_MS } : {}),
        ...(kind === "month" ? { voidsAll: true } : {}),
        ...(kind === "runs" ? { callsPerRun: 40 } : {}),
      });
      const period = (what: "month" | "run" | "year") => `agent:${made.agent}/${what}`;
      limits.set(
        ws,
        new Map([
          [period("run"), run],
          [period("month"), month],
          [period("year"), PLENTY],
          ...[`workspace:${ws}`, "team:platform", "cost_center:support"].flatMap(
            (scope): [string, bigint][] => [
              [`${scope}/month`, PLENTY],
              [`${scope}/year`, PLENTY],
            ],
          ),
        ]),
      );
    }
  }
  return { limits, workspaces };
}

/** A name of this kind that hashes to this shard. */
function nameIn(shard: number, shards: number, kind: string): string {
  for (let n = 0; ; n += 1) {
    const ws = `${kind}-${shard}-${n}`;
    if (shardOf(ws, shards) === shard) return ws;
  }
}
