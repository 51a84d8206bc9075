import type { FastifyInstance } from "fastify";
import type { LatestCheckpoint } from "../wire.ts";
import { type ApiServices, workspaceOf } from "./api-context.ts";

/** `GET /api/workspaces/:ws/checkpoint`: the newest signed note of the log. */
export function checkpointShow(app: FastifyInstance, services: ApiServices): void {
  const { log } = services.model;
  app.get("/api/workspaces/:ws/checkpoint", async (request): Promise<LatestCheckpoint> => {
    const { ws } = await workspaceOf(request, services);
    const checkpoint = await log.latestCheckpoint(ws);
    if (checkpoint === undefined) return { note: null, vkeys: [] };
    return { note: checkpoint.note, vkeys: await log.vkeys(ws) };
  });
}
