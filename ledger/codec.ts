import { InvariantError } from "./assert.ts";
import { type Entry, entrySchema } from "./entries.ts";
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
  if (!parsed.ok)
    throw new InvariantError(`an entry cannot be read: ${parsed.problems.join("; ")}`);
  return parsed.value;
}

/** Length of a text in UTF-8 bytes; half a surrogate pair counts as the three of its replacement. */
export function utf8Length(text: string): number {
  let bytes = 0;
  for (const character of text) {
    const point = character.codePointAt(0) as number;
    if (point < 0x80) bytes += 1;
    else if (point < 0x800) bytes += 2;
    else bytes += point < 0x10000 ? 3 : 4;
  }
  return bytes;
}
