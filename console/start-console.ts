import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ClusterMapWatch } from "../bus/cluster-map.ts";
import type { NatsConnection } from "../bus/connect.ts";
import { EntryEvents } from "../bus/entry-events.ts";
import { openConsoleReads } from "../readmodel/console-reads.ts";
import { openReadModel } from "../readmodel/read-model.ts";
import { LiveTickets } from "./access/live-tickets.ts";
import { readOrCreateSessionKey, sessionKeyFile } from "./access/session-key.ts";
import { type Session, Sessions } from "./access/sessions.ts";
import { SignInLinks } from "./access/sign-in-links.ts";
import type { ApiServices } from "./api/api-context.ts";
import { SharedReads } from "./api/shared-reads.ts";
import type { ConsoleConfig } from "./config.ts";
import { Feeds } from "./live/feeds.ts";
import type { LiveSocket } from "./live/live-socket.ts";
import type { Log } from "./log.ts";
import { buildServer } from "./server.ts";

/** A console that serves. */
export interface RunningConsole {
  readonly url: string;
  readonly port: number;
  stop(): Promise<void>;
}

/** The port is taken, or cannot be listened on. */
export class PortRefused extends Error {
  override readonly name = "PortRefused";
  readonly code = "port-refused";
  readonly outcome = "none";
}

/** Starts a console over a connection to NATS. Postgres may be away. @throws PortRefused */
export async function startConsole(
  config: ConsoleConfig,
  nats: NatsConnection,
  log: Log,
): Promise<RunningConsole> {
  const reads = openConsoleReads(config.postgresUrl);
  const model = openReadModel(config.postgresUrl, "tarmac console");
  const feeds = new Feeds({
    follow: (ws, listener) => {
      const events = new EntryEvents(nats, ws, listener);
      return () => events.stop();
    },
    head: (ws) => reads.head(ws),
    lines: (ws, from, to) => reads.lines(ws, from, to),
    warn: (message, fields) => log.warn(message, fields),
  });
  const map = new ClusterMapWatch(nats);
  const sockets = new Map<LiveSocket, Session>();
  const services: ApiServices = {
    reads,
    model,
    shared: new SharedReads(),
    sessions: await openSessions(config.home),
    links: new SignInLinks(config.home),
    tickets: new LiveTickets(),
    feeds,
    map,
    sockets,
    simulatedProviders: config.simulatedProviders,
    publicUrl: config.publicUrl,
    version: ownVersion(),
    log,
    now: () => Date.now(),
  };
  const app = await buildServer(services, config.pagesDir);
  const close = async () => {
    for (const socket of [...sockets.keys()]) socket.close(1012, "the console restarts");
    await app.close();
    feeds.stop();
    map.stop();
    await Promise.all([reads.close(), model.close()]);
  };
  try {
    await app.listen({ host: config.bind, port: config.port });
  } catch (cause) {
    await close();
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new PortRefused(
      `The console cannot listen on ${config.bind} port ${config.port} (${reason}). Free the port, or choose another: TARMAC_CONSOLE_PORT=${config.port + 1}`,
      { cause },
    );
  }
  const address = app.server.address();
  const port = typeof address === "object" && address !== null ? address.port : config.port;
  return { url: consoleUrl({ ...config, port }), port, stop: close };
}

/** Where the console is opened. */
export function consoleUrl(config: Pick<ConsoleConfig, "bind" | "port" | "publicUrl">): string {
  if (config.publicUrl !== undefined) return config.publicUrl;
  const { bind } = config;
  const host = bind === "0.0.0.0" || bind === "::" ? "127.0.0.1" : bind;
  return `http://${host.includes(":") ? `[${host}]` : host}:${config.port}`;
}

async function openSessions(home: string): Promise<Sessions> {
  const key = await readOrCreateSessionKey(sessionKeyFile(home));
  return Sessions.open(key, join(home, "keys", "console-signed-out"), Date.now());
}

function ownVersion(): string {
  const text = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { readonly version: string }).version;
}
