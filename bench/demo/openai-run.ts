import OpenAI from "openai";
import { type Script, type Turn, turnsOf } from "./script.ts";
import { type Caller, type Told, toldBy, toldByError } from "./told.ts";

const TOOLS: OpenAI.ChatCompletionTool[] = [
  {
    type: "function",
    function: {
      name: "look_up_cart",
      description: "Finds a cart with its delivery options",
      parameters: { type: "object", properties: { cart: { type: "string" } }, required: ["cart"] },
    },
  },
];

type Message = OpenAI.ChatCompletionMessageParam;

/** One run over chat completions: a conversation that grows by a turn at a time. */
export async function* openaiRun(
  client: OpenAI,
  caller: Caller,
  script: Script,
): AsyncGenerator<Told> {
  const messages: Message[] = [];
  if (script.instructions !== "")
    messages.push({ role: "developer", content: script.instructions });
  for (const turn of turnsOf(script)) {
    messages.push({ role: "user", content: turn.question });
    let answered = yield* call(client, caller, { script, turn, messages });
    const used = answered?.tool_calls ?? [];
    if (answered !== undefined && used.length > 0) {
      messages.push({ role: "assistant", content: answered.content, tool_calls: used });
      for (const { id } of used)
        messages.push({ role: "tool", tool_call_id: id, content: turn.toolResult });
      answered = yield* call(client, caller, { script, turn, messages });
    }
    if (answered === undefined) return;
    messages.push({ role: "assistant", content: answered.content });
  }
}

interface Ask {
  readonly script: Script;
  readonly turn: Turn;
  readonly messages: readonly Message[];
}

async function* call(
  client: OpenAI,
  caller: Caller,
  ask: Ask,
): AsyncGenerator<Told, OpenAI.ChatCompletionMessage | undefined> {
  const startedAt = performance.now();
  try {
    const params = {
      model: ask.script.model,
      messages: [...ask.messages],
      max_completion_tokens: ask.script.part.maxTokens,
      ...(ask.script.part.tools && { tools: TOOLS }),
    };
    const options = { headers: { "x-tarmac-agent": caller.agent, "x-tarmac-run": caller.run } };
    if (!ask.turn.streamed) {
      const { data, response } = await client.chat.completions
        .create(params, options)
        .withResponse();
      yield toldBy(caller, response.headers, { result: "ok", status: response.status, startedAt });
      return data.choices[0]?.message;
    }
    const { data: stream, response } = await client.chat.completions
      .create({ ...params, stream: true }, options)
      .withResponse();
    const message = await collect(stream, ask.turn.leavesAfterChunks);
    const result = message === undefined ? "left" : "ok";
    yield toldBy(caller, response.headers, { result, status: response.status, startedAt });
    return message;
  } catch (error) {
    if (!(error instanceof OpenAI.APIError)) throw error;
    yield toldByError(caller, error, startedAt);
    return undefined;
  }
}

/** Puts the deltas together; `undefined` when the agent leaves before the end. */
async function collect(
  stream: AsyncIterable<OpenAI.ChatCompletionChunk>,
  leavesAfterChunks: number | undefined,
): Promise<OpenAI.ChatCompletionMessage | undefined> {
  const calls: { id: string; type: "function"; function: { name: string; arguments: string } }[] =
    [];
  let content = "";
  let chunks = 0;
  for await (const chunk of stream) {
    chunks += 1;
    // Leaving the loop closes the connection.
    if (chunks === leavesAfterChunks) return undefined;
    const delta = chunk.choices[0]?.delta;
    content += delta?.content ?? "";
    for (const piece of delta?.tool_calls ?? []) {
      const known = (calls[piece.index] ??= {
        id: "",
        type: "function",
        function: { name: "", arguments: "" },
      });
      known.id += piece.id ?? "";
      known.function.name += piece.function?.name ?? "";
      known.function.arguments += piece.function?.arguments ?? "";
    }
  }
  return {
    role: "assistant",
    content,
    refusal: null,
    ...(calls.length > 0 && { tool_calls: calls }),
  };
}
