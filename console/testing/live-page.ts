/** A page's live socket, over the network, as undici makes it with a cookie and an origin of its own. */
import { WebSocket } from "undici";
import type { ClientMessage, FrameMessage, ServerMessage } from "../wire.ts";
import type { Browser } from "./console-world.ts";

export interface OpenOptions {
  readonly origin?: string;
  readonly ticket?: string;
}

/** Messages of one socket, in order. */
export class LivePage {
  readonly messages: ServerMessage[] = [];
  /** When each message came, by `performance.now()`. */
  readonly times: number[] = [];
  closed: number | undefined;
  readonly #socket: WebSocket;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => {
      this.messages.push(JSON.parse(String(data)) as ServerMessage);
      this.times.push(performance.now());
    });
    socket.addEventListener("close", ({ code }) => {
      this.closed = code;
    });
  }

  /** Gets a ticket and opens a socket with it. @throws Error when it is refused */
  static async open(browser: Browser, options: OpenOptions = {}): Promise<LivePage> {
    const ticket = options.ticket ?? (await ticketOf(browser));
    const url = `${browser.url.replace("http:", "ws:")}/api/live?ticket=${ticket}`;
    const socket = new WebSocket(url, {
      headers: { cookie: browser.cookie, origin: options.origin ?? browser.url },
    });
    const page = new LivePage(socket);
    await new Promise<void>((resolve, reject) => {
      socket.addEventListener("open", () => resolve());
      socket.addEventListener("error", () => reject(new Error("the socket was refused")));
    });
    return page;
  }

  say(message: ClientMessage): void {
    this.#socket.send(JSON.stringify(message));
  }

  close(): void {
    this.#socket.close();
  }

  get frames(): readonly FrameMessage[] {
    return this.messages.filter((message) => message.type === "frame");
  }

  /** The last sequence that it was told of. */
  get at(): bigint {
    return BigInt(this.frames.at(-1)?.to_seq ?? "0");
  }
}

export async function ticketOf(browser: Browser): Promise<string> {
  const response = await browser.post("/api/live-ticket");
  if (!response.ok) throw new Error(`no ticket: ${response.status}`);
  return ((await response.json()) as { ticket: string }).ticket;
}

/** Waits until it is so, at most so long. */
export async function until(
  holds: () => boolean | Promise<boolean>,
  withinMs = 20_000,
): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`not so after ${withinMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
