/**
 * One workspace's stream, outside of Solid: begins with what Postgres has up to an entry, and goes on
 * with the frames behind it. What has changed since it was last shown is only marked as such.
 */
import type { FrameMessage, LiveTicket, Overview, Seq, ServerMessage } from "../../wire.ts";
import { ApiProblem, query, request } from "../api.ts";
import { type ConnectionStatus, LiveConnection, type Socket } from "./connection.ts";
import { Feed } from "./feed.ts";
import { Flow } from "./flow.ts";
import { readDecisions, readOverview } from "./reads.ts";

/** Open holds and limits come from Postgres this often while something happens, in ms. */
const OVERVIEW_MS = 3_000;
/** While nothing happens, in ms: another page may have changed a limit. */
const OVERVIEW_IDLE_MS = 30_000;
const ROWS_FIRST = 100;

/** The workspace's month counter, nano-USD. */
export interface MonthUse {
  readonly settled: bigint;
  readonly held: bigint;
}

export class WorkspaceStream {
  readonly feed = new Feed();
  readonly flow = new Flow();
  overview: Overview | undefined;
  month: MonthUse | undefined;
  /** Why the last load failed; tried again by itself. */
  problem: ApiProblem | undefined;
  loaded = false;
  /** True when something is not shown yet. */
  dirty = true;

  readonly #ws: string;
  readonly #connection: LiveConnection;
  readonly #counting: ReturnType<typeof setInterval>;
  #closed = false;
  /** True while something is asked of the API: one thing at a time. */
  #busy = false;
  #countedAt = 0;
  /** True when frames came since the last count. */
  #touched = false;
  /** Of the entry that the month counter is as of. */
  #monthSeq = 0n;

  constructor(ws: string, onStatus: (status: ConnectionStatus) => void) {
    this.#ws = ws;
    this.#connection = connectionTo(ws, this.feed, onStatus, (message) => this.#hear(message));
    this.#counting = setInterval(() => this.#renew(), 1_000);
    this.load();
  }

  /** Begins anew from Postgres; the socket goes on behind what is loaded. */
  load(): void {
    void this.#ask(async () => {
      const overview = await readOverview(this.#ws);
      const before = (BigInt(overview.head) + 1n).toString();
      const { rows } = await readDecisions(this.#ws, { before, limit: ROWS_FIRST });
      if (this.#closed) return;
      this.feed.begin(BigInt(overview.head), rows);
      this.#count(overview);
      if (!this.loaded) this.#connection.start();
      this.loaded = true;
    });
  }

  /** The network may be back, or somebody looks again. */
  hurry(): void {
    this.#connection.hurry();
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#counting);
    this.#connection.stop();
  }

  #renew(): void {
    const since = Date.now() - this.#countedAt;
    if (!this.loaded) {
      if (since >= OVERVIEW_MS) this.load();
    } else if (since >= (this.#touched ? OVERVIEW_MS : OVERVIEW_IDLE_MS)) {
      void this.#ask(async () => this.#count(await readOverview(this.#ws)));
    }
  }

  async #ask(work: () => Promise<void>): Promise<void> {
    if (this.#busy || this.#closed || this.#ws === "") return;
    this.#busy = true;
    try {
      await work();
      this.problem = undefined;
    } catch (cause) {
      this.problem = cause instanceof ApiProblem ? cause : unexpected(cause);
      this.#countedAt = Date.now();
    }
    this.#busy = false;
    this.dirty = true;
  }

  #count(overview: Overview): void {
    this.overview = overview;
    this.flow.begin(overview);
    this.#setMonth(overview.head, overview.month);
    this.#countedAt = Date.now();
    this.#touched = false;
    this.dirty = true;
  }

  #hear(message: ServerMessage): void {
    if ("ws" in message && message.ws !== this.#ws) return;
    if (message.type === "frame") this.#take(message);
    if (message.type !== "gap") return;
    this.dirty = true;
    if (message.reason === "too-far") this.load();
    else this.feed.skip(BigInt(message.from), BigInt(message.to));
  }

  #take(frame: FrameMessage): void {
    if (!this.feed.take(frame)) return;
    this.flow.take(frame);
    this.#touched = true;
    this.dirty = true;
    if (frame.month !== undefined) this.#setMonth(frame.to_seq, frame.month);
  }

  #setMonth(seq: Seq, month: { readonly settled_nano: string; readonly held_nano: string }): void {
    if (BigInt(seq) < this.#monthSeq) return;
    this.#monthSeq = BigInt(seq);
    this.month = { held: BigInt(month.held_nano), settled: BigInt(month.settled_nano) };
  }
}

function connectionTo(
  ws: string,
  feed: Feed,
  onStatus: (status: ConnectionStatus) => void,
  onMessage: (message: ServerMessage) => void,
): LiveConnection {
  return new LiveConnection({
    now: Date.now,
    onMessage,
    onStatus,
    open: (ticket) => {
      const { host, protocol } = window.location;
      const scheme = protocol === "https:" ? "wss" : "ws";
      return new WebSocket(`${scheme}://${host}/api/live${query({ ticket })}`) as Socket;
    },
    random: Math.random,
    subscription: () => ({
      type: "subscribe",
      ws,
      ...(feed.cursor !== undefined && { after: feed.cursor.toString() }),
    }),
    ticket: async () => {
      try {
        return (await request<LiveTicket>("/api/live-ticket", "POST")).ticket;
      } catch (cause) {
        if (cause instanceof ApiProblem && cause.code === "unauthenticated") return undefined;
        throw cause;
      }
    },
  });
}

const unexpected = (cause: unknown) =>
  new ApiProblem("internal", "The page could not read what the server sent.", undefined, cause);
