/** The pieces that checkpoints and proofs have in common as text: sizes and lines of hashes. */
import { assert } from "./assert.ts";
import { decodeBase64, encodeBase64 } from "./base64.ts";
import { HASH_BYTES } from "./merkle.ts";
import { NoteProblem } from "./signed-note.ts";

/** The greatest size of a log that other tools can hold: a signed 64-bit integer. */
const SIZE_MAX = 2n ** 63n - 1n;

/**
 * A size or an index, in decimal without leading zeros.
 * @throws NoteProblem when it is written in another way or is too large.
 */
export function parseSize(text: string, at: string): bigint {
  const size = /^(0|[1-9][0-9]{0,18})$/.test(text) ? BigInt(text) : undefined;
  if (size === undefined || size > SIZE_MAX) {
    throw new NoteProblem(`${at}: must be a number from 0 to 2^63 - 1, without leading zeros`);
  }
  return size;
}

/** A hash as its line. */
export function hashLine(hash: Uint8Array): string {
  assert(hash.length === HASH_BYTES, `a hash has 32 bytes, not ${hash.length}`);
  return `${encodeBase64(hash)}\n`;
}

/**
 * A hash from its line.
 * @throws NoteProblem when it is not base64 of 32 bytes.
 */
export function parseHash(line: string, at: string): Uint8Array {
  const hash = decodeBase64(line);
  if (hash?.length !== HASH_BYTES) throw new NoteProblem(`${at}: must be base64 of 32 bytes`);
  return hash;
}
