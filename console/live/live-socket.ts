/**
 * One page's socket: what it asks for, what it is told, and when it is too slow to be told. Nothing is
 * kept for it but its place, so a page that does not read costs no memory: it is told less.
 */
import { z } from "zod";
import { NAME_PATTERN } from "../../ledger/ids.ts";
import type { ServerMessage } from "../wire.ts";
import type { Feed, Watcher } from "./feed.ts";
import type { Feeds } from "./feeds.ts";

/** The part of a WebSocket that is used here. */
export interface BrowserSocket {
  readonly bufferedAmount: number;
  send(text: string): void;
  close(code: number, reason: string): void;
  terminate(): void;
  on(event: "message", listener: (data: Buffer, isBinary: boolean) => void): void;
  on(event: "close" | "error", listener: () => void): void;
}

export interface SocketServices {
  readonly feeds: Feeds;
  /** Whether the session may see a workspace. */
  readonly mayWatch: (ws: string) => boolean;
  /** False once the session has ended. */
  readonly isSignedIn: () => boolean;
  readonly faultId: () => string;
  readonly warn: (message: string, fields: Readonly<Record<string, unknown>>) => void;
  readonly onEnd: () => void;
}

const BEAT_MS = 2_000;
/** More than this waits to be read: nothing is added, bytes. */
const BUFFERED_MAX = 1_048_576;
/** A page that has read nothing for so long is let go, in ms. */
const STALLED_MS = 30_000;
/** Messages in one beat that no page needs. */
const MESSAGES_MAX = 40;
const RETRY_MS = 500;

const seq = z.string().regex(/^(0|[1-9]\d{0,18})$/);
const name = z.string().regex(NAME_PATTERN);
const clientMessage = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("subscribe"),
    ws: name,
    after: seq.optional(),
    only: z.strictObject({ agent: name.optional() }).optional(),
  }),
  z.strictObject({ type: z.literal("unsubscribe") }),
  z.strictObject({ type: z.literal("ping") }),
]);
type Subscribe = Extract<z.infer<typeof clientMessage>, { type: "subscribe" }>;

interface Subscription {
  readonly feed: Feed;
  readonly agent: string | undefined;
  /** Everything up to here was looked at, and up to `sent` told. */
  after: bigint;
  sent: bigint;
  started: boolean;
}

export class LiveSocket implements Watcher {
  readonly #socket: BrowserSocket;
  readonly #services: SocketServices;
  readonly #beat: NodeJS.Timeout;
  #subscription: Subscription | undefined;
  #messages = 0;
  #stalledSince: number | undefined;
  #closed = false;

