import { newKey } from "../../cli/api-keys.ts";
import type { NanoUsd } from "../../ledger/money.ts";
import { nanoUsd } from "../../ledger/money.ts";
import type { AgentSettings, ConfigChange } from "../../ledger/workspace-config.ts";

/** $1,000,000: more than any bench spends. */
const PLENTY = nanoUsd(1_000_000n * 1_000_000_000n);

export interface BenchWorkspace {
  readonly ws: string;
  readonly agent: string;
  readonly keyId: string;
  readonly secret: string;
  readonly changes: readonly ConfigChange[];
}

export interface BenchWorkspaceOptions {
  readonly lane?: AgentSettings["lane"];
  readonly caps?: { readonly run?: NanoUsd; readonly month?: NanoUsd; readonly year?: NanoUsd };
  readonly agent?: Partial<AgentSettings>;
  /** Life of a hold; 30 s unless given. */
  readonly expiryMs?: number;
}

export const CLAUDE = { family: "claude", provider: "anthropic", region: "global" } as const;
export const GPT = { family: "gpt", provider: "openai", region: "global" } as const;

/** A workspace with one agent in a cost centre and a team, so that every kind of cap applies. */
export function benchWorkspace(ws: string, options: BenchWorkspaceOptions = {}): BenchWorkspace {
  const agent = "bot";
  const key = newKey({ agent });
  const caps = options.caps ?? { month: PLENTY, run: PLENTY, year: PLENTY };
  const group = { caps: { month: PLENTY, year: PLENTY } };
  return {
    agent,
    changes: [
      {
        id: ws,
        item: "workspace",
        value: {
          caps: { month: PLENTY, year: PLENTY },
          currency: "USD",
          expiry_ms: options.expiryMs ?? 30_000,
          time_zone: "Europe/Berlin",
        },
      },
      { id: "support", item: "cost_center", value: group },
      { id: "platform", item: "team", value: group },
      {
        id: agent,
        item: "agent",
        value: {
          caps,
          cost_center: "support",
          frozen: false,
          lane: options.lane ?? CLAUDE,
          on_expiry: "release",
          on_overage: "none",
          priority: "P0",
          rules: [],
          team: "platform",
          tiers: ["S", "M", "L", "XL"],
          ...options.agent,
        },
      },
      key.change,
    ],
    keyId: key.id,
    secret: key.secret,
    ws,
  };
}
