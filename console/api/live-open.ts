import type { FastifyInstance, FastifyRequest } from "fastify";
import { z } from "zod";
import { maySee } from "../access/grant.ts";
import { isOwnOrigin } from "../access/origin.ts";
import { type BrowserSocket, LiveSocket } from "../live/live-socket.ts";
import { type ApiServices, readerOf } from "./api-context.ts";
import { ApiError, failureId, parsed } from "./api-error.ts";

/** Sockets of one session, and of all. */
const SESSION_SOCKETS_MAX = 50;
const SOCKETS_MAX = 1_000;

const query = z.object({ ticket: z.string().min(1).max(100) });

/** `GET /api/live?ticket=…`: opens a socket; refused before the upgrade where it may not be. */
export function liveOpen(app: FastifyInstance, services: ApiServices): void {
  const { feeds, log, now, sessions, sockets } = services;
  app.get(
    "/api/live",
    {
      websocket: true,
      // Hooks that are not async answer by `done`: a throw refuses the upgrade.
      preValidation: async (request) => admit(request, services),
    },
    (socket, request) => {
      const session = readerOf(request);
      // The types of `ws` are not installed; this is the part of it that is used.
      const live = new LiveSocket(socket as unknown as BrowserSocket, {
        feeds,
        mayWatch: (ws) => maySee(session, ws),
        isSignedIn: () => sessions.isOpen(session, now()),
        faultId: failureId,
        warn: (message, fields) => log.warn(message, fields),
        onEnd: () => sockets.delete(live),
      });
      sockets.set(live, session);
    },
  );
}

/** Whether a socket may open. @throws ApiError */
function admit(request: FastifyRequest, services: ApiServices): void {
  const { now, publicUrl, sockets, tickets } = services;
  const session = readerOf(request);
  if (!request.ws) throw new ApiError("invalid", "This address is for WebSockets.");
  if (!isOwnOrigin(request.headers, publicUrl)) {
    throw new ApiError("forbidden", "A socket may only be opened by a page of this console.");
  }
  const { ticket } = parsed(query, request.query);
  if (!tickets.use(ticket, session.id, now())) {
    throw new ApiError("forbidden", "The ticket was used, ran out, or is of another session.");
  }
  const own = [...sockets.values()].filter(({ id }) => id === session.id).length;
  if (own >= SESSION_SOCKETS_MAX || sockets.size >= SOCKETS_MAX) {
    throw new ApiError("busy", "Too many pages are open. Close some.");
  }
}
