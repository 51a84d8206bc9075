import type { NatsConnection } from "@nats-io/nats-core";

import { SNAPSHOT_VERSION } from "../actors/snapshot.ts";
import { readBucket } from "../bus/cluster-map.ts";
import { conflictOf, decodeMember, type FormatRange } from "../bus/membership.ts";
import { MEMBERS_BUCKET } from "../bus/subjects.ts";
import { BLOCK_VERSION } from "./block.ts";
import type { NodeConfig } from "./config.ts";

/** What this version reads and writes in journals: a shard may go to any worker and come back. */
export const JOURNAL_FORMAT: FormatRange = { reads: BLOCK_VERSION, writes: BLOCK_VERSION };
/** The same for snapshots. One that cannot be read costs time, for the journal has all that is in it. */
export const SNAPSHOT_FORMAT: FormatRange = { reads: SNAPSHOT_VERSION, writes: SNAPSHOT_VERSION };

/** In a cluster the bucket may have no leader yet, for as long as an election takes. ms */
const READ_MS = 15_000;

/** Nodes of other versions run that this one cannot share a cluster with. Nothing was started. */
export class VersionRefused extends Error {
  override readonly name = "VersionRefused";
  readonly code = "version-refused";
  readonly outcome = "none";
}

/**
 * Looks at the nodes that run: each must be able to go on with the journals that the others write.
 * @throws VersionRefused naming every node that is in the way, and what to do.
 */
export async function refuseStrangers(
  nc: NatsConnection,
  config: Pick<NodeConfig, "name" | "shards" | "version">,
): Promise<void> {
  const { name, shards, version } = config;
  const own = { version, shards, journal: JOURNAL_FORMAT };
  const conflicts = new Set<string>();
  for (const { key, value, note } of await readBucket(nc, MEMBERS_BUCKET, READ_MS)) {
    const member = value === undefined ? undefined : decodeMember(key, value, note);
    // What stands under this node's own name is of its run before.
    const conflict = member && member.node !== name ? conflictOf(own, member) : undefined;
    if (conflict !== undefined) conflicts.add(conflict);
  }
  if (conflicts.size > 0) {
    throw new VersionRefused(
      `this node would not understand the others:\n${[...conflicts].join("\n")}`,
    );
  }
}
