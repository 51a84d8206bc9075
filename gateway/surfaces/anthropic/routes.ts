import type { IncomingMessage } from "node:http";
import type { FastifyInstance } from "fastify";
import { findAgent, findKey } from "../../authenticate.ts";
import { ClientResponse } from "../../client-response.ts";
import { forwardHeaders } from "../../forward-headers.ts";
import { admit, type CallServices, handleCall, queryOf } from "../../handle-call.ts";
import { editBytes } from "../../json-scan.ts";
import { type AgentLane, agentLane, modelNames, modelOf } from "../../lane-models.ts";
import { parseBody } from "../../parse-body.ts";
import { ProviderFault, type ProviderPort } from "../../ports.ts";
import type { ProviderTargets } from "../../provider-target.ts";
import { readRequestBody } from "../../read-body.ts";
import { bodyRefused, type Problem, providerFailed, refused } from "../../refusal.ts";
import { passedHeaders } from "../../response-headers.ts";
import { sendProblem } from "../../send-problem.ts";
import { anthropicSurface as surface } from "./surface.ts";

/** What the free routes need besides. */
export interface AnthropicServices extends CallServices {
  readonly targets: ProviderTargets;
  readonly providers: ProviderPort;
}

/** How long a count may take, in ms. */
const COUNT_MS_MAX = 60_000;

/** `POST /v1/messages`, metered. */
export function messages(services: CallServices) {
  return (app: FastifyInstance, path: string) =>
    app.post(path, (request, reply) => {
      reply.hijack();
      handleCall(services, surface, request.raw, reply.raw);
    });
}

/** Registers the Messages API under a base path. */
export function anthropicRoutes(app: FastifyInstance, services: AnthropicServices): void {
  const base = "/v1/anthropic/v1";
  messages(services)(app, `${base}/messages`);
  messages(services)(app, "/v1/messages");
  for (const path of [`${base}/messages/count_tokens`, "/v1/messages/count_tokens"]) {
    app.post(path, async (request, reply) => {
      reply.hijack();
      const client = new ClientResponse(reply.raw);
      const problem = await countTokens(services, request.raw, client);
      if (problem !== undefined) sendProblem(client, surface, problem);
    });
  }
  app.get(`${base}/models`, (request, reply) => {
    reply.hijack();
    listModels(services, request.raw, new ClientResponse(reply.raw));
  });
  app.get<{ Params: { id: string } }>(`${base}/models/:id`, (request, reply) => {
    reply.hijack();
    listModels(services, request.raw, new ClientResponse(reply.raw), request.params.id);
  });
}

/**
 * Counts tokens at the provider: free, so it is forwarded without an authorization, after key and lane
 * have been checked.
 * Source: https://platform.claude.com/docs/en/build-with-claude/token-counting ("free to use"), read
 * 2026-11-22.
 */
async function countTokens(
  services: AnthropicServices,
  request: IncomingMessage,
  client: ClientResponse,
): Promise<Problem | undefined> {
  const caller = admit(services, request, surface);
  if ("code" in caller) return caller;
  const query = queryOf(request, surface);
  if (typeof query !== "string") return query;
  const found = agentLane(services.config, caller, surface);
  if ("code" in found) return found;
  const body = await readRequestBody(request, services.budget);
  if (body === undefined) return undefined;
  if ("code" in body) return body;
  try {
    const bytes = withLaneModel(body.bytes, found, caller.agent);
    if ("code" in bytes) return bytes;
    const target = await services.targets.find(found.lane.provider, caller, surface);
    if ("code" in target) return target;
    const passed = forwardHeaders(request.headers, surface);
    const account = target.passthrough ? passed.accountHeaders : {};
    const url = `${target.baseUrl}/v1/messages/count_tokens${query}`;
    const headers = { ...passed.headers, ...account, ...target.headers };
    const signal = AbortSignal.timeout(COUNT_MS_MAX);
    const answer = await services.providers.send({ url, headers, body: bytes }, signal);
    client.head(answer.status, passedHeaders(answer.headers));
    for await (const chunk of answer.body) await client.write(chunk);
    client.end();
    return undefined;
  } catch (cause) {
    if (!(cause instanceof ProviderFault)) throw cause;
    const { authorization: _none, ...problem } = providerFailed(cause, "");
    return { ...problem, message: `${cause.message} Counting is free; nothing was held.` };
  } finally {
    body.release();
  }
}

/** The body with the lane's own model in it. */
function withLaneModel(bytes: Buffer, lane: AgentLane, agent: string): Buffer | Problem {
  const parsed = parseBody(bytes);
  if (!parsed.ok) return bodyRefused(parsed.problems, []);
  const asked = parsed.body["model"];
  const span = parsed.shape.spans.get("model");
  if (typeof asked !== "string" || span === undefined) {
    return bodyRefused(["model: must be a string"], []);
  }
  const model = modelOf(lane, asked);
  if (model === undefined) {
    const message = `model: "${asked.slice(0, 100)}" is not in the lane of agent ${agent}. GET /v1/models lists those that are.`;
    return refused("model-not-in-lane", message, { field: "model" });
  }
  return model === asked ? bytes : editBytes(bytes, [{ ...span, text: JSON.stringify(model) }]);
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
  const data = modelNames(lane).map((name) => ({
    type: "model",
    id: name,
    display_name: name,
    // The card does not carry it; the types want a date.
    created_at: "1970-01-01T00:00:00Z",
  }));
  if (id !== undefined) {
    const model = data.find((known) => known.id === id);
    if (model !== undefined) return sendJson(client, model);
    const message = `model: "${id.slice(0, 100)}" is not in the lane of agent ${agent}.`;
    return sendProblem(client, surface, refused("model-not-in-lane", message));
  }
  const ends = { first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null };
  return sendJson(client, { data, has_more: false, ...ends });
}

function sendJson(client: ClientResponse, value: unknown): void {
  const body = Buffer.from(JSON.stringify(value));
  client.head(200, { "content-type": "application/json", "content-length": String(body.length) });
  client.end(body);
}
