import type { EngineClient } from "../../bus/engine-client.ts";
import type { BenchWorkspace } from "../cluster/workspaces.ts";
import { placeHold } from "./holds.ts";

/** Holds on their way at once: enough to keep every shard's next block full. */
const IN_FLIGHT = 512;

/** Places holds as fast as they are answered, in all workspaces in turn. */
export async function flatOut(
  engine: EngineClient,
  workspaces: readonly BenchWorkspace[],
  durationMs: number,
): Promise<{ readonly holds: number; readonly seconds: number }> {
  const start = performance.now();
  let holds = 0;
  const lanes = Array.from({ length: IN_FLIGHT }, async (_, lane) => {
    for (let turn = lane; performance.now() - start < durationMs; turn += IN_FLIGHT) {
      const workspace = workspaces[turn % workspaces.length];
      if (workspace === undefined) return;
      await placeHold(engine, workspace);
      holds += 1;
    }
  });
  await Promise.all(lanes);
  return { holds, seconds: (performance.now() - start) / 1_000 };
}
