/**
 * Messages and events as they go over the wire: `Message`, `Usage`, `MessageDeltaUsage` and
 * `RawMessageStreamEvent` in @anthropic-ai/sdk 1.12.0 resources/messages/messages.d.ts; the framing
 * that core/streaming.mjs decodes (`event:` and `data:` lines, `ping` skipped, `error` thrown); how
 * lib/MessageStream.mjs takes deltas (usage is cumulative: overwritten, never added). Read 2026-11-22.
 */

import type { Frame } from "../answer.ts";
import type { Behavior } from "../behavior.ts";
import type { Bill } from "../served.ts";
import { type Reply, type ReplyBlock, SEARCH_RESULT_TOKENS } from "./reply.ts";
import type { MessagesRequest } from "./request.ts";

/** All that a message on the wire is made of. */
export interface Sent {
  readonly id: string;
  readonly model: string;
  readonly request: MessagesRequest;
  readonly reply: Reply;
  readonly behavior: Behavior;
  /** What is billed at the end, and so what is stated. */
  readonly bill: Bill;
}

const DIRECT = { type: "direct" } as const;

/** The body of an answer that is not streamed. */
export function messageBody(sent: Sent): string {
  return JSON.stringify({
    ...envelope(sent),
    content: sent.reply.blocks.map(blockOf),
    stop_reason: sent.reply.stopReason,
    stop_sequence: sent.reply.stopSequence,
    stop_details: stopDetails(sent.reply),
    ...stated(sent, () => wholeUsage(sent, sent.bill.input, sent.bill.output)),
  });
}

/** The events of a stream, in order. */
export function* messageFrames(sent: Sent): Generator<Frame> {
  const { reply, behavior, bill } = sent;
  const real = behavior.usage === "real" || behavior.usage === "zero";
  // The result of a search enters the prompt while the answer is generated, so the start does not count it.
  const inputAtStart = Math.max(0, bill.input - reply.searches * SEARCH_RESULT_TOKENS);
  const start = {
    ...envelope(sent),
    content: [],
    stop_reason: null,
    stop_sequence: null,
    stop_details: null,
    ...stated(sent, () => wholeUsage(sent, inputAtStart, Math.min(1, bill.output), true)),
  };
  const opening = event("message_start", { type: "message_start", message: start });
  yield { text: opening, output: 0, phase: "open", ...(real && { reports: "partial" as const }) };

  let output = 0;
  for (const [index, block] of reply.blocks.entries()) {
    yield* blockFrames(block, index, output, behavior);
    output += block.tokens;
  }
  for (let number = 1; number <= behavior.usageDeltas; number += 1) {
    const soFar = Math.floor((bill.output * number) / (behavior.usageDeltas + 1));
    const delta = { container: null, stop_details: null, stop_reason: null, stop_sequence: null };
    yield { text: deltaEvent(sent, delta, soFar), output, phase: "content" };
  }
  const delta = {
    container: null,
    stop_details: stopDetails(reply),
    stop_reason: reply.stopReason,
    stop_sequence: reply.stopSequence,
  };
  const closing = deltaEvent(sent, delta, bill.output);
  yield { text: closing, output, phase: "close", ...(real && { reports: "complete" as const }) };
  yield { text: event("message_stop", { type: "message_stop" }), output, phase: "end" };
}

/** One event: SDKs read the name from the `event:` line and the rest from the `data:` line. */
export function event(name: string, data: object): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}

function envelope(sent: Sent) {
  return {
    id: sent.id,
    type: "message",
    role: "assistant",
    model: sent.model,
    container: null,
    diagnostics: null,
  };
}

/** The `usage` field, or what a provider that fails to state it sends instead. */
function stated(sent: Sent, usage: () => object): { readonly usage?: object | null } {
  if (sent.behavior.usage === "missing") return {};
  return { usage: sent.behavior.usage === "null" ? null : usage() };
}

function wholeUsage(sent: Sent, input: number, output: number, start = false) {
  const { bill, behavior, request, reply } = sent;
  return {
    input_tokens: input,
    cache_creation_input_tokens: bill.cache_write_5m + bill.cache_write_1h,
    cache_read_input_tokens: bill.cache_read,
    cache_creation: {
      ephemeral_5m_input_tokens: bill.cache_write_5m,
      ephemeral_1h_input_tokens: bill.cache_write_1h,
    },
    output_tokens: output,
    output_tokens_details: start ? null : outputDetails(reply, output),
    server_tool_use: start ? null : serverToolUse(bill),
    service_tier: behavior.serviceTier ?? "standard",
    inference_geo: request.inference_geo ?? "global",
    speed: request.speed ?? "standard",
  };
}

