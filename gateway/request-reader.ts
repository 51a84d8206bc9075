import { Worker } from "node:worker_threads";
import type { Encoding } from "./count-tokens.ts";
import { doTask, type ReadResult, type ReadTask } from "./read-request.ts";
import type { ReadBody, SurfaceApi } from "./surface.ts";

/** Bodies up to this many bytes are read at once: a few milliseconds at most. */
const INLINE_BYTES_MAX = 128 * 1024;
/** How long a body may take in the worker, in ms. 32 MiB of nested lists take about two seconds. */
const READ_MS_MAX = 15_000;
/** How long counting may take before the bytes bound stands, in ms. */
const COUNT_MS_MAX = 2_000;
/** Memory of the worker in MiB: a body that needs more ends the worker, not the gateway. */
const WORKER_MEMORY_MB = 1_024;

/** A body could not be read in time or in the memory set aside for it. Nothing was decided. */
export class ReadFault extends Error {
  override readonly name = "ReadFault";
  readonly code = "read-fault";
  readonly outcome = "none";
}

interface Waiting {
  readonly done: (result: ReadResult) => void;
  readonly failed: (fault: ReadFault) => void;
  readonly timer: NodeJS.Timeout;
}

/** Reads request bodies: small ones at once, large ones in a worker, so that nobody else waits. */
export class RequestReader {
  #worker: Worker | undefined;
  readonly #waiting = new Map<number, Waiting>();
  #last = 0;

  /** @throws ReadFault when a large body takes too long or too much. */
  async read(api: SurfaceApi, bytes: Buffer): Promise<ReadBody> {
    const task: ReadTask = { do: "read", api, bytes };
    const small = bytes.length <= INLINE_BYTES_MAX;
    const result = await (small ? doTask(task) : this.#inWorker(task, READ_MS_MAX));
    if (!("read" in result)) throw new ReadFault("the reader mixed up its answers");
    return result.read;
  }

  /** Tokens of the prompt at most, by tokenizer; undefined when that fails or takes too long. */
  async count(bytes: Buffer, encodings: readonly Encoding[]): Promise<bigint | undefined> {
    try {
      const result = await this.#inWorker({ do: "count", bytes, encodings }, COUNT_MS_MAX);
      return "tokens" in result ? result.tokens : undefined;
    } catch (fault) {
      if (fault instanceof ReadFault) return undefined;
      throw fault;
    }
  }

  async stop(): Promise<void> {
    await this.#worker?.terminate();
  }

  #inWorker(task: ReadTask, withinMs: number): Promise<ReadResult> {
    const worker = (this.#worker ??= this.#start());
    const id = ++this.#last;
    return new Promise((done, failed) => {
      const timer = setTimeout(() => {
        // A task cannot be stopped inside; with the worker goes what else it had to do.
        this.#end(worker, "reading the body took too long");
      }, withinMs);
      this.#waiting.set(id, { done, failed, timer });
      worker.postMessage({ id, task });
    });
  }

  #start(): Worker {
    const worker = new Worker(new URL("./request-worker.ts", import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: WORKER_MEMORY_MB },
    });
    worker.unref();
    worker.on("message", (message: { id: number; result?: ReadResult; fault?: string }) => {
      const waiting = this.#waiting.get(message.id);
      if (waiting === undefined) return;
      this.#waiting.delete(message.id);
      clearTimeout(waiting.timer);
      if (message.result !== undefined) waiting.done(message.result);
      else waiting.failed(new ReadFault(message.fault ?? "the body could not be read"));
    });
    worker.on("error", (cause) => this.#end(worker, `reading the body failed: ${String(cause)}`));
    return worker;
  }

  #end(worker: Worker, why: string): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    void worker.terminate();
    for (const [id, waiting] of this.#waiting) {
      this.#waiting.delete(id);
      clearTimeout(waiting.timer);
      waiting.failed(new ReadFault(why));
    }
  }
}
