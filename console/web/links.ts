/** Addresses of the pages, made in one place so that a link cannot point at none. */

export const LIVE = "/operations/live";
export const AGENTS = "/operations/agents";
export const NODES = "/operations/nodes";
export const SIGNED_OUT = "/signed-out";

/** The page of one authorization. */
export function authorizationPath(authorization: string): string {
  return `/operations/authorizations/${encodeURIComponent(authorization)}`;
}

/** The page of a receipt; an authorization's id is taken as well. */
export function receiptPath(id: string): string {
  return `/receipts/${encodeURIComponent(id)}`;
}

/** The live stream of one agent. */
export function liveOfAgentPath(agent: string): string {
  return `${LIVE}?agent=${encodeURIComponent(agent)}`;
}
