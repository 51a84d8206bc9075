import type { IncomingMessage } from "node:http";
import { type Problem, refused } from "./refusal.ts";

/**
 * Bytes of one request body at most: Anthropic's own limit for its standard endpoints.
 * Source: https://platform.claude.com/docs/en/api/overview, request size limits, read 2026-11-22.
 */
export const BODY_BYTES_MAX = 32 * 1024 * 1024;
/** Bytes of all bodies in memory at most. */
const BODIES_BYTES_MAX = 512 * 1024 * 1024;

/** Memory that request bodies share, so that many large ones are refused and none ends the process. */
export class BodyBudget {
  #taken = 0;
  readonly #limit: number;

  constructor(limit = BODIES_BYTES_MAX) {
    this.#limit = limit;
  }

  take(bytes: number): boolean {
    if (this.#taken + bytes > this.#limit) return false;
    this.#taken += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#taken -= bytes;
  }
}

/** What is still read of a body that is refused, so that the client gets to read why. */
const REST_BYTES_MAX = 128 * 1024 * 1024;
const REST_MS = 5_000;

const RELEASED = Buffer.alloc(0);

/** A body in memory, until it is released: a long stream must not keep the prompt it answers. */
export class HeldBody {
  readonly #budget: BodyBudget;
  #bytes: Buffer;

  constructor(bytes: Buffer, budget: BodyBudget) {
    this.#bytes = bytes;
    this.#budget = budget;
  }

  /** Empty once it is released. */
  get bytes(): Buffer {
    return this.#bytes;
  }

  /** Gives its room back, once. */
  release(): void {
    this.#budget.give(this.#bytes.length);
    this.#bytes = RELEASED;
  }
}

/** Reads a request's body within the limits. Undefined when the client left meanwhile. */
export async function readRequestBody(
  request: IncomingMessage,
  budget: BodyBudget,
): Promise<HeldBody | Problem | undefined> {
  const encoding = request.headers["content-encoding"];
  if (encoding !== undefined && encoding !== "identity") {
    const message = `content-encoding: ${encoding.slice(0, 40)} is not read here; send the body as it is`;
    return refused("bad-request", message, { field: "content-encoding" });
  }
  const tooLarge = async () => {
    await discardRest(request);
    return refused(
      "body-too-large",
      `The body is larger than ${BODY_BYTES_MAX} bytes. Nothing was forwarded.`,
    );
  };
  if (Number(request.headers["content-length"] ?? 0) > BODY_BYTES_MAX) return tooLarge();
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    const reader = request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
    for await (const chunk of reader) {
      if (size + chunk.length > BODY_BYTES_MAX) {
        budget.give(size);
        return await tooLarge();
      }
      if (!budget.take(chunk.length)) {
        budget.give(size);
        const message = "This gateway's memory for request bodies is full. Try again in a moment.";
        return refused("fail-closed", message);
      }
      size += chunk.length;
      chunks.push(chunk);
    }
  } catch {
    // The client left in the middle of its own request.
    budget.give(size);
    return undefined;
  }
  return new HeldBody(Buffer.concat(chunks, size), budget);
}

/**
 * Reads on and keeps nothing, within bounds. A client that is still sending when the connection closes
 * is told of a reset, and the answer that says why is lost on it.
 */
function discardRest(request: IncomingMessage): Promise<void> {
  if (request.complete || request.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    let rest = 0;
    const done = () => {
      clearTimeout(timer);
      request.off("data", take);
      request.off("end", done);
      request.off("close", done);
      resolve();
    };
    const take = (chunk: Buffer) => {
      rest += chunk.length;
      if (rest > REST_BYTES_MAX) done();
    };
    const timer = setTimeout(done, REST_MS);
    request.on("data", take);
    request.once("end", done);
    request.once("close", done);
    request.resume();
  });
}
