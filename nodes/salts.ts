import { randomPool } from "../bus/random-pool.ts";

const SALT_BYTES = 16;

/** A source of salts: 16 fresh random bytes in hex each. */
export function saltSource(): () => string {
  const next = randomPool(SALT_BYTES);
  return () => {
    const { buffer, byteOffset } = next();
    return Buffer.from(buffer, byteOffset, SALT_BYTES).toString("hex");
  };
}
