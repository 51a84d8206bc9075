import type { Answer } from "../answer.ts";
import type { Behavior } from "../behavior.ts";
import type { ModelFacts } from "../catalog.ts";
import type { Exchange } from "../exchange.ts";
import { accept, acceptsKey, type Problem, refuse, type Voice } from "../front.ts";
import { keyOf } from "../key.ts";
import type { Parts } from "../parts.ts";
import { type Prompt, promptEnd } from "../prompt.ts";
import { type CacheUse, none } from "../prompt-cache.ts";
import { fingerprint } from "../prose.ts";
import { type Bill, NOTHING } from "../served.ts";
import {
  type EmbeddingRequest,
  embeddingBody,
  embeddingProblem,
  embeddingTokens,
} from "./embeddings.ts";
import { openaiEnvelope } from "./errors.ts";
import { promptOf } from "./prompt.ts";
import { choicesFor } from "./reply.ts";
import { type ChatRequest, invalid, problemFor, problemIn } from "./request.ts";
import { completionBody, completionFrames, type Sent } from "./wire.ts";

const REQUESTS_LIMIT = 10_000;
const TOKENS_LIMIT = 30_000_000;

/**
 * Life of an implicit cache entry: minutes of idleness for older models, `prompt_cache_options.ttl`
 * of 30 minutes for those that bill writes (openai 6.49.0 completions.d.ts, read 2026-11-22).
 */
const CACHE_TTL_MS = 10 * 60_000;
const BILLED_CACHE_TTL_MS = 30 * 60_000;

/** Chat completions, embeddings and models; paths come without `/v1`. */
export class OpenaiApi {
  readonly #parts: Parts;
  readonly #voice: Voice;
  #requests = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#voice = {
      headers: (exchange) => this.#headers(exchange, 0),
      envelope: (_id, problem) => openaiEnvelope(problem),
      keyProblem: (exchange) => keyProblem(exchange, parts.keys),
      notJson: invalid(
        "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)",
        null,
        "",
      ),
    };
  }

  /** Answers a request whose path, without `/v1`, is given. */
  async handle(exchange: Exchange, path: string): Promise<void> {
    const startedAt = performance.now();
    const accepted = await accept(exchange, this.#parts, this.#voice);
    if (accepted === undefined) return;
    const { json, behavior } = accepted;
    const { method } = exchange.req;
    if (method === "GET" && path === "/models") return this.#models(exchange);
    if (method === "GET" && path.startsWith("/models/")) {
      return this.#model(exchange, decodeURIComponent(path.slice("/models/".length)));
    }
    if (method === "POST" && path === "/embeddings")
      return await this.#embed(exchange, json, behavior);
    if (method !== "POST" || path !== "/chat/completions") {
      const message = `Invalid URL (${method ?? ""} ${exchange.req.url ?? ""})`;
      return this.#refuse(exchange, { status: 404, type: "", message }, null, behavior.tag);
    }
    const request = json as ChatRequest;
    const found = problemIn(json);
    const model = found === undefined ? this.#parts.catalog.find(request.model) : undefined;
    if (model === undefined) {
      const problem = found ?? unknownModel(request.model);
      return this.#refuse(exchange, problem, request?.model, behavior.tag);
    }
    const prompt = promptOf(request, behavior.bytesPerToken);
    const problem = problemFor(request, model) ?? tooLong(prompt, model);
    if (problem !== undefined) return this.#refuse(exchange, problem, request.model, behavior.tag);
    const pick = fingerprint(promptEnd(prompt), this.#parts.seed);
    await this.#complete(exchange, request, behavior, { model, prompt, pick, startedAt });
  }

  async #complete(
    exchange: Exchange,
    request: ChatRequest,
    behavior: Behavior,
    made: { model: ModelFacts; prompt: Prompt; pick: number; startedAt: number },
  ): Promise<void> {
    const { cache, prose, ids } = this.#parts;
    const { model, prompt, pick } = made;
    const choices = choicesFor(request, model, behavior, { prose, ids, pick });
    const ttlMs = model.billsCacheWrites ? BILLED_CACHE_TTL_MS : CACHE_TTL_MS;
    const owner = `openai ${keyOf(exchange.req.headers, "openai").value} ${request.model}`;
    const use = behavior.caching
      ? cache.implicit(owner, prompt, behavior.bytesPerToken, ttlMs)
      : none;
    const output = choices.reduce((sum, choice) => sum + choice.tokens, 0);
    const bill = billFor(request, model, prompt, use, output, behavior);
    const sent: Sent = {
      id: ids("chatcmpl-", 29),
      model: behavior.servedModel ?? (behavior.datedModel ? model.dated : request.model),
      created: Math.floor(Date.now() / 1_000),
      request,
      choices,
      behavior,
      serviceTier: behavior.serviceTier ?? servedTier(request.service_tier),
      statesCacheWrites: model.billsCacheWrites,
      bill,
    };
    const perChoice = request.max_completion_tokens ?? request.max_tokens;
    await exchange.answer(
      {
        ...this.#common(exchange, behavior, made.startedAt),
        replyId: sent.id,
        model: sent.model,
        serviceTier: sent.serviceTier,
        stream: request.stream === true,
        outputMax: perChoice == null ? null : perChoice * choices.length,
        bill,
        body: () => completionBody(sent),
        frames: () => completionFrames(sent),
        begin: use.commit,
      },
      behavior,
      request.model,
    );
  }

  async #embed(exchange: Exchange, json: unknown, behavior: Behavior): Promise<void> {
    const startedAt = performance.now();
    const problem = embeddingProblem(json);
    const request = json as EmbeddingRequest;
    if (problem !== undefined) return this.#refuse(exchange, problem, request?.model, behavior.tag);
    if (this.#parts.catalog.find(request.model)?.kind !== "embedding") {
      return this.#refuse(exchange, unknownModel(request.model), request.model, behavior.tag);
    }
    const counted = behavior.inputTokens ?? embeddingTokens(request, behavior.bytesPerToken);
    const bill = behavior.usage === "zero" ? NOTHING : { ...NOTHING, input: counted };
    const model = behavior.servedModel ?? request.model;
    const stated = behavior.usage === "missing" || behavior.usage === "null" ? null : bill.input;
    await exchange.answer(
      {
        ...this.#common(exchange, behavior, startedAt),
        replyId: null,
        model,
        serviceTier: null,
        stream: false,
        outputMax: null,
        bill,
        body: () => embeddingBody(request, model, stated),
        frames: () => [],
        begin: () => undefined,
      },
      behavior,
      request.model,
    );
  }

  /** What answers of all routes have in common. */
  #common(
    exchange: Exchange,
    behavior: Behavior,
    startedAt: number,
  ): Pick<Answer, "headers" | "errorFrame" | "reports"> {
    const { type, body } = openaiEnvelope({
      status: 500,
      type: behavior.errorType,
      message: behavior.errorMessage,
    });
    return {
      headers: this.#headers(exchange, performance.now() - startedAt + behavior.firstByteMs),
      errorFrame: { text: `data: ${body}\n\n`, type },
      reports: behavior.usage === "real" || behavior.usage === "zero",
    };
  }

  #refuse(exchange: Exchange, problem: Problem, model: unknown, tag: string | null): void {
    const askedModel = typeof model === "string" ? model : null;
    refuse(exchange, this.#voice, problem, { askedModel, tag });
  }

  #models(exchange: Exchange): void {
    const data = this.#parts.catalog.ids().map(modelInfo);
    exchange.free(JSON.stringify({ object: "list", data }), this.#headers(exchange, 0));
  }

  #model(exchange: Exchange, id: string): void {
    if (this.#parts.catalog.find(id) === undefined) {
      return this.#refuse(exchange, unknownModel(id), id, null);
    }
    exchange.free(JSON.stringify(modelInfo(id)), this.#headers(exchange, 0), id);
  }

  #headers(exchange: Exchange, processingMs: number): readonly string[] {
    this.#requests += 1;
    return [
      "x-request-id",
      exchange.id,
      "openai-organization",
      "simulated",
      "openai-processing-ms",
      String(Math.ceil(processingMs)),
      "openai-version",
      "2020-10-01",
      "x-ratelimit-limit-requests",
      String(REQUESTS_LIMIT),
      "x-ratelimit-limit-tokens",
      String(TOKENS_LIMIT),
      "x-ratelimit-remaining-requests",
      String(REQUESTS_LIMIT - (this.#requests % REQUESTS_LIMIT)),
      "x-ratelimit-remaining-tokens",
      String(TOKENS_LIMIT - 1_000),
      "x-ratelimit-reset-requests",
      "6ms",
      "x-ratelimit-reset-tokens",
      "2ms",
    ];
  }
}

