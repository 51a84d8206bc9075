import type { Behavior } from "../behavior.ts";
import type { Ids } from "../ids.ts";
import { tokensOf } from "../prompt.ts";
import type { Prose } from "../prose.ts";
import { toolInput } from "../tool-input.ts";
import type { MessagesRequest, Tool } from "./request.ts";

/** A block of the answer; `tokens` is what it adds to the output. */
export type ReplyBlock =
  | {
      readonly kind: "thinking";
      readonly text: string;
      readonly signature: string;
      readonly tokens: number;
    }
  | { readonly kind: "text"; readonly text: string; readonly tokens: number }
  | {
      readonly kind: "tool_use" | "server_tool_use";
      readonly id: string;
      readonly name: string;
      /** The input as JSON. */
      readonly json: string;
      readonly tokens: number;
    }
  | { readonly kind: "search_result"; readonly toolUseId: string; readonly tokens: 0 };

/** An answer before it is put on the wire. */
export interface Reply {
  readonly blocks: readonly ReplyBlock[];
  readonly output: number;
  readonly thinking: number;
  readonly searches: number;
  readonly stopReason: "end_turn" | "max_tokens" | "stop_sequence" | "tool_use" | "refusal";
  readonly stopSequence: string | null;
}

/** Tokens of the sentence before a tool call, and the least of a plain answer. */
const PREFACE_TOKENS = 14;
const NATURAL_LEAST = 24;
const NATURAL_SPAN = 280;

/** Prompt tokens that the result of one search adds to the request. */
export const SEARCH_RESULT_TOKENS = 620;

/** What makes answers repeatable: text, ids, and a number drawn from the prompt. */
export interface Source {
  readonly prose: Prose;
  readonly ids: Ids;
  readonly pick: number;
}

/** Makes up the answer to a request. Its output is at most `max_tokens`, unless an overage is asked for. */
export function replyTo(request: MessagesRequest, behavior: Behavior, source: Source): Reply {
  const { bytesPerToken } = behavior;
  const limit = request.max_tokens;
  const natural = behavior.outputTokens ?? NATURAL_LEAST + (source.pick % NATURAL_SPAN);
  const over = behavior.overageTokens > 0;
  const total = over ? limit + behavior.overageTokens : Math.min(natural, limit);
  if (total === 0) return { ...SILENT, stopReason: limit === 0 ? "max_tokens" : "end_turn" };

  const thinking = thinkingTokens(request, behavior, total);
  const blocks: ReplyBlock[] = [];
  if (thinking > 0) blocks.push(thinkingBlock(request, source, thinking, bytesPerToken));

  const calls = behavior.refusal ? [] : toolCalls(request, behavior, source);
  const searches = behavior.refusal ? [] : searchCalls(request, behavior, source);
  const room = (over ? total : limit) - thinking;
  const callTokens = sum([...calls, ...searches]);
  if (callTokens > 0 && callTokens < room) {
    const asked = over || behavior.outputTokens !== null;
    const wanted = asked || searches.length > 0 ? total - thinking - callTokens : PREFACE_TOKENS;
    const text = Math.min(Math.max(wanted, 1), room - callTokens);
    const prose = {
      kind: "text",
      text: source.prose.take(source.pick, text * bytesPerToken),
      tokens: text,
    } as const;
    // A search is answered in the same turn; a tool call ends it.
    for (const call of searches) {
      blocks.push(call, { kind: "search_result", toolUseId: call.id, tokens: 0 });
    }
    blocks.push(prose, ...calls);
    const stopReason =
      calls.length > 0 ? "tool_use" : text === room - callTokens ? "max_tokens" : "end_turn";
    return finish(blocks, thinking, searches.length, stopReason);
  }

  const endsByItself = !over && natural < limit;
  const stopReason = behavior.refusal ? "refusal" : endsByItself ? "end_turn" : "max_tokens";
  const textTokens = total - thinking;
  if (textTokens > 0) {
    const text = source.prose.take(source.pick, textTokens * bytesPerToken);
    const cut = over ? undefined : stopIn(text, request.stop_sequences);
    if (cut !== undefined) {
      const kept = text.slice(0, cut.at);
      if (kept !== "")
        blocks.push({ kind: "text", text: kept, tokens: tokensOf(kept, bytesPerToken) });
      return { ...finish(blocks, thinking, 0, "stop_sequence"), stopSequence: cut.sequence };
    }
    blocks.push({ kind: "text", text, tokens: textTokens });
  }
  return finish(blocks, thinking, 0, stopReason);
}

