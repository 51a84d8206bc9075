import { randomFillSync } from "node:crypto";

/** Pieces drawn at once: one call for 16 bytes costs as much as one for 16 KiB. */
const PIECES = 1_024;

/**
 * A source of fresh random bytes, drawn from the system in large pieces. What it gives is a view that
 * stays as it is until some thousand more were asked for: it is to be used at once.
 */
export function randomPool(bytes: number): () => Uint8Array {
  const pool = new Uint8Array(bytes * PIECES);
  let used = PIECES;
  return () => {
    if (used === PIECES) {
      randomFillSync(pool);
      used = 0;
    }
    const start = used * bytes;
    used += 1;
    return pool.subarray(start, start + bytes);
  };
}
