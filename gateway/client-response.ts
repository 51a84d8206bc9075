import type { ServerResponse } from "node:http";
import type { ClientPort } from "./ports.ts";

/** A client that takes nothing for so long is taken for gone, in ms. */
const STALL_MS = 300_000;

/** A client at the other end of an HTTP connection. */
export class ClientResponse implements ClientPort {
  readonly #res: ServerResponse;
  #gone = false;
  #onGone: (() => void)[] = [];
  #wake: (() => void) | undefined;

  constructor(res: ServerResponse) {
    this.#res = res;
    res.on("close", () => {
      if (!res.writableFinished) this.#left();
    });
    // A reset shows as `close`; the error itself says nothing more.
    res.on("error", () => undefined);
  }

  get gone(): boolean {
    return this.#gone;
  }

  onGone(call: () => void): void {
    if (this.#gone) call();
    else this.#onGone.push(call);
  }

  head(status: number, headers: Readonly<Record<string, string | readonly string[]>>): void {
    if (this.#gone || this.#res.headersSent) return;
    this.#res.writeHead(status, headers as Record<string, string | string[]>);
    // A stream's head must not wait for its first event; a whole answer is written in this very turn.
    setImmediate(() => {
      if (!this.#gone && !this.#res.writableEnded) this.#res.flushHeaders();
    });
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#gone || this.#res.write(bytes)) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => this.cut(), STALL_MS);
      const wake = () => {
        clearTimeout(timer);
        this.#res.off("drain", wake);
        this.#wake = undefined;
        resolve();
      };
      this.#wake = wake;
      this.#res.on("drain", wake);
    });
  }

  end(bytes?: Uint8Array): void {
    if (this.#gone) return;
    if (bytes === undefined) this.#res.end();
    else this.#res.end(bytes);
  }

  cut(): void {
    this.#res.destroy();
    this.#left();
  }

  #left(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#wake?.();
    for (const call of this.#onGone.splice(0)) call();
  }
}
