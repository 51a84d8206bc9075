import type { IncomingHttpHeaders } from "node:http";
import type { Surface } from "./surface.ts";

/** Headers that say what kind of client calls; vendors count them. */
const CLIENT_HEADERS = /^(user-agent|x-stainless-[a-z-]+)$/;

/**
 * The headers of a request that are passed on, by name: everything else stays here, ours and
 * `idempotency-key` above all.
 */
export function forwardHeaders(
  headers: IncomingHttpHeaders,
  surface: Surface,
): { readonly headers: Record<string, string>; readonly accountHeaders: Record<string, string> } {
  const passed: Record<string, string> = {
    "content-type": "application/json",
    accept: typeof headers.accept === "string" ? headers.accept : "*/*",
    // A compressed answer could not be metered as it passes.
    "accept-encoding": "identity",
  };
  const account: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (typeof value !== "string") continue;
    if (surface.forwardedHeaders.includes(name)) {
      const kept = surface.headerValue(name, value);
      if (kept !== undefined) passed[name] = kept;
    } else if (CLIENT_HEADERS.test(name)) passed[name] = value;
    else if (surface.accountHeaders.includes(name)) account[name] = value;
  }
  return { headers: passed, accountHeaders: account };
}
