import { parentPort } from "node:worker_threads";
import { doTask, type ReadTask } from "./read-request.ts";

/** Reads large bodies beside the event loop, one after the other. */
parentPort?.on("message", ({ id, task }: { readonly id: number; readonly task: ReadTask }) => {
  doTask(task).then(
    (result) => parentPort?.postMessage({ id, result }),
    (cause: unknown) => {
      const fault = cause instanceof Error ? cause.message : String(cause);
      parentPort?.postMessage({ id, fault });
    },
  );
});
