import { randomBytes } from "node:crypto";

/** How long a ticket waits for its socket, in ms. */
export const TICKET_MS = 30_000;
/** Tickets that wait at once. */
const TICKETS_MAX = 1_000;

/**
 * Tickets for sockets: a page gets one by a request that the browser guards, and a socket opens with
 * it once. So the cookie alone, which a browser also sends for a page of another's, opens none.
 */
export class LiveTickets {
  readonly #waiting = new Map<string, { readonly session: string; readonly expires: number }>();

  /** A ticket for a session; undefined when too many wait. */
  issue(session: string, now: number): string | undefined {
    for (const [ticket, { expires }] of this.#waiting) {
      if (expires <= now) this.#waiting.delete(ticket);
    }
    if (this.#waiting.size >= TICKETS_MAX) return undefined;
    const ticket = randomBytes(24).toString("base64url");
    this.#waiting.set(ticket, { session, expires: now + TICKET_MS });
    return ticket;
  }

  /** Uses a ticket up. @returns whether it was good, and of this session */
  use(ticket: string, session: string, now: number): boolean {
    const found = this.#waiting.get(ticket);
    this.#waiting.delete(ticket);
    return found !== undefined && found.session === session && found.expires > now;
  }
}