  constructor(socket: BrowserSocket, services: SocketServices) {
    this.#socket = socket;
    this.#services = services;
    this.#beat = setInterval(() => {
      this.#messages = 0;
      this.#beatNow();
    }, BEAT_MS);
    socket.on("message", (data) => this.#hear(data));
    socket.on("close", () => this.#end());
    socket.on("error", () => this.#end());
  }

  /** Ends it from this side. */
  close(code: number, reason: string): void {
    if (this.#closed) return;
    this.#socket.close(code, reason);
    this.#end();
  }

  pump(): boolean {
    const subscription = this.#subscription;
    if (this.#closed || subscription?.started !== true) return false;
    if (this.#isFull()) return true;
    const { agent, after, feed, sent } = subscription;
    const next = feed.next(after, sent, agent);
    if (next.kind === "nothing") return false;
    if (next.kind === "gap") {
      const { from, reason, to } = next;
      this.#send({ type: "gap", ws: feed.ws, from: String(from), to: String(to), reason });
      subscription.after = to;
      subscription.sent = to;
      return true;
    }
    const { concerns, message, to } = next.frame;
    subscription.after = to;
    if (concerns) {
      subscription.sent = to;
      this.#send(message);
    }
    return to < feed.head;
  }

  #hear(data: Buffer): void {
    this.#messages += 1;
    if (this.#messages > MESSAGES_MAX) return this.close(1008, "too many messages");
    const parsed = clientMessage.safeParse(jsonOf(data));
    if (!parsed.success) {
      return this.#fault(
        "invalid",
        `not a message of the live view: ${z.prettifyError(parsed.error)}`,
      );
    }
    switch (parsed.data.type) {
      case "ping":
        return this.#beatNow();
      case "unsubscribe":
        return this.#unsubscribe();
      case "subscribe":
        return this.#subscribe(parsed.data);
    }
  }

  #subscribe({ after, only, ws }: Subscribe): void {
    this.#unsubscribe();
    if (!this.#services.mayWatch(ws)) {
      return this.#fault("forbidden", `This session may not see workspace ${ws}.`);
    }
    const feed = this.#services.feeds.watch(ws, this);
    const subscription: Subscription = {
      feed,
      agent: only?.agent,
      after: 0n,
      sent: 0n,
      started: false,
    };
    this.#subscription = subscription;
    void this.#start(subscription, after === undefined ? undefined : BigInt(after));
  }

  /** Waits for the feed, and for what has to be replayed. */
  async #start(subscription: Subscription, after: bigint | undefined): Promise<void> {
    const { feed } = subscription;
    await feed.whenBegun();
    const isCurrent = () => this.#subscription === subscription && !this.#closed;
    if (!isCurrent()) return;
    // Read before the wait below, so that what comes meanwhile is sent too.
    const from = after === undefined ? feed.head : after;
    while (after !== undefined) {
      try {
        await feed.reachBack(after);
        break;
      } catch (error) {
        this.#services.warn("a replay waits for Postgres", { ws: feed.ws, cause: String(error) });
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
        if (!isCurrent()) return;
      }
    }
    // An overview may be ahead of the live entries by a moment; a place beyond all that exists is of
    // another ledger, which the page sees by `head`.
    const exists = from <= feed.known || (await feed.exists(from));
    if (!isCurrent()) return;
    const place = exists ? from : feed.known;
    subscription.after = place;
    subscription.sent = place;
    subscription.started = true;
    this.#send({
      type: "hello",
      ws: feed.ws,
      head: String(after === undefined ? place : feed.head),
      at: new Date().toISOString(),
    });
    feed.tickSoon();
  }

  #unsubscribe(): void {
    const subscription = this.#subscription;
    this.#subscription = undefined;
    if (subscription !== undefined) this.#services.feeds.unwatch(subscription.feed, this);
  }

  #beatNow(): void {
    if (!this.#services.isSignedIn()) return this.close(4003, "the session has ended");
    if (this.#isFull()) return;
    const feed = this.#subscription?.started === true ? this.#subscription.feed : undefined;
    const behind = this.#subscription?.feed.behind;
    this.#send({
      type: "beat",
      at: new Date().toISOString(),
      ...(feed === undefined ? {} : { head: String(feed.known) }),
      ...(behind === undefined ? {} : { behind }),
    });
  }

  /** True while the page has too much to read; a page that never reads is let go. */
  #isFull(): boolean {
    if (this.#socket.bufferedAmount <= BUFFERED_MAX) {
      this.#stalledSince = undefined;
      return false;
    }
    this.#stalledSince ??= performance.now();
    if (performance.now() - this.#stalledSince > STALLED_MS) {
      this.close(4008, "the page did not read");
      // The closing handshake would wait behind what is not read.
      this.#socket.terminate();
    }
    return true;
  }

  #fault(code: "invalid" | "forbidden", message: string): void {
    this.#send({ type: "fault", error: { code, message, id: this.#services.faultId() } });
  }

  #send(message: ServerMessage): void {
    if (!this.#closed) this.#socket.send(JSON.stringify(message));
  }

  #end(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#beat);
    this.#unsubscribe();
    this.#services.onEnd();
  }
}

function jsonOf(data: Buffer): unknown {
  try {
    return JSON.parse(data.toString("utf8"));
  } catch {
    return undefined;
  }
}
