import { eventSubject } from "../../bus/subjects.ts";
import type { AuthorizeEntry } from "../../ledger/entries.ts";
import type { DecisionRow } from "../wire.ts";

/** A decision as a row of a list, from its entry. */
export function decisionRow(entry: AuthorizeEntry): DecisionRow {
  const { agent, authorization, grant, held, outcome, run, seq, ws } = entry;
  const tightest = tightestCap(entry);
  return {
    seq: String(seq),
    at: new Date(entry.at).toISOString(),
    authorization,
    agent,
    ...(run === authorization ? {} : { run }),
    outcome,
    rule: entry.rule,
    reason: entry.reason,
    ...(grant === undefined ? {} : { tier: grant.tier, model: grant.model }),
    asked_model: entry.model,
    held_nano: String(held),
    ...(tightest === undefined
      ? {}
      : { remaining_nano: String(tightest.left), remaining_cap: tightest.cap }),
    priority: entry.priority,
    subject: eventSubject(ws, "authorize", agent),
  };
}

/** The cap with the least left after the decision; undefined where nothing limits. */
function tightestCap(
  entry: AuthorizeEntry,
): { readonly cap: string; readonly left: bigint } | undefined {
  let tightest: { readonly cap: string; readonly left: bigint } | undefined;
  for (const { cap, held, limit, settled } of entry.legs) {
    if (limit === undefined) continue;
    const left = limit - settled - held;
    if (tightest === undefined || left < tightest.left) tightest = { cap, left };
  }
  return tightest;
}
