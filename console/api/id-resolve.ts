import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { authorizationOf } from "../../ledger/ids.ts";
import { maySee } from "../access/grant.ts";
import type { Resolved } from "../wire.ts";
import { type ApiServices, readerOf } from "./api-context.ts";
import { ApiError, parsed } from "./api-error.ts";
import { receiptOf } from "./found-receipt.ts";

const params = z.object({ id: z.string().min(1).max(128) });

/** `GET /api/resolve/:id`: where anything that has an id is shown. */
export function idResolve(app: FastifyInstance, services: ApiServices): void {
  const { reads } = services;
  app.get("/api/resolve/:id", async (request): Promise<Resolved> => {
    const session = readerOf(request);
    const { id } = parsed(params, request.params);
    if (authorizationOf(id) !== undefined) {
      const { receipt } = await receiptOf(request, services);
      if (id.startsWith("rcpt_")) return { path: `/receipts/${receipt.receipt}` };
      return { path: `/operations/authorizations/${receipt.authorization}` };
    }
    const known = (await reads.workspaces())
      .map(({ ws }) => ws)
      .filter((ws) => maySee(session, ws));
    const found = await reads.find(id, known);
    if (found === undefined) {
      throw new ApiError("not-found", `Nothing that this session may see is called ${id}.`);
    }
    if (found.kind === "agent") {
      const search = new URLSearchParams({ ws: found.ws, agent: found.agent });
      return { path: `/operations/agents?${search.toString()}` };
    }
    return { path: `/operations/authorizations/${found.authorization}` };
  });
}
