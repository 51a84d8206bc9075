import type { FastifyRequest } from "fastify";
import { z } from "zod";
import type { ClusterMapWatch } from "../../bus/cluster-map.ts";
import { NAME_PATTERN } from "../../ledger/ids.ts";
import type { ConsoleReads, KnownWorkspace } from "../../readmodel/console-reads.ts";
import type { ReadModel } from "../../readmodel/read-model.ts";
import { maySee } from "../access/grant.ts";
import type { LiveTickets } from "../access/live-tickets.ts";
import type { Session, Sessions } from "../access/sessions.ts";
import type { SignInLinks } from "../access/sign-in-links.ts";
import type { Feeds } from "../live/feeds.ts";
import type { LiveSocket } from "../live/live-socket.ts";
import type { Log } from "../log.ts";
import type { Role } from "../wire.ts";
import { ApiError, parsed } from "./api-error.ts";
import type { SharedReads } from "./shared-reads.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** Set by the guard of `/api`; undefined everywhere else. */
    session: Session | undefined;
  }
}

/** What routes work with. */
export interface ApiServices {
  readonly reads: ConsoleReads;
  readonly model: Pick<ReadModel, "receipt" | "log">;
  readonly shared: SharedReads;
  readonly sessions: Sessions;
  readonly links: SignInLinks;
  readonly tickets: LiveTickets;
  readonly feeds: Feeds;
  readonly map: Pick<ClusterMapWatch, "whenReady">;
  /** Sockets that are open, with the session each belongs to. */
  readonly sockets: Map<LiveSocket, Session>;
  readonly simulatedProviders: readonly string[];
  readonly publicUrl: string | undefined;
  readonly version: string;
  readonly log: Log;
  readonly now: () => number;
}

/** Who may read the live ledger. What changes something will name fewer. */
const READERS: readonly Role[] = ["viewer", "operator", "finance", "admin"];

/** The session of a guarded request that may read. @throws ApiError */
export function readerOf(request: FastifyRequest): Session {
  const { session } = request;
  if (session === undefined) throw new ApiError("unauthenticated", SIGN_IN);
  if (!READERS.includes(session.role)) {
    throw new ApiError("forbidden", `The role ${session.role} may not see this.`);
  }
  return session;
}

export const SIGN_IN =
  "Sign in first: open the link that npm start prints, or make one with npx tarmac console --link.";

/** A name of an agent, team or workspace. */
export const nameSchema = z
  .string()
  .regex(NAME_PATTERN, "must be a name of a-z, 0-9, _ and -, at most 63 long");
/** A sequence, as it is written in entries. */
export const seqSchema = z
  .string()
  .regex(/^(0|[1-9]\d{0,17})$/, "must be a sequence: a whole number without leading zeros")
  .transform(BigInt);

const workspaceParams = z.object({ ws: nameSchema });

/** The workspace that a path names, if the session may see it. @throws ApiError */
export async function workspaceOf(
  request: FastifyRequest,
  { reads, shared }: ApiServices,
): Promise<KnownWorkspace> {
  const session = readerOf(request);
  const { ws } = parsed(workspaceParams, request.params);
  if (!maySee(session, ws)) {
    throw new ApiError("forbidden", `This session may not see workspace ${ws}.`);
  }
  const known = await shared.read("workspaces", () => reads.workspaces());
  const found = known.find((one) => one.ws === ws);
  if (found === undefined) throw new ApiError("not-found", `There is no workspace ${ws}.`);
  return found;
}
