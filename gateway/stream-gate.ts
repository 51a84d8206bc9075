import type { Metered, StreamReader } from "./surface.ts";

const LF = 0x0a;
const CR = 0x0d;
/** Bytes of one line at most. A longer one is passed on, but no longer read. */
const LINE_BYTES_MAX = 16 * 1024 * 1024;

/**
 * Lets a stream pass as it comes while a vendor's reader follows it, and keeps back what begins with
 * the vendor's end marker until {@link release}.
 *
 *   flowing ── line "end" ──▶ ended ── release ──▶ released
 *
 * In `flowing` every byte passes at once; where lines may be stripped, whole lines pass. In `ended`
 * nothing passes. A marker that is cut over two chunks is kept back from where it is recognised: its
 * line cannot end before the settle is done.
 */
export class StreamGate {
  readonly #reader: StreamReader;
  readonly #strips: boolean;
  /** Bytes of the line that has not ended yet, for the reader. */
  #line: Buffer[] = [];
  #lineBytes = 0;
  #unread = false;
  #afterCr = false;
  #state: "ended" | "flowing" | "released" = "flowing";
  #kept: Buffer[] = [];
  /** A stripped line takes the blank line behind it along. */
  #stripBlank = false;
  /** The line that the last CR ended was passed on, so the LF of its pair is too. */
  #passLf = true;

  constructor(reader: StreamReader, strips: boolean) {
    this.#reader = reader;
    this.#strips = strips;
  }

  /** The end marker has come: nothing passes until {@link release}. */
  get ended(): boolean {
    return this.#state !== "flowing";
  }

  metered(): Metered {
    return this.#reader.metered();
  }

  /** Takes bytes as received; gives those that may pass now. */
  push(chunk: Buffer): Buffer[] {
    if (this.#state === "released") return [chunk];
    if (this.#state === "ended") {
      this.#kept.push(chunk);
      return [];
    }
    return this.#strips ? this.#pushLines(chunk) : this.#pushBytes(chunk);
  }

  /** Gives what was kept back; from now on everything passes. */
  release(): Buffer[] {
    const kept = this.#kept;
    if (this.#strips && this.#state === "flowing") kept.push(...this.#line);
    this.#line = [];
    this.#kept = [];
    this.#state = "released";
    return kept;
  }

  #pushBytes(chunk: Buffer): Buffer[] {
    let lineStart = 0;
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i];
      if (byte !== LF && byte !== CR) continue;
      if (byte === LF && this.#afterCr && i === lineStart && this.#lineBytes === 0) {
        // The second half of CR LF: no line of its own.
        this.#afterCr = false;
        lineStart = i + 1;
        continue;
      }
      this.#afterCr = byte === CR;
      if (this.#read(chunk.subarray(lineStart, i)) === "end") {
        this.#state = "ended";
        this.#kept = [chunk.subarray(lineStart)];
        return lineStart === 0 ? [] : [chunk.subarray(0, lineStart)];
      }
      lineStart = i + 1;
    }
    this.#gather(chunk.subarray(lineStart));
    return [chunk];
  }

  #pushLines(chunk: Buffer): Buffer[] {
    const pass: Buffer[] = [];
    let lineStart = 0;
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i];
      if (byte !== LF && byte !== CR) continue;
      const text = chunk.subarray(lineStart, i);
      const whole = [...this.#line, chunk.subarray(lineStart, i + 1)];
      if (byte === LF && this.#afterCr && i === lineStart && this.#lineBytes === 0) {
        this.#afterCr = false;
        if (this.#passLf) pass.push(chunk.subarray(i, i + 1));
        lineStart = i + 1;
        continue;
      }
      const blank = this.#lineBytes + text.length === 0;
      this.#afterCr = byte === CR;
      const verdict = this.#read(text);
      lineStart = i + 1;
      if (verdict === "end") {
        this.#state = "ended";
        this.#kept = [...whole, chunk.subarray(lineStart)];
        return pass;
      }
      this.#passLf = verdict === "pass" && !(blank && this.#stripBlank);
      if (this.#passLf) pass.push(...whole);
      else this.#stripBlank = verdict === "strip";
    }
    this.#gather(chunk.subarray(lineStart));
    if (this.#unread) pass.push(...this.#line.splice(0));
    return pass;
  }

  /** Hands a whole line to the reader. */
  #read(rest: Buffer): "end" | "pass" | "strip" {
    const bytes = this.#line.length === 0 ? rest : Buffer.concat([...this.#line, rest]);
    const unread = this.#unread;
    this.#line = [];
    this.#lineBytes = 0;
    this.#unread = false;
    return unread ? "pass" : this.#reader.line(bytes.toString("utf8"));
  }

  #gather(rest: Buffer): void {
    if (rest.length === 0) return;
    this.#lineBytes += rest.length;
    if (this.#lineBytes > LINE_BYTES_MAX) this.#unread = true;
    if (this.#strips) this.#line.push(rest);
    else if (this.#unread) this.#line = [];
    else this.#line.push(rest);
  }
}
