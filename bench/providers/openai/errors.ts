/**
 * Error envelope: `{error: {message, type, param, code}}` as read by `APIError` in openai 6.49.0
 * core/error.mjs and, in the middle of a stream, by core/streaming.mjs (`data.error`). Read 2026-11-22.
 */

interface Usual {
  readonly type: string;
  readonly code: string | null;
  readonly message: string;
}

const USUAL: Readonly<Record<number, Usual>> = {
  401: {
    type: "invalid_request_error",
    code: "invalid_api_key",
    message:
      "Incorrect API key provided. You can find your API key at https://platform.openai.com/account/api-keys.",
  },
  403: {
    type: "invalid_request_error",
    code: "unsupported_country_region_territory",
    message: "Country, region, or territory not supported",
  },
  404: { type: "invalid_request_error", code: null, message: "Not found" },
  413: {
    type: "invalid_request_error",
    code: null,
    message: "Maximum content size limit exceeded",
  },
  429: {
    type: "requests",
    code: "rate_limit_exceeded",
    message: "Rate limit reached on requests per min (RPM). Please try again in 1s.",
  },
  500: {
    type: "server_error",
    code: null,
    message: "The server had an error while processing your request. Sorry about that!",
  },
  503: {
    type: "server_error",
    code: null,
    message: "The engine is currently overloaded, please try again later",
  },
};

/** The envelope for a status; what is `null` is the vendor's usual for it. */
export function openaiEnvelope(problem: {
  readonly status: number;
  readonly type: string | null;
  readonly message: string | null;
  readonly param?: string | null;
}): { readonly type: string; readonly body: string } {
  const usual = USUAL[problem.status];
  const error = {
    message: problem.message ?? usual?.message ?? "Simulated error",
    type: usual?.type ?? (problem.status < 500 ? "invalid_request_error" : "server_error"),
    param: problem.param ?? null,
    code: problem.type ?? usual?.code ?? null,
  };
  // A code that a caller leaves empty on purpose stays null in the body.
  if (problem.type === "") error.code = null;
  return { type: error.code ?? error.type, body: JSON.stringify({ error }) };
}
