import { assert } from "./assert.ts";
import { ENTRY_BYTES_MAX, type Entry, entrySchema } from "./entries.ts";
import { type Parsed, parseJson } from "./schema.ts";

/** SHA-256 of a text's UTF-8 bytes, hex. The edge passes it in: the core imports no cryptography. */
export type Sha256Hex = (text: string) => string;

/**
 * The canonical bytes of an entry, as text without a line end: what is hashed, stored, exported and
 * proved.
 */
export function encodeEntry(entry: Entry): string {
  return entrySchema.write(entry);
}

/** Reads the bytes of one entry; anything but its canonical spelling is refused. */
export function decodeEntry(line: string): Parsed<Entry> {
  const parsed = parseJson(entrySchema, line);
  if (!parsed.ok) return parsed;
  if (entrySchema.write(parsed.value) !== line) {
    return { ok: false, problems: ["value: is not in canonical form (RFC 8785)"] };
  }
  return parsed;
}

/**
 * Reads a line that this system wrote itself.
 * @throws InvariantError when it is not a canonical entry.
 */
export function decodeOwnEntry(line: string): Entry {
  const parsed = parseJson(entrySchema, line);
  assert(parsed.ok, `an entry cannot be read: ${parsed.ok ? "" : parsed.problems.join("; ")}`);
  return parsed.value;
}

/** Upper bound of a text's length in UTF-8 bytes, without encoding it. */
export function exceedsEntryLimit(line: string, utf8Bytes: (text: string) => number): boolean {
  if (line.length * 3 <= ENTRY_BYTES_MAX) return false;
  return utf8Bytes(line) > ENTRY_BYTES_MAX;
}
