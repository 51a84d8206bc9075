/**
 * Text for answers. Only ASCII without quotes, backslashes or line ends: one character is one byte
 * and one JSON character, so a length in tokens can be met exactly.
 */
const SENTENCES = [
  "The ticket points to a failed renewal, and the account was charged twice for the same invoice.",
  "I checked the order against the shipping record and the two dates do not agree.",
  "A refund of the second charge is the right step, and the customer should hear about it today.",
  "The change looks safe, but the retry loop can run while the lock is still held.",
  "Consider moving the check above the write so that a crash between them leaves nothing half done.",
  "There is one case the tests do not cover: an empty page followed by a full one.",
  "Three of the five sources agree on the figure; the other two count a different period.",
  "The strongest evidence is the measured series, and it favours the simpler explanation.",
  "Most of the growth comes from returning customers rather than from new ones.",
  "Here is a short summary first, and the details with their references below it.",
  "The batch finished with four records set aside, all of them without a country code.",
  "None of the rejected rows carries an amount, so the totals are not affected.",
  "The supplier confirmed the delivery for Thursday and sent a corrected packing list.",
  "I would keep the current limit for now and look at it again at the end of the month.",
  "The error appears only when two requests arrive in the same second from one session.",
  "Please send the log of that hour, and I can tell you which of the two it was.",
];

/** Characters in the ring; a reply longer than it goes around. */
const RING_LENGTH = 1 << 16;

/** An endless, repeatable text. */
export class Prose {
  readonly #ring: string;
  /** Places in the ring where a sentence begins. */
  readonly #starts: readonly number[];

  constructor(seed: number) {
    const random = seeded(seed);
    const starts: number[] = [];
    let ring = "";
    while (ring.length < RING_LENGTH) {
      starts.push(ring.length);
      ring += `${SENTENCES[Math.floor(random() * SENTENCES.length)]} `;
    }
    this.#ring = ring;
    this.#starts = starts;
  }

  /** Exactly `length` characters, from a place chosen by `pick` (any whole number). */
  take(pick: number, length: number): string {
    const start = this.#starts[Math.abs(pick) % this.#starts.length] ?? 0;
    if (start + length <= this.#ring.length) return this.#ring.slice(start, start + length);
    const turns = Math.ceil((start + length) / this.#ring.length);
    return this.#ring.repeat(turns).slice(start, start + length);
  }
}

/** A repeatable source of numbers in [0, 1): mulberry32, public domain. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** A whole number that depends on the text alone: the same prompt gets the same answer (FNV-1a). */
export function fingerprint(text: string, seed: number): number {
  let value = (0x811c9dc5 ^ seed) >>> 0;
  // Of a long text only the end is read: a prompt can be megabytes.
  const start = Math.max(0, text.length - 512);
  for (let index = start; index < text.length; index += 1) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193) >>> 0;
  }
  return Math.imul(value ^ text.length, 0x01000193) >>> 0;
}
