import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { SESSION_COOKIE, SESSION_MS } from "../access/sessions.ts";
import type { ApiServices } from "./api-context.ts";

const query = z.object({ token: z.string().max(200).optional() });

/** `GET /sign-in?token=…`: uses a link up and begins a session. */
export function signInOpen(app: FastifyInstance, services: ApiServices): void {
  const { links, log, now, publicUrl, sessions } = services;
  app.get("/sign-in", async (request, reply) => {
    void reply.header("cache-control", "no-store");
    // A browser that only looks ahead must not use the link up.
    const purpose = request.headers["sec-purpose"] ?? request.headers["purpose"];
    if (String(purpose ?? "").includes("prefetch")) return reply.code(503).send();
    const { data } = query.safeParse(request.query);
    const grant = await links.use(data?.token ?? "", now());
    if (grant === undefined) {
      const known = sessions.read(request.cookies[SESSION_COOKIE], now());
      return reply.redirect(known === undefined ? "/signed-out?reason=link" : "/", 302);
    }
    const session = sessions.begin(grant, now());
    log.info("signed in", { name: grant.name, role: grant.role, session: session.id });
    void reply.setCookie(SESSION_COOKIE, sessions.cookie(session), {
      ...cookieOptions(publicUrl),
      maxAge: SESSION_MS / 1_000,
    });
    return reply.redirect("/", 302);
  });
}

/** How the cookie is kept by the browser; the same to set and to clear it. */
export function cookieOptions(publicUrl: string | undefined) {
  return {
    httpOnly: true,
    path: "/",
    sameSite: "strict",
    secure: publicUrl?.startsWith("https:") === true,
  } as const;
}
