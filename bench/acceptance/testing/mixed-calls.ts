/**
 * A mixed run: many calls over both vendors' SDKs, as agents make them, good and bad.
 *
 * Every call asks for an output limit that no other call asks for. Provider and ledger both keep it,
 * so each call can be found on both sides without either knowing of the other.
 */
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import type { Prose } from "../../providers/prose.ts";
import { LIGHT_MODEL, type SurfaceName } from "./http-calls.ts";

/** What a client does with its answer. */
export type Manner = "leave-early" | "leave-midway" | "stream" | "whole";

export interface PlannedCall {
  /** Most output tokens over all choices: this call's name. */
  readonly number: number;
  readonly surface: SurfaceName;
  readonly agent: string;
  readonly run: string | undefined;
  readonly manner: Manner;
  readonly model: string;
  readonly choices: 1 | 2;
  readonly cached: "1h" | "5m" | undefined;
  readonly tools: "function" | "search" | undefined;
  readonly thinks: boolean;
  readonly question: string;
}

/** How a call ended for its client. */
export interface Told {
  readonly call: PlannedCall;
  /** 0 when the connection ended without a status, or the client left before one. */
  readonly status: number;
  readonly result: "broken" | "left" | "ok" | "refused";
  /** Of the gateway, and of the provider behind it; absent when no head came. */
  readonly authorization: string | undefined;
  readonly request: string | undefined;
  /** `x-tarmac-settled`, in dollars. */
  readonly settled: string | undefined;
  readonly error: string | undefined;
}

export interface Clients {
  readonly anthropic: Anthropic;
  readonly openai: OpenAI;
}

const MODELS = {
  anthropic: [
    LIGHT_MODEL.anthropic,
    LIGHT_MODEL.anthropic,
    "claude-sonnet-5",
    "claude-opus-5-5",
    "auto",
  ],
  openai: [LIGHT_MODEL.openai, LIGHT_MODEL.openai, "gpt-5.6-terra", "gpt-5.6-sol", "auto"],
} as const;

/** Plans so many calls, numbered from `first` on: who asks, what, and how patiently. */
export function planCalls(
  count: number,
  first: number,
  agents: Readonly<Record<SurfaceName, readonly string[]>>,
  random: () => number,
  prose: Prose,
): readonly PlannedCall[] {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  return Array.from({ length: count }, (_, index) => {
    const surface = pick(["anthropic", "openai"] as const);
    const agent = pick(agents[surface]);
    const twice = surface === "openai" && random() < 0.04;
    const chance = random();
    const manner: Manner =
      chance < 0.4
        ? "whole"
        : chance < 0.84
          ? "stream"
          : chance < 0.96
            ? "leave-midway"
            : "leave-early";
    const tool = random();
    const search = surface === "anthropic" && tool < 0.02;
    return {
      agent,
      cached: random() < 0.2 ? pick(["1h", "5m", "5m"] as const) : undefined,
      choices: twice ? 2 : 1,
      manner,
      model: pick(MODELS[surface]),
      // Odd for one choice; two choices of the same limit make an even number.
      number: 2 * (first + index + 600) + (twice ? 0 : 1),
      question: prose.take(Math.floor(random() * 1_000_000), 40 + Math.floor(random() * 400)),
      run: random() < 0.8 ? `run-${agent}-${Math.floor((index / count) * 12)}` : undefined,
      surface,
      thinks: surface === "anthropic" && random() < 0.04,
      tools: search ? "search" : tool < 0.2 ? "function" : undefined,
    };
  });
}

