import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";

import type { HaltedLog } from "./checkpoints/keeper.ts";
import type { ShardBacklog } from "./projector.ts";
import type { OwnerStats } from "./shard-owner.ts";

/** What a node says of itself, for `tarmac status` and for who restarts it. */
export interface NodeHealth {
  readonly node: string;
  readonly pid: number;
  /** When it was written; a node that lives writes every second. */
  readonly at: string;
  /** Every shard that this node should own decides, here or with who is to hand it over. */
  readonly ready: boolean;
  /** Shards that it should own and that nobody decides. */
  readonly missing: readonly number[];
  readonly shards: readonly OwnerStats[];
  /** How far the projection of its shards is. */
  readonly projector: readonly ShardBacklog[];
  /** Logs of workspaces that are not signed any more, because something disagrees. */
  readonly halted_logs: readonly HaltedLog[];
}

/** Replaces the file whole: who reads it never sees half of it. */
export async function writeHealth(file: string, health: NodeHealth): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  const draft = `${file}.${health.pid}`;
  const text = JSON.stringify(health, (_key, value: unknown) =>
    typeof value === "bigint" ? value.toString() : value,
  );
  await writeFile(draft, `${text}\n`);
  await rename(draft, file);
}

/** A node that ended in order leaves no file. */
export async function removeHealth(file: string): Promise<void> {
  await rm(file, { force: true });
}
