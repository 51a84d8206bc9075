import fastify, { type FastifyInstance } from "fastify";
import { ClientResponse } from "./client-response.ts";
import type { GatewayMetrics } from "./metrics.ts";
import type { Readiness } from "./readiness.ts";
import { refused } from "./refusal.ts";
import { type SdkServices, sdkRoutes } from "./sdk-routes.ts";
import { sendProblem } from "./send-problem.ts";
import {
  type AnthropicServices,
  anthropicRoutes,
  listModels as listAnthropic,
} from "./surfaces/anthropic/routes.ts";
import { anthropicSurface } from "./surfaces/anthropic/surface.ts";
import { listModels as listOpenai, openaiRoutes } from "./surfaces/openai/routes.ts";
import { openaiSurface } from "./surfaces/openai/surface.ts";

export type GatewayServices = AnthropicServices & SdkServices;

/** How long a connection may lie idle, in ms: longer than a load balancer keeps it. */
const KEEP_ALIVE_MS = 72_000;
/** How long a request's head may take, in ms. */
const HEAD_MS = 20_000;

/** The gateway's routes. What is not metered is refused by name and never forwarded. */
export function buildServer(
  services: GatewayServices,
  metrics: GatewayMetrics,
  readiness: Readiness,
): FastifyInstance {
  const app = fastify({
    logger: false,
    keepAliveTimeout: KEEP_ALIVE_MS,
    // A whole request may be 32 MiB over a slow line; its head may not.
    requestTimeout: 0,
    http: { headersTimeout: HEAD_MS },
    forceCloseConnections: "idle",
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 200 },
  });
  // Bodies are read after the key has been looked at, by the handlers themselves.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_request, _payload, done) => done(null));
  anthropicRoutes(app, services);
  openaiRoutes(app, services);
  sdkRoutes(app, services);
  rootModels(app, services);
  app.get("/healthz", (_request, reply) => reply.send({ ok: true }));
  app.get("/readyz", async (_request, reply) => {
    const unready = services.stopping() ? "the gateway is shutting down" : await readiness.check();
    if (unready === undefined) return reply.send({ ready: true });
    return reply.code(503).header("retry-after", "1").send({ ready: false, reason: unready });
  });
  app.get("/metrics", async (_request, reply) =>
    reply
      .header("content-type", metrics.registry.contentType)
      .send(await metrics.registry.metrics()),
  );
  app.setNotFoundHandler((request, reply) => {
    reply.hijack();
    const surface = isAnthropic(request.raw.url ?? "", request.headers)
      ? anthropicSurface
      : openaiSurface;
    const route = `${request.method} ${(request.raw.url ?? "").split("?", 1)[0]?.slice(0, 200)}`;
    const message = `${route} is not metered here, so it is not forwarded. Metered: Anthropic Messages under /v1/anthropic, OpenAI Chat Completions under /v1/openai.`;
    services.telemetry.ended(surface.api, "unsupported");
    const close = request.raw.complete ? {} : { connection: "close" };
    sendProblem(new ClientResponse(reply.raw), surface, refused("unsupported", message), close);
  });
  return app;
}

/** `/v1/models` at the root: the vendor's shape by the vendor's headers. */
function rootModels(app: FastifyInstance, services: GatewayServices): void {
  app.get<{ Params: { id?: string } }>("/v1/models", (request, reply) => {
    reply.hijack();
    const list = isAnthropic("", request.headers) ? listAnthropic : listOpenai;
    list(services, request.raw, new ClientResponse(reply.raw));
  });
  app.get<{ Params: { id: string } }>("/v1/models/:id", (request, reply) => {
    reply.hijack();
    const list = isAnthropic("", request.headers) ? listAnthropic : listOpenai;
    list(services, request.raw, new ClientResponse(reply.raw), request.params.id);
  });
}

function isAnthropic(url: string, headers: Readonly<Record<string, unknown>>): boolean {
  if (url.startsWith("/v1/anthropic") || url.startsWith("/v1/messages")) return true;
  if (url.startsWith("/v1/openai")) return false;
  return headers["anthropic-version"] !== undefined || headers["x-api-key"] !== undefined;
}
