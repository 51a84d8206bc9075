import type { Fetched } from "../actors/turn.ts";

/** One command as it came in. */
export interface ShardRequest {
  /** From the subject, by which the sender's rights were checked. */
  readonly kind: string;
  readonly ws: string;
  readonly bytes: Uint8Array;
  /** Monotonic clock from when on it lay here, ms. */
  readonly arrivedAt: number;
  /** How long it may lie, ms; `undefined` is for ever. */
  readonly ttlMs: number | undefined;
  readonly respond: (answer: Uint8Array) => void;
}

/** A command that waits for its turn, with what was read for it since its first one. */
export interface Letter {
  readonly request: ShardRequest;
  readonly fetched?: Fetched;
}

/** Letters that wait at most; beyond, commands are refused. */
const LETTERS_MAX = 20_000;

/** Commands of workspaces that are being loaded, in the order they came. */
export class WaitingRoom {
  readonly #letters = new Map<string, Letter[]>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  isFull(): boolean {
    return this.#size >= LETTERS_MAX;
  }

  push(letter: Letter): void {
    const { ws } = letter.request;
    const waiting = this.#letters.get(ws);
    if (waiting === undefined) this.#letters.set(ws, [letter]);
    else waiting.push(letter);
    this.#size += 1;
  }

  /** Takes out what waits for one workspace. */
  take(ws: string): readonly Letter[] {
    const waiting = this.#letters.get(ws) ?? [];
    this.#letters.delete(ws);
    this.#size -= waiting.length;
    return waiting;
  }

  /** Empties it. */
  takeAll(): readonly Letter[] {
    const letters = [...this.#letters.values()].flat();
    this.#letters.clear();
    this.#size = 0;
    return letters;
  }
}

/** Commands of a shard in the order they came, while the next block is full. */
export class Mailbox {
  #letters: Letter[] = [];
  /** Index of the next letter; the ones before it are worked. */
  #next = 0;

  get size(): number {
    return this.#letters.length - this.#next;
  }

  isFull(): boolean {
    return this.size >= LETTERS_MAX;
  }

  push(letter: Letter): void {
    this.#letters.push(letter);
  }

  shift(): Letter | undefined {
    const letter = this.#letters[this.#next];
    if (letter === undefined) return undefined;
    this.#next += 1;
    if (this.#next === this.#letters.length) this.takeAll();
    else if (this.#next >= LETTERS_MAX) {
      this.#letters = this.#letters.slice(this.#next);
      this.#next = 0;
    }
    return letter;
  }

  /** Empties it. */
  takeAll(): readonly Letter[] {
    const letters = this.#letters.slice(this.#next);
    this.#letters = [];
    this.#next = 0;
    return letters;
  }
}
