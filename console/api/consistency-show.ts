import type { FastifyInstance } from "fastify";
import { z } from "zod";
import type { ConsistencyProof } from "../wire.ts";
import { type ApiServices, seqSchema, workspaceOf } from "./api-context.ts";
import { ApiError, parsed } from "./api-error.ts";

const query = z.object({ from: seqSchema, to: seqSchema });

/** `GET /api/workspaces/:ws/consistency`: that a larger log continues a smaller one. */
export function consistencyShow(app: FastifyInstance, services: ApiServices): void {
  app.get("/api/workspaces/:ws/consistency", async (request): Promise<ConsistencyProof> => {
    const { ws } = await workspaceOf(request, services);
    const { from, to } = parsed(query, request.query);
    if (from < 1n || from > to) {
      throw new ApiError("invalid", "from: must be at least 1 and not above to");
    }
    const path = await services.model.log.consistency(ws, from, to);
    return { path: path.map((hash) => Buffer.from(hash).toString("base64")) };
  });
}
