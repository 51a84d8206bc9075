import type { IncomingHttpHeaders } from "node:http";

/**
 * Whether a request that changes something, or opens a socket, comes from a page of this console. A
 * browser always says the origin there; what says none is no browser's page and is refused as well.
 */
export function isOwnOrigin(headers: IncomingHttpHeaders, publicUrl: string | undefined): boolean {
  const { host, origin } = headers;
  if (origin === undefined || host === undefined) return false;
  const said = URL.parse(origin);
  if (said === null || said.origin !== origin) return false;
  if (publicUrl !== undefined) return said.origin === new URL(publicUrl).origin;
  return said.protocol === "http:" && said.host === host.toLowerCase();
}