/** `Model` in resources/models.d.ts. */
function modelInfo(id: string) {
  return { id, object: "model", created: 1_767_225_600, owned_by: "system" };
}

/** OpenAI states the prompt as a whole; the buckets here are disjoint. */
function billFor(
  request: ChatRequest,
  model: ModelFacts,
  prompt: Prompt,
  use: CacheUse,
  output: number,
  behavior: Behavior,
): Bill {
  if (behavior.usage === "zero") return NOTHING;
  // The fee of the built-in search is charged per call that has it; the usage does not state it.
  const tail = { output, web_search: request.web_search_options === undefined ? 0 : 1 };
  if (behavior.inputTokens !== null) return { ...NOTHING, input: behavior.inputTokens, ...tail };
  const written = model.billsCacheWrites ? use.write5m : 0;
  const input = prompt.tokens - use.read - written;
  return { ...NOTHING, input, cache_read: use.read, cache_write_5m: written, ...tail };
}

/** The tier that serves a request: `auto` and nothing are the project's default. */
function servedTier(asked: string | null | undefined): string {
  return asked == null || asked === "auto" ? "default" : asked;
}

function unknownModel(model: string): Problem {
  const message = `The model \`${model}\` does not exist or you do not have access to it.`;
  return { status: 404, type: "model_not_found", message };
}

function tooLong(prompt: Prompt, model: ModelFacts): Problem | undefined {
  if (model.window === null || prompt.tokens <= model.window) return undefined;
  return invalid(
    `This model's maximum context length is ${model.window} tokens. However, your messages resulted in ${prompt.tokens} tokens. Please reduce the length of the messages.`,
    "messages",
    "context_length_exceeded",
  );
}

function keyProblem(exchange: Exchange, keys: readonly string[] | undefined): Problem | undefined {
  const { scheme, value } = keyOf(exchange.req.headers, "openai");
  if (scheme !== "bearer") {
    const message =
      "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).";
    return { status: 401, type: "", message };
  }
  if (acceptsKey(exchange, keys)) return undefined;
  const message = `Incorrect API key provided: ${value.slice(0, 4)}***${value.slice(-4)}. You can find your API key at https://platform.openai.com/account/api-keys.`;
  return { status: 401, type: null, message };
}
