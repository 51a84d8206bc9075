/**
 * Error envelope and types: `ErrorResponse` and `ErrorType` in @anthropic-ai/sdk 1.12.0
 * resources/shared.d.ts; status to class in core/error.mjs; both read 2026-11-22. `request_too_large`
 * is in no type there but in docs.claude.com/en/api/errors, read 2026-11-22.
 */

const TYPE_OF_STATUS: Readonly<Record<number, string>> = {
  400: "invalid_request_error",
  401: "authentication_error",
  402: "billing_error",
  403: "permission_error",
  404: "not_found_error",
  409: "conflict_error",
  413: "request_too_large",
  429: "rate_limit_error",
  500: "api_error",
  504: "timeout_error",
  529: "overloaded_error",
};

const MESSAGE_OF_STATUS: Readonly<Record<number, string>> = {
  401: "invalid x-api-key",
  402: "Your credit balance is too low to access the Anthropic API.",
  403: "Your API key does not have permission to use the specified resource.",
  404: "Not found",
  413: "Request exceeds the maximum size",
  429: "This request would exceed your organization's rate limit. Please try again later.",
  500: "Internal server error",
  504: "The request timed out",
  529: "Overloaded",
};

/** The vendor's error type for a status. */
export function errorType(status: number): string {
  return TYPE_OF_STATUS[status] ?? (status < 500 ? "invalid_request_error" : "api_error");
}

/** A message like the vendor's for a status that a test asks for. */
export function errorMessage(status: number): string {
  return MESSAGE_OF_STATUS[status] ?? "Simulated error";
}

/** The body of an error answer, and the data of an `error` event. */
export function errorBody(type: string, message: string, requestId: string): string {
  return JSON.stringify({ type: "error", error: { type, message }, request_id: requestId });
}
