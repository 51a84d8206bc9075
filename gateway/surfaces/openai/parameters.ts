import {
  type FieldCheck,
  type FieldTable,
  ofType,
  pricedText,
  wholeNumber,
} from "../../body-problems.ts";

const textOnly: FieldCheck = (value) => {
  if (!Array.isArray(value)) return { bad: "must be a list" };
  const other: unknown = value.find((modality) => modality !== "text");
  return other === undefined
    ? undefined
    : { unsupported: `${JSON.stringify(other)} output is not priced` };
};

const OUTPUT_MAX = wholeNumber(1, 10_000_000);

/**
 * Every top-level field of `POST /chat/completions`, and what becomes of it.
 * Source: `openai` 6.49.0, resources/chat/completions/completions.d.ts
 * (`ChatCompletionCreateParamsBase`), 2026-07-23.
 *
 * What passes is part of the request's JSON and counts by its bytes, seen by the model or not.
 */
export const OPENAI_FIELDS: FieldTable = {
  functions: { rule: "checked", why: "the prompt", check: ofType("list") },
  max_completion_tokens: { rule: "checked", why: "the output bound", check: OUTPUT_MAX },
  max_tokens: { rule: "checked", why: "the output bound", check: OUTPUT_MAX },
  messages: { rule: "bounded", why: "the prompt" },
  modalities: { rule: "checked", why: "text only", check: textOnly },
  model: { rule: "checked", why: "replaced by the granted model", check: ofType("string") },
  n: { rule: "checked", why: "multiplies the output", check: wholeNumber(1, 128) },
  prediction: { rule: "bounded", why: "rejected tokens are billed as output" },
  response_format: {
    rule: "checked",
    why: "a schema counts by its bytes",
    check: ofType("object"),
  },
  tools: { rule: "checked", why: "the prompt", check: ofType("list") },

  frequency_penalty: { rule: "passed", why: "free" },
  function_call: { rule: "passed", why: "free" },
  logit_bias: { rule: "checked", why: "free", check: ofType("object") },
  logprobs: { rule: "checked", why: "free", check: ofType("boolean") },
  metadata: { rule: "passed", why: "free" },
  parallel_tool_calls: { rule: "passed", why: "inside the output bound" },
  presence_penalty: { rule: "passed", why: "free" },
  prompt_cache_key: { rule: "passed", why: "writes are priced for every call" },
  prompt_cache_options: { rule: "passed", why: "writes are priced for every call" },
  prompt_cache_retention: { rule: "passed", why: "retention is free; writes are priced" },
  reasoning_effort: { rule: "passed", why: "reasoning is inside the output bound" },
  safety_identifier: { rule: "passed", why: "free" },
  seed: { rule: "passed", why: "free" },
  stop: { rule: "passed", why: "shortens only" },
  store: { rule: "checked", why: "keeping a completion is free", check: ofType("boolean") },
  stream: { rule: "checked", why: "metered either way", check: ofType("boolean") },
  stream_options: {
    rule: "checked",
    why: "include_usage is added when it is missing",
    check: ofType("object"),
  },
  temperature: { rule: "passed", why: "free" },
  tool_choice: { rule: "passed", why: "free" },
  top_logprobs: { rule: "passed", why: "free" },
  top_p: { rule: "passed", why: "free" },
  user: { rule: "passed", why: "free" },
  verbosity: { rule: "passed", why: "inside the output bound" },

  service_tier: {
    rule: "checked",
    why: "auto is the project's own setting, which may cost more; default is sent instead",
    check: pricedText(["auto", "default"], "is not priced; use default"),
  },

  audio: { rule: "refused", why: "audio output is not priced" },
  moderation: {
    rule: "refused",
    why: "the moderation of a call is billed to no price in the card",
  },
  web_search_options: { rule: "refused", why: "the number of searches has no bound" },
};
