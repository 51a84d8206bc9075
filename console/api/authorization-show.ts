import type { FastifyInstance } from "fastify";
import { decodeOwnEntry } from "../../ledger/codec.ts";
import type { AuthorizeEntry } from "../../ledger/entries.ts";
import type { EntryLine } from "../../readmodel/read-model.ts";
import type { ReceiptRow } from "../../readmodel/receipts.ts";
import type {
  Authorization,
  AuthorizationEntry,
  AuthorizationLeg,
  AuthorizationQuote,
  AuthorizationReceipt,
} from "../wire.ts";
import type { ApiServices } from "./api-context.ts";
import { receiptOf } from "./found-receipt.ts";

/** `GET /api/authorizations/:id`: one decision with everything it read, and what became of it. */
export function authorizationShow(app: FastifyInstance, services: ApiServices): void {
  app.get("/api/authorizations/:id", async (request): Promise<Authorization> => {
    const { entries, receipt } = await receiptOf(request, services);
    const opening = openingOf(entries);
    const shown = {
      ws: receipt.ws,
      simulated: services.simulatedProviders.includes(receipt.provider ?? ""),
      receipt: receiptWire(receipt),
      entries: entries.map(entryWire),
    };
    if (opening === undefined) return { ...shown, legs: [], quotes: [] };
    const { ceiling, config_seq, floor, pace, policy_rule, policy_seq, price_seq } = opening;
    return {
      ...shown,
      legs: legsOf(opening),
      quotes: quotesOf(opening),
      ...(pace === undefined ? {} : { pace: { cap: pace.cap, value: String(pace.value) } }),
      ...(ceiling === undefined ? {} : { ceiling }),
      ...(floor === undefined ? {} : { floor }),
      ...(policy_rule === undefined ? {} : { policy_rule }),
      policy_seq: String(policy_seq),
      price_seq: String(price_seq),
      config_seq: String(config_seq),
    };
  });
}

function openingOf(entries: readonly EntryLine[]): AuthorizeEntry | undefined {
  for (const { line } of entries) {
    const entry = decodeOwnEntry(line);
    if (entry.kind === "authorize") return entry;
  }
  return undefined;
}

/**
 * Every cap that applied. Legs state balances after the entry, so what stood before is that less the
 * hold. A refusal moved nothing; what it asked of each cap is what the failing ones fell short by.
 */
export function legsOf(entry: AuthorizeEntry): readonly AuthorizationLeg[] {
  const failing = new Map(entry.failing?.map((one) => [`${one.cap}|${one.period}`, one.shortfall]));
  const asked = askedOf(entry);
  return entry.legs.map(({ cap, held, limit, pace, period, settled }) => {
    const shortfall = failing.get(`${cap}|${period}`);
    return {
      cap,
      period,
      ...(limit === undefined ? {} : { limit_nano: String(limit) }),
      before_settled_nano: String(settled),
      before_held_nano: String(held - entry.held),
      amount_nano: String(asked),
      after_settled_nano: String(settled),
      after_held_nano: String(held),
      fits: shortfall === undefined,
      ...(shortfall === undefined ? {} : { shortfall_nano: String(shortfall) }),
      ...(pace === undefined ? {} : { pace: String(pace) }),
    };
  });
}

function askedOf(entry: AuthorizeEntry): bigint {
  if (entry.grant !== undefined) return entry.held;
  for (const { cap, period, shortfall } of entry.failing ?? []) {
    const leg = entry.legs.find((one) => one.cap === cap && one.period === period);
    if (leg?.limit !== undefined) return shortfall + leg.limit - leg.settled - leg.held;
  }
  // Refused by a rule and not for money: the least that it would have come to.
  let least: bigint | undefined;
  for (const { amount } of entry.tiers) {
    if (amount !== undefined && (least === undefined || amount < least)) least = amount;
  }
  return least ?? 0n;
}

function quotesOf(entry: AuthorizeEntry): readonly AuthorizationQuote[] {
  return entry.tiers.map(({ amount, model, skip, tier }) => ({
    tier,
    model,
    ...(amount === undefined ? {} : { cost_nano: String(amount) }),
    ...(skip === undefined ? {} : { skip }),
    granted: entry.grant?.tier === tier,
  }));
}

function entryWire({ hash, line, seq }: EntryLine): AuthorizationEntry {
  const entry = decodeOwnEntry(line);
  const amount =
    entry.kind === "authorize" ? entry.held : "amount" in entry ? entry.amount : undefined;
  return {
    seq: String(seq),
    kind: entry.kind,
    at: new Date(entry.at).toISOString(),
    ...(amount === undefined ? {} : { amount_nano: String(amount) }),
    hash,
    line,
  };
}

function receiptWire(row: ReceiptRow): AuthorizationReceipt {
  const optional = {
    outcome: row.outcome,
    rule: row.rule,
    reason: row.reason,
    agent: row.agent,
    run: row.run === row.authorization ? undefined : row.run,
    key: row.keyId,
    tool: row.tool,
    priority: row.priority,
    model: row.model,
    granted_model: row.grantedModel,
    provider: row.provider,
    tier: row.tier,
    closed_at: row.closedAt?.toISOString(),
    opened_seq: row.openedSeq === undefined ? undefined : String(row.openedSeq),
    closed_seq: row.closedSeq === undefined ? undefined : String(row.closedSeq),
  };
  const given = Object.fromEntries(
    Object.entries(optional).filter(([, value]) => value !== undefined),
  ) as Partial<AuthorizationReceipt>;
  return {
    ...given,
    id: row.receipt,
    authorization: row.authorization,
    // The projector writes these words only.
    state: row.state as AuthorizationReceipt["state"],
    held_nano: String(row.held),
    open_nano: String(row.open),
    settled_nano: String(row.settled),
    released_nano: String(row.released),
    overage_nano: String(row.overage),
    at: row.at.toISOString(),
    assumed: row.assumed,
    late: row.late,
  };
}
