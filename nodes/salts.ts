import { randomFillSync } from "node:crypto";

const SALT_BYTES = 16;
/** Salts drawn at once: one call for 16 bytes costs as much as one for 16 KiB. */
const POOL = 1_024;

/** A source of salts, 16 fresh random bytes in hex each, drawn from the system in large pieces. */
export function saltSource(): () => string {
  const pool = Buffer.allocUnsafe(SALT_BYTES * POOL);
  let used = POOL;
  return () => {
    if (used === POOL) {
      randomFillSync(pool);
      used = 0;
    }
    const start = used * SALT_BYTES;
    used += 1;
    return pool.toString("hex", start, start + SALT_BYTES);
  };
}
