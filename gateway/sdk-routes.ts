import type { IncomingMessage } from "node:http";
import type { FastifyInstance } from "fastify";
import type { z } from "zod";
import type { Answer, Command, DecidedAnswer } from "../actors/commands.ts";
import { authorizationOf, receiptId } from "../ledger/ids.ts";
import { findAgent, findKey, type KeyHolder } from "./authenticate.ts";
import { isReported, newReportedId } from "./call-ids.ts";
import { ClientResponse } from "./client-response.ts";
import type { CallServices } from "./handle-call.ts";
import { parseBody } from "./parse-body.ts";
import type { EnginePort } from "./ports.ts";
import { readRequestBody } from "./read-body.ts";
import {
  bodyRefused,
  decidedRefused,
  engineRefused,
  type Problem,
  refused,
  usdHeader,
} from "./refusal.ts";
import { authorizeBody, mistakes, renewBody, settleBody, voidBody } from "./sdk-schema.ts";
import { sendProblem } from "./send-problem.ts";
import type { Settlement } from "./settlement.ts";

/** What the routes for callers that make their own calls need. */
export interface SdkServices extends CallServices {
  readonly engine: EnginePort;
  readonly settlement: Settlement;
}

type Reply = Problem | { readonly json: unknown };
const LIMITS = { tryTimeoutMs: 400, deadlineMs: 3_000 } as const;

/** A problem as these routes say it. */
const envelope = {
  renderProblem: ({ authorization, code, message }: Problem) =>
    JSON.stringify({
      error: { code, message },
      tarmac: {
        code,
        authorization: authorization ?? null,
        receipt: authorization === undefined ? null : receiptId(authorization),
        message,
      },
    }),
};

/** Registers authorize, settle, void, renew and receipts. Nothing is proxied. */
export function sdkRoutes(app: FastifyInstance, services: SdkServices): void {
  app.post("/v1/authorize", async (request, reply) => {
    reply.hijack();
    const client = new ClientResponse(reply.raw);
    answer(client, await authorize(services, request.raw));
  });
  const steps = { settle, void: giveBack, renew } as const;
  for (const [name, step] of Object.entries(steps)) {
    app.post<{ Params: { id: string } }>(
      `/v1/authorizations/:id/${name}`,
      async (request, reply) => {
        reply.hijack();
        const client = new ClientResponse(reply.raw);
        const owned = await ownAuthorization(services, request.raw, request.params.id);
        answer(client, "code" in owned ? owned : await step(services, request.raw, owned));
      },
    );
  }
  app.get<{ Params: { id: string } }>("/v1/receipts/:id", async (request, reply) => {
    reply.hijack();
    const client = new ClientResponse(reply.raw);
    answer(client, await receipt(services, request.raw, request.params.id));
  });
}

function answer(client: ClientResponse, reply: Reply): void {
  if ("code" in reply) return sendProblem(client, envelope, reply);
  const body = Buffer.from(JSON.stringify(reply.json, writeBigint));
  client.head(200, { "content-type": "application/json", "content-length": String(body.length) });
  client.end(body);
}

function writeBigint(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}

async function authorize(services: SdkServices, request: IncomingMessage): Promise<Reply> {
  if (services.stopping()) return refused("fail-closed", "This gateway is shutting down.");
  const holder = findKey(request.headers, services.config);
  if ("code" in holder) return holder;
  const body = await readBody(services, request, authorizeBody);
  if ("code" in body) return body;
  const { agent: named, attributes, run, tool, model, usage_bound } = body.value;
  const headers = named === undefined ? request.headers : { "x-tarmac-agent": named };
  const agent = findAgent(holder, headers);
  if (typeof agent !== "string") return agent;
  const authorization = newReportedId(services.clock.wallMs());
  const decided = await ask(services, holder.ws, {
    kind: "authorize",
    agent,
    authorization,
    key: holder.key,
    model,
    refinable: false,
    usage_bound,
    config_seq: services.config.seq(holder.ws),
    ...(attributes === undefined ? {} : { attributes }),
    ...(run === undefined ? {} : { run }),
    ...(tool === undefined ? {} : { tool }),
  });
  if ("code" in decided) {
    // The caller learns no id to settle, so what may have been held is given back.
    if (decided.code === "fail-closed") {
      await services.settlement.giveBackUnknown(holder.ws, authorization);
    }
    return { ...decided, authorization };
  }
  if (decided.kind !== "decided") return refused("fail-closed", "The engine did not decide.");
  const { grant, outcome } = decided;
  if (outcome === "hold" || grant === undefined) return decidedRefused(decided, agent);
  return { json: decisionJson(decided) };
}

async function settle(services: SdkServices, request: IncomingMessage, own: Owned): Promise<Reply> {
  const body = await readBody(services, request, settleBody);
  if ("code" in body) return body;
  const { part, final, usage, model } = body.value;
  return posted(
    await ask(services, own.ws, {
      kind: "settle",
      authorization: own.authorization,
      part,
      final,
      ...(usage === undefined ? {} : { usage }),
      ...(model === undefined ? {} : { model }),
    }),
  );
}

async function giveBack(
  services: SdkServices,
  request: IncomingMessage,
  own: Owned,
): Promise<Reply> {
  const body = await readBody(services, request, voidBody);
  if ("code" in body) return body;
  const { reason } = body.value;
  const { authorization, ws } = own;
  return posted(await ask(services, ws, { kind: "void", authorization, reason }));
}

