/**
 * Values in Postgres' binary format, each behind its length in bytes: what COPY and array parameters
 * are made of. A text form would have to be written, escaped, sent at twice the size, and parsed.
 * Format: https://www.postgresql.org/docs/18/protocol-overview.html#PROTOCOL-FORMAT-CODES and the
 * `*_send` functions of the types (read 2026-11-22).
 */

/** Length of a value that is null. */
const NULL_LENGTH = -1;
/** Postgres counts time from 2000-01-01, in µs; this is that moment in ms since 1970. */
const POSTGRES_EPOCH_MS = 946_684_800_000;
/** A text of n UTF-16 units has at most 3n bytes in UTF-8. */
const UTF8_BYTES_PER_UNIT = 3;

/** A buffer that grows by what is written behind its end. */
export class BinaryValues {
  #buffer: Buffer;
  length = 0;

  constructor(bytes: number) {
    this.#buffer = Buffer.allocUnsafe(bytes);
  }

  /** What was written; overwritten by what is written after {@link clear}. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.length);
  }

  /** Starts again at the beginning, in the room that there is. */
  clear(): void {
    this.length = 0;
  }

  raw(bytes: Buffer): void {
    this.#reserve(bytes.length);
    this.length += bytes.copy(this.#buffer, this.length);
  }

  int16(value: number): void {
    this.#reserve(2);
    this.length = this.#buffer.writeInt16BE(value, this.length);
  }

  int32(value: number): void {
    this.#reserve(4);
    this.length = this.#buffer.writeInt32BE(value, this.length);
  }

  /** Writes a number over an earlier one. */
  setInt32(value: number, at: number): void {
    this.#buffer.writeInt32BE(value, at);
  }

  null(): void {
    this.int32(NULL_LENGTH);
  }

  text(value: string): void {
    this.#encoded(value, "utf8", value.length * UTF8_BYTES_PER_UNIT);
  }

  /** Bytes given as hex. */
  hex(value: string): void {
    this.#encoded(value, "hex", value.length / 2);
  }

  bool(value: boolean): void {
    this.#reserve(5);
    this.length = this.#buffer.writeInt32BE(1, this.length);
    this.length = this.#buffer.writeUInt8(value ? 1 : 0, this.length);
  }

  integer(value: number): void {
    this.#reserve(8);
    this.length = this.#buffer.writeInt32BE(4, this.length);
    this.length = this.#buffer.writeInt32BE(value, this.length);
  }

  /** @throws RangeError when the value leaves int64. */
  bigint(value: bigint): void {
    this.#reserve(12);
    this.length = this.#buffer.writeInt32BE(8, this.length);
    this.length = this.#buffer.writeBigInt64BE(value, this.length);
  }

  /** A moment in ms since 1970. */
  timestamp(ms: number): void {
    this.bigint(BigInt(ms - POSTGRES_EPOCH_MS) * 1_000n);
  }

  #encoded(value: string, encoding: "utf8" | "hex", bytesMax: number): void {
    this.#reserve(4 + bytesMax);
    const bytes = this.#buffer.write(value, this.length + 4, encoding);
    this.#buffer.writeInt32BE(bytes, this.length);
    this.length += 4 + bytes;
  }

  #reserve(bytes: number): void {
    if (this.length + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.length + bytes));
    this.#buffer.copy(larger, 0, 0, this.length);
    this.#buffer = larger;
  }
}

/** Element types by name, with the number by which an array names them (pg_type.oid). */
const ELEMENTS = {
  text: { oid: 25, write: (out: BinaryValues, value: string) => out.text(value) },
  bigint: { oid: 20, write: (out: BinaryValues, value: bigint) => out.bigint(value) },
  integer: { oid: 23, write: (out: BinaryValues, value: number) => out.integer(value) },
  boolean: { oid: 16, write: (out: BinaryValues, value: boolean) => out.bool(value) },
  /** A moment as RFC 3339. */
  timestamptz: {
    oid: 1184,
    write: (out: BinaryValues, value: string) => out.timestamp(Date.parse(value)),
  },
} as const;

export type ElementType = keyof typeof ELEMENTS;
export type ElementOf<T extends ElementType> = Parameters<(typeof ELEMENTS)[T]["write"]>[1];

/** One array parameter, which the driver sends as it is because it is a Buffer. `undefined` is null. */
export function binaryArray<T extends ElementType>(
  type: T,
  values: readonly (ElementOf<T> | undefined)[],
): Buffer {
  const { oid } = ELEMENTS[type];
  const write = ELEMENTS[type].write as (out: BinaryValues, value: ElementOf<T>) => void;
  const out = new BinaryValues(64 + values.length * 24);
  // One dimension, may hold nulls, of this type, so many elements, the first of which is number 1.
  for (const word of [values.length === 0 ? 0 : 1, 1, oid]) out.int32(word);
  if (values.length === 0) return out.bytes;
  out.int32(values.length);
  out.int32(1);
  for (const value of values) {
    if (value === undefined) out.null();
    else write(out, value);
  }
  return out.bytes;
}
