import type { ServedRecord } from "../../bench/providers/served.ts";
import { costOfUsage } from "../../ledger/cost.ts";
import { settleAmount } from "../../ledger/money.ts";
import { usageOf } from "../../ledger/usage.ts";
import { buildPriceCard, findModel } from "../../prices/card.ts";

const card = buildPriceCard();

/** What one served request costs at the published prices, rounded as a settle is; nano-USD. */
export function servedCost(record: ServedRecord): bigint {
  const model = (record.model ?? "").replace(/-(\d{4}-\d{2}-\d{2})$/, "");
  const price = findModel(card, record.provider, model);
  if (price === undefined) throw new Error(`no price for ${record.provider}/${record.model}`);
  const { input, output, cache_read, cache_write_5m, cache_write_1h, web_search } = record.usage;
  const cost = costOfUsage(
    price,
    usageOf({
      input: BigInt(input),
      output: BigInt(output),
      cache_read: BigInt(cache_read),
      cache_write_5m: BigInt(cache_write_5m),
      cache_write_1h: BigInt(cache_write_1h),
      web_search: BigInt(web_search),
    }),
  );
  if ("unpriced" in cost) throw new Error(`${model} has no price for ${cost.unpriced}`);
  return settleAmount(cost);
}

/** What all calls cost that were served; calls that were refused or free cost nothing. */
export function servedTotal(records: readonly ServedRecord[]): bigint {
  let total = 0n;
  for (const record of records) {
    const metered = record.route === "messages" || record.route === "chat.completions";
    if (metered && record.status === 200) total += servedCost(record);
  }
  return total;
}
