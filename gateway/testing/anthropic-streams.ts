/**
 * Streams as the Messages API sends them, built from the event types of `@anthropic-ai/sdk` 1.12.0
 * (resources/messages/messages.d.ts, 2026-11-20) and the order of events in
 * https://platform.claude.com/docs/en/build-with-claude/streaming, read 2026-11-22.
 */
function event(data: { readonly type: string; readonly [field: string]: unknown }): string {
  return `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;
}

function start(usage: Readonly<Record<string, unknown>>, model = "claude-sonnet-5"): string {
  return event({
    type: "message_start",
    message: {
      id: "msg_01",
      type: "message",
      role: "assistant",
      model,
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: { service_tier: "standard", inference_geo: "global", speed: "standard", ...usage },
    },
  });
}

function text(words: string): string {
  return event({
    type: "content_block_delta",
    index: 0,
    delta: { type: "text_delta", text: words },
  });
}

function delta(usage: Readonly<Record<string, unknown>>, stop: string | null): string {
  return event({
    type: "message_delta",
    delta: { stop_reason: stop, stop_sequence: null },
    usage,
  });
}

const OPEN = event({
  type: "content_block_start",
  index: 0,
  content_block: { type: "text", text: "" },
});
const CLOSE = event({ type: "content_block_stop", index: 0 });
const PING = event({ type: "ping" });
const STOP = event({ type: "message_stop" });

/** One text block, one delta of usage. */
export const PLAIN_STREAM =
  start({
    input_tokens: 25,
    output_tokens: 1,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: 0,
  }) +
  OPEN +
  PING +
  text("Hello") +
  text("! 🎉 message_stop and [DONE] are words here") +
  CLOSE +
  delta({ output_tokens: 15 }, "end_turn") +
  STOP;

/** Cache reads and writes of both lifetimes; deltas are cumulative and leave fields null. */
export const CACHED_STREAM =
  start({
    input_tokens: 3,
    output_tokens: 2,
    cache_creation_input_tokens: 1_500,
    cache_read_input_tokens: 20_000,
    cache_creation: { ephemeral_5m_input_tokens: 500, ephemeral_1h_input_tokens: 1_000 },
  }) +
  OPEN +
  text("a") +
  delta(
    {
      input_tokens: null,
      output_tokens: 40,
      cache_read_input_tokens: null,
      cache_creation_input_tokens: null,
    },
    null,
  ) +
  text("b") +
  CLOSE +
  delta({ input_tokens: null, output_tokens: 90, cache_creation_input_tokens: 1_700 }, "end_turn") +
  STOP;

/** A server tool: searches are counted apart, and the prompt grows with what they find. */
export const SEARCH_STREAM =
  start({ input_tokens: 100, output_tokens: 3 }) +
  OPEN +
  text("found") +
  CLOSE +
  delta(
    {
      input_tokens: 10_682,
      output_tokens: 510,
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: 0,
      server_tool_use: { web_search_requests: 2, web_fetch_requests: 1 },
    },
    "end_turn",
  ) +
  STOP;

/** Breaks with the vendor's own event after some text. */
export const BROKEN_STREAM =
  start({ input_tokens: 25, output_tokens: 1 }) +
  OPEN +
  text("Hel") +
  `event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n`;
