import type { FastifyInstance } from "fastify";
import { z } from "zod";
import type { OverviewRow, OverviewStep } from "../../readmodel/overview.ts";
import type { Overview } from "../wire.ts";
import { type ApiServices, workspaceOf } from "./api-context.ts";
import { parsed } from "./api-error.ts";
import { periodKeys } from "./period-keys.ts";

const query = z.object({ minutes: z.coerce.number().int().min(1).max(60).default(15) });

/** Steps in a window: one for some pixels of a chart. */
const STEPS = 180;
const MINUTE_MS = 60_000;

/** `GET /api/workspaces/:ws/overview`: the last minutes in equal steps, and the month. */
export function overviewShow(app: FastifyInstance, services: ApiServices): void {
  const { now, reads, shared } = services;
  app.get("/api/workspaces/:ws/overview", async (request): Promise<Overview> => {
    const { settings, ws } = await workspaceOf(request, services);
    const { minutes } = parsed(query, request.query);
    const at = now();
    // 180 steps: some third of a second for a minute, 20 s for an hour; whole ms in each case.
    const stepMs = Math.ceil((minutes * MINUTE_MS) / STEPS);
    const start = Math.floor(at / stepMs) * stepMs - (STEPS - 1) * stepMs;
    const { month } = periodKeys(settings?.time_zone ?? "UTC", at);
    const row = await shared.read(`overview ${ws} ${minutes}`, async () => ({
      at,
      start,
      row: await reads.overview(ws, { start, stepMs, steps: STEPS, month }),
    }));
    const limit = settings?.caps.month;
    return {
      at: new Date(row.at).toISOString(),
      head: String(row.row?.head ?? 0n),
      buckets: bucketsOf(row.row, row.start, stepMs),
      month: {
        period: month,
        settled_nano: String(row.row?.month.settled ?? 0n),
        held_nano: String(row.row?.month.held ?? 0n),
        ...(limit === undefined ? {} : { limit_nano: String(limit) }),
        ...(settings === undefined ? { limit_unknown: true } : {}),
      },
      open_holds: row.row?.openHolds ?? 0,
      agents_active: row.row?.agents ?? 0,
    };
  });
}

function bucketsOf(row: OverviewRow | undefined, start: number, stepMs: number) {
  const byStep = new Map(row?.steps.map((step) => [step.step, step]));
  const all = <T>(of: (step: OverviewStep | undefined) => T): T[] =>
    Array.from({ length: STEPS }, (_, index) => of(byStep.get(index)));
  return {
    start: new Date(start).toISOString(),
    step_ms: stepMs,
    settled_nano: all((step) => String(step?.settled ?? 0n)),
    held_nano: all((step) => String(step?.held ?? 0n)),
    admit: all((step) => step?.admit ?? 0),
    throttle: all((step) => step?.throttle ?? 0),
    hold: all((step) => step?.hold ?? 0),
    ...(row?.completeFrom === undefined ? {} : { complete_from: row.completeFrom.toISOString() }),
  };
}
