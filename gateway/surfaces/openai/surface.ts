import { BodyProblems, checkFields } from "../../body-problems.ts";
import { BoundTally, jsonBytes } from "../../estimate.ts";
import { type Edit, editBytes } from "../../json-scan.ts";
import { parseBody } from "../../parse-body.ts";
import type { CallRequest, GrantedModel, ReadBody, Surface } from "../../surface.ts";
import { OpenaiBound } from "./bound.ts";
import { renderProblem } from "./errors.ts";
import { meterCompletion } from "./meter.ts";
import { OPENAI_FIELDS } from "./parameters.ts";
import { OpenaiStream } from "./stream.ts";

type Json = Readonly<Record<string, unknown>>;
const OUTPUT_FIELDS = ["max_completion_tokens", "max_tokens"] as const;

function readBody(bytes: Buffer): ReadBody {
  const read = boundBody(bytes);
  return read.ok ? { ok: true, call: read.call } : read;
}

/** A body read with its countable texts, which a tokenizer may bound more tightly than their bytes. */
export function boundBody(bytes: Buffer):
  | {
      readonly ok: true;
      readonly call: CallRequest;
      readonly texts: readonly string[];
      readonly textTokens: number;
    }
  | Extract<ReadBody, { ok: false }> {
  const parsed = parseBody(bytes);
  if (!parsed.ok) return { ok: false, bad: parsed.problems, unsupported: [] };
  const { body, shape } = parsed;
  const problems = new BodyProblems();
  checkFields(body, OPENAI_FIELDS, problems);
  for (const field of ["model", "messages"]) {
    if (body[field] === undefined || body[field] === null) problems.malformed(field, "is missing");
  }
  const tally = new BoundTally();
  const walk = new OpenaiBound(tally, problems);
  walk.body(body);
  if (problems.bad.length > 0 || problems.unsupported.length > 0) {
    return { ok: false, bad: problems.bad, unsupported: problems.unsupported };
  }
  const outputLimits = OUTPUT_FIELDS.flatMap((field) =>
    typeof body[field] === "number" ? [{ field, tokens: body[field] }] : [],
  );
  const options = (body["stream_options"] ?? undefined) as Json | undefined;
  const call: CallRequest = {
    model: body["model"] as string,
    stream: body["stream"] === true,
    bound: tally.bound({
      output: outputBound(body, outputLimits),
      choices: (body["n"] as number | null | undefined) ?? 1,
      iterations: 1,
    }),
    spans: shape.spans,
    start: shape.start,
    outputLimits,
    kept: { streamOptions: options, includesUsage: options?.["include_usage"] === true },
    countable: !tally.hidden,
  };
  return { ok: true, call, texts: walk.texts, textTokens: walk.textTokens };
}

/**
 * The greater of the two limits; without one, each model's own largest output binds, at the provider
 * and in the price of the hold alike. Predicted text that is not used is billed on top of the answer.
 */
function outputBound(
  body: Json,
  limits: readonly { readonly tokens: number }[],
): number | undefined {
  if (limits.length === 0) return undefined;
  const most = Math.max(...limits.map(({ tokens }) => tokens));
  const prediction = body["prediction"] ?? undefined;
  return most + (prediction === undefined ? 0 : jsonBytes(prediction));
}

/** The granted model, the default tier, usage on streams, and an output limit the model takes. */
function prepare(bytes: Buffer, call: CallRequest, grant: GrantedModel): Buffer {
  const edits: Edit[] = [];
  const set = (field: string, value: unknown) => {
    const span = call.spans.get(field);
    const text = JSON.stringify(value);
    if (span !== undefined) edits.push({ ...span, text });
    else
      edits.push({ start: call.start, end: call.start, text: `${JSON.stringify(field)}:${text},` });
  };
  if (call.model !== grant.model) {
    set("model", grant.model);
    for (const { field, tokens } of call.outputLimits) {
      const most = Math.min(tokens, grant.outputMax ?? tokens);
      if (field === "max_tokens" && call.outputLimits.length === 1) {
        // Reasoning models refuse the old name, and every model takes the new one: a model that the
        // caller did not choose must not fail on the name. Null counts as absent.
        set("max_tokens", null);
        set("max_completion_tokens", most);
      } else if (most !== tokens) set(field, most);
    }
  }
  const tier = call.spans.get("service_tier");
  if (tier === undefined || bytes.toString("utf8", tier.start, tier.end) !== '"default"') {
    set("service_tier", "default");
  }
  if (call.stream && call.kept["includesUsage"] !== true) {
    const asked = call.kept["streamOptions"] as Json | undefined;
    set("stream_options", { ...asked, include_usage: true });
  }
  return editBytes(bytes, edits);
}

/** The Chat Completions API. */
export const openaiSurface: Surface = {
  api: "openai",
  path: "/chat/completions",
  readBody,
  prepare,
  meterBody: meterCompletion,
  streamReader: (call) => new OpenaiStream(call.kept["includesUsage"] !== true),
  strips: (call) => call.stream && call.kept["includesUsage"] !== true,
  renderProblem,
  forwardedHeaders: ["openai-beta"],
  accountHeaders: ["openai-organization", "openai-project"],
  headerValue: (_name, value) => value,
  query: [],
  credentialHeaders: (secret) => ({ authorization: `Bearer ${secret}` }),
};
