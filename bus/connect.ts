import { isIP } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, createInbox, type NatsConnection } from "@nats-io/transport-node";

export type { NatsConnection } from "@nats-io/transport-node";

/** Where and as whom a process connects. */
export interface ConnectOptions {
  /** `host:port`, several with commas. */
  readonly servers: string;
  readonly user?: string;
  readonly pass?: string;
  /** Shown by the server for this connection: `node-1 appends`. */
  readonly name: string;
  /** Given: the connection is encrypted, and servers must show a certificate that `ca` vouches for. */
  readonly tls?: {
    /** Certificates as PEM; those that the system trusts unless given. */
    readonly ca?: string;
  };
}

/** A NATS server could not be reached, or refused the login. Nothing was sent. */
export class BusUnreachable extends Error {
  override readonly name = "BusUnreachable";
  readonly code = "bus-unreachable";
  readonly outcome = "none";
}

/** How long a first connection is tried, in ms: a server that starts together with its clients. */
const FIRST_CONNECT_MS = 5_000;
/** Pause between tries to connect again, in ms; a jitter of half of it comes on top. */
const RECONNECT_MS = 100;
/** A connection whose server answered none of two pings, this far apart in ms, is given up. */
const PING_MS = 2_000;

/**
 * Reads `nats://user:pass@host:port`, several servers with commas. User and password may be left out.
 * With `tls://` the connection is encrypted; `ca` are the certificates then trusted, as PEM.
 * @throws Error when it is not such a URL; the password is not repeated.
 */
export function parseNatsUrl(url: string, name: string, ca?: string): ConnectOptions {
  const servers: string[] = [];
  const protocols = new Set<string>();
  let user: string | undefined;
  let pass: string | undefined;
  for (const part of url.split(",")) {
    const parsed = URL.parse(part.includes("://") ? part.trim() : `nats://${part.trim()}`);
    if (parsed === null || parsed.host === "" || !/^(nats|tls):$/.test(parsed.protocol)) {
      throw new Error("must be a URL like nats://user:password@127.0.0.1:4222");
    }
    protocols.add(parsed.protocol);
    // NATS' client compares a certificate with "localhost" where it is given an address (3.4.0).
    if (parsed.protocol === "tls:" && isIP(parsed.hostname.replaceAll(/[[\]]/g, "")) !== 0) {
      throw new Error("must name servers with tls:// by host name, as their certificates do");
    }
    servers.push(parsed.port === "" ? `${parsed.hostname}:4222` : parsed.host);
    if (parsed.username !== "") {
      user = decodeURIComponent(parsed.username);
      pass = decodeURIComponent(parsed.password);
    }
  }
  if (protocols.size > 1) throw new Error("must name all servers with tls://, or all with nats://");
  const encrypted = protocols.has("tls:");
  if (ca !== undefined && !encrypted) {
    throw new Error("must begin with tls:// where TARMAC_NATS_CA is set");
  }
  return {
    servers: servers.join(","),
    name,
    ...(encrypted ? { tls: ca === undefined ? {} : { ca } } : {}),
    ...(user === undefined ? {} : { user }),
    ...(pass === undefined ? {} : { pass }),
  };
}

/**
 * Connects and stays connected: a connection that is lost is made again for ever. What was sent in
 * between is dropped, not sent late, so a request of that time is answered by its timeout.
 * @throws BusUnreachable when no server can be reached in time, or when it refuses the login.
 */
export async function connectBus(
  options: ConnectOptions,
  withinMs = FIRST_CONNECT_MS,
): Promise<NatsConnection> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    try {
      return await connect({
        servers: options.servers.split(","),
        name: options.name,
        // Each user may only hear replies on an inbox of its own (nats.conf).
        inboxPrefix: options.user === undefined ? "_INBOX" : `_INBOX_${options.user}`,
        // Capturing a stack for each request halves the throughput.
        noAsyncTraces: true,
        maxReconnectAttempts: -1,
        reconnectTimeWait: RECONNECT_MS,
        reconnectJitter: RECONNECT_MS / 2,
        pingInterval: PING_MS,
        maxPingOut: 2,
        timeout: 2_000,
        ignoreAuthErrorAbort: true,
        ...(options.user === undefined ? {} : { user: options.user }),
        ...(options.pass === undefined ? {} : { pass: options.pass }),
        ...(options.tls === undefined ? {} : { tls: options.tls }),
      });
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      const refused = /authorization|authentication/i.test(reason);
      if (refused || performance.now() > deadline) {
        const whom = options.user === undefined ? "" : ` as ${options.user}`;
        const advice = refused
          ? "check user and password in the URL"
          : "check that nats-server runs there and that the URL names its port";
        throw new BusUnreachable(
          `NATS at ${options.servers}${whom} does not take the connection (${reason}): ${advice}`,
          { cause },
        );
      }
      await sleep(RECONNECT_MS);
    }
  }
}

/** A fresh subject that this connection's user may hear. */
export function newInbox(nc: NatsConnection): string {
  // The client keeps its options to itself, and uses the prefix for its own requests only.
  const { options } = nc as unknown as { readonly options: { readonly inboxPrefix?: string } };
  return createInbox(options.inboxPrefix);
}
