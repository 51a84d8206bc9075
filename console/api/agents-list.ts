import type { FastifyInstance } from "fastify";
import type { AgentActivity, PeriodUse } from "../../readmodel/agent-activity.ts";
import type { AgentPage, AgentRow, AgentUse } from "../wire.ts";
import { type ApiServices, workspaceOf } from "./api-context.ts";
import { periodKeys } from "./period-keys.ts";

/** Decisions are counted so far back, in ms. */
const COUNTED_MS = 24 * 3_600_000;

/** `GET /api/workspaces/:ws/agents`: every agent with what it may and does. */
export function agentsList(app: FastifyInstance, services: ApiServices): void {
  const { now, reads, shared } = services;
  app.get("/api/workspaces/:ws/agents", async (request): Promise<AgentPage> => {
    const { settings, ws } = await workspaceOf(request, services);
    const at = now();
    const periods = periodKeys(settings?.time_zone ?? "UTC", at);
    const { countedSince, agents } = await shared.read(`agents ${ws}`, () =>
      reads.activity(ws, new Date(at - COUNTED_MS), periods),
    );
    return {
      at: new Date(at).toISOString(),
      counted_since: countedSince.toISOString(),
      agents: agents.map(rowOf),
    };
  });
}

function rowOf(activity: AgentActivity): AgentRow {
  const { admits, agent, holds, lastAt, month, run, settings, throttles, year } = activity;
  const { caps, cost_center, frozen, lane, priority, team, tiers, title } = settings;
  return {
    agent,
    ...(title === undefined ? {} : { title }),
    priority,
    lane,
    tiers,
    ...(team === undefined ? {} : { team }),
    ...(cost_center === undefined ? {} : { cost_center }),
    frozen,
    ...(run === undefined
      ? {}
      : { run: { id: run.id, ...useOf({ ...run, pace: undefined }, caps.run) } }),
    month: useOf(month, caps.month),
    year: useOf(year, caps.year),
    admits,
    throttles,
    holds,
    ...(lastAt === undefined ? {} : { last_at: lastAt.toISOString() }),
  };
}

function useOf({ held, pace, settled }: PeriodUse, limit: bigint | undefined): AgentUse {
  return {
    settled_nano: String(settled),
    held_nano: String(held),
    ...(limit === undefined ? {} : { limit_nano: String(limit) }),
    ...(pace === undefined ? {} : { pace: String(pace) }),
  };
}
