import { createHash, randomBytes } from "node:crypto";
import type { ConfigureCommand } from "../../actors/commands.ts";
import { type NanoUsd, parseUsd } from "../../ledger/money.ts";
import type { AgentSettings, ConfigChange } from "../../ledger/workspace-config.ts";
import { buildPriceCard, cardFor } from "../../prices/card.ts";

/** Lanes of the built-in catalogue that the tests call. */
export const CLAUDE = { provider: "anthropic", family: "claude", region: "global" } as const;
export const GPT = { provider: "openai", family: "gpt", region: "global" } as const;

/** An amount as it is written in a workspace file. @throws Error when it is none. */
export function usd(text: string): NanoUsd {
  const amount = parseUsd(text);
  if (amount === undefined) throw new Error(`${text} is no amount`);
  return amount;
}

export function agentSettings(overrides: Partial<AgentSettings> = {}): AgentSettings {
  return {
    caps: { month: usd("1000") },
    frozen: false,
    lane: CLAUDE,
    on_expiry: "release",
    on_overage: "none",
    priority: "P1",
    rules: [],
    tiers: ["S", "M", "L", "XL"],
    ...overrides,
  };
}

/** A fresh key with the change that makes it known. */
export function newKey(agent?: string): { readonly key: string; readonly change: ConfigChange } {
  const key = `tarmac_pk_${randomBytes(24).toString("base64url")}`;
  const value = {
    created_at: "2026-11-22T00:00:00.000Z",
    hash: createHash("sha256").update(key).digest("hex"),
    revoked: false,
    ...(agent === undefined ? {} : { agent }),
  };
  return { key, change: { item: "key", id: `key_${randomBytes(8).toString("hex")}`, value } };
}

/** The command that makes a workspace with both vendors' lanes and their published prices. */
export function foundingCommand(
  ws: string,
  changes: readonly ConfigChange[],
  expiryMs = 30_000,
): ConfigureCommand {
  const settings = {
    caps: {},
    currency: "USD" as const,
    expiry_ms: expiryMs,
    time_zone: "UTC",
  };
  return {
    kind: "configure",
    base_seq: 0n,
    by: "test",
    changes: [[{ item: "workspace", id: ws, value: settings }, ...changes]],
    commit: true,
    price: cardFor(buildPriceCard(), [CLAUDE, GPT]),
    stage: "founding",
  };
}
