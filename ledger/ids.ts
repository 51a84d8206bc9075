/** Workspace ids and the names of agents, teams and cost centres: also a NATS subject token. */
export const NAME_PATTERN = /^[a-z0-9][a-z0-9_-]{0,62}$/;

/** A run id as a client may choose it. `auth_` is kept for calls that are a run of their own. */
export const RUN_PATTERN = /^(?!auth_)[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/;

const UUID_V7 = /^auth_[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** `auth_` and a UUIDv7 in lower case. */
export function isAuthorizationId(text: string): boolean {
  return UUID_V7.test(text);
}

/** The time an authorization id carries (RFC 9562 §5.7: its first 48 bits), in ms since 1970. */
export function idTime(authorization: string): number {
  return Number.parseInt(authorization.slice(5, 13) + authorization.slice(14, 18), 16);
}

/** The receipt of an authorization has the same UUID. */
export function receiptId(authorization: string): string {
  return `rcpt_${authorization.slice(5)}`;
}

/** The authorization that a receipt records. Takes either id; `undefined` when it is neither. */
export function authorizationOf(id: string): string | undefined {
  const authorization = id.startsWith("rcpt_") ? `auth_${id.slice(5)}` : id;
  return isAuthorizationId(authorization) ? authorization : undefined;
}

/** Formats 16 bytes, of which the first six hold the time, as a UUIDv7 authorization id. */
export function authorizationId(timeMs: number, random: Uint8Array): string {
  const time = Math.trunc(timeMs).toString(16).padStart(12, "0");
  let hex = "";
  for (const byte of random) hex += byte.toString(16).padStart(2, "0");
  const variant = ((Number.parseInt(hex.slice(3, 4), 16) & 3) | 8).toString(16);
  return `auth_${time.slice(0, 8)}-${time.slice(8)}-7${hex.slice(0, 3)}-${variant}${hex.slice(4, 7)}-${hex.slice(7, 19)}`;
}
