import { receiptId } from "../../../ledger/ids.ts";
import type { Problem } from "../../refusal.ts";

/**
 * Error types of the Chat Completions API by status; `code` carries Tarmac's own.
 * Source: `openai` 6.49.0, core/error.d.ts (`type`, `code`, `param` are free strings; 2026-07-23).
 */
const TYPES: Readonly<Record<number, string>> = {
  402: "insufficient_quota",
  502: "server_error",
  503: "server_error",
  504: "server_error",
};

/** A problem in OpenAI's envelope, with what Tarmac adds beside it. */
export function renderProblem(problem: Problem): string {
  const { authorization, code, message } = problem;
  return JSON.stringify({
    error: {
      message,
      type: TYPES[problem.status] ?? "invalid_request_error",
      param: problem.field ?? null,
      code,
    },
    tarmac: {
      code,
      authorization: authorization ?? null,
      receipt: authorization === undefined ? null : receiptId(authorization),
      message,
    },
  });
}
