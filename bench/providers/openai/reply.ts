import type { Behavior } from "../behavior.ts";
import type { ModelFacts } from "../catalog.ts";
import type { Ids } from "../ids.ts";
import { tokensOf } from "../prompt.ts";
import type { Prose } from "../prose.ts";
import { toolInput } from "../tool-input.ts";
import type { ChatRequest } from "./request.ts";

/** One call of a function. */
export interface Call {
  readonly id: string;
  readonly name: string;
  readonly json: string;
  readonly tokens: number;
}

/** One choice of an answer. */
export interface Choice {
  readonly text: string;
  readonly textTokens: number;
  readonly calls: readonly Call[];
  /** Hidden tokens that come before the text and are billed as output. */
  readonly reasoning: number;
  readonly finish: "stop" | "length" | "tool_calls";
  /** All of this choice: reasoning, text and calls. */
  readonly tokens: number;
}

export interface Source {
  readonly prose: Prose;
  readonly ids: Ids;
  readonly pick: number;
}

const NATURAL_LEAST = 24;
const NATURAL_SPAN = 280;

/** Largest output where neither the request nor the model has one; only a backstop. */
const OUTPUT_BACKSTOP = 128_000;

/** Makes up the choices of an answer; each has at most the asked maximum, unless an overage is asked for. */
export function choicesFor(
  request: ChatRequest,
  model: ModelFacts,
  behavior: Behavior,
  source: Source,
): readonly Choice[] {
  return Array.from({ length: request.n ?? 1 }, (_, index) =>
    choice(request, model, behavior, { ...source, pick: source.pick + index * 7 }),
  );
}

function choice(
  request: ChatRequest,
  model: ModelFacts,
  behavior: Behavior,
  source: Source,
): Choice {
  const { bytesPerToken } = behavior;
  const asked = request.max_completion_tokens ?? request.max_tokens;
  const limit = asked ?? model.outputMax ?? OUTPUT_BACKSTOP;
  const natural = behavior.outputTokens ?? NATURAL_LEAST + (source.pick % NATURAL_SPAN);
  const over = behavior.overageTokens > 0 && asked != null;
  const total = over ? limit + behavior.overageTokens : Math.min(natural, limit);
  const reasoning = reasoningTokens(request, model, behavior, total);
  const calls = behavior.refusal ? [] : callsFor(request, behavior, source);
  const callTokens = calls.reduce((sum, call) => sum + call.tokens, 0);
  const room = (over ? total : limit) - reasoning;
  if (calls.length > 0 && callTokens <= room) {
    // A call has no text beside it, but for the tokens that a test asks for.
    const wanted = over || behavior.outputTokens !== null ? total - reasoning - callTokens : 0;
    const textTokens = Math.max(0, wanted);
    const text = source.prose.take(source.pick, textTokens * bytesPerToken);
    return {
      text,
      textTokens,
      calls,
      reasoning,
      finish: "tool_calls",
      tokens: reasoning + textTokens + callTokens,
    };
  }
  const textTokens = total - reasoning;
  const text = source.prose.take(source.pick, textTokens * bytesPerToken);
  const kept = over ? text : beforeStop(text, request.stop);
  const finish = kept.length < text.length || (!over && natural < limit) ? "stop" : "length";
  const keptTokens = kept === text ? textTokens : tokensOf(kept, bytesPerToken);
  return {
    text: kept,
    textTokens: keptTokens,
    calls: [],
    reasoning,
    finish,
    tokens: reasoning + keptTokens,
  };
}

function reasoningTokens(
  request: ChatRequest,
  model: ModelFacts,
  behavior: Behavior,
  total: number,
): number {
  const reasons =
    model.reasons && request.reasoning_effort !== "none" && request.reasoning_effort !== "minimal";
  if (!reasons && behavior.thinkingTokens === null) return 0;
  return Math.min(behavior.thinkingTokens ?? Math.floor(total / 4), total);
}

function callsFor(request: ChatRequest, behavior: Behavior, source: Source): readonly Call[] {
  const tools = (request.tools ?? []).flatMap((tool) =>
    tool.function === undefined ? [] : [tool.function],
  );
  const wanted = request.tool_choice ?? "auto";
  if (tools.length === 0 || wanted === "none" || behavior.toolUse === "never") return [];
  const named = typeof wanted === "object" ? wanted.function?.name : undefined;
  const forced = named !== undefined || wanted === "required" || behavior.toolUse === "always";
  if (!forced && request.messages.at(-1)?.role === "tool") return [];
  const choices = named === undefined ? tools : tools.filter((tool) => tool.name === named);
  return Array.from({ length: behavior.toolCalls }, (_, index): Call => {
    const tool = choices[(source.pick + index) % Math.max(1, choices.length)];
    const json = JSON.stringify(toolInput(tool?.parameters));
    const name = tool?.name ?? named ?? "";
    return {
      id: source.ids("call_", 24),
      name,
      json,
      tokens: tokensOf(name + json, behavior.bytesPerToken),
    };
  });
}

function beforeStop(text: string, stop: ChatRequest["stop"]): string {
  const sequences = typeof stop === "string" ? [stop] : (stop ?? []);
  const places = sequences.map((sequence) => text.indexOf(sequence)).filter((at) => at >= 0);
  return places.length === 0 ? text : text.slice(0, Math.min(...places));
}
