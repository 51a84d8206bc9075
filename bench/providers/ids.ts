import { randomBytes } from "node:crypto";

/** Makes an id: a prefix and about `length` characters. */
export type Ids = (prefix: string, length: number) => string;

/**
 * Makes ids that look like the vendors' and never repeat, also across restarts: a random start and
 * a counter.
 */
export function idMaker(): Ids {
  const start = BigInt(`0x${randomBytes(12).toString("hex")}`)
    .toString(36)
    .padStart(19, "0");
  let count = 0;
  return (prefix, length) => {
    count += 1;
    const tail = count.toString(36);
    return prefix + start.slice(0, Math.max(0, length - 7)) + tail.padStart(7, "0");
  };
}
