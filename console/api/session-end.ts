import type { FastifyInstance } from "fastify";
import { SESSION_COOKIE } from "../access/sessions.ts";
import { type ApiServices, readerOf } from "./api-context.ts";
import { cookieOptions } from "./sign-in-open.ts";

/** `POST /api/sign-out`: ends the session for good, with its sockets. */
export function sessionEnd(app: FastifyInstance, services: ApiServices): void {
  app.post("/api/sign-out", async (request, reply) => {
    const session = readerOf(request);
    await services.sessions.end(session);
    for (const [socket, owner] of services.sockets) {
      if (owner.id === session.id) socket.close(4003, "signed out");
    }
    services.log.info("signed out", { name: session.name, session: session.id });
    return reply.clearCookie(SESSION_COOKIE, cookieOptions(services.publicUrl)).code(204).send();
  });
}
