import type { EntryOf } from "../../../ledger/entries.ts";
import type { PriceSettings } from "../../../ledger/workspace-config.ts";
import type { ServedRecord } from "../../providers/served.ts";
import type { Audit } from "./ledger-audit.ts";
import type { Told } from "./mixed-calls.ts";
import { costOfBill, priceOf } from "./served-cost.ts";

/** One authorization with everything that was said of it anywhere. */
export interface Case {
  readonly ws: string;
  /** For messages. */
  readonly name: string;
  readonly opened: EntryOf<"authorize">;
  readonly settles: readonly EntryOf<"settle">[];
  readonly voids: readonly EntryOf<"void">[];
  /** Expiries and corrections. */
  readonly others: number;
  /** By the client; absent when it never learned the id. */
  readonly told: Told | undefined;
  /** By the provider; absent when it never saw the call. */
  readonly served: ServedRecord | undefined;
  /** What the bill comes to at the prices of the hold; absent where they price no such model. */
  readonly cost: bigint | undefined;
  readonly basis: "assumed" | "measured" | undefined;
  readonly admitted: boolean;
}

/** Every authorization of a workspace, found with its client and its provider. */
export function casesOf(
  ws: string,
  audit: Audit,
  heard: readonly Told[],
  records: readonly ServedRecord[],
): readonly Case[] {
  const [settles, voids] = [audit.byAuthorization("settle"), audit.byAuthorization("void")];
  const [expiries, adjusts] = [audit.byAuthorization("expire"), audit.byAuthorization("adjust")];
  const byAuthorization = new Map(heard.map((one) => [one.authorization, one]));
  const byNumber = new Map(records.map((record) => [record.output_max, record]));
  const byRequest = new Map(records.map((record) => [record.id, record]));
  return audit.of("authorize").map((opened) => {
    const { authorization, usage_bound: bound } = opened;
    const told = byAuthorization.get(authorization);
    const number = Number((bound.output ?? 0n) * bound.choices);
    // Error answers are kept without a limit; their request ids came back to the client.
    const served = byNumber.get(number) ?? byRequest.get(told?.request ?? "");
    const found = settles.get(authorization) ?? [];
    return {
      admitted: opened.outcome !== "hold",
      basis: found[0]?.basis,
      cost: costServed(pricesOf(audit, opened), served),
      name: `${ws} entry ${opened.seq} ${authorization} (call ${number})`,
      opened,
      others:
        (expiries.get(authorization) ?? []).length + (adjusts.get(authorization) ?? []).length,
      served,
      settles: found,
      told,
      voids: voids.get(authorization) ?? [],
      ws,
    };
  });
}

function pricesOf(audit: Audit, opened: EntryOf<"authorize">): PriceSettings {
  const entry = audit.of("price").find(({ seq }) => seq === opened.price_seq);
  if (entry === undefined) throw new Error(`no price entry ${opened.price_seq}`);
  return entry.price;
}

function costServed(prices: PriceSettings, served: ServedRecord | undefined): bigint | undefined {
  if (served === undefined || served.model === null) return undefined;
  const price = priceOf(prices, served.model);
  return price === undefined ? undefined : costOfBill(price, served.usage);
}
