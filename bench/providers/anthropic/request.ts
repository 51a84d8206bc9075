/**
 * What a Messages request may contain: `MessageCreateParamsBase` and the block types in
 * @anthropic-ai/sdk 1.12.0 resources/messages/messages.d.ts, read 2026-11-22. Messages of refusals
 * have the form the vendor's have (`field: what is wrong`), one at a time, in the order of the fields.
 */

/** A request that has been validated; only what the simulation reads is typed. */
export interface MessagesRequest {
  readonly model: string;
  readonly max_tokens: number;
  readonly messages: readonly Message[];
  readonly system?: string | readonly Block[];
  readonly tools?: readonly Tool[];
  readonly tool_choice?: { readonly type: string; readonly name?: string };
  readonly thinking?: { readonly type: string; readonly budget_tokens?: number };
  readonly stop_sequences?: readonly string[];
  readonly stream?: boolean;
  readonly service_tier?: string;
  readonly cache_control?: CacheControl | null;
  readonly inference_geo?: string | null;
  readonly speed?: "standard" | "fast" | null;
}

export interface Message {
  readonly role: "user" | "assistant";
  readonly content: string | readonly Block[];
}

export interface CacheControl {
  readonly type: "ephemeral";
  readonly ttl?: "5m" | "1h";
}

/** A content block; which fields it has depends on `type`. */
export interface Block {
  readonly type: string;
  readonly cache_control?: CacheControl | null;
  readonly [field: string]: unknown;
}

export interface Tool {
  readonly name: string;
  readonly type?: string;
  readonly input_schema?: unknown;
  readonly max_uses?: number | null;
  readonly cache_control?: CacheControl | null;
}

const FIELDS = new Set([
  "model",
  "max_tokens",
  "messages",
  "cache_control",
  "container",
  "diagnostics",
  "inference_geo",
  "metadata",
  "output_config",
  "service_tier",
  "speed",
  "stop_sequences",
  "stream",
  "system",
  "thinking",
  "tool_choice",
  "tools",
  // In older versions of the SDK's types; the API still takes them.
  "temperature",
  "top_k",
  "top_p",
]);

/** Taken only with an `anthropic-beta` header. */
const BETA_FIELDS = new Set(["mcp_servers", "context_management", "fallbacks", "betas"]);

const COUNT_FIELDS = new Set([
  "model",
  "messages",
  "cache_control",
  "output_config",
  "speed",
  "system",
  "thinking",
  "tool_choice",
  "tools",
]);

/** Most `cache_control` blocks in one request. */
const BREAKPOINTS_MAX = 4;

type Fields = Record<string, unknown>;

/** Why a request is refused with `invalid_request_error`; `undefined` when it is well formed. */
export function mistakeIn(
  body: unknown,
  options: { count: boolean; beta: boolean },
): string | undefined {
  if (!isObject(body)) return "Input should be a valid dictionary or object to extract fields from";
  const known = options.count ? COUNT_FIELDS : FIELDS;
  const required = options.count ? ["model", "messages"] : ["model", "max_tokens", "messages"];
  for (const field of required) {
    if (body[field] === undefined) return `${field}: Field required`;
  }
  for (const field in body) {
    if (known.has(field) || (options.beta && BETA_FIELDS.has(field))) continue;
    return `${field}: Extra inputs are not permitted`;
  }
  return (
    scalars(body) ??
    messagesMistake(body["messages"]) ??
    systemMistake(body["system"]) ??
    toolsMistake(body) ??
    thinkingMistake(body) ??
    breakpointsMistake(body)
  );
}

