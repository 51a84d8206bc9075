import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { assert } from "../../ledger/assert.ts";
import { decodeOwnEntry } from "../../ledger/codec.ts";
import { OUTCOMES, RULES } from "../../ledger/entries.ts";
import { decisionRow } from "../live/decision-row.ts";
import type { DecisionPage } from "../wire.ts";
import { type ApiServices, nameSchema, seqSchema, workspaceOf } from "./api-context.ts";
import { parsed } from "./api-error.ts";

const outcomes = z
  .string()
  .transform((text) => text.split(","))
  .pipe(z.array(z.enum(OUTCOMES)).min(1).max(3));

const query = z.object({
  before: seqSchema.optional(),
  after: seqSchema.optional(),
  limit: z.coerce.number().int().min(1).max(500).default(50),
  /** One, or several with commas. */
  outcome: outcomes.optional(),
  agent: nameSchema.optional(),
  rule: z.enum(RULES).optional(),
});

/** `GET /api/workspaces/:ws/decisions`: decisions by page, the latest first. */
export function decisionsList(app: FastifyInstance, services: ApiServices): void {
  app.get("/api/workspaces/:ws/decisions", async (request): Promise<DecisionPage> => {
    const { ws } = await workspaceOf(request, services);
    const { after, agent, before, limit, outcome, rule } = parsed(query, request.query);
    const { lines, nextBefore } = await services.reads.decisions(ws, {
      limit,
      ...(before === undefined ? {} : { before }),
      ...(after === undefined ? {} : { after }),
      ...(agent === undefined ? {} : { agent }),
      ...(rule === undefined ? {} : { rule }),
      ...(outcome === undefined ? {} : { outcomes: outcome }),
    });
    return {
      rows: lines.map(({ line }) => {
        const entry = decodeOwnEntry(line);
        assert(entry.kind === "authorize", "what opens an authorization is its decision");
        return decisionRow(entry);
      }),
      ...(nextBefore === undefined ? {} : { next_before: String(nextBefore) }),
    };
  });
}
