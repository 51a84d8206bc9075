import type { Behavior } from "../behavior.ts";
import type { ModelFacts } from "../catalog.ts";
import type { Exchange } from "../exchange.ts";
import { accept, acceptsKey, type Problem, refuse, type Voice } from "../front.ts";
import { keyOf } from "../key.ts";
import type { Parts } from "../parts.ts";
import { type Prompt, promptEnd } from "../prompt.ts";
import { none } from "../prompt-cache.ts";
import { fingerprint } from "../prose.ts";
import { type Bill, NOTHING } from "../served.ts";
import { errorBody, errorMessage, errorType } from "./errors.ts";
import { leastCachedTokens, promptOf } from "./prompt.ts";
import { type Reply, replyTo, SEARCH_RESULT_TOKENS } from "./reply.ts";
import { type MessagesRequest, mistakeIn } from "./request.ts";
import { event, messageBody, messageFrames, type Sent } from "./wire.ts";

const REQUESTS_LIMIT = 4_000;
const INPUT_LIMIT = 2_000_000;
const OUTPUT_LIMIT = 400_000;

/** The Messages API: `POST /v1/messages`, `POST /v1/messages/count_tokens`, `GET /v1/models[/id]`. */
export class AnthropicApi {
  readonly #parts: Parts;
  readonly #voice: Voice;
  #requests = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#voice = {
      headers: (exchange) => this.#headers(exchange),
      envelope: (id, problem) => {
        const type = problem.type ?? errorType(problem.status);
        return { type, body: errorBody(type, problem.message ?? errorMessage(problem.status), id) };
      },
      keyProblem: (exchange) => keyProblem(exchange, parts.keys),
      notJson: invalid("The request body is not valid JSON"),
    };
  }

  /** Answers a request whose path, from `/v1` on, is given. */
  async handle(exchange: Exchange, path: string): Promise<void> {
    const accepted = await accept(exchange, this.#parts, this.#voice);
    if (accepted === undefined) return;
    const { method } = exchange.req;
    if (method === "GET" && path === "/v1/models") return this.#models(exchange);
    if (method === "GET" && path.startsWith("/v1/models/")) {
      return this.#model(exchange, decodeURIComponent(path.slice("/v1/models/".length)));
    }
    const count = path === "/v1/messages/count_tokens";
    if (method !== "POST" || !(count || path === "/v1/messages")) {
      return this.#refuse(exchange, { status: 404, type: null, message: "Not found" }, null, null);
    }
    const problem = this.#problemIn(exchange, accepted.json, count);
    const request = accepted.json as MessagesRequest;
    if (problem !== undefined)
      return this.#refuse(exchange, problem, request.model, accepted.behavior.tag);
    const prompt = promptOf(request, accepted.behavior.bytesPerToken);
    if (count) {
      if (accepted.behavior.firstByteMs > 0) await exchange.pause(accepted.behavior);
      const counted = accepted.behavior.inputTokens ?? prompt.tokens;
      return exchange.free(`{"input_tokens":${counted}}`, this.#headers(exchange), request.model);
    }
    const beyond = beyondLimits(request, prompt, this.#parts.catalog.find(request.model));
    if (beyond !== undefined)
      return this.#refuse(exchange, beyond, request.model, accepted.behavior.tag);
    const pick = fingerprint(promptEnd(prompt), this.#parts.seed);
    await this.#answer(exchange, request, accepted.behavior, { prompt, pick });
  }

  async #answer(
    exchange: Exchange,
    request: MessagesRequest,
    behavior: Behavior,
    { prompt, pick }: { prompt: Prompt; pick: number },
  ): Promise<void> {
    const { cache, prose, ids, catalog } = this.#parts;
    const reply = replyTo(request, behavior, { prose, ids, pick });
    const owner = `anthropic ${keyOf(exchange.req.headers, "anthropic").value} ${request.model}`;
    const use = behavior.caching
      ? cache.explicit(owner, prompt, leastCachedTokens(request.model))
      : none;
    const bill = billFor(prompt, use, reply, behavior);
    const dated = behavior.datedModel ? catalog.find(request.model)?.dated : undefined;
    const model = behavior.servedModel ?? dated ?? request.model;
    const sent: Sent = { id: ids("msg_01", 22), model, request, reply, behavior, bill };
    const error = behavior.errorType ?? "overloaded_error";
    const message = behavior.errorMessage ?? "Overloaded";
    const errorData = { type: "error", error: { type: error, message }, request_id: exchange.id };
    await exchange.answer(
      {
        replyId: sent.id,
        model,
        serviceTier: behavior.serviceTier ?? "standard",
        stream: request.stream === true,
        outputMax: request.max_tokens,
        bill,
        headers: this.#headers(exchange),
        body: () => messageBody(sent),
        frames: () => messageFrames(sent),
        errorFrame: { text: event("error", errorData), type: error },
        reports: behavior.usage === "real" || behavior.usage === "zero",
        begin: use.commit,
      },
      behavior,
      request.model,
    );
  }

  #problemIn(exchange: Exchange, json: unknown, count: boolean): Problem | undefined {
    const { headers } = exchange.req;
    if (headers["anthropic-version"] === undefined)
      return invalid("anthropic-version: header is required");
    const mistake = mistakeIn(json, { count, beta: headers["anthropic-beta"] !== undefined });
    if (mistake !== undefined) return invalid(mistake);
    const { model } = json as MessagesRequest;
    if (this.#parts.catalog.find(model) !== undefined) return undefined;
    return { status: 404, type: null, message: `model: ${model}` };
  }

  #refuse(exchange: Exchange, problem: Problem, model: unknown, tag: string | null): void {
    const askedModel = typeof model === "string" ? model : null;
    refuse(exchange, this.#voice, problem, { askedModel, tag });
  }

  #models(exchange: Exchange): void {
    const data = this.#parts.catalog.ids().map((id) => this.#modelInfo(id));
    const ends = { first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null };
    exchange.free(JSON.stringify({ data, has_more: false, ...ends }), this.#headers(exchange));
  }

  #model(exchange: Exchange, id: string): void {
    const problem = { status: 404, type: null, message: `model: ${id}` };
    if (this.#parts.catalog.find(id) === undefined)
      return this.#refuse(exchange, problem, id, null);
    exchange.free(JSON.stringify(this.#modelInfo(id)), this.#headers(exchange), id);
  }

  /** `ModelInfo` in resources/models.d.ts; what the price data does not know is null. */
  #modelInfo(id: string) {
    return {
      id,
      type: "model",
      display_name: id,
      created_at: "2026-01-01T00:00:00Z",
      capabilities: null,
      deprecated_at: null,
      lifecycle: "active",
      line: null,
      max_input_tokens: this.#parts.catalog.find(id)?.window ?? null,
      max_tokens: null,
      retires_at: null,
    };
  }

  #headers(exchange: Exchange): readonly string[] {
    this.#requests += 1;
    const left = REQUESTS_LIMIT - (this.#requests % REQUESTS_LIMIT);
    const reset = resetTime();
    return [
      "request-id",
      exchange.id,
      "anthropic-organization-id",
      "00000000-0000-4000-8000-000000000000",
      "anthropic-ratelimit-requests-limit",
      String(REQUESTS_LIMIT),
      "anthropic-ratelimit-requests-remaining",
      String(left),
      "anthropic-ratelimit-requests-reset",
      reset,
      "anthropic-ratelimit-input-tokens-limit",
      String(INPUT_LIMIT),
      "anthropic-ratelimit-input-tokens-remaining",
      String(INPUT_LIMIT - 1_000),
      "anthropic-ratelimit-input-tokens-reset",
      reset,
      "anthropic-ratelimit-output-tokens-limit",
      String(OUTPUT_LIMIT),
      "anthropic-ratelimit-output-tokens-remaining",
      String(OUTPUT_LIMIT - 1_000),
      "anthropic-ratelimit-output-tokens-reset",
      reset,
    ];
  }
}

/** Anthropic's buckets stand side by side: what was read or written is not in `input`. */
function billFor(
  prompt: Prompt,
  use: { readonly read: number; readonly write5m: number; readonly write1h: number },
  reply: Reply,
  behavior: Behavior,
): Bill {
  if (behavior.usage === "zero") return NOTHING;
  const results = reply.searches * SEARCH_RESULT_TOKENS;
  const tail = { output: reply.output, web_search: reply.searches };
  if (behavior.inputTokens !== null)
    return { ...NOTHING, input: behavior.inputTokens + results, ...tail };
  return {
    input: prompt.tokens - use.read - use.write5m - use.write1h + results,
    cache_read: use.read,
    cache_write_5m: use.write5m,
    cache_write_1h: use.write1h,
    ...tail,
  };
}

function keyProblem(exchange: Exchange, keys: readonly string[] | undefined): Problem | undefined {
  const { scheme } = keyOf(exchange.req.headers, "anthropic");
  if (scheme === "none")
    return { status: 401, type: null, message: "x-api-key header is required" };
  if (acceptsKey(exchange, keys)) return undefined;
  const message = scheme === "bearer" ? "Invalid bearer token" : "invalid x-api-key";
  return { status: 401, type: null, message };
}

/** What is too much for the model: the output asked for, or the prompt. */
function beyondLimits(
  request: MessagesRequest,
  prompt: Prompt,
  model: ModelFacts | undefined,
): Problem | undefined {
  const { window = null, outputMax = null } = model ?? {};
  if (outputMax !== null && request.max_tokens > outputMax) {
    return invalid(
      `max_tokens: ${request.max_tokens} > ${outputMax}, which is the maximum allowed number of output tokens for ${request.model}`,
    );
  }
  if (window === null || prompt.tokens <= window) return undefined;
  return invalid(`prompt is too long: ${prompt.tokens} tokens > ${window} maximum`);
}

function invalid(message: string): Problem {
  return { status: 400, type: null, message };
}

let resetText = "";
let resetSecond = 0;

/** RFC 3339 time at which the limits are full again: the next second. Formatted once per second. */
function resetTime(): string {
  const second = Math.floor(Date.now() / 1_000) + 1;
  if (second !== resetSecond) {
    resetSecond = second;
    resetText = `${new Date(second * 1_000).toISOString().slice(0, 19)}Z`;
  }
  return resetText;
}