function scalars(body: Fields): string | undefined {
  if (typeof body["model"] !== "string") return "model: Input should be a valid string";
  if (body["model"] === "") return "model: String should have at least 1 character";
  const max = body["max_tokens"];
  if (max !== undefined) {
    if (typeof max !== "number" || !Number.isInteger(max)) {
      return "max_tokens: Input should be a valid integer";
    }
    // 0 fills the prompt cache without an answer.
    if (max < 0) return "max_tokens: Input should be greater than or equal to 0";
  }
  if (body["stream"] !== undefined && typeof body["stream"] !== "boolean") {
    return "stream: Input should be a valid boolean";
  }
  const temperature = body["temperature"];
  if (
    temperature !== undefined &&
    (typeof temperature !== "number" || !(temperature >= 0 && temperature <= 1))
  ) {
    return "temperature: range: 0..1";
  }
  const stops = body["stop_sequences"];
  if (stops !== undefined && !(Array.isArray(stops) && stops.every((s) => typeof s === "string"))) {
    return "stop_sequences: Input should be a valid list";
  }
  const tier = body["service_tier"];
  if (tier !== undefined && tier !== "auto" && tier !== "standard_only") {
    return "service_tier: Input should be 'auto' or 'standard_only'";
  }
  return undefined;
}

function messagesMistake(messages: unknown): string | undefined {
  if (!Array.isArray(messages)) return "messages: Input should be a valid list";
  if (messages.length === 0) return "messages: at least one message is required";
  if (messages.length > 100_000) return "messages: at most 100000 messages are allowed";
  for (const [index, message] of messages.entries()) {
    const at = `messages.${index}`;
    if (!isObject(message)) return `${at}: Input should be a valid dictionary or object`;
    const { role, content } = message;
    if (role !== "user" && role !== "assistant") {
      return role === "system"
        ? `messages: Unexpected role "system". The Messages API accepts a top-level \`system\` parameter, not "system" as an input message role.`
        : `${at}.role: Input should be 'user' or 'assistant'`;
    }
    if (content === undefined) return `${at}.content: Field required`;
    const last = index === messages.length - 1;
    const mistake = contentMistake(content, at, last && role === "assistant");
    if (mistake !== undefined) return mistake;
  }
  return undefined;
}

function contentMistake(content: unknown, at: string, mayBeEmpty: boolean): string | undefined {
  if (typeof content === "string") {
    return content === "" && !mayBeEmpty
      ? `${at}: all messages must have non-empty content`
      : undefined;
  }
  if (!Array.isArray(content)) return `${at}.content: Input should be a valid list`;
  if (content.length === 0 && !mayBeEmpty) return `${at}: all messages must have non-empty content`;
  for (const [index, block] of content.entries()) {
    if (!isObject(block))
      return `${at}.content.${index}: Input should be a valid dictionary or object`;
    const mistake = blockMistake(block, `${at}.content.${index}`);
    if (mistake !== undefined) return mistake;
  }
  return undefined;
}

/** Fields that a block of each type cannot do without. */
const BLOCK_NEEDS: Readonly<Record<string, readonly string[]>> = {
  text: ["text"],
  image: ["source"],
  document: ["source"],
  search_result: ["source", "title", "content"],
  thinking: ["thinking", "signature"],
  redacted_thinking: ["data"],
  tool_use: ["id", "name", "input"],
  tool_result: ["tool_use_id"],
  server_tool_use: ["id", "name", "input"],
  web_search_tool_result: ["tool_use_id", "content"],
  web_fetch_tool_result: ["tool_use_id", "content"],
  code_execution_tool_result: ["tool_use_id", "content"],
  bash_code_execution_tool_result: ["tool_use_id", "content"],
  text_editor_code_execution_tool_result: ["tool_use_id", "content"],
  tool_search_tool_result: ["tool_use_id", "content"],
  container_upload: ["file_id"],
};

function blockMistake(block: Fields, at: string): string | undefined {
  const { type } = block;
  if (typeof type !== "string") return `${at}.type: Field required`;
  const needs = BLOCK_NEEDS[type];
  if (needs === undefined)
    return `${at}: Input tag '${type}' found using 'type' does not match any of the expected tags`;
  for (const field of needs) {
    if (block[field] === undefined) return `${at}.${type}.${field}: Field required`;
  }
  if (type === "text") {
    if (typeof block["text"] !== "string") return `${at}.text.text: Input should be a valid string`;
    if (block["text"] === "") return "messages: text content blocks must be non-empty";
  }
  return undefined;
}

