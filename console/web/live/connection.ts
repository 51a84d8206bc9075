/**
 * The live socket, kept up. States:
 *
 *   connecting ── hello ─▶ live ── silence ─▶ stale ── more silence ─▶ reconnecting
 *        ▲                  │ ▲                 │ anything heard ─▶ live
 *        │                  │ closed            ▼
 *        └── backoff ── reconnecting ◀──────────┘
 *   any ── 401, or closed with 4003 ─▶ signed-out, and there it stays
 *
 * Each attempt takes a fresh ticket and subscribes behind the last sequence that the page has, so what
 * happened meanwhile comes again, once. Everything outside is passed in: clock, timers, socket.
 */
import type { ClientMessage, ServerMessage } from "../../wire.ts";

export type ConnectionState = "connecting" | "live" | "stale" | "reconnecting" | "signed-out";

export interface ConnectionStatus {
  readonly state: ConnectionState;
  /** When anything was last heard, in ms since 1970; 0 before. */
  readonly heardAt: number;
  /** When the next attempt begins, while reconnecting. */
  readonly retryAt: number | undefined;
  /** What keeps the server from being up to date. */
  readonly behind: string | undefined;
}

/** The part of a WebSocket that is used. */
export interface Socket {
  send(text: string): void;
  close(code?: number): void;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number }) => void) | null;
}

export interface ConnectionPorts {
  /** A ticket for one socket; undefined when the session ended. Rejects when there is no answer. */
  readonly ticket: () => Promise<string | undefined>;
  readonly open: (ticket: string) => Socket;
  readonly subscription: () => Extract<ClientMessage, { type: "subscribe" }>;
  readonly onMessage: (message: ServerMessage) => void;
  readonly onStatus: (status: ConnectionStatus) => void;
  readonly now: () => number;
  /** From 0 to 1: spreads the attempts of many pages. */
  readonly random: () => number;
}

/** Silence after which the page says that it is stale: three beats of 2 s, in ms. */
export const STALE_MS = 6_000;
/** Silence after which the socket is given up for another one. */
const DEAD_MS = 12_000;
const BACKOFF_FIRST_MS = 500;
const BACKOFF_MAX_MS = 8_000;
/** An attempt that has not come to a hello by then is given up. */
const ATTEMPT_MS = 10_000;
const WATCH_MS = 500;

const CLOSED_SESSION = 4003;

export class LiveConnection {
  readonly #ports: ConnectionPorts;
  #socket: Socket | undefined;
  #state: ConnectionState = "connecting";
  #heardAt = 0;
  #behind: string | undefined;
  #attempt = 0;
  #attemptAt = 0;
  #retryAt: number | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #watch: ReturnType<typeof setInterval> | undefined;
  /** Raised by each attempt, so that answers to one that was given up are not taken for this one's. */
  #generation = 0;

  constructor(ports: ConnectionPorts) {
    this.#ports = ports;
  }

  start(): void {
    this.#watch = setInterval(() => this.#look(), WATCH_MS);
    void this.#connect();
  }

  stop(): void {
    clearInterval(this.#watch);
    clearTimeout(this.#retry);
    this.#drop();
  }

  /** Tries at once instead of waiting: the network came back, or the page is looked at again. */
  hurry(): void {
    if (this.#retryAt === undefined) return;
    clearTimeout(this.#retry);
    void this.#connect();
  }

  /** Subscribes again on the open socket, to another workspace or from another place. */
  resubscribe(): void {
    if (this.#socket !== undefined && this.#state !== "connecting") this.#subscribe(this.#socket);
  }

  async #connect(): Promise<void> {
    this.#drop();
    const generation = this.#generation;
    this.#retryAt = undefined;
    this.#attemptAt = this.#ports.now();
    if (this.#state !== "connecting") this.#become("reconnecting");
    let ticket: string | undefined;
    try {
      ticket = await this.#ports.ticket();
    } catch {
      if (generation === this.#generation) this.#later();
      return;
    }
    if (generation !== this.#generation) return;
    if (ticket === undefined) return this.#end();
    this.#listen(this.#ports.open(ticket), generation);
  }

  #listen(socket: Socket, generation: number): void {
    this.#socket = socket;
    socket.onopen = () => this.#subscribe(socket);
    socket.onmessage = ({ data }) => {
      if (generation === this.#generation && typeof data === "string") this.#hear(data);
    };
    socket.onclose = ({ code }) => {
      if (generation !== this.#generation) return;
      this.#socket = undefined;
      if (code === CLOSED_SESSION) this.#end();
      else this.#later();
    };
  }

  #subscribe(socket: Socket): void {
    socket.send(JSON.stringify(this.#ports.subscription()));
  }

  #hear(data: string): void {
    const message = JSON.parse(data) as ServerMessage;
    this.#heardAt = this.#ports.now();
    if (message.type === "beat") this.#behind = message.behind;
    if (message.type === "hello") this.#attempt = 0;
    if (message.type === "hello" || this.#state === "stale") this.#become("live");
    else if (message.type === "beat") this.#tell();
    this.#ports.onMessage(message);
  }

  /** Looks at how long it has been silent. */
  #look(): void {
    const now = this.#ports.now();
    const silence = now - this.#heardAt;
    if (this.#state === "live" && silence >= STALE_MS) this.#become("stale");
    if (this.#state === "stale" && silence >= DEAD_MS) return this.#later();
    const trying = this.#state === "connecting" || this.#state === "reconnecting";
    if (trying && this.#retryAt === undefined && now - this.#attemptAt >= ATTEMPT_MS) this.#later();
  }

  /** Tries again after a wait that doubles, from half of it up, at random. */
  #later(): void {
    this.#drop();
    const ceiling = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** this.#attempt);
    const wait = ceiling * (0.5 + this.#ports.random() / 2);
    this.#attempt += 1;
    this.#retryAt = this.#ports.now() + wait;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => void this.#connect(), wait);
    this.#become("reconnecting");
  }

  #drop(): void {
    this.#generation += 1;
    this.#socket?.close();
    this.#socket = undefined;
  }

  #end(): void {
    clearInterval(this.#watch);
    this.#drop();
    this.#become("signed-out");
  }

  #become(state: ConnectionState): void {
    this.#state = state;
    this.#tell();
  }

  #tell(): void {
    this.#ports.onStatus({
      state: this.#state,
      heardAt: this.#heardAt,
      retryAt: this.#retryAt,
      behind: this.#behind,
    });
  }
}
