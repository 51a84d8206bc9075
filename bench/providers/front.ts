import type { IncomingMessage } from "node:http";
import { type Behavior, readHeaders } from "./behavior.ts";
import type { Exchange, Services } from "./exchange.ts";
import { isGatewayKey, keyOf } from "./key.ts";

/** How a vendor words what it says outside of its answers. */
export interface Voice {
  /** Headers of every answer, name and value in turn. */
  readonly headers: (exchange: Exchange) => readonly string[];
  /** The envelope for a status; `type` and `message` `null`: the vendor's usual ones. */
  readonly envelope: (id: string, problem: Problem) => Envelope;
  /** Why a key is not accepted; `undefined` when it is. */
  readonly keyProblem: (exchange: Exchange) => Problem | undefined;
  readonly notJson: Problem;
}

/** What is wrong with a request. */
export interface Problem {
  readonly status: number;
  /** Anthropic's `error.type`, OpenAI's `error.code`. */
  readonly type: string | null;
  readonly message: string | null;
  /** OpenAI's `error.param`. */
  readonly param?: string | null;
}

export interface Envelope {
  /** Type or code as it stands in the body, for the record. */
  readonly type: string;
  readonly body: string;
}

/** Largest request body: 32 MB (docs.claude.com/en/api/errors, read 2026-11-22). */
const BODY_BYTES_MAX = 32 * 1024 * 1024;

/** A request with a body that is JSON, and how it is to be answered. */
export interface Accepted {
  readonly json: unknown;
  readonly behavior: Behavior;
}

/** Reads a request up to where the vendor looks at its fields; refuses what does not get there. */
export async function accept(
  exchange: Exchange,
  services: Services,
  voice: Voice,
): Promise<Accepted | undefined> {
  const text = exchange.req.method === "GET" ? "" : await readBody(exchange.req);
  const knobs = readHeaders(exchange.req.headers);
  const tag = knobs?.patch?.tag ?? null;
  const context = { askedModel: null, tag };
  const say = (problem: Problem) => refuse(exchange, voice, problem, context);
  if (text === undefined) return say({ status: 413, type: null, message: null });
  if (knobs?.mistakes !== undefined) {
    return say({ status: 400, type: null, message: `Simulator: ${knobs.mistakes.join("; ")}` });
  }
  const badKey = voice.keyProblem(exchange);
  if (badKey !== undefined) return say(badKey);

  let json: unknown;
  if (exchange.req.method !== "GET") {
    try {
      json = JSON.parse(text);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      return say(voice.notJson);
    }
  }
  const model = modelOf(json);
  const behavior = services.control.behaviorFor(
    { provider: exchange.provider, model: model ?? "", tag: tag ?? "" },
    knobs?.patch,
  );
  if (behavior.errorStatus !== null) {
    await exchange.pause(behavior);
    return refuse(exchange, voice, errorAsked(behavior, behavior.errorStatus), {
      askedModel: model,
      tag: behavior.tag,
      retryAfterS: behavior.retryAfterS,
    });
  }
  return { json, behavior };
}

/** The model a body names, if it does. */
export function modelOf(json: unknown): string | null {
  if (typeof json !== "object" || json === null || !("model" in json)) return null;
  return typeof json.model === "string" ? json.model : null;
}

/** Answers with the vendor's envelope; returns `undefined`, so that a caller can return it. */
export function refuse(
  exchange: Exchange,
  voice: Voice,
  problem: Problem,
  context: { askedModel: string | null; tag: string | null; retryAfterS?: number | null },
): undefined {
  const envelope = voice.envelope(exchange.id, problem);
  const after = context.retryAfterS ?? (problem.status === 429 ? 1 : null);
  exchange.refuse({
    status: problem.status,
    type: envelope.type,
    headers: [
      ...voice.headers(exchange),
      ...(after === null ? [] : ["retry-after", String(after)]),
    ],
    body: envelope.body,
    askedModel: context.askedModel,
    tag: context.tag,
  });
  return undefined;
}

function errorAsked(behavior: Behavior, status: number): Problem {
  return { status, type: behavior.errorType, message: behavior.errorMessage };
}

/** True for a key that is acceptable: any, or one of those configured. */
export function acceptsKey(exchange: Exchange, keys: readonly string[] | undefined): boolean {
  const { value } = keyOf(exchange.req.headers, exchange.provider);
  if (isGatewayKey(value)) return false;
  return keys === undefined || keys.includes(value);
}

/** The body as text; `undefined` when it is too large. The rest of a large one is read and dropped. */
async function readBody(req: IncomingMessage): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const chunks: Buffer[] = [];
  let bytes = 0;
  req.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= BODY_BYTES_MAX) chunks.push(chunk);
    else chunks.length = 0;
  });
  req.on("end", () => {
    if (bytes > BODY_BYTES_MAX) return resolve(undefined);
    const [only] = chunks;
    resolve((chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks)).toString());
  });
  // A client that leaves in the middle of its body asked for nothing; `""` is not JSON.
  req.on("error", () => resolve(""));
  req.on("close", () => resolve(""));
  return await promise;
}
