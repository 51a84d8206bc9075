import { BodyProblems, checkFields } from "../../body-problems.ts";
import { BoundTally } from "../../estimate.ts";
import { type Edit, editBytes } from "../../json-scan.ts";
import { parseBody } from "../../parse-body.ts";
import type { CallRequest, GrantedModel, ReadBody, Surface } from "../../surface.ts";
import { AnthropicBound, SERVER_ROUNDS_MAX } from "./bound.ts";
import { renderProblem } from "./errors.ts";
import { meterMessage } from "./meter.ts";
import { ANTHROPIC_FIELDS } from "./parameters.ts";
import { AnthropicStream } from "./stream.ts";

/** Smallest thinking budget that the API takes, in tokens. Source: SDK 1.12.0, `thinking`, 2026-11-20. */
const THINKING_MIN = 1_024;

function readBody(bytes: Buffer): ReadBody {
  const parsed = parseBody(bytes);
  if (!parsed.ok) return { ok: false, bad: parsed.problems, unsupported: [] };
  const { body, shape } = parsed;
  const problems = new BodyProblems();
  checkFields(body, ANTHROPIC_FIELDS, problems);
  for (const field of ["model", "max_tokens", "messages"]) {
    if (body[field] === undefined || body[field] === null) problems.malformed(field, "is missing");
  }
  const tally = new BoundTally();
  new AnthropicBound(tally, problems).body(body);
  if (problems.bad.length > 0 || problems.unsupported.length > 0) {
    return { ok: false, bad: problems.bad, unsupported: problems.unsupported };
  }
  const maxTokens = body["max_tokens"] as number;
  const thinking = body["thinking"] as { budget_tokens?: unknown } | null | undefined;
  const budget = Number(thinking?.budget_tokens ?? 0);
  // One round per use, one in which the model is told that its uses are up, one to answer.
  const rounds = tally.rounds === 0 ? 1 : Math.min(tally.rounds + 2, SERVER_ROUNDS_MAX);
  // A loop over server tools caches its own growing prompt.
  if (rounds > 1) tally.cacheWrite("5m");
  const output = Math.max(maxTokens, Number.isSafeInteger(budget) ? budget : 0);
  return {
    ok: true,
    call: {
      model: body["model"] as string,
      stream: body["stream"] === true,
      bound: tally.bound({ output, choices: 1, iterations: rounds }),
      spans: shape.spans,
      start: shape.start,
      outputLimits: [{ field: "max_tokens", tokens: maxTokens }],
      kept: { thinking: thinking ?? undefined },
      countable: false,
    },
  };
}

/** The granted model, the standard tier, and an output limit that the granted model takes. */
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
    const asked = call.outputLimits[0]?.tokens ?? 0;
    if (grant.outputMax !== undefined && asked > grant.outputMax) {
      set("max_tokens", grant.outputMax);
      const thinking = call.kept["thinking"] as { budget_tokens?: number } | undefined;
      const budget = thinking?.budget_tokens;
      if (budget !== undefined && budget >= grant.outputMax) {
        const lower = Math.max(THINKING_MIN, grant.outputMax - 1);
        set("thinking", { ...thinking, budget_tokens: lower });
      }
    }
  }
  const tier = call.spans.get("service_tier");
  const standard = '"standard_only"';
  if (tier === undefined || bytes.toString("utf8", tier.start, tier.end) !== standard) {
    set("service_tier", "standard_only");
  }
  return editBytes(bytes, edits);
}

/**
 * Betas that raise a model's window or largest output above what the card says, by a header alone.
 * Source: `@anthropic-ai/sdk` 1.12.0, `AnthropicBeta` in resources/beta/beta.d.ts, 2026-11-20. Other
 * betas that cost money need a field of the body, and such fields are refused.
 */
const RAISING_BETA = /^(context|output)-\d+[km]-/;

/** Leaves out betas that would make a hold too small. */
function boundedBetas(header: string): string | undefined {
  const betas = header.split(",").map((beta) => beta.trim());
  const kept = betas.filter((beta) => beta !== "" && !RAISING_BETA.test(beta));
  return kept.length === 0 ? undefined : kept.join(",");
}

/** The Messages API. */
export const anthropicSurface: Surface = {
  api: "anthropic",
  path: "/v1/messages",
  readBody,
  prepare,
  meterBody: meterMessage,
  streamReader: () => new AnthropicStream(),
  strips: () => false,
  renderProblem,
  forwardedHeaders: ["anthropic-version", "anthropic-beta"],
  accountHeaders: ["anthropic-user-profile-id", "anthropic-workspace-id"],
  headerValue: (name, value) => (name === "anthropic-beta" ? boundedBetas(value) : value),
  query: ["beta=true"],
  credentialHeaders: (secret) => ({ "x-api-key": secret }),
};
