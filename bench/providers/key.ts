import type { IncomingMessage } from "node:http";
import type { Provider } from "./served.ts";

type Headers = IncomingMessage["headers"];

/** The key a request came with, and where it stood. */
export interface Key {
  readonly scheme: "bearer" | "x-api-key" | "none";
  readonly value: string;
}

/** The key that a vendor looks at: Anthropic takes either header, OpenAI only the bearer token. */
export function keyOf(headers: Headers, provider: Provider): Key {
  const plain = headers["x-api-key"];
  if (provider === "anthropic" && typeof plain === "string" && plain !== "") {
    return { scheme: "x-api-key", value: plain };
  }
  const bearer = /^Bearer\s+(\S+)$/i.exec(headers.authorization ?? "")?.[1];
  return bearer === undefined ? { scheme: "none", value: "" } : { scheme: "bearer", value: bearer };
}

/** Begins a gateway's own keys. */
const GATEWAY_KEY = "tarmac_";

/** True for a key that is the gateway's and none of the vendor's. */
export function isGatewayKey(key: string): boolean {
  return key.includes(GATEWAY_KEY);
}

/**
 * Names of headers that a gateway must keep to itself: its own, `idempotency-key`, and any whose
 * value holds one of its keys, wherever it stands.
 */
export function leaksOf(headers: Headers): readonly string[] {
  const leaks: string[] = [];
  for (const name in headers) {
    const value = headers[name];
    const own = name.startsWith("x-tarmac-") || name === "idempotency-key";
    if (own || (typeof value === "string" && isGatewayKey(value))) leaks.push(name);
  }
  return leaks;
}
