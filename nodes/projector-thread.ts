/**
 * The projector as a worker thread, of lower priority than the owners beside it. Its node tells it which
 * shards are owned here; it tells its node what it logs and, once a second, how far it is.
 */
import { constants, getPriority, setPriority } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { type MessagePort, parentPort, workerData } from "node:worker_threads";

import { assert } from "../ledger/assert.ts";
import { type HaltedLog, type KeeperOptions, startKeeper } from "./checkpoints/keeper.ts";
import {
  type Projector,
  type ProjectorOptions,
  type ShardBacklog,
  startProjector,
} from "./projector.ts";
import type { ProjectorLog } from "./projector-log.ts";

/** What the thread is started with. */
export interface ProjectorWorkerData extends Omit<ProjectorOptions, "onLog" | "onDurable"> {
  /** With what the logs of the workspaces are signed; without it they are not. */
  readonly log?: Pick<KeeperOptions, "host" | "keys">;
}

export type ToProjector =
  | { readonly own: number }
  | { readonly release: number }
  /** Answered by `flushed` with the same number. */
  | { readonly flush: number }
  | { readonly stop: true };

export type FromProjector =
  | { readonly log: ProjectorLog }
  | {
      readonly backlog: readonly ShardBacklog[];
      /** Logs of workspaces that are not signed any more, with the reason. */
      readonly haltedLogs: readonly HaltedLog[];
    }
  | { readonly flushed: number; readonly fault?: string }
  /** It is connected and takes shards. */
  | { readonly started: true; readonly niceness: number }
  /** It is connected to nothing any more; the thread ends. */
  | { readonly stopped: true };

const BACKLOG_MS = 1_000;

/**
 * Lowers the priority of the calling thread. On Linux `setpriority` with pid 0 is about the thread; where
 * it is about the whole process, the owners would be slowed with it, so there it is left alone.
 * @returns the niceness the thread has now.
 */
function lowerPriority(): number {
  if (process.platform !== "linux") return getPriority();
  setPriority(0, constants.priority.PRIORITY_BELOW_NORMAL);
  return getPriority(0);
}

async function serve(port: MessagePort): Promise<void> {
  const say = (message: FromProjector) => port.postMessage(message);
  const niceness = lowerPriority();
  const onLog = (line: ProjectorLog) => say({ log: line });
  const { log, ...data } = workerData as ProjectorWorkerData;
  const keeper = log && (await startKeeper({ ...data, ...log, onLog }));
  const projector = await startProjector({
    ...data,
    onLog,
    onDurable: (shard, heads) => keeper?.durable(shard, heads),
  });
  const stopped = new AbortController();
  port.on("message", (message: ToProjector) => {
    if ("own" in message) projector.own(message.own);
    else if ("release" in message) {
      projector.release(message.release);
      keeper?.release(message.release);
    } else if ("flush" in message) void flush(projector, message.flush, say);
    else stopped.abort();
  });
  say({ started: true, niceness });
  while (!stopped.signal.aborted) {
    await sleep(BACKLOG_MS, undefined, { signal: stopped.signal }).catch(() => undefined);
    if (stopped.signal.aborted) break;
    say({ backlog: await projector.backlog(), haltedLogs: keeper?.halted() ?? [] });
  }
  await projector.stop();
  await keeper?.stop();
  say({ stopped: true });
  port.close();
}

async function flush(
  projector: Projector,
  flushed: number,
  say: (message: FromProjector) => void,
): Promise<void> {
  try {
    await projector.flush();
    say({ flushed });
  } catch (fault) {
    say({ flushed, fault: fault instanceof Error ? fault.message : String(fault) });
  }
}

assert(parentPort !== null, "the projector's thread is started as a worker");
await serve(parentPort);
