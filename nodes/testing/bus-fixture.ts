/** Connections to a test's own nats-server, with faults that a network makes. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TimeoutError } from "@nats-io/nats-core";
import {
  type ConnectOptions,
  connectBus,
  type NatsConnection,
  newInbox,
} from "../../bus/connect.ts";
import { ensureJournals, ensureLosable } from "../../bus/streams.ts";
import { FIRST_ERA } from "../../bus/subjects.ts";
import { provisionConfig } from "../../cli/provision/config.ts";
import { findNatsServer } from "../../cli/provision/nats-binary.ts";
import { type RunningNats, startNats } from "../../cli/provision/nats-server.ts";
import { JetstreamJournal } from "../jetstream-journal.ts";

type User = keyof RunningNats["logins"];

/** How a user of nats.conf connects to the test's server. */
export function login(nats: RunningNats, user: User, name = "test"): ConnectOptions {
  const { servers, pass, tls } = nats.logins[user];
  return { servers, user, pass, name, ...(tls === undefined ? {} : { tls }) };
}

export function connectAs(nats: RunningNats, user: User): Promise<NatsConnection> {
  return connectBus(login(nats, user));
}

/** Makes every stream and bucket. */
export async function prepareStreams(nc: NatsConnection, shards = 4): Promise<void> {
  await ensureJournals(nc, { shards, era: FIRST_ERA, replicas: 1 }, true);
  await ensureLosable(nc, 1);
}

/** What becomes of one request. `lost-reply`: it arrives. `lost-request`: it does not. */
export type Fault = "none" | "lost-reply" | "lost-request";

export interface FaultyConnection {
  nc: NatsConnection;
  /** Decides about each request to a subject, in order. */
  fault: (subject: string) => Fault;
}

/** A connection whose requests, and publishes that wait for a reply, meet with what the test says. */
export function faulty(nc: NatsConnection): FaultyConnection {
  const wrapped: FaultyConnection = { fault: () => "none", nc };
  const request: NatsConnection["request"] = async (...args) => {
    const fault = wrapped.fault(args[0]);
    if (fault === "lost-request") throw new TimeoutError();
    const reply = await nc.request(...args);
    if (fault === "lost-reply") throw new TimeoutError();
    return reply;
  };
  const publish: NatsConnection["publish"] = (subject, payload, options) => {
    const fault = options?.reply === undefined ? "none" : wrapped.fault(subject);
    if (fault === "lost-request") return;
    // The acknowledgement goes where nobody listens.
    const reply = fault === "lost-reply" ? { reply: `${newInbox(nc)}.lost` } : {};
    nc.publish(subject, payload, { ...options, ...reply });
  };
  wrapped.nc = new Proxy(nc, {
    get(target, property) {
      if (property === "request") return request;
      if (property === "publish") return publish;
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  return wrapped;
}

/** Long enough for a machine that is out of breath, short enough to wait for. */
const APPEND_MS = 300;

export function journalOf(appends: NatsConnection, replay: NatsConnection, shard = 0) {
  return new JetstreamJournal({ shard, era: FIRST_ERA, appends, replay, appendMs: APPEND_MS });
}

/** A nats-server of the test's own that can be killed and started again on the same data and port. */
export async function restartableNats(): Promise<{
  readonly nats: () => RunningNats;
  readonly kill: () => Promise<void>;
  readonly start: () => Promise<void>;
  readonly close: () => Promise<void>;
}> {
  const { cacheDir, natsServer } = provisionConfig();
  const { path } = await findNatsServer({
    cacheDir,
    ...(natsServer === undefined ? {} : { explicitPath: natsServer }),
    onProgress: () => undefined,
  });
  const dir = await mkdtemp(join(tmpdir(), "tarmac-restart-"));
  const options = {
    binary: path,
    dir: join(dir, "nats"),
    keysDir: join(dir, "keys"),
    shards: 4,
    logFile: join(dir, "nats.log"),
  };
  let running = await startNats(options);
  return {
    nats: () => running,
    kill: async () => {
      process.kill(running.pid, "SIGKILL");
      await running.exited;
    },
    start: async () => {
      running = await startNats({ ...options, port: running.port });
    },
    close: async () => {
      await running.stop();
      await rm(dir, { recursive: true, force: true, maxRetries: 10 });
    },
  };
}
