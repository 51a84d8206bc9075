import { type FieldTable, ofType, pricedText, wholeNumber } from "../../body-problems.ts";

/**
 * Every top-level field of `POST /v1/messages`, and what becomes of it.
 * Source: `@anthropic-ai/sdk` 1.12.0, resources/messages/messages.d.ts and
 * resources/beta/messages/messages.d.ts (`MessageCreateParamsBase`), 2026-11-20; sampling fields that
 * the types no longer list, but the API takes for older models, from version 0.60 of the same files.
 *
 * What passes is part of the request's JSON and counts by its bytes, seen by the model or not.
 */
export const ANTHROPIC_FIELDS: FieldTable = {
  cache_control: { rule: "bounded", why: "cache writes of its ttl are priced" },
  max_tokens: { rule: "checked", why: "the output bound", check: wholeNumber(0, 10_000_000) },
  messages: { rule: "bounded", why: "the prompt" },
  model: { rule: "checked", why: "replaced by the granted model", check: ofType("string") },
  output_config: {
    rule: "passed",
    why: "effort is inside the output; a schema counts by its bytes",
  },
  output_format: { rule: "passed", why: "a schema counts by its bytes" },
  system: { rule: "bounded", why: "the prompt" },
  thinking: { rule: "checked", why: "inside the output bound", check: ofType("object") },
  tools: { rule: "bounded", why: "the prompt; server tools are bounded by max_uses" },

  diagnostics: { rule: "passed", why: "free: says why a cache was missed" },
  metadata: { rule: "passed", why: "free" },
  stop_sequences: { rule: "checked", why: "shortens only", check: ofType("list") },
  stream: { rule: "checked", why: "metered either way", check: ofType("boolean") },
  temperature: { rule: "passed", why: "free" },
  tool_choice: { rule: "checked", why: "its prompt is in the overhead", check: ofType("object") },
  top_k: { rule: "passed", why: "free" },
  top_p: { rule: "passed", why: "free" },

  inference_geo: {
    rule: "checked",
    why: "other regions cost a multiple that the card does not carry",
    check: pricedText(["global"], "is not priced; use global or leave it out"),
  },
  service_tier: {
    rule: "checked",
    why: "auto may be served on the priority tier; standard_only is sent instead",
    check: pricedText(["auto", "standard_only"], "is not priced; use standard_only"),
  },
  speed: {
    rule: "checked",
    why: "fast mode costs a premium that the card does not carry",
    check: pricedText(["standard"], "mode is not priced; use standard"),
  },

  billing_policy: { rule: "refused", why: "changes who pays and how" },
  compaction: { rule: "refused", why: "runs the model again over the prompt without a bound" },
  container: { rule: "refused", why: "container time is billed apart and cannot be metered" },
  context_management: {
    rule: "refused",
    why: "may run the model again to compact, and hides what it is shown",
  },
  fallback_credit_token: { rule: "refused", why: "reprices the call" },
  fallbacks: { rule: "refused", why: "other models than the one granted could answer" },
  mcp_servers: { rule: "refused", why: "what a remote server returns cannot be bounded" },
  thread: { rule: "refused", why: "the prompt is kept at the provider and cannot be seen" },
};
