import { newKey } from "../../../cli/api-keys.ts";
import { type NanoUsd, nanoUsd } from "../../../ledger/money.ts";
import type { AgentSettings, ConfigChange } from "../../../ledger/workspace-config.ts";
import type { WorkspacePlan } from "../../cluster/cluster.ts";
import { CLAUDE, GPT } from "../../cluster/workspaces.ts";
import type { SurfaceName } from "./http-calls.ts";

/** A million dollars: no limit to what a test spends. */
export const PLENTY = nanoUsd(1_000_000_000_000_000n);

/** A workspace whose key may speak for any of its agents. */
export interface MixedWorkspace extends WorkspacePlan {
  readonly secret: string;
  readonly keyId: string;
  readonly agents: Readonly<Record<SurfaceName, readonly string[]>>;
}

export interface MixedWorkspaceOptions {
  /** Of each run of the agents `*-tight`; without it there are none. */
  readonly tightRun?: NanoUsd;
  /** Life of a hold; 30 s unless given. */
  readonly expiryMs?: number;
}

/** An agent on each vendor's lane without limits, and one on each whose runs are held short. */
export function mixedWorkspace(ws: string, options: MixedWorkspaceOptions = {}): MixedWorkspace {
  const key = newKey({});
  const { tightRun } = options;
  const agent = (id: string, lane: AgentSettings["lane"], run: NanoUsd): ConfigChange => ({
    id,
    item: "agent",
    value: {
      caps: { month: PLENTY, run, year: PLENTY },
      cost_center: "support",
      frozen: false,
      lane,
      on_expiry: "release",
      on_overage: "none",
      priority: "P0",
      rules: [],
      team: "platform",
      tiers: ["S", "M", "L", "XL"],
    },
  });
  const group = { caps: { month: PLENTY, year: PLENTY } };
  const tight =
    tightRun === undefined
      ? []
      : [agent("claude-tight", CLAUDE, tightRun), agent("gpt-tight", GPT, tightRun)];
  return {
    agents: {
      anthropic: tightRun === undefined ? ["claude"] : ["claude", "claude-tight"],
      openai: tightRun === undefined ? ["gpt"] : ["gpt", "gpt-tight"],
    },
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
      agent("claude", CLAUDE, PLENTY),
      agent("gpt", GPT, PLENTY),
      ...tight,
      key.change,
    ],
    keyId: key.id,
    secret: key.secret,
    ws,
  };
}
