import type { Socket } from "node:net";

/** More than this is not kept for a connection that is held, in bytes: no test sends so much. */
const HELD_MAX = 256 * 1024 ** 2;

interface Piece {
  readonly bytes: Buffer;
  /** When it may arrive, on the monotonic clock, ms. */
  readonly dueAt: number;
}

/** One way of one connection: bytes on their way to a socket, held and delayed as told, in order. */
export class Flow {
  readonly #to: Socket;
  readonly #pieces: Piece[] = [];
  #isHeld = false;
  #delayMs = 0;
  #ended = false;
  #over = false;
  #bytes = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(to: Socket) {
    this.#to = to;
  }

  /** True once nothing comes any more and all that came was delivered. */
  get isOver(): boolean {
    return this.#over;
  }

  /** What has come and was not delivered, as text. */
  get waiting(): string {
    return this.#pieces.map(({ bytes }) => bytes.toString("latin1")).join("");
  }

  set(isHeld: boolean, delayMs: number): void {
    this.#isHeld = isHeld;
    this.#delayMs = delayMs;
    this.#deliver();
  }

  push(bytes: Buffer): void {
    this.#bytes += bytes.length;
    if (this.#bytes > HELD_MAX) throw new Error("a link holds more than it can");
    this.#pieces.push({ bytes, dueAt: performance.now() + this.#delayMs });
    this.#deliver();
  }

  /** The sender is gone: what it sent still arrives, and then the end. */
  end(): void {
    this.#ended = true;
    this.#deliver();
  }

  /** Forgets what is under way. */
  drop(): void {
    this.#pieces.length = 0;
    this.#over = true;
    clearTimeout(this.#timer);
  }

  #deliver(): void {
    clearTimeout(this.#timer);
    if (this.#over || this.#isHeld) return;
    for (let piece = this.#pieces[0]; piece !== undefined; piece = this.#pieces[0]) {
      const waitMs = piece.dueAt - performance.now();
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.#deliver(), waitMs);
        return;
      }
      this.#pieces.shift();
      this.#bytes -= piece.bytes.length;
      // A receiver that is gone loses it, as it would on a wire.
      if (this.#to.writable) this.#to.write(piece.bytes);
    }
    if (!this.#ended) return;
    this.#over = true;
    this.#to.end();
  }
}
