import { Agent, type Dispatcher, errors } from "undici";
import {
  ProviderFault,
  type ProviderPort,
  type ProviderReply,
  type ProviderRequest,
} from "./ports.ts";

/** Bounds of a call to a provider. All in ms. */
export interface ForwardLimits {
  readonly connectMs: number;
  /** Until the head of the answer: a whole answer is generated before it comes. */
  readonly headersMs: number;
  /** Between two pieces of an answer. */
  readonly idleMs: number;
}

/** Vendors' SDKs wait 10 minutes by default, for a whole answer. */
export const FORWARD_LIMITS: ForwardLimits = {
  connectMs: 10_000,
  headersMs: 600_000,
  idleMs: 300_000,
};

/** Faults in which no byte of the request can have been served. */
const NEVER_SENT = new Set([
  "EADDRNOTAVAIL",
  "EAI_AGAIN",
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "UND_ERR_CONNECT_TIMEOUT",
]);

/** Carries calls over kept-alive connections, one pool for each origin. */
export class UndiciForward implements ProviderPort {
  readonly #agent: Agent;

  constructor(limits: ForwardLimits = FORWARD_LIMITS) {
    this.#agent = new Agent({
      // As many connections as there are calls: a call that waits for one would hold money meanwhile.
      connections: null,
      pipelining: 1,
      connect: { timeout: limits.connectMs },
      headersTimeout: limits.headersMs,
      bodyTimeout: limits.idleMs,
      keepAliveTimeout: 4_000,
      maxHeaderSize: 64 * 1024,
    });
  }

  async send(request: ProviderRequest, signal: AbortSignal): Promise<ProviderReply> {
    const url = new URL(request.url);
    let reply: Dispatcher.ResponseData;
    try {
      reply = await this.#agent.request({
        origin: url.origin,
        path: url.pathname + url.search,
        method: "POST",
        headers: request.headers,
        body: request.body,
        signal,
      });
    } catch (cause) {
      throw faultOf(cause, url.host);
    }
    const { body, headers, statusCode } = reply;
    return { status: statusCode, headers: definedHeaders(headers), body: readBody(body, url.host) };
  }

  async stop(): Promise<void> {
    await this.#agent.destroy();
  }
}

async function* readBody(
  body: AsyncIterable<Buffer>,
  host: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for await (const chunk of body) yield chunk;
  } catch (cause) {
    throw faultOf(cause, host, "unknown");
  }
}

/** Says what a fault of the transport means for the money. */
function faultOf(cause: unknown, host: string, known?: "unknown"): ProviderFault {
  const code = codeOf(cause);
  const outcome = known ?? (NEVER_SENT.has(code) ? "none" : "unknown");
  if (cause instanceof errors.HeadersTimeoutError || cause instanceof errors.BodyTimeoutError) {
    return new ProviderFault("provider-timeout", "unknown", `${host} stopped answering.`, cause);
  }
  if (outcome === "none") {
    const message = `${host} cannot be reached (${code}).`;
    return new ProviderFault("provider-unreachable", "none", message, cause);
  }
  const message = `${host} broke off the connection (${code}).`;
  return new ProviderFault("provider-broken", "unknown", message, cause);
}

/** The code of a fault; of several (one for each address), the first. */
function codeOf(cause: unknown): string {
  if (!(cause instanceof Error)) return "unknown";
  if (cause instanceof AggregateError) return codeOf(cause.errors[0]);
  return "code" in cause && typeof cause.code === "string" ? cause.code : cause.name;
}

function definedHeaders(
  headers: Readonly<Record<string, string | string[] | undefined>>,
): Record<string, string | readonly string[]> {
  const defined: Record<string, string | readonly string[]> = {};
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined) defined[name] = value;
  return defined;
}
