import type { IncomingMessage } from "node:http";
import type { FastifyInstance } from "fastify";
import { findAgent, findKey } from "../../authenticate.ts";
import { ClientResponse } from "../../client-response.ts";
import { type CallServices, handleCall } from "../../handle-call.ts";
import { agentLane, modelNames } from "../../lane-models.ts";
import { refused } from "../../refusal.ts";
import { sendProblem } from "../../send-problem.ts";
import { openaiSurface as surface } from "./surface.ts";

/** Registers the Chat Completions API under its base path and at the root. */
export function openaiRoutes(app: FastifyInstance, services: CallServices): void {
  for (const path of ["/v1/openai/chat/completions", "/v1/chat/completions"]) {
    app.post(path, (request, reply) => {
      reply.hijack();
      handleCall(services, surface, request.raw, reply.raw);
    });
  }
  app.get("/v1/openai/models", (request, reply) => {
    reply.hijack();
    listModels(services, request.raw, new ClientResponse(reply.raw));
  });
  app.get<{ Params: { id: string } }>("/v1/openai/models/:id", (request, reply) => {
    reply.hijack();
    listModels(services, request.raw, new ClientResponse(reply.raw), request.params.id);
  });
}

/** Answers with the lane's models; nothing is forwarded. */
export function listModels(
  services: CallServices,
  request: IncomingMessage,
  client: ClientResponse,
  id?: string,
): void {
  const holder = findKey(request.headers, services.config);
  if ("code" in holder) return sendProblem(client, surface, holder);
  const agent = findAgent(holder, request.headers);
  if (typeof agent !== "string") return sendProblem(client, surface, agent);
  const lane = agentLane(services.config, { ws: holder.ws, agent }, surface);
  if ("code" in lane) return sendProblem(client, surface, lane);
  const owner = lane.lane.provider;
  const data = modelNames(lane).map((name) => ({
    id: name,
    object: "model",
    created: 0,
    owned_by: owner,
  }));
  if (id === undefined) return sendJson(client, { object: "list", data });
  const model = data.find((known) => known.id === id);
  if (model !== undefined) return sendJson(client, model);
  const message = `model: "${id.slice(0, 100)}" is not in the lane of agent ${agent}.`;
  return sendProblem(client, surface, refused("model-not-in-lane", message, { field: "model" }));
}

function sendJson(client: ClientResponse, value: unknown): void {
  const body = Buffer.from(JSON.stringify(value));
  client.head(200, { "content-type": "application/json", "content-length": String(body.length) });
  client.end(body);
}
