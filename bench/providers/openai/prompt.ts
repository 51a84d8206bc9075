import { IMAGE_TOKENS, MESSAGE_OVERHEAD, type Prompt, PromptBuilder } from "../prompt.ts";
import type { ChatRequest, Part } from "./request.ts";

/** Tokens that open the answer, after the last message. */
const PRIMING = 3;

/** The prompt in the order in which it is cached: tools, then messages. */
export function promptOf(
  request: Pick<ChatRequest, "messages" | "tools"> & { readonly response_format?: object },
  bytesPerToken: number,
): Prompt {
  const prompt = new PromptBuilder(bytesPerToken);
  for (const tool of request.tools ?? [])
    prompt.text("tool:", JSON.stringify(tool), MESSAGE_OVERHEAD);
  // A schema for the answer stands in the prompt like a tool.
  if (request.response_format !== undefined && "json_schema" in request.response_format) {
    prompt.text("format:", JSON.stringify(request.response_format.json_schema));
  }
  for (const message of request.messages) {
    const kind = `${message.role}:`;
    const { content } = message;
    prompt.text(kind, typeof content === "string" ? content : "", MESSAGE_OVERHEAD);
    if (Array.isArray(content))
      for (const part of content as readonly Part[]) addPart(prompt, kind, part);
    for (const call of message.tool_calls ?? []) {
      prompt.text("call:", `${call.function?.name ?? ""}${call.function?.arguments ?? ""}`);
    }
    if (message.name !== undefined) prompt.text("name:", message.name, 1);
  }
  prompt.text("", "", PRIMING);
  return prompt.build();
}

function addPart(prompt: PromptBuilder, kind: string, part: Part): void {
  const text = part["text"] ?? part["refusal"];
  if (typeof text === "string") return prompt.text(kind, text);
  prompt.media(kind, JSON.stringify(part), IMAGE_TOKENS);
}
