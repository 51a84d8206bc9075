import type { Msg, NatsConnection } from "@nats-io/nats-core";

import { parseShardSubject, shardSubject, TTL_HEADER } from "../bus/subjects.ts";
import type { Arrivals } from "./arrivals.ts";
import type { ShardRequest } from "./mailbox.ts";
import type { CommandFeed } from "./shard-owner.ts";

/** A subscription that does not end by then is of a connection that is away. ms */
const DRAIN_MS = 500;

/** Commands of NATS request-reply. Without a queue group: a shard has one owner. */
export function natsFeed(nc: NatsConnection, arrivals: Arrivals): CommandFeed {
  return {
    subscribe(shard, receive) {
      const subscription = nc.subscribe(shardSubject(shard), {
        callback: (error, message) => {
          // Only a right that is missing; then the subscription is dead and the health file says so.
          if (error !== null) throw error;
          const request = requestOf(message, arrivals);
          if (request !== undefined) receive(request);
        },
      });
      return async () => {
        const timeout = new Promise<void>((resolve) => setTimeout(resolve, DRAIN_MS).unref());
        await Promise.race([subscription.drain().catch(() => undefined), timeout]);
      };
    },
  };
}

/** A message as a request; nothing for one that nobody waits for or that is no command. */
function requestOf(message: Msg, arrivals: Arrivals): ShardRequest | undefined {
  const place = parseShardSubject(message.subject);
  if (place === undefined || message.reply === undefined || message.reply === "") return undefined;
  const ttl = message.headers?.get(TTL_HEADER) ?? "";
  return {
    kind: place.kind,
    ws: place.ws,
    bytes: message.data,
    arrivedAt: arrivals.arrivedAt(),
    ttlMs: /^\d{1,9}$/.test(ttl) ? Number(ttl) : undefined,
    respond: (answer) => {
      message.respond(answer);
    },
  };
}
