import { countAtMost, type Encoding, loadEncoding } from "./count-tokens.ts";
import type { ReadBody, SurfaceApi } from "./surface.ts";
import { anthropicSurface } from "./surfaces/anthropic/surface.ts";
import { boundBody, openaiSurface } from "./surfaces/openai/surface.ts";

/** Work on a body that a worker may do instead. */
export type ReadTask =
  | { readonly do: "read"; readonly api: SurfaceApi; readonly bytes: Uint8Array }
  | { readonly do: "count"; readonly bytes: Uint8Array; readonly encodings: readonly Encoding[] };

/** What a task comes to. `tokens` is undefined when the body cannot be counted. */
export type ReadResult = { readonly read: ReadBody } | { readonly tokens: bigint | undefined };

/** Reads and bounds a body. */
export function readBody(api: SurfaceApi, bytes: Buffer): ReadBody {
  return (api === "anthropic" ? anthropicSurface : openaiSurface).readBody(bytes);
}

/**
 * The input bound of a Chat Completions body with its message texts counted by tokenizer; everything
 * else keeps its bytes.
 */
export async function countBody(
  bytes: Buffer,
  encodings: readonly Encoding[],
): Promise<bigint | undefined> {
  const read = boundBody(bytes);
  if (!read.ok || !read.call.countable) return undefined;
  let most = 0;
  for (const encoding of encodings) {
    most = Math.max(most, countAtMost(read.texts, await loadEncoding(encoding)));
  }
  const tokens = read.call.bound.input - BigInt(read.textTokens) + BigInt(most);
  // Padding can exceed the bytes of a text that has a token a byte.
  return tokens < read.call.bound.input ? tokens : read.call.bound.input;
}

/** Does one task, here or in a worker. */
export async function doTask(task: ReadTask): Promise<ReadResult> {
  const bytes = Buffer.from(task.bytes.buffer, task.bytes.byteOffset, task.bytes.byteLength);
  if (task.do === "read") return { read: readBody(task.api, bytes) };
  return { tokens: await countBody(bytes, task.encodings) };
}
