import type { DecidedAnswer } from "../actors/commands.ts";
import { receiptId } from "../ledger/ids.ts";
import { usdHeader } from "./refusal.ts";

type Headers = Readonly<Record<string, string | readonly string[]>>;

/** What a decision says about itself on every answer. Amounts in decimal US dollars. */
export function decisionHeaders(decided: DecidedAnswer): Record<string, string> {
  const { authorization, cap, grant, held, outcome, remaining, rule } = decided;
  return {
    "x-tarmac-authorization": authorization,
    "x-tarmac-receipt": receiptId(authorization),
    "x-tarmac-outcome": outcome,
    "x-tarmac-rule": rule,
    "x-tarmac-held": usdHeader(held),
    ...(grant === undefined ? {} : { "x-tarmac-tier": grant.tier }),
    ...(remaining === undefined ? {} : { "x-tarmac-remaining": usdHeader(remaining) }),
    ...(cap === undefined ? {} : { "x-tarmac-cap": cap }),
  };
}

/** Headers that belong to one connection, or that the gateway sets itself. */
const NOT_PASSED = new Set([
  "alt-svc",
  "connection",
  "content-length",
  "keep-alive",
  "proxy-authenticate",
  "proxy-connection",
  "set-cookie",
  "strict-transport-security",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** A provider's headers as the client may see them. */
export function passedHeaders(headers: Headers): Record<string, string | readonly string[]> {
  const passed: Record<string, string | readonly string[]> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (!NOT_PASSED.has(name) && !name.startsWith("x-tarmac-")) passed[name] = value;
  }
  return passed;
}

/** The first value of a header. */
export function oneHeader(headers: Headers, name: string): string | undefined {
  const value = headers[name];
  return typeof value === "string" ? value : value?.[0];
}
