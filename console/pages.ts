import { existsSync } from "node:fs";
import { join } from "node:path";
import fastifyStatic from "@fastify/static";
import type { FastifyInstance } from "fastify";

/** Vite puts a hash of the contents into these names, so they never change. */
const HASHED = /^\/assets\/[^/]+$/;
/** What is a file, not a route of the page: assets, and names with an ending at the root. Ids may have dots. */
const FILE = /^\/(assets\/.*|[^/]+\.[A-Za-z0-9]{1,8})$/;

const NOT_BUILT = `The console's pages are not built, so there is nothing to show here yet.
npm start builds them; in a checkout: node console/build.ts
The API answers under /api.
`;

/**
 * The built pages. They hold no data, so they need no session: they ask the API, which does. Any path
 * that is no file is a route of the page, which finds its own way from `index.html`.
 */
export async function servePages(app: FastifyInstance, dir: string): Promise<void> {
  await app.register(fastifyStatic, { root: dir, serve: false, suppressWarning: true });
  app.route({
    method: ["GET", "HEAD"],
    url: "/*",
    handler: (request, reply) => {
      const path = decodeURIComponent(request.url.split(/[?#]/, 1)[0] ?? "/");
      // The build may come after the start.
      if (!existsSync(join(dir, "index.html"))) {
        return reply.code(503).type("text/plain; charset=utf-8").send(NOT_BUILT);
      }
      if (FILE.test(path)) {
        const hashed = HASHED.test(path);
        return reply.sendFile(path.slice(1), {
          dotfiles: "deny",
          immutable: hashed,
          maxAge: hashed ? "365d" : 0,
        });
      }
      // Asked for anew each time, so that a new build is seen.
      return reply
        .header("cache-control", "no-cache")
        .sendFile("index.html", { cacheControl: false });
    },
  });
}
