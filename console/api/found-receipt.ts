import type { FastifyRequest } from "fastify";
import { z } from "zod";
import { authorizationOf } from "../../ledger/ids.ts";
import type { ReceiptWithEntries } from "../../readmodel/read-model.ts";
import { maySee } from "../access/grant.ts";
import { type ApiServices, readerOf } from "./api-context.ts";
import { ApiError, parsed } from "./api-error.ts";

const params = z.object({ id: z.string().max(100) });

/**
 * The authorization that a path names by its `auth_` or `rcpt_` id. One that the session may not see is
 * answered like one that is not there. @throws ApiError
 */
export async function receiptOf(
  request: FastifyRequest,
  { model }: ApiServices,
): Promise<ReceiptWithEntries> {
  const session = readerOf(request);
  const { id } = parsed(params, request.params);
  if (authorizationOf(id) === undefined) {
    throw new ApiError("invalid", "id: must be auth_ or rcpt_ and a UUIDv7");
  }
  // Two workspaces may know the same id: of those that may be seen, each is asked.
  const found =
    session.workspaces === undefined
      ? await model.receipt(id)
      : await firstIn(session.workspaces, (ws) => model.receipt(id, ws));
  if (found === undefined || !maySee(session, found.receipt.ws)) {
    throw new ApiError("not-found", `There is no authorization ${id} that this session may see.`);
  }
  return found;
}

async function firstIn<T>(
  workspaces: readonly string[],
  look: (ws: string) => Promise<T | undefined>,
): Promise<T | undefined> {
  for (const ws of workspaces) {
    const found = await look(ws);
    if (found !== undefined) return found;
  }
  return undefined;
}
