/**
 * Reads a ledger file in chunks of whole lines, with the hash of each line, and grows the tree over
 * them. Long files are hashed in a thread of their own while the chunk before is checked.
 */
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { Worker } from "node:worker_threads";
import { NoteProblem } from "../../ledger/signed-note.ts";
import type { HashReply, HashRequest } from "./hash-thread.ts";
import { type HashTask, hashAt, LineHasher, linesOf, type Roots } from "./line-hasher.ts";

/** One line as it stands in a file, without its line feed. */
export interface HashedLine {
  readonly bytes: Uint8Array;
  /** SHA-256 of the bytes, hex. */
  readonly hash: string;
}

const LINE_FEED = 0x0a;
const CHUNK_BYTES = 1 << 20;
/** A thread takes some 40 ms to start: as long as hashing so many bytes takes. */
const THREAD_FROM_BYTES = 8 << 20;
/** Chunks that are hashed ahead of the one that is checked. */
const AHEAD = 2;

interface Hasher {
  chunk(bytes: Uint8Array): Promise<Uint8Array>;
  roots(): Promise<Roots>;
  close(): Promise<void>;
}

/** A ledger file that is read once, from its first line to its last. */
export class HashedFile {
  readonly #path: string;
  readonly #hasher: Hasher;

  private constructor(path: string, hasher: Hasher) {
    this.#path = path;
    this.#hasher = hasher;
  }

  /** @throws when the file is not there */
  static async open(path: string, task: HashTask): Promise<HashedFile> {
    const { size } = await stat(path);
    return new HashedFile(path, size < THREAD_FROM_BYTES ? besides(task) : inThread(task));
  }

  /** The lines in order, some thousand at a time. */
  async *chunks(): AsyncGenerator<readonly HashedLine[], void, undefined> {
    const ahead: { readonly bytes: Uint8Array; readonly hashes: Promise<Uint8Array> }[] = [];
    for await (const bytes of wholeLines(this.#path)) {
      ahead.push({ bytes, hashes: this.#hasher.chunk(bytes) });
      const ready = ahead.length > AHEAD ? ahead.shift() : undefined;
      if (ready !== undefined) yield withHashes(ready.bytes, await ready.hashes);
    }
    for (const { bytes, hashes } of ahead) yield withHashes(bytes, await hashes);
  }

  /** @throws NoteProblem when a range proof is about another number of lines */
  roots(): Promise<Roots> {
    return this.#hasher.roots();
  }

  close(): Promise<void> {
    return this.#hasher.close();
  }
}

function withHashes(bytes: Uint8Array, hashes: Uint8Array): HashedLine[] {
  const lines: HashedLine[] = [];
  for (const line of linesOf(bytes))
    lines.push({ bytes: line, hash: hashAt(hashes, lines.length) });
  return lines;
}

/** The file's bytes, cut behind line feeds only. */
async function* wholeLines(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  let rest: Buffer[] = [];
  for await (const chunk of createReadStream(path, { highWaterMark: CHUNK_BYTES })) {
    const read = chunk as Buffer;
    const end = read.lastIndexOf(LINE_FEED) + 1;
    if (end > 0) {
      yield Buffer.concat([...rest, read.subarray(0, end)]);
      rest = [];
    }
    if (end < read.length) rest.push(read.subarray(end));
  }
  if (rest.length > 0) yield Buffer.concat(rest);
}

function besides(task: HashTask): Hasher {
  const hasher = new LineHasher(task);
  return {
    chunk: (bytes) => Promise.resolve(hasher.chunk(bytes)),
    close: () => Promise.resolve(),
    roots: async () => hasher.roots(),
  };
}

function inThread(task: HashTask): Hasher {
  const worker = new Worker(new URL("./hash-thread.ts", import.meta.url), { workerData: task });
  // Replies come in the order of the requests. A thread that fails, fails whoever waits, now or later.
  const waiting: PromiseWithResolvers<HashReply>[] = [];
  let failure: Error | undefined;
  worker.on("message", (reply: HashReply) => waiting.shift()?.resolve(reply));
  worker.on("error", (error: Error) => {
    failure = error;
    for (const waiter of waiting.splice(0)) waiter.reject(error);
  });
  const ask = (request: HashRequest): Promise<HashReply> => {
    if (failure !== undefined) return Promise.reject(failure);
    const waiter = Promise.withResolvers<HashReply>();
    waiter.promise.catch(() => undefined);
    waiting.push(waiter);
    worker.postMessage(request);
    return waiter.promise;
  };
  return {
    async chunk(bytes) {
      const reply = await ask({ bytes });
      if ("hashes" in reply) return reply.hashes;
      throw new Error("a hash thread answered something else");
    },
    async close() {
      const gone = once(worker, "exit");
      await worker.terminate();
      await gone.catch(() => undefined);
    },
    async roots() {
      const reply = await ask("roots");
      if ("problem" in reply) throw new NoteProblem(reply.problem);
      if ("roots" in reply) return reply.roots;
      throw new Error("a hash thread answered something else");
    },
  };
}