/** Cumulative usage; by its type it has neither the 5 m / 1 h split nor the service tier. */
function deltaEvent(sent: Sent, delta: object, output: number): string {
  const { bill, reply } = sent;
  const usage = () => ({
    input_tokens: bill.input,
    cache_creation_input_tokens: bill.cache_write_5m + bill.cache_write_1h,
    cache_read_input_tokens: bill.cache_read,
    output_tokens: output,
    output_tokens_details: outputDetails(reply, output),
    server_tool_use: serverToolUse(bill),
  });
  return event("message_delta", { type: "message_delta", delta, ...stated(sent, usage) });
}

/** Thinking comes first, so of a part of the output it is what there is of it. */
function outputDetails(reply: Reply, output: number) {
  if (reply.thinking === 0) return null;
  return { thinking_tokens: Math.min(reply.thinking, output) };
}

function serverToolUse(bill: Bill) {
  if (bill.web_search === 0) return null;
  return { web_fetch_requests: 0, web_search_requests: bill.web_search };
}

function stopDetails(reply: Reply) {
  if (reply.stopReason !== "refusal") return null;
  return { type: "refusal", category: "general_harms", explanation: null };
}

/** A whole block, as in a plain answer and, for search results, in a `content_block_start`. */
function blockOf(block: ReplyBlock): object {
  switch (block.kind) {
    case "thinking":
      return { type: "thinking", thinking: block.text, signature: block.signature };
    case "text":
      return { type: "text", text: block.text, citations: null };
    case "search_result":
      return {
        type: "web_search_tool_result",
        tool_use_id: block.toolUseId,
        caller: DIRECT,
        content: [
          {
            type: "web_search_result",
            url: "https://example.com/terms",
            title: "Delivery terms",
            encrypted_content: "EqgfCioIARgBIiQ3YTAwMjY1Mi1mZjM5LTQ1NGUtODgxNC1kNjNjNTk1ZWI3Y",
            page_age: null,
          },
        ],
      };
    default:
      return {
        type: block.kind,
        id: block.id,
        name: block.name,
        input: JSON.parse(block.json) as unknown,
        caller: DIRECT,
      };
  }
}

/** A block as it stands in its `content_block_start`: without what the deltas bring. */
function emptyBlock(block: ReplyBlock): object {
  switch (block.kind) {
    case "thinking":
      return { type: "thinking", thinking: "", signature: "" };
    case "text":
      return { type: "text", text: "", citations: null };
    case "search_result":
      return blockOf(block);
    default:
      return { type: block.kind, id: block.id, name: block.name, input: {}, caller: DIRECT };
  }
}

function* blockFrames(
  block: ReplyBlock,
  index: number,
  before: number,
  behavior: Behavior,
): Generator<Frame> {
  const start = { type: "content_block_start", index, content_block: emptyBlock(block) };
  let opening = event("content_block_start", start);
  // The vendor sends a ping after the first start, and may at any time.
  if (index === 0) opening += event("ping", { type: "ping" });
  yield { text: opening, output: before, phase: "open" };

  for (const { piece, tokens } of pieces(block, behavior)) {
    yield { text: deltaOf(block, index, piece), output: before + tokens, phase: "content" };
  }
  let closing = "";
  if (block.kind === "thinking") {
    const delta = { type: "signature_delta", signature: block.signature };
    closing += event("content_block_delta", { type: "content_block_delta", index, delta });
  }
  closing += event("content_block_stop", { type: "content_block_stop", index });
  yield { text: closing, output: before + block.tokens, phase: "open" };
}

/** One `content_block_delta`; built by hand because a stream is mostly made of these. */
function deltaOf(block: ReplyBlock, index: number, piece: string): string {
  const [type, field] =
    block.kind === "thinking"
      ? ["thinking_delta", "thinking"]
      : block.kind === "text"
        ? ["text_delta", "text"]
        : ["input_json_delta", "partial_json"];
  const delta = `{"type":"${type}","${field}":${JSON.stringify(piece)}}`;
  return `event: content_block_delta\ndata: {"type":"content_block_delta","index":${index},"delta":${delta}}\n\n`;
}

/** The text of a block in chunks, with the tokens of the block generated by then. */
function* pieces(
  block: ReplyBlock,
  behavior: Behavior,
): Generator<{ readonly piece: string; readonly tokens: number }> {
  if (block.kind === "search_result") return;
  const text = block.kind === "text" || block.kind === "thinking" ? block.text : block.json;
  // The vendor opens an input with an empty delta.
  if (block.kind === "tool_use" || block.kind === "server_tool_use") yield { piece: "", tokens: 0 };
  const step = behavior.tokensPerChunk * behavior.bytesPerToken;
  for (let at = 0; at < text.length; at += step) {
    const share = Math.min(1, (at + step) / text.length);
    yield { piece: text.slice(at, at + step), tokens: Math.ceil(block.tokens * share) };
  }
}
