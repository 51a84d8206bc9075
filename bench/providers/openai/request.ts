/**
 * What a chat completion request may contain: `ChatCompletionCreateParamsBase` in openai 6.49.0
 * resources/chat/completions/completions.d.ts, read 2026-11-22. Refusals have the form of the
 * vendor's: a message, the parameter, and a code.
 */
import type { ModelFacts } from "../catalog.ts";
import type { Problem } from "../front.ts";

/** A request that has been validated; only what the simulation reads is typed. */
export interface ChatRequest {
  readonly model: string;
  readonly messages: readonly ChatMessage[];
  readonly max_tokens?: number | null;
  readonly max_completion_tokens?: number | null;
  readonly n?: number | null;
  readonly stream?: boolean | null;
  readonly stream_options?: {
    readonly include_usage?: boolean;
    readonly include_obfuscation?: boolean;
  } | null;
  readonly stop?: string | readonly string[] | null;
  readonly tools?: readonly ChatTool[];
  readonly tool_choice?:
    | string
    | { readonly type: string; readonly function?: { readonly name: string } };
  readonly reasoning_effort?: string | null;
  readonly service_tier?: string | null;
  readonly web_search_options?: object;
  readonly response_format?: { readonly type: string };
}

export interface ChatMessage {
  readonly role: string;
  readonly content?: string | readonly Part[] | null;
  readonly name?: string;
  readonly tool_calls?: readonly {
    readonly id: string;
    readonly function?: { readonly name: string; readonly arguments: string };
  }[];
  readonly tool_call_id?: string;
}

/** A content part; which fields it has depends on `type`. */
export interface Part {
  readonly type: string;
  readonly [field: string]: unknown;
}

export interface ChatTool {
  readonly type: string;
  readonly function?: { readonly name: string; readonly parameters?: unknown };
}

const FIELDS = new Set([
  "messages",
  "model",
  "audio",
  "frequency_penalty",
  "function_call",
  "functions",
  "logit_bias",
  "logprobs",
  "max_completion_tokens",
  "max_tokens",
  "metadata",
  "modalities",
  "moderation",
  "n",
  "parallel_tool_calls",
  "prediction",
  "presence_penalty",
  "prompt_cache_key",
  "prompt_cache_options",
  "prompt_cache_retention",
  "reasoning_effort",
  "response_format",
  "safety_identifier",
  "seed",
  "service_tier",
  "stop",
  "store",
  "stream",
  "stream_options",
  "temperature",
  "tool_choice",
  "tools",
  "top_logprobs",
  "top_p",
  "user",
  "verbosity",
  "web_search_options",
]);

const ROLES = ["system", "developer", "user", "assistant", "tool", "function"];
const TIERS = ["auto", "default", "flex", "scale", "priority"];

/** Most choices in one request. */
const CHOICES_MAX = 128;

type Fields = Record<string, unknown>;

/** Why a request is refused with 400; `undefined` when it is well formed. */
export function problemIn(body: unknown): Problem | undefined {
  if (!isObject(body))
    return invalid("We expected a JSON object as the body of your request.", null, "");
  for (const field of ["model", "messages"]) {
    if (body[field] === undefined) return missing(field);
  }
  for (const field in body) {
    if (FIELDS.has(field)) continue;
    return invalid(`Unrecognized request argument supplied: ${field}`, null, "");
  }
  return (
    scalars(body) ??
    limits(body) ??
    streamOptions(body) ??
    messages(body["messages"]) ??
    tools(body)
  );
}

/** What only some models take. */
export function problemFor(request: ChatRequest, model: ModelFacts): Problem | undefined {
  if (model.kind !== "chat") {
    return {
      status: 404,
      type: "",
      param: "model",
      message:
        "This is not a chat model and thus not supported in the v1/chat/completions endpoint. Did you mean to use v1/completions?",
    };
  }
  if (model.reasons && request.max_tokens != null) {
    return invalid(
      "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
      "max_tokens",
      "unsupported_parameter",
    );
  }
  for (const field of ["max_tokens", "max_completion_tokens"] as const) {
    const asked = request[field];
    if (asked == null || model.outputMax === null || asked <= model.outputMax) continue;
    return invalid(
      `${field} is too large: ${asked}. This model supports at most ${model.outputMax} completion tokens, whereas you provided ${asked}.`,
      field,
      "invalid_value",
    );
  }
  return undefined;
}

function scalars(body: Fields): Problem | undefined {
  if (typeof body["model"] !== "string") return wrongType("model", "a string", body["model"]);
  for (const field of ["stream", "store", "logprobs"]) {
    const value = body[field];
    if (value != null && typeof value !== "boolean") return wrongType(field, "a boolean", value);
  }
  for (const [field, most] of [
    ["temperature", 2],
    ["top_p", 1],
  ] as const) {
    const value = body[field];
    if (value == null) continue;
    if (typeof value !== "number") return wrongType(field, "a decimal", value);
    if (value >= 0 && value <= most) continue;
    const side = value < 0 ? "a value >= 0" : `a value <= ${most}`;
    const code = value < 0 ? "decimal_below_min_value" : "decimal_above_max_value";
    return invalid(
      `Invalid '${field}': ${code.replaceAll("_", " ")}. Expected ${side}, but got ${value} instead.`,
      field,
      code,
    );
  }
  const tier = body["service_tier"];
  if (tier != null && !isIn(TIERS, tier)) {
    return invalid(
      `Invalid value: '${shown(tier)}'. Supported values are: ${TIERS.map((name) => `'${name}'`).join(", ")}.`,
      "service_tier",
      "invalid_value",
    );
  }
  return undefined;
}

