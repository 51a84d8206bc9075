/** Connections to a test's own nats-server, with faults that a network makes. */
import { TimeoutError } from "@nats-io/nats-core";
import { type ConnectOptions, connectBus, type NatsConnection } from "../../bus/connect.ts";
import { ensureJournals, ensureLosable } from "../../bus/streams.ts";
import { FIRST_ERA } from "../../bus/subjects.ts";
import type { RunningNats } from "../../cli/provision/nats-server.ts";
import { JetstreamJournal } from "../jetstream-journal.ts";

type User = keyof RunningNats["logins"];

/** How a user of nats.conf connects to the test's server. */
export function login(nats: RunningNats, user: User, name = "test"): ConnectOptions {
  const { servers, pass } = nats.logins[user];
  return { servers, user, pass, name };
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
  readonly nc: NatsConnection;
  /** Decides about each request to a subject, in order. */
  fault: (subject: string) => Fault;
}

/** A connection whose requests meet with what the test says. */
export function faulty(nc: NatsConnection): FaultyConnection {
  const wrapped: FaultyConnection = {
    fault: () => "none",
    nc: new Proxy(nc, {
      get(target, property) {
        if (property === "request") {
          return async (...args: Parameters<NatsConnection["request"]>) => {
            const fault = wrapped.fault(args[0]);
            if (fault === "lost-request") throw new TimeoutError();
            const reply = await target.request(...args);
            if (fault === "lost-reply") throw new TimeoutError();
            return reply;
          };
        }
        const value: unknown = Reflect.get(target, property, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    }),
  };
  return wrapped;
}

export function journalOf(appends: NatsConnection, replay: NatsConnection, shard = 0) {
  return new JetstreamJournal({ shard, era: FIRST_ERA, appends, replay });
}
