import Anthropic from "@anthropic-ai/sdk";
import { type Script, type Turn, turnsOf } from "./script.ts";
import { type Caller, type Told, toldBy, toldByError } from "./told.ts";

const TOOLS: Anthropic.Tool[] = [
  {
    name: "look_up_order",
    description: "Finds an order with its payments and shipments",
    input_schema: {
      type: "object",
      properties: { order: { type: "string" }, with_payments: { type: "boolean" } },
      required: ["order"],
    },
  },
];

/** One run over the Messages API: a conversation that grows by a turn at a time. */
export async function* anthropicRun(
  client: Anthropic,
  caller: Caller,
  script: Script,
): AsyncGenerator<Told> {
  const messages: Anthropic.MessageParam[] = [];
  for (const turn of turnsOf(script)) {
    messages.push({ role: "user", content: turn.question });
    let answered = yield* call(client, caller, { script, turn, messages });
    const used = answered?.content.find((block) => block.type === "tool_use");
    if (answered !== undefined && used !== undefined) {
      const result = {
        type: "tool_result",
        tool_use_id: used.id,
        content: turn.toolResult,
      } as const;
      messages.push(
        { role: "assistant", content: answered.content },
        { role: "user", content: [result] },
      );
      answered = yield* call(client, caller, { script, turn, messages });
    }
    // Refused or left: the run is over, as it would be for an agent that cannot go on.
    if (answered === undefined) return;
    messages.push({ role: "assistant", content: answered.content });
  }
}

interface Ask {
  readonly script: Script;
  readonly turn: Turn;
  readonly messages: readonly Anthropic.MessageParam[];
}

async function* call(
  client: Anthropic,
  caller: Caller,
  ask: Ask,
): AsyncGenerator<Told, Anthropic.Message | undefined> {
  const startedAt = performance.now();
  try {
    const params = paramsOf(ask);
    const options = { headers: { "x-tarmac-agent": caller.agent, "x-tarmac-run": caller.run } };
    if (!ask.turn.streamed) {
      const { data, response } = await client.messages.create(params, options).withResponse();
      yield toldBy(caller, response.headers, { result: "ok", status: response.status, startedAt });
      return data;
    }
    const stream = client.messages.stream(params, options);
    let chunks = 0;
    stream.on("text", () => {
      chunks += 1;
      if (chunks === ask.turn.leavesAfterChunks) stream.abort();
    });
    const message = await stream.finalMessage().catch((error: unknown) => {
      if (stream.aborted) return undefined;
      throw error;
    });
    const status = stream.response?.status ?? 0;
    const result = message === undefined ? "left" : "ok";
    yield toldBy(caller, stream.response?.headers, { result, status, startedAt });
    return message;
  } catch (error) {
    if (!(error instanceof Anthropic.APIError)) throw error;
    yield toldByError(caller, error, startedAt);
    return undefined;
  }
}

function paramsOf({ script, messages }: Ask): Anthropic.MessageCreateParamsNonStreaming {
  const { part, instructions, model } = script;
  return {
    model,
    max_tokens: part.maxTokens,
    messages: [...messages],
    ...(instructions !== "" && {
      system: [{ type: "text", text: instructions, cache_control: { type: "ephemeral" } }],
    }),
    ...(part.tools && { tools: TOOLS }),
    // The least budget there is; it stays below every part's maximum.
    ...(part.thinks && { thinking: { type: "enabled", budget_tokens: 1_024 } }),
  };
}
