import { setTimeout as sleep } from "node:timers/promises";
import { note } from "../measure/bench-run.ts";
import { type Stand, shardsOf } from "./stand.ts";

/** Between two faults the load runs undisturbed for so long, in ms. */
const CALM_MS = 1_000;

/**
 * Kills the nodes in turn, and measures how long each shard of the killed one gave no answer: from the
 * kill to the first answer to a hold that was sent after it. The lease of the dead has to run out in it.
 * @returns ms, one for each shard and round
 */
export async function ownerKills(stand: Stand, rounds: number): Promise<number[]> {
  const samples: number[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    await sleep(CALM_MS);
    const number = 1 + (round % 2);
    const node = stand.node(number);
    const shards = shardsOf(await stand.map(), node.name);
    const killedMs = performance.now();
    process.kill(-node.pid, "SIGKILL");
    const found = await Promise.all(
      shards.map((shard) => stand.load.firstAnswerAfter(shard, killedMs)),
    );
    samples.push(...found);
    const listed = shards.map((shard, i) => `${shard}: ${Math.round(found[i] ?? 0)}`);
    note(`  kill -9 of ${node.name}: next answered hold by shard, ms: ${listed.join(", ")}`);
    await node.exited;
    await stand.restart(number);
  }
  return samples;
}
