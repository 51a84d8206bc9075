/* Embeddings: `CreateEmbeddingResponse` in openai 6.49.0 resources/embeddings.d.ts, read 2026-11-22. */
import type { Problem } from "../front.ts";
import { tokensOf } from "../prompt.ts";
import { fingerprint, seeded } from "../prose.ts";
import { invalid, missing, wrongType } from "./request.ts";

export interface EmbeddingRequest {
  readonly model: string;
  readonly input: string | readonly string[] | readonly number[] | readonly (readonly number[])[];
  readonly dimensions?: number;
  readonly encoding_format?: "float" | "base64";
}

const FIELDS = new Set(["model", "input", "dimensions", "encoding_format", "user"]);

/** Why a request is refused with 400; `undefined` when it is well formed. */
export function embeddingProblem(body: unknown): Problem | undefined {
  if (typeof body !== "object" || body === null)
    return invalid("We expected a JSON object.", null, "");
  const fields = body as Record<string, unknown>;
  for (const field of ["model", "input"]) if (fields[field] === undefined) return missing(field);
  for (const field in fields) {
    if (!FIELDS.has(field))
      return invalid(`Unrecognized request argument supplied: ${field}`, null, "");
  }
  if (typeof fields["model"] !== "string") return wrongType("model", "a string", fields["model"]);
  const { input } = fields;
  if (typeof input !== "string" && !Array.isArray(input))
    return wrongType("input", "a string or array", input);
  if (input.length === 0)
    return invalid("'$.input' is invalid: input cannot be an empty string.", null, "");
  return undefined;
}

/** The texts or token lists to embed, one vector each. */
export function inputsOf(request: EmbeddingRequest): readonly (string | readonly number[])[] {
  const { input } = request;
  if (typeof input === "string") return [input];
  if (typeof input[0] === "number") return [input as readonly number[]];
  return input as readonly (string | readonly number[])[];
}

/** Prompt tokens of all inputs; a list of token ids has as many tokens as ids. */
export function embeddingTokens(request: EmbeddingRequest, bytesPerToken: number): number {
  return inputsOf(request).reduce(
    (sum, input) =>
      sum + (typeof input === "string" ? tokensOf(input, bytesPerToken) : input.length),
    0,
  );
}

/** The body of an answer; vectors depend on their input alone and have length 1. */
export function embeddingBody(
  request: EmbeddingRequest,
  model: string,
  promptTokens: number | null,
): string {
  const size = request.dimensions ?? (request.model === "text-embedding-3-large" ? 3_072 : 1_536);
  const data = inputsOf(request).map((input, index) => {
    const vector = unitVector(String(input), size);
    const base64 = request.encoding_format === "base64";
    const embedding = base64 ? Buffer.from(vector.buffer).toString("base64") : Array.from(vector);
    return { object: "embedding", index, embedding };
  });
  const usage =
    promptTokens === null
      ? {}
      : { usage: { prompt_tokens: promptTokens, total_tokens: promptTokens } };
  return JSON.stringify({ object: "list", data, model, ...usage });
}

function unitVector(input: string, size: number): Float32Array {
  const random = seeded(fingerprint(input, 0));
  const vector = Float32Array.from({ length: size }, () => random() - 0.5);
  const length = Math.hypot(...vector);
  return vector.map((value) => value / length);
}
