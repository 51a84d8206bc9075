import type { FastifyInstance } from "fastify";
import { maySee } from "../access/grant.ts";
import type { Session } from "../wire.ts";
import { type ApiServices, readerOf } from "./api-context.ts";

/** `GET /api/session`: who is signed in and what they may see. */
export function sessionShow(app: FastifyInstance, services: ApiServices): void {
  const { reads, shared, simulatedProviders, version } = services;
  app.get("/api/session", async (request): Promise<Session> => {
    const session = readerOf(request);
    const known = await shared.read("workspaces", () => reads.workspaces());
    return {
      name: session.name,
      role: session.role,
      workspaces: known
        .filter(({ ws }) => maySee(session, ws))
        .map(({ settings, ws }) => ({
          ws,
          name: settings?.title ?? ws,
          time_zone: settings?.time_zone ?? "UTC",
          currency: settings?.currency ?? "USD",
        })),
      simulated_providers: simulatedProviders,
      version,
      expires_at: new Date(session.expires).toISOString(),
    };
  });
}