function systemMistake(system: unknown): string | undefined {
  if (system === undefined || typeof system === "string") return undefined;
  if (!Array.isArray(system)) return "system: Input should be a valid list";
  for (const [index, block] of system.entries()) {
    if (!isObject(block) || block["type"] !== "text" || typeof block["text"] !== "string") {
      return `system.${index}: Input should be a text block`;
    }
    if (block["text"] === "") return "system: text content blocks must be non-empty";
  }
  return undefined;
}

function toolsMistake(body: Fields): string | undefined {
  const tools = body["tools"];
  if (tools !== undefined && !Array.isArray(tools)) return "tools: Input should be a valid list";
  const names = new Set<string>();
  for (const [index, tool] of (tools ?? []).entries()) {
    const at = `tools.${index}`;
    if (!isObject(tool)) return `${at}: Input should be a valid dictionary or object`;
    const name: unknown = tool["name"];
    if (typeof name !== "string") return `${at}.custom.name: Field required`;
    if (!/^[a-zA-Z0-9_-]{1,128}$/.test(name)) {
      return `${at}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'`;
    }
    if (names.has(name)) return "tools: Tool names must be unique.";
    names.add(name);
    const custom = tool["type"] === undefined || tool["type"] === "custom";
    if (custom && !isObject(tool["input_schema"]))
      return `${at}.custom.input_schema: Field required`;
  }
  const choice = body["tool_choice"];
  if (choice === undefined) return undefined;
  if (!isObject(choice) || !["auto", "any", "tool", "none"].includes(String(choice["type"]))) {
    return "tool_choice: Input should be one of 'auto', 'any', 'tool', 'none'";
  }
  if (names.size === 0 && choice["type"] !== "none") {
    return "tool_choice: tool_choice may only be specified while providing tools";
  }
  if (choice["type"] === "tool" && !names.has(String(choice["name"]))) {
    return `tool_choice: Tool '${String(choice["name"])}' not found in provided tools`;
  }
  return undefined;
}

function thinkingMistake(body: Fields): string | undefined {
  const thinking = body["thinking"];
  if (thinking === undefined) return undefined;
  if (!isObject(thinking)) return "thinking: Input should be a valid dictionary or object";
  if (thinking["type"] === "disabled" || thinking["type"] === "adaptive") return undefined;
  if (thinking["type"] !== "enabled") {
    return "thinking: Input should be one of 'enabled', 'disabled', 'adaptive'";
  }
  const budget = thinking["budget_tokens"];
  if (typeof budget !== "number") return "thinking.enabled.budget_tokens: Field required";
  if (budget < 1_024) {
    return "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024";
  }
  const max = body["max_tokens"];
  if (typeof max === "number" && budget >= max) {
    return "`max_tokens` must be greater than `thinking.budget_tokens`.";
  }
  return undefined;
}

function breakpointsMistake(body: Fields): string | undefined {
  let count = 0;
  const visit = (value: unknown): string | undefined => {
    if (Array.isArray(value)) {
      for (const item of value) {
        const mistake = visit(item);
        if (mistake !== undefined) return mistake;
      }
      return undefined;
    }
    if (!isObject(value)) return undefined;
    const control = value["cache_control"];
    if (control !== undefined && control !== null) {
      count += 1;
      if (!isObject(control) || control["type"] !== "ephemeral") {
        return "cache_control.type: Input should be 'ephemeral'";
      }
      const ttl = control["ttl"];
      if (ttl !== undefined && ttl !== "5m" && ttl !== "1h") {
        return "cache_control.ephemeral.ttl: Input should be '5m' or '1h'";
      }
    }
    return visit(value["content"]);
  };
  const mistake = visit([body, body["tools"], body["system"], body["messages"]]);
  if (mistake !== undefined) return mistake;
  if (count <= BREAKPOINTS_MAX) return undefined;
  return `A maximum of ${BREAKPOINTS_MAX} blocks with cache_control may be provided. Found ${count}.`;
}

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
