import { setTimeout as sleep } from "node:timers/promises";

import { configItemsOf } from "../bus/config-items.ts";
import type { ConfigWriter } from "../bus/config-writer.ts";
import type { ShardTerm } from "./shard.ts";

/** Workspaces that are loaded at once to be written. */
const LOADS = 64;
/** One that cannot be loaded is tried again after this, in ms. */
const AGAIN_MS = 1_000;

/**
 * The gateways' bucket may have missed the last commits of the owner before: sees to it that it gets
 * them. Only workspaces whose commit is not in the bucket are loaded for that. Never rejects.
 */
export async function writeBehind(term: ShardTerm, config: ConfigWriter): Promise<void> {
  await config.whenKnown();
  for (const [ws, state] of term.workspaces) {
    if (config.configSeq(ws) < state.configSeq) config.write(ws, configItemsOf(state));
  }
  const behind: string[] = [];
  for (const { ws, configSeq } of term.actors.resting.values()) {
    if (config.configSeq(ws) < configSeq) behind.push(ws);
  }
  for (let i = 0; i < behind.length; i += LOADS) {
    await Promise.all(behind.slice(i, i + LOADS).map((ws) => writeOne(term, config, ws)));
  }
}

async function writeOne(term: ShardTerm, config: ConfigWriter, ws: string): Promise<void> {
  for (;;) {
    const state = await term.actors.load(ws);
    if (state !== undefined) {
      config.write(ws, configItemsOf(state));
      return;
    }
    // Halted, or the term is over.
    if (!term.actors.resting.has(ws) || term.stats.phase === "ended") return;
    await sleep(AGAIN_MS);
  }
}
