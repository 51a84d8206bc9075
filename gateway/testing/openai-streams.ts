/**
 * Streams as the Chat Completions API sends them, built from `ChatCompletionChunk` and
 * `ChatCompletionStreamOptions` of `openai` 6.49.0 (resources/chat/completions, 2026-07-23).
 */
function chunk(fields: Readonly<Record<string, unknown>>): string {
  const data = {
    id: "chatcmpl-1",
    object: "chat.completion.chunk",
    created: 1_790_000_000,
    model: "gpt-5.6-luna",
    service_tier: "default",
    system_fingerprint: "fp_1",
    ...fields,
  };
  return `data: ${JSON.stringify(data)}\n\n`;
}

function content(words: string, finish: string | null = null): string {
  const choices = [{ index: 0, delta: { content: words }, logprobs: null, finish_reason: finish }];
  return chunk({ choices, usage: null });
}

const USAGE = {
  prompt_tokens: 2_000,
  completion_tokens: 300,
  total_tokens: 2_300,
  prompt_tokens_details: { cached_tokens: 1_024, cache_write_tokens: 512, audio_tokens: 0 },
  completion_tokens_details: {
    reasoning_tokens: 128,
    audio_tokens: 0,
    accepted_prediction_tokens: 0,
    rejected_prediction_tokens: 0,
  },
};

const CONTENT =
  content("Hello") + content('! 🎉 "usage":null} and [DONE] are words here') + content("", "stop");

/** The chunk that comes only where `include_usage` was asked for. */
export const USAGE_CHUNK = chunk({ choices: [], usage: USAGE });
export const DONE = "data: [DONE]\n\n";

/** As sent where usage was asked for. */
export const USAGE_STREAM = CONTENT + USAGE_CHUNK + DONE;
/** The same without the usage chunk: what a client sees that did not ask. */
export const STRIPPED_STREAM = CONTENT + DONE;
/** Interrupted: "you may not receive the final usage chunk". */
export const CUT_STREAM = CONTENT;
