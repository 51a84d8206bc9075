import cookie from "@fastify/cookie";
import websocket from "@fastify/websocket";
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { isOwnOrigin } from "./access/origin.ts";
import { SESSION_COOKIE } from "./access/sessions.ts";
import { agentsList } from "./api/agents-list.ts";
import { type ApiServices, SIGN_IN } from "./api/api-context.ts";
import { ApiError, sendFailure } from "./api/api-error.ts";
import { authorizationShow } from "./api/authorization-show.ts";
import { checkpointShow } from "./api/checkpoint-show.ts";
import { consistencyShow } from "./api/consistency-show.ts";
import { decisionsList } from "./api/decisions-list.ts";
import { idResolve } from "./api/id-resolve.ts";
import { liveOpen } from "./api/live-open.ts";
import { liveTicketIssue } from "./api/live-ticket-issue.ts";
import { nodesList } from "./api/nodes-list.ts";
import { overviewShow } from "./api/overview-show.ts";
import { receiptShow } from "./api/receipt-show.ts";
import { sessionEnd } from "./api/session-end.ts";
import { sessionShow } from "./api/session-show.ts";
import { signInOpen } from "./api/sign-in-open.ts";
import { servePages } from "./pages.ts";

const ROUTES = [
  sessionShow,
  sessionEnd,
  liveTicketIssue,
  liveOpen,
  overviewShow,
  decisionsList,
  agentsList,
  authorizationShow,
  receiptShow,
  consistencyShow,
  checkpointShow,
  idResolve,
  nodesList,
] as const;

/** No script, style, font or connection but our own, nothing inline, and no frame around it. */
const CONTENT_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "font-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join("; ");

const HEADERS = {
  "content-security-policy": CONTENT_POLICY,
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  // A sign-in link must not be told to anybody.
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
} as const;

/** A message of a page is a subscription: some hundred bytes. */
const MESSAGE_BYTES_MAX = 4_096;
const BODY_BYTES_MAX = 16_384;
const HEAD_MS = 20_000;

/** The console's routes. Under `/api` nothing is answered without a session. */
export async function buildServer(
  services: ApiServices,
  pagesDir: string,
): Promise<FastifyInstance> {
  const app = fastify({
    logger: false,
    bodyLimit: BODY_BYTES_MAX,
    exposeHeadRoutes: false,
    forceCloseConnections: true,
    http: { headersTimeout: HEAD_MS },
    requestTimeout: HEAD_MS,
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 200 },
  });
  // No request of this API has a body that is looked at.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "string" }, (_request, _body, done) => done(null));
  app.decorateRequest("session", undefined);
  app.addHook("onRequest", async (_request, reply) => {
    void reply.headers(HEADERS);
  });
  app.setErrorHandler((error, _request, reply) => sendFailure(reply, error, services.log));
  app.setNotFoundHandler((_request, reply) =>
    sendFailure(reply, new ApiError("not-found", "There is nothing here."), services.log),
  );
  await app.register(cookie);
  await app.register(websocket, { options: { maxPayload: MESSAGE_BYTES_MAX } });
  await app.register(async (api) => {
    api.addHook("onRequest", async (request, reply) => guard(request, reply, services));
    for (const addRoute of ROUTES) addRoute(api, services);
    // Also what there is not: who is not signed in learns nothing of the difference.
    api.all("/api/*", () => {
      throw new ApiError("not-found", "The API has nothing here.");
    });
  });
  signInOpen(app, services);
  app.get("/healthz", (_request, reply) => reply.send({ ok: true }));
  await servePages(app, pagesDir);
  return app;
}

/** Lets in who has a session, and to what changes something only our own pages. @throws ApiError */
function guard(request: FastifyRequest, reply: FastifyReply, services: ApiServices): void {
  void reply.header("cache-control", "no-store");
  const { now, publicUrl, sessions } = services;
  request.session = sessions.read(request.cookies[SESSION_COOKIE], now());
  if (request.session === undefined) throw new ApiError("unauthenticated", SIGN_IN);
  const reads = request.method === "GET" || request.method === "HEAD";
  if (!reads && !isOwnOrigin(request.headers, publicUrl)) {
    throw new ApiError("forbidden", "This may only be asked by a page of this console.");
  }
}
