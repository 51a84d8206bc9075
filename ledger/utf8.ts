import { assert } from "./assert.ts";

/**
 * The UTF-8 bytes of a text. Written out because the language itself has no encoder, only its hosts.
 * @throws InvariantError when the text holds half a surrogate pair, which has no bytes.
 */
export function encodeUtf8(text: string): Uint8Array {
  assert(text.isWellFormed(), "a text with half a surrogate pair has no bytes");
  const bytes: number[] = [];
  for (const character of text) {
    const code = character.codePointAt(0) as number;
    if (code < 0x80) {
      bytes.push(code);
    } else if (code < 0x800) {
      bytes.push(0xc0 | (code >> 6), continuation(code));
    } else if (code < 0x10000) {
      bytes.push(0xe0 | (code >> 12), continuation(code >> 6), continuation(code));
    } else {
      const [second, third] = [continuation(code >> 12), continuation(code >> 6)];
      bytes.push(0xf0 | (code >> 18), second, third, continuation(code));
    }
  }
  return Uint8Array.from(bytes);
}

/** A byte behind the first: 10 and six bits. */
function continuation(bits: number): number {
  return 0x80 | (bits & 0x3f);
}
