/**
 * Looks at JSON as bytes: where each top-level value stands, so that single values can be replaced
 * without touching any other byte, and whether an object names a key twice. Two readers may take
 * different ones of two equal keys, so a body with such a pair could be held for one and billed for
 * the other.
 *
 * The text has been accepted by `JSON.parse` before; only its shape is followed here.
 */

/** Where a top-level value stands, in bytes: from the first to after the last. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface JsonShape {
  /** Values of the top-level object by key. */
  readonly spans: ReadonlyMap<string, Span>;
  /** Paths of keys that stand twice in one object, like `messages.role`. */
  readonly repeated: readonly string[];
  /** Objects and lists inside each other. */
  readonly depth: number;
  /** Where the first key of the top-level object may be inserted. */
  readonly start: number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const COLON = 0x3a;
const COMMA = 0x2c;

/** One object or list that is open. `keys` is undefined for a list. */
interface Frame {
  readonly keys: Set<string> | undefined;
  key: string;
  /** The next string is a key. */
  awaitsKey: boolean;
}

/** Follows a JSON text whose top level is an object. */
export function scanJson(bytes: Buffer): JsonShape {
  const spans = new Map<string, Span>();
  const repeated: string[] = [];
  const stack: Frame[] = [];
  let depth = 0;
  let start = 0;
  let valueStart = -1;
  let last = 0;
  const closeValue = () => {
    const [top] = stack;
    if (stack.length === 1 && top !== undefined && valueStart >= 0) {
      spans.set(top.key, { start: valueStart, end: last });
      valueStart = -1;
    }
  };
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number;
    if (byte <= 0x20) continue;
    const frame = stack.at(-1);
    if (byte === COMMA) {
      closeValue();
      if (frame?.keys !== undefined) frame.awaitsKey = true;
      continue;
    }
    if (byte === COLON) continue;
    if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      closeValue();
      stack.pop();
      last = i + 1;
      continue;
    }
    if (byte === QUOTE) {
      const end = stringEnd(bytes, i);
      if (frame?.awaitsKey === true && frame.keys !== undefined) {
        const key = keyText(bytes, i, end);
        if (frame.keys.has(key)) repeated.push(pathOf(stack, key));
        frame.keys.add(key);
        frame.key = key;
        frame.awaitsKey = false;
      } else if (stack.length === 1 && valueStart < 0) valueStart = i;
      i = end - 1;
      last = end;
      continue;
    }
    if (stack.length === 1 && valueStart < 0) valueStart = i;
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      const isObject = byte === OPEN_BRACE;
      stack.push({ keys: isObject ? new Set() : undefined, key: "", awaitsKey: isObject });
      if (stack.length === 1) start = i + 1;
      depth = Math.max(depth, stack.length);
    }
    last = i + 1;
  }
  return { spans, repeated, depth, start };
}

/** The byte after the closing quote of the string that opens at `start`. */
function stringEnd(bytes: Buffer, start: number): number {
  let from = start + 1;
  for (;;) {
    const quote = bytes.indexOf(QUOTE, from);
    if (quote < 0) return bytes.length;
    let slashes = 0;
    while (bytes[quote - 1 - slashes] === BACKSLASH) slashes++;
    // An even number of backslashes escape each other; an odd one escapes the quote.
    if (slashes % 2 === 0) return quote + 1;
    from = quote + 1;
  }
}

/** A key with its escapes resolved: `"a"` and `"\u0061"` are the same one. */
function keyText(bytes: Buffer, start: number, end: number): string {
  const raw = bytes.toString("utf8", start, end);
  return raw.includes("\\") ? (JSON.parse(raw) as string) : raw.slice(1, -1);
}

function pathOf(stack: readonly Frame[], key: string): string {
  const keys = stack.slice(0, -1).map((frame) => frame.key);
  return [...keys, key].filter((part) => part !== "").join(".");
}

/** One replacement of bytes; an empty span inserts. */
export interface Edit extends Span {
  readonly text: string;
}

/** Replaces spans and leaves every other byte as it came. */
export function editBytes(bytes: Buffer, edits: readonly Edit[]): Buffer {
  if (edits.length === 0) return bytes;
  const ordered = [...edits].sort((a, b) => a.start - b.start || a.end - b.end);
  const pieces: Buffer[] = [];
  let at = 0;
  for (const edit of ordered) {
    pieces.push(bytes.subarray(at, edit.start), Buffer.from(edit.text));
    at = edit.end;
  }
  pieces.push(bytes.subarray(at));
  return Buffer.concat(pieces);
}
