import { createHash } from "node:crypto";

/** Bytes to begin with: most states fit. */
const ROOM_BYTES = 16 * 1024;

/** The text of a state as it is written piece by piece, in UTF-8, with its hash. */
export class StateText {
  #bytes: Buffer;
  #length = 0;
  readonly #hash = createHash("sha256");

  /** `expected`: bytes that it will have, as far as anybody knows; room that is missing is copied for. */
  constructor(expected = 0) {
    this.#bytes = Buffer.allocUnsafe(Math.max(expected, ROOM_BYTES));
  }

  add(piece: string): void {
    // A UTF-16 code unit becomes three bytes at most.
    const needed = this.#length + 3 * piece.length;
    if (needed > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, 2 * this.#bytes.length));
      this.#bytes.copy(larger, 0, 0, this.#length);
      this.#bytes = larger;
    }
    const end = this.#length + this.#bytes.write(piece, this.#length, "utf8");
    this.#hash.update(this.#bytes.subarray(this.#length, end));
    this.#length = end;
  }

  /** All of it. To be called once. */
  end(): { readonly state: Uint8Array; readonly stateHash: string } {
    const state = this.#bytes.subarray(0, this.#length);
    // A small state does not keep the room that it did not need.
    const kept = this.#length <= ROOM_BYTES ? Buffer.from(state) : state;
    return { state: kept, stateHash: this.#hash.digest("hex") };
  }
}
