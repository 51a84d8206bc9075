/** Calls over HTTP as a client without an SDK makes them, with what came back whole. */
import { setTimeout as sleep } from "node:timers/promises";
import { Agent, type Dispatcher, request } from "undici";

export const SURFACES = ["anthropic", "openai"] as const;
export type SurfaceName = (typeof SURFACES)[number];

/** The lightest tier's model of each built-in lane. */
export const LIGHT_MODEL = { anthropic: "claude-haiku-4-5", openai: "gpt-5.6-luna" } as const;

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** What every refusal carries beside the vendor's own envelope. */
export interface TarmacProblem {
  readonly code: string;
  readonly authorization: string | null;
  readonly receipt: string | null;
  readonly message: string;
}

export interface HttpCall {
  readonly surface: SurfaceName;
  readonly key: string;
  /** An object is sent as JSON, anything else as it is. */
  readonly body: string | Buffer | Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Connections of its own, as many as there are calls at once. */
export function newClient(): Agent {
  return new Agent({
    bodyTimeout: 120_000,
    connections: null,
    headersTimeout: 120_000,
    pipelining: 1,
  });
}

/** Makes one call and reads its answer to the end. @throws what undici throws when it breaks off */
export async function call(
  gatewayUrl: string,
  options: HttpCall,
  client: Dispatcher,
): Promise<HttpAnswer> {
  const { body, headers, key, surface } = options;
  const path =
    surface === "anthropic" ? "/v1/anthropic/v1/messages" : "/v1/openai/chat/completions";
  const raw = typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  const response = await request(`${gatewayUrl}${path}`, {
    body: raw,
    dispatcher: client,
    headers: {
      "content-type": "application/json",
      ...(surface === "anthropic"
        ? { "anthropic-version": "2023-06-01", "x-api-key": key }
        : { authorization: `Bearer ${key}` }),
      ...headers,
    },
    method: "POST",
  });
  const text = await response.body.text();
  return { headers: response.headers, status: response.statusCode, text };
}

/**
 * Waits until the gateway has heard of a key: it follows the ledger's configuration by milliseconds.
 * Asks for the models of the lane, which costs nothing and is no entry.
 */
export async function untilKnown(gatewayUrl: string, key: string): Promise<void> {
  const deadline = performance.now() + 10_000;
  for (;;) {
    const headers = { "anthropic-version": "2023-06-01", "x-api-key": key };
    const { status } = await fetch(`${gatewayUrl}/v1/models`, { headers });
    // A lane of the other API has no models here, which is an answer to a known key all the same.
    if (status !== 401) return;
    if (performance.now() > deadline) throw new Error(`the gateway answers ${status} to a new key`);
    await sleep(10);
  }
}

/** A short chat with an output limit, as the surface wants it. */
export function chat(
  surface: SurfaceName,
  outputMax: number,
  more: Readonly<Record<string, unknown>> = {},
): Readonly<Record<string, unknown>> {
  const messages = [{ content: "Summarise this ticket in one sentence.", role: "user" }];
  const limit =
    surface === "anthropic" ? { max_tokens: outputMax } : { max_completion_tokens: outputMax };
  return { messages, model: LIGHT_MODEL[surface], ...limit, ...more };
}

/** The `tarmac` object of a refusal. @throws Error when there is none */
export function problemOf(answer: HttpAnswer): TarmacProblem {
  const json = JSON.parse(answer.text) as { readonly tarmac?: TarmacProblem };
  if (json.tarmac === undefined) throw new Error(`no tarmac object in ${answer.text}`);
  return json.tarmac;
}

/** A vendor's own envelope of an error, as far as clients read it. */
export function vendorErrorOf(answer: HttpAnswer): {
  readonly type: string;
  readonly message: string;
  /** OpenAI's, else undefined. */
  readonly code?: string | null;
  readonly param?: string | null;
} {
  const json = JSON.parse(answer.text) as {
    readonly error: { readonly type: string; readonly message: string };
  };
  return json.error;
}
