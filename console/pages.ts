import { existsSync } from "node:fs";
import { join } from "node:path";
import fastifyStatic from "@fastify/static";
import type { FastifyInstance } from "fastify";

/** Vite puts a hash of the contents into these names, so they never change. */
const HASHED = /^\/assets\/[^/]+$/;
/** The last part of a path that has an ending is a file, not a route of the page. */
const FILE = /\.[A-Za-z0-9]{1,8}$/;
/** But any id may stand behind this one, and ids of runs may have dots. */
const ANY_ID = /^\/r\/[^/]+$/;

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
      if (FILE.test(path) && !ANY_ID.test(path)) {
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
