import { randomPool } from "../bus/random-pool.ts";
import { authorizationId } from "../ledger/ids.ts";

/**
 * The last digit of an id says who meters the call: even for calls that a gateway forwards, odd for
 * those that an SDK reports itself. So a caller that learns the id of its own forwarded call from the
 * answer's headers cannot settle it at zero before the gateway does, on whichever gateway it tries.
 */

const randomBytes = randomPool(10);

/** A new id for a call that this gateway forwards and meters. */
export function newForwardedId(wallMs: number): string {
  return newId(wallMs, 0);
}

/** A new id for a call that the caller makes and reports itself. */
export function newReportedId(wallMs: number): string {
  return newId(wallMs, 1);
}

/** True for an authorization whose usage the caller may report. */
export function isReported(authorization: string): boolean {
  return Number.parseInt(authorization.slice(-1), 16) % 2 === 1;
}

function newId(wallMs: number, parity: 0 | 1): string {
  const id = authorizationId(wallMs, randomBytes());
  const last = Number.parseInt(id.slice(-1), 16);
  return `${id.slice(0, -1)}${((last & 0xe) | parity).toString(16)}`;
}
