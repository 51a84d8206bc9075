/** A thread that hashes chunks of lines, so that they are checked meanwhile: see hashed-lines.ts. */
import { parentPort, workerData } from "node:worker_threads";
import type { RangeProof } from "../../ledger/range-proof.ts";
import { NoteProblem } from "../../ledger/signed-note.ts";
import { type HashTask, LineHasher, type Roots } from "./line-hasher.ts";

/** A chunk to hash, or the question for the roots. */
export type HashRequest = { readonly bytes: Uint8Array } | "roots";
export type HashReply =
  | { readonly hashes: Uint8Array }
  | { readonly roots: Roots }
  | { readonly problem: string };
export interface HashThreadData extends HashTask {
  readonly range?: RangeProof;
}

const hasher = new LineHasher(workerData as HashThreadData);
const port = parentPort;

port?.on("message", (request: HashRequest) => {
  port.postMessage(answer(request));
});

function answer(request: HashRequest): HashReply {
  if (request !== "roots") return { hashes: hasher.chunk(request.bytes) };
  try {
    return { roots: hasher.roots() };
  } catch (error) {
    if (!(error instanceof NoteProblem)) throw error;
    return { problem: error.message };
  }
}
