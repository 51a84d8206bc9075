import type { SealedEntry } from "../ledger/chain.ts";
import type { LogFields } from "./log.ts";

/** R14: the same usage at the card now in force may differ by one cent, in nano-USD. */
const DIVERGENCE_MAX = 10_000_000n;

/** Something that a person should look at. */
export interface EntryAlarm {
  readonly message: string;
  readonly fields: LogFields;
}

/**
 * What in these entries somebody should look at: lost gateways, prices that moved, models without a
 * price. To be said only when the entries are in the journal.
 */
export function alarmsOf(ws: string, entries: readonly SealedEntry[]): readonly EntryAlarm[] {
  const alarms: EntryAlarm[] = [];
  const alarm = (message: string, fields: LogFields) => alarms.push({ fields, message });
  let expired = 0;
  for (const { entry } of entries) {
    if (entry.kind === "expire") expired += 1;
    if (entry.kind !== "settle") continue;
    const { authorization, seq, amount, cost_now, unpriced, model } = entry;
    if (unpriced === true) {
      alarm("the model served has no price, so its hold was taken", {
        ws,
        seq,
        authorization,
        model,
      });
    }
    if (cost_now === undefined) continue;
    const divergence = cost_now > amount ? cost_now - amount : amount - cost_now;
    if (divergence > DIVERGENCE_MAX) {
      alarm("a settle would cost something else at the prices now in force", {
        ws,
        seq,
        authorization,
        settled: amount,
        now: cost_now,
      });
    }
  }
  if (expired > 0) {
    alarm("holds expired: no gateway renewed or settled them", { ws, expired });
  }
  return alarms;
}