/** Makes one call. Never rejects for what gateway or provider answer. */
export async function makeCall(clients: Clients, call: PlannedCall, prefix: string): Promise<Told> {
  const leaving = new AbortController();
  const timer =
    call.manner === "leave-early"
      ? setTimeout(() => leaving.abort(), 5 + (call.number % 40))
      : undefined;
  let seen: Response | undefined;
  const tell = (
    result: Told["result"],
    headers: Headers | undefined,
    more: Partial<Told> = {},
  ): Told => ({
    authorization: headers?.get("x-tarmac-authorization") ?? undefined,
    call,
    error: undefined,
    request: headers?.get("request-id") ?? headers?.get("x-request-id") ?? undefined,
    result,
    settled: headers?.get("x-tarmac-settled") ?? undefined,
    status: seen?.status ?? 0,
    ...more,
  });
  try {
    const options = { headers: headersOf(call), signal: leaving.signal };
    const ask = call.surface === "anthropic" ? askAnthropic : askOpenai;
    const left = await ask(clients, call, prefix, options, (response) => {
      seen = response;
    });
    return tell(left ? "left" : "ok", seen?.headers);
  } catch (error) {
    if (leaving.signal.aborted) return tell("left", seen?.headers);
    if (error instanceof Anthropic.APIError || error instanceof OpenAI.APIError) {
      const status = (error.status as number | undefined) ?? seen?.status ?? 0;
      // Errors inside a stream come with the head of the stream, connection errors with none.
      const headers = (error.headers as Headers | undefined) ?? seen?.headers;
      const result = seen === undefined && status > 0 ? "refused" : "broken";
      return tell(result, headers, { error: error.message, status });
    }
    if (seen !== undefined) return tell("broken", seen.headers, { error: String(error) });
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

function headersOf(call: PlannedCall): Record<string, string> {
  return {
    "x-tarmac-agent": call.agent,
    ...(call.run === undefined ? {} : { "x-tarmac-run": call.run }),
    ...(call.tools === undefined ? {} : { "x-tarmac-tool": call.tools }),
  };
}

interface Options {
  readonly headers: Record<string, string>;
  readonly signal: AbortSignal;
}

/** True when the client left before the end. */
async function askAnthropic(
  { anthropic }: Clients,
  call: PlannedCall,
  prefix: string,
  options: Options,
  head: (response: Response) => void,
): Promise<boolean> {
  const params = anthropicParams(call, prefix);
  if (call.manner === "whole") {
    const { response } = await anthropic.messages.create(params, options).withResponse();
    head(response);
    return false;
  }
  const asked = anthropic.messages.create({ ...params, stream: true }, options);
  const { data, response } = await asked.withResponse();
  head(response);
  return await follow(data, call);
}

async function askOpenai(
  { openai }: Clients,
  call: PlannedCall,
  prefix: string,
  options: Options,
  head: (response: Response) => void,
): Promise<boolean> {
  const params = openaiParams(call, prefix);
  if (call.manner === "whole") {
    const { response } = await openai.chat.completions.create(params, options).withResponse();
    head(response);
    return false;
  }
  // Every other client wants the usage itself; for the rest the gateway asks for it and keeps it.
  const usage = call.number % 4 === 1 ? { stream_options: { include_usage: true } } : {};
  const asked = openai.chat.completions.create({ ...params, ...usage, stream: true }, options);
  const { data, response } = await asked.withResponse();
  head(response);
  return await follow(data, call);
}

/** Reads a stream to its end, or leaves in the middle of it. */
async function follow(stream: AsyncIterable<unknown>, call: PlannedCall): Promise<boolean> {
  const leavesAfter =
    call.manner === "leave-midway" ? 1 + (call.number % 7) : Number.POSITIVE_INFINITY;
  let events = 0;
  for await (const _ of stream) {
    events += 1;
    // Leaving the loop closes the connection.
    if (events === leavesAfter) return true;
  }
  return false;
}

function anthropicParams(
  call: PlannedCall,
  prefix: string,
): Anthropic.MessageCreateParamsNonStreaming {
  const { cached, model, number, question, thinks, tools } = call;
  const system: Anthropic.TextBlockParam[] | undefined =
    cached === undefined
      ? undefined
      : [{ cache_control: { ttl: cached, type: "ephemeral" }, text: prefix, type: "text" }];
  return {
    max_tokens: number,
    messages: [{ content: question, role: "user" }],
    model,
    ...(system === undefined ? {} : { system }),
    // The least budget there is; it must stay below the maximum.
    ...(thinks && number > 1_100 ? { thinking: { budget_tokens: 1_024, type: "enabled" } } : {}),
    ...(tools === "function" ? { tools: [ANTHROPIC_TOOL] } : {}),
    ...(tools === "search" ? { tools: [SEARCH_TOOL] } : {}),
  };
}

function openaiParams(
  call: PlannedCall,
  prefix: string,
): OpenAI.ChatCompletionCreateParamsNonStreaming {
  const { cached, choices, model, number, question, tools } = call;
  const instructions: OpenAI.ChatCompletionMessageParam[] =
    cached === undefined ? [] : [{ content: prefix, role: "developer" }];
  return {
    max_completion_tokens: number / choices,
    messages: [...instructions, { content: question, role: "user" }],
    model,
    ...(choices === 1 ? {} : { n: choices }),
    ...(tools === undefined ? {} : { tools: [OPENAI_TOOL] }),
  };
}

const PARAMETERS = {
  properties: { order: { type: "string" } },
  required: ["order"],
  type: "object" as const,
};
const ANTHROPIC_TOOL: Anthropic.Tool = {
  description: "Finds an order with its payments",
  input_schema: PARAMETERS,
  name: "look_up_order",
};
const SEARCH_TOOL: Anthropic.WebSearchTool20250305 = {
  max_uses: 2,
  name: "web_search",
  type: "web_search_20250305",
};
const OPENAI_TOOL: OpenAI.ChatCompletionTool = {
  function: {
    description: "Finds an order with its payments",
    name: "look_up_order",
    parameters: PARAMETERS,
  },
  type: "function",
};