async function renew(services: SdkServices, request: IncomingMessage, own: Owned): Promise<Reply> {
  const body = await readBody(services, request, renewBody);
  if ("code" in body) return body;
  const { authorization, ws } = own;
  const renewed = await ask(services, ws, { kind: "renew", authorizations: [authorization] });
  if ("code" in renewed) return renewed;
  if (renewed.kind !== "renewed") return refused("fail-closed", "The engine did not renew.");
  const state = renewed.ended[0]?.state ?? "open";
  return { json: { authorization, state, expires_ms: state === "open" ? renewed.expires_ms : 0 } };
}

async function receipt(
  services: SdkServices,
  request: IncomingMessage,
  id: string,
): Promise<Reply> {
  const found = await inspect(services, request, id);
  if ("code" in found) return found;
  const { settled, still_held, agent, run, at, state, reason, seq } = found.record;
  return {
    json: {
      ...decisionJson(found.record),
      agent,
      run,
      at: new Date(at).toISOString(),
      state,
      reason,
      seq,
      settled: usdHeader(settled),
      still_held: usdHeader(still_held),
    },
  };
}

/** An authorization that this caller reports itself. */
interface Owned {
  readonly ws: string;
  readonly authorization: string;
}

/**
 * Only calls that the caller reports itself are its to settle: one that this gateway forwards is
 * metered here, whoever knows its id. And a key that speaks for one agent ends no other's.
 */
async function ownAuthorization(
  services: SdkServices,
  request: IncomingMessage,
  id: string,
): Promise<Owned | Problem> {
  const found = await inspect(services, request, id);
  if ("code" in found) return found;
  const { authorization } = found.record;
  if (isReported(authorization)) return { ws: found.holder.ws, authorization };
  const message = "This call is forwarded and metered by the gateway, which settles it itself.";
  return refused("forbidden", message, { authorization });
}

type Inspected = NonNullable<Extract<Answer, { kind: "inspected" }>["authorization"]>;

async function inspect(
  services: SdkServices,
  request: IncomingMessage,
  id: string,
): Promise<{ readonly holder: KeyHolder; readonly record: Inspected } | Problem> {
  const holder = findKey(request.headers, services.config);
  if ("code" in holder) return holder;
  const authorization = authorizationOf(id);
  const unknown = () =>
    refused(
      "unknown-authorization",
      `Workspace ${holder.ws} has no authorization ${id.slice(0, 60)}.`,
    );
  if (authorization === undefined) return unknown();
  const found = await ask(services, holder.ws, { kind: "inspect", authorization });
  if ("code" in found) return found;
  if (found.kind !== "inspected" || found.authorization === undefined) return unknown();
  // Another agent's is not even said to exist.
  if (holder.agent !== undefined && found.authorization.agent !== holder.agent) return unknown();
  return { holder, record: found.authorization };
}

async function ask(
  services: SdkServices,
  ws: string,
  command: Command,
): Promise<Exclude<Answer, { kind: "refused" }> | Problem> {
  try {
    const found = await services.engine.request(ws, command, LIMITS);
    return found.kind === "refused" ? engineRefused(found) : found;
  } catch (cause) {
    services.log.warn(
      { ws, kind: command.kind, cause: String(cause) },
      "a command was not answered",
    );
    return refused("fail-closed", `No engine answered the ${command.kind}. Send the same again.`);
  }
}

function posted(found: Exclude<Answer, { kind: "refused" }> | Problem): Reply {
  if ("code" in found) return found;
  if (found.kind !== "posted") return refused("fail-closed", "The engine did not post.");
  const { amount, authorization, released, seq, state, assumed, late, overage } = found;
  return {
    json: {
      authorization,
      receipt: receiptId(authorization),
      state,
      settled: usdHeader(amount),
      released: usdHeader(released),
      assumed: assumed ?? false,
      late: late ?? false,
      overage: usdHeader(overage ?? 0n),
      seq,
    },
  };
}

function decisionJson(
  decided: Pick<DecidedAnswer, "authorization" | "grant" | "held" | "outcome" | "rule"> & {
    readonly expires_ms?: number;
  },
) {
  const { authorization, grant, held, outcome, rule, expires_ms } = decided;
  return {
    authorization,
    outcome,
    model: grant?.model ?? null,
    provider: grant?.provider ?? null,
    tier: grant?.tier ?? null,
    held: usdHeader(held),
    rule,
    receipt: receiptId(authorization),
    ...(expires_ms === undefined ? {} : { expires_ms }),
  };
}

async function readBody<S extends z.ZodType>(
  services: SdkServices,
  request: IncomingMessage,
  schema: S,
): Promise<Problem | { readonly value: z.output<S> }> {
  const body = await readRequestBody(request, services.budget);
  if (body === undefined) return refused("bad-request", "The body ended early.");
  if ("code" in body) return body;
  try {
    const bytes = body.bytes.length === 0 ? Buffer.from("{}") : body.bytes;
    const parsed = parseBody(bytes);
    if (!parsed.ok) return bodyRefused(parsed.problems, []);
    const read = schema.safeParse(parsed.body);
    return read.success ? { value: read.data } : bodyRefused(mistakes(read.error), []);
  } finally {
    body.release();
  }
}