function limits(body: Fields): Problem | undefined {
  for (const field of ["max_tokens", "max_completion_tokens", "n"]) {
    const value = body[field];
    if (value == null) continue;
    if (typeof value !== "number" || !Number.isInteger(value))
      return wrongType(field, "an integer", value);
    if (value < 1) {
      return invalid(
        `Invalid '${field}': integer below minimum value. Expected a value >= 1, but got ${value} instead.`,
        field,
        "integer_below_min_value",
      );
    }
  }
  if (body["max_tokens"] != null && body["max_completion_tokens"] != null) {
    return invalid(
      "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
      "max_tokens",
      "invalid_parameter_combination",
    );
  }
  const n = body["n"];
  if (typeof n === "number" && n > CHOICES_MAX) {
    return invalid(
      `Invalid 'n': integer above maximum value. Expected a value <= ${CHOICES_MAX}, but got ${n} instead.`,
      "n",
      "integer_above_max_value",
    );
  }
  return undefined;
}

function streamOptions(body: Fields): Problem | undefined {
  const options = body["stream_options"];
  if (options == null) return undefined;
  if (body["stream"] !== true) {
    return invalid(
      "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
      "stream_options",
      "",
    );
  }
  if (!isObject(options)) return wrongType("stream_options", "an object", options);
  for (const field in options) {
    const param = `stream_options.${field}`;
    if (field !== "include_usage" && field !== "include_obfuscation") {
      return invalid(`Unknown parameter: '${param}'.`, param, "unknown_parameter");
    }
    if (typeof options[field] !== "boolean") return wrongType(param, "a boolean", options[field]);
  }
  return undefined;
}

function messages(value: unknown): Problem | undefined {
  if (!Array.isArray(value)) return wrongType("messages", "an array of objects", value);
  if (value.length === 0) {
    return invalid(
      "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
      "messages",
      "empty_array",
    );
  }
  let mayAnswer = false;
  for (const [index, message] of value.entries()) {
    const at = `messages[${index}]`;
    if (!isObject(message)) return wrongType(at, "an object", message);
    const { role } = message;
    if (role === undefined) return missing(`${at}.role`);
    if (!isIn(ROLES, role)) {
      return invalid(
        `Invalid value: '${shown(role)}'. Supported values are: ${ROLES.map((name) => `'${name}'`).join(", ")}.`,
        `${at}.role`,
        "invalid_value",
      );
    }
    const calls = Array.isArray(message["tool_calls"]);
    if (role === "tool" && !mayAnswer) {
      return invalid(
        "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.",
        `${at}.role`,
        "",
      );
    }
    mayAnswer = calls || (role === "tool" && mayAnswer);
    const problem = content(message, at, calls || message["function_call"] !== undefined);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function content(message: Fields, at: string, mayBeAbsent: boolean): Problem | undefined {
  const value = message["content"];
  if (value == null) {
    if (mayBeAbsent || message["role"] === "assistant") return undefined;
    return wrongType(`${at}.content`, "one of a string or array of objects", null);
  }
  if (typeof value === "string") return undefined;
  if (!Array.isArray(value))
    return wrongType(`${at}.content`, "one of a string or array of objects", value);
  for (const [index, part] of value.entries()) {
    if (!isObject(part)) return wrongType(`${at}.content[${index}]`, "an object", part);
    if (part["type"] === undefined) return missing(`${at}.content[${index}].type`);
    if (part["type"] === "text" && typeof part["text"] !== "string")
      return missing(`${at}.content[${index}].text`);
  }
  return undefined;
}

function tools(body: Fields): Problem | undefined {
  const list = body["tools"];
  if (list !== undefined && !Array.isArray(list))
    return wrongType("tools", "an array of objects", list);
  for (const [index, tool] of (list ?? []).entries()) {
    const at = `tools[${index}]`;
    if (!isObject(tool)) return wrongType(at, "an object", tool);
    if (tool["type"] === undefined) return missing(`${at}.type`);
    if (tool["type"] !== "function") continue;
    if (!isObject(tool["function"])) return missing(`${at}.function`);
    if (typeof tool["function"]["name"] !== "string") return missing(`${at}.function.name`);
  }
  const choice = body["tool_choice"];
  if (choice !== undefined && choice !== "none" && (list ?? []).length === 0) {
    return invalid(
      "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.",
      "tool_choice",
      "",
    );
  }
  return undefined;
}

/** A 400; a `code` of "" is null on the wire. */
export function invalid(message: string, param: string | null, code: string): Problem {
  return { status: 400, type: code, message, param };
}

export function missing(param: string): Problem {
  return invalid(`Missing required parameter: '${param}'.`, param, "missing_required_parameter");
}

export function wrongType(param: string, expected: string, value: unknown): Problem {
  const got =
    value === null
      ? "null"
      : Array.isArray(value)
        ? "an array"
        : typeof value === "object"
          ? "an object"
          : `a ${typeof value}`;
  return invalid(
    `Invalid type for '${param}': expected ${expected}, but got ${got} instead.`,
    param,
    "invalid_type",
  );
}

function isIn(words: readonly string[], value: unknown): boolean {
  return typeof value === "string" && words.includes(value);
}

function shown(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
