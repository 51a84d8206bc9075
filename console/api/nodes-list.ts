import type { FastifyInstance } from "fastify";
import { type MapShard, MapUnreadable } from "../../bus/cluster-map.ts";
import type { NodeMap, NodeShard, Role } from "../wire.ts";
import { type ApiServices, readerOf } from "./api-context.ts";
import { ApiError } from "./api-error.ts";

/** Shards are of no workspace: who may see them looks after the cluster, not after one's spending. */
const VIEWERS: readonly Role[] = ["operator", "admin"];
/** How long the map may take to be read the first time, in ms. */
const READ_MS = 5_000;

/** `GET /api/nodes`: the workers that run, and which of them has which shard. */
export function nodesList(app: FastifyInstance, { map, now }: ApiServices): void {
  app.get("/api/nodes", async (request): Promise<NodeMap> => {
    const { role } = readerOf(request);
    if (!VIEWERS.includes(role)) {
      throw new ApiError("forbidden", `The role ${role} may not see the nodes.`);
    }
    try {
      const { members, shards } = await map.whenReady(READ_MS);
      return {
        at: new Date(now()).toISOString(),
        workers: members.map(({ id, node, weight, about, shards: has }) => ({
          id,
          node,
          weight,
          shards: has,
          ...(about === undefined
            ? {}
            : { version: about.version, started_at: new Date(about.startedAt).toISOString() }),
        })),
        shards: shards.map(shardOf),
      };
    } catch (error) {
      if (!(error instanceof MapUnreadable)) throw error;
      throw new ApiError(
        "nats-unavailable",
        `Who has which shard cannot be read: ${error.message}.`,
      );
    }
  });
}

function shardOf({ epoch, owner, phase, reason, shard, wanted }: MapShard): NodeShard {
  return {
    shard,
    phase,
    ...(owner === undefined ? {} : { owner }),
    ...(epoch === undefined ? {} : { epoch: String(epoch) }),
    ...(wanted === undefined ? {} : { wanted }),
    ...(reason === undefined ? {} : { reason }),
  };
}
