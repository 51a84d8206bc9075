import { receiptId } from "../../../ledger/ids.ts";
import type { Problem } from "../../refusal.ts";

/**
 * Error types of the Messages API by status.
 * Source: `@anthropic-ai/sdk` 1.12.0, resources/shared.d.ts (2026-11-20).
 */
const TYPES: Readonly<Record<number, string>> = {
  400: "invalid_request_error",
  401: "authentication_error",
  402: "billing_error",
  403: "permission_error",
  404: "not_found_error",
  409: "invalid_request_error",
  413: "invalid_request_error",
  502: "api_error",
  503: "overloaded_error",
  504: "timeout_error",
};

/** A problem in Anthropic's envelope, with what Tarmac adds beside it. */
export function renderProblem(problem: Problem): string {
  const { authorization, code, message } = problem;
  return JSON.stringify({
    type: "error",
    error: { type: TYPES[problem.status] ?? "api_error", message },
    tarmac: {
      code,
      authorization: authorization ?? null,
      receipt: authorization === undefined ? null : receiptId(authorization),
      message,
    },
  });
}
