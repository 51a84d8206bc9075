import {
  IMAGE_TOKENS,
  MESSAGE_OVERHEAD,
  PDF_TOKENS,
  type Prompt,
  PromptBuilder,
} from "../prompt.ts";
import type { Block, CacheControl, MessagesRequest } from "./request.ts";

/**
 * Tokens of the system prompt that the vendor adds when tools are given. It differs by model and
 * tool choice, 159 to 530 in docs.anthropic.com/en/docs/tool-use-pricing-and-tokens (read
 * 2026-11-22); one value is enough here, and it is a reason why bytes of the request alone are no
 * bound.
 */
const TOOLS_OVERHEAD = 346;

type Asked = Pick<MessagesRequest, "messages" | "system" | "tools" | "cache_control">;

/** The prompt in the order in which it is cached: tools, system, messages. */
export function promptOf(request: Asked, bytesPerToken: number): Prompt {
  const prompt = new PromptBuilder(bytesPerToken);
  for (const [index, tool] of (request.tools ?? []).entries()) {
    const { cache_control: control, ...definition } = tool;
    prompt.text(
      "tool:",
      JSON.stringify(definition),
      index === 0 ? TOOLS_OVERHEAD : 0,
      ttl(control),
    );
  }
  if (typeof request.system === "string") prompt.text("system:", request.system);
  else for (const block of request.system ?? []) addBlock(prompt, "system:", block, 0, undefined);

  const lastMessage = request.messages.length - 1;
  for (const [index, { role, content }] of request.messages.entries()) {
    const automatic = index === lastMessage ? ttl(request.cache_control) : undefined;
    if (typeof content === "string") {
      prompt.text(`${role}:`, content, MESSAGE_OVERHEAD, automatic);
      continue;
    }
    for (const [place, block] of content.entries()) {
      const overhead = place === 0 ? MESSAGE_OVERHEAD : 0;
      const last = place === content.length - 1;
      addBlock(prompt, `${role}:`, block, overhead, last ? automatic : undefined);
    }
  }
  return prompt.build();
}

function addBlock(
  prompt: PromptBuilder,
  kind: string,
  block: Block,
  overhead: number,
  automatic: "5m" | "1h" | undefined,
): void {
  const breakpoint = ttl(block.cache_control) ?? automatic;
  const add = (text: string) => prompt.text(kind + block.type, text, overhead, breakpoint);
  switch (block.type) {
    case "text":
      return add(String(block["text"]));
    case "thinking":
      return add(String(block["thinking"]));
    case "tool_use":
      return add(`${String(block["name"])}${JSON.stringify(block["input"])}`);
    case "tool_result":
      return addNested(prompt, `${kind}tool_result`, block["content"], overhead, breakpoint);
    case "image":
      return prompt.media(kind, JSON.stringify(block["source"]), IMAGE_TOKENS, breakpoint);
    case "document": {
      const source = block["source"] as { type?: string; data?: string; content?: unknown };
      if (source.type === "text") return add(source.data ?? "");
      if (source.type === "content") {
        return addNested(prompt, `${kind}document`, source.content, overhead, breakpoint);
      }
      return prompt.media(kind, JSON.stringify(source), PDF_TOKENS, breakpoint);
    }
    default:
      return add(JSON.stringify(block));
  }
}

/** Content inside a block: text or blocks. The block's own breakpoint stands at its end. */
function addNested(
  prompt: PromptBuilder,
  kind: string,
  content: unknown,
  overhead: number,
  breakpoint: "5m" | "1h" | undefined,
): void {
  const blocks = Array.isArray(content) ? (content as readonly Block[]) : [];
  for (const block of blocks) addBlock(prompt, kind, block, 0, undefined);
  prompt.text(kind, typeof content === "string" ? content : "", overhead, breakpoint);
}

function ttl(control: CacheControl | null | undefined): "5m" | "1h" | undefined {
  return control == null ? undefined : (control.ttl ?? "5m");
}

/**
 * Shortest prefix that is cached, by model: platform.claude.com/docs/en/build-with-claude/prompt-caching
 * as quoted by third parties in 2026, read 2026-11-22. The vendor's own page was not reachable.
 */
export function leastCachedTokens(model: string): number {
  if (/opus-5|fable-5|mythos-5/.test(model)) return 512;
  if (/haiku-4-5|opus-4-5|opus-4-6/.test(model)) return 4_096;
  if (/haiku-3|3-haiku|3-5-haiku|opus-4-7/.test(model)) return 2_048;
  return 1_024;
}
