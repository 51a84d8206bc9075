import { isOver, type WorkspaceState } from "../state.ts";

/**
 * What two states of one workspace must agree in, whichever way each was come by: live, replayed, or
 * from a snapshot and its tail. Closed records and counters of single calls stand in Postgres, and
 * renewals are memory only (R7), so they are left out.
 */
export function whatMatters(state: WorkspaceState): unknown {
  const counters = [...state.counters.values()]
    .filter((counter) => !counter.period.startsWith("auth_") && !isOver(counter, state.time))
    .map(({ cap, period, settled, held, lastAt }) => [cap, period, settled, held, lastAt])
    .sort();
  const records = [...state.authorizations.values()]
    .filter((record) => record.state === "open" || record.state === "expired")
    .map(({ expiresAt: _, ...record }) => record)
    .sort((a, b) => (a.authorization < b.authorization ? -1 : 1));
  return {
    config: Object.fromEntries(
      Object.entries(state.config).map(([name, value]) => [
        name,
        value instanceof Map ? [...(value as Map<string, unknown>)].sort() : (value as unknown),
      ]),
    ),
    configSeq: state.configSeq,
    counters,
    epoch: state.epoch,
    head: state.head,
    holds: records.filter((record) => record.state === "open").length,
    lastStage: state.lastStage,
    openHolds: state.openHolds,
    policy: state.policy,
    policySeq: state.policySeq,
    priceSeq: state.priceSeq,
    records,
    staged: [...state.staged],
    time: state.time,
  };
}