const SILENT: Reply = {
  blocks: [],
  output: 0,
  thinking: 0,
  searches: 0,
  stopReason: "end_turn",
  stopSequence: null,
};

function finish(
  blocks: readonly ReplyBlock[],
  thinking: number,
  searches: number,
  stopReason: Reply["stopReason"],
): Reply {
  return { blocks, output: sum(blocks), thinking, searches, stopReason, stopSequence: null };
}

function sum(blocks: readonly { readonly tokens: number }[]): number {
  return blocks.reduce((total, block) => total + block.tokens, 0);
}

function thinkingTokens(request: MessagesRequest, behavior: Behavior, total: number): number {
  const { thinking } = request;
  if (thinking === undefined || thinking.type === "disabled") return 0;
  const wanted = behavior.thinkingTokens ?? Math.floor(total / 3);
  return Math.min(wanted, thinking.budget_tokens ?? total, total);
}

function thinkingBlock(
  request: MessagesRequest,
  source: Source,
  tokens: number,
  bytesPerToken: number,
): ReplyBlock {
  const display = (request.thinking as { readonly display?: string } | undefined)?.display;
  // With `display: omitted` the text is withheld, but its tokens are billed all the same.
  const text =
    display === "omitted" ? "" : source.prose.take(source.pick + 1, tokens * bytesPerToken);
  return { kind: "thinking", text, signature: source.ids("EqQBCkYIBxgCKkB", 64), tokens };
}

type Call = Extract<ReplyBlock, { kind: "tool_use" | "server_tool_use" }>;

/** Tools that the client runs: those with a schema of their own. */
function clientTools(request: MessagesRequest): readonly Tool[] {
  return (request.tools ?? []).filter((tool) => tool.type === undefined || tool.type === "custom");
}

function toolCalls(request: MessagesRequest, behavior: Behavior, source: Source): Call[] {
  const choice = request.tool_choice?.type ?? "auto";
  const tools = clientTools(request);
  if (tools.length === 0 || choice === "none" || behavior.toolUse === "never") return [];
  const forced = choice === "any" || choice === "tool" || behavior.toolUse === "always";
  if (!forced && endsWithToolResult(request)) return [];
  const named = tools.filter((tool) => tool.name === request.tool_choice?.name);
  const choices = choice === "tool" && named.length > 0 ? named : tools;
  return Array.from({ length: behavior.toolCalls }, (_, index): Call => {
    const tool = choices[(source.pick + index) % choices.length];
    const json = JSON.stringify(toolInput(tool?.input_schema));
    const name = tool?.name ?? "";
    const tokens = tokensOf(name + json, behavior.bytesPerToken);
    return { kind: "tool_use", id: source.ids("toolu_01", 22), name, json, tokens };
  });
}

function searchCalls(request: MessagesRequest, behavior: Behavior, source: Source): Call[] {
  const tool = (request.tools ?? []).find((candidate) => candidate.type?.startsWith("web_search_"));
  if (tool === undefined || endsWithToolResult(request)) return [];
  const count = Math.min(behavior.webSearches ?? 1, tool.max_uses ?? Number.POSITIVE_INFINITY);
  return Array.from({ length: count }, (_, index): Call => {
    const json = JSON.stringify({ query: `delivery terms ${index + 1}` });
    const tokens = tokensOf(`web_search${json}`, behavior.bytesPerToken);
    return {
      kind: "server_tool_use",
      id: source.ids("srvtoolu_01", 22),
      name: "web_search",
      json,
      tokens,
    };
  });
}

function endsWithToolResult(request: MessagesRequest): boolean {
  const content = request.messages.at(-1)?.content;
  return typeof content === "object" && content.some((block) => block.type === "tool_result");
}

/** The first stop sequence in a text, and where. */
function stopIn(
  text: string,
  sequences: readonly string[] | undefined,
): { readonly at: number; readonly sequence: string } | undefined {
  let found: { at: number; sequence: string } | undefined;
  for (const sequence of sequences ?? []) {
    const at = sequence === "" ? -1 : text.indexOf(sequence);
    if (at >= 0 && (found === undefined || at < found.at)) found = { at, sequence };
  }
  return found;
}
