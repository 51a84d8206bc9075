import type { FastifyInstance } from "fastify";
import type { LiveTicket } from "../wire.ts";
import { type ApiServices, readerOf } from "./api-context.ts";
import { ApiError } from "./api-error.ts";

/** `POST /api/live-ticket`: lets one socket open. */
export function liveTicketIssue(app: FastifyInstance, { now, tickets }: ApiServices): void {
  app.post("/api/live-ticket", (request): LiveTicket => {
    const ticket = tickets.issue(readerOf(request).id, now());
    if (ticket === undefined) {
      throw new ApiError("busy", "Too many pages open at once. Try again in some seconds.");
    }
    return { ticket };
  });
}
