import { receiptId } from "../ledger/ids.ts";
import type { ClientPort } from "./ports.ts";
import type { Problem } from "./refusal.ts";

/** Who can write a problem into an envelope. */
interface Renderer {
  renderProblem(problem: Problem): string;
}

/**
 * Headers of a problem. Vendors' SDKs retry 408, 409, 429 and 5xx by themselves, so what a retry cannot
 * change says so.
 */
export function problemHeaders(problem: Problem): Record<string, string> {
  const { authorization, code, retry, status } = problem;
  return {
    "content-type": "application/json",
    ...(retry === "soon" ? {} : { "x-should-retry": "false" }),
    ...(status === 503 && retry === "soon" ? { "retry-after": "1" } : {}),
    "x-tarmac-code": code,
    ...(authorization === undefined
      ? {}
      : { "x-tarmac-authorization": authorization, "x-tarmac-receipt": receiptId(authorization) }),
  };
}

/** Answers with a problem in the vendor's envelope. */
export function sendProblem(
  client: ClientPort,
  renderer: Renderer,
  problem: Problem,
  headers: Readonly<Record<string, string>> = {},
): void {
  const body = Buffer.from(renderer.renderProblem(problem));
  client.head(problem.status, {
    ...headers,
    ...problemHeaders(problem),
    "content-length": String(body.length),
  });
  client.end(body);
}
