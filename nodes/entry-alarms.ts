import type { SealedEntry } from "../ledger/chain.ts";
import type { Log } from "./log.ts";

/** R14: the same usage at the card now in force may differ by one cent, in nano-USD. */
const DIVERGENCE_MAX = 10_000_000n;

/** Says aloud what somebody should look at: lost gateways, prices that moved, models without a price. */
export function alarmEntries(log: Log, ws: string, entries: readonly SealedEntry[]): void {
  let expired = 0;
  for (const { entry } of entries) {
    if (entry.kind === "expire") expired += 1;
    if (entry.kind !== "settle") continue;
    const { authorization, seq, amount, cost_now, unpriced, model } = entry;
    if (unpriced === true) {
      log.alarm("the model served has no price, so its hold was taken", {
        ws,
        seq,
        authorization,
        model,
      });
    }
    if (cost_now === undefined) continue;
    const divergence = cost_now > amount ? cost_now - amount : amount - cost_now;
    if (divergence > DIVERGENCE_MAX) {
      log.alarm("a settle would cost something else at the prices now in force", {
        ws,
        seq,
        authorization,
        settled: amount,
        now: cost_now,
      });
    }
  }
  if (expired > 0) {
    log.alarm("holds expired: no gateway renewed or settled them", { ws, expired });
  }
}
