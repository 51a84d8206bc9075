import type { Msg, MsgHdrs, NatsConnection } from "@nats-io/nats-core";

import { newInbox } from "./connect.ts";

/**
 * Why a request has no reply. `no-responders`: nobody listens to its subject, so nobody took it. Of the
 * others nothing is known: it may have been taken all the same.
 */
export type Unanswered = "closed" | "no-responders" | "not-sent" | "timeout";

interface Waiting {
  readonly resolve: (reply: Uint8Array | Unanswered) => void;
  /** On the monotonic clock, ms. */
  readonly deadline: number;
}

const NO_RESPONDERS = 503;

/**
 * Requests whose replies come on one inbox. The client library's `request` makes two promises, a race,
 * a timer and an Error with its stack for each; here each is one promise, and all share a timer.
 */
export class ReplyInbox {
  readonly #nc: NatsConnection;
  readonly #prefix: string;
  /** By reply subject. */
  readonly #waiting = new Map<string, Waiting>();
  #count = 0;
  #timer: NodeJS.Timeout | undefined;
  /** When the timer fires, on the monotonic clock, ms. */
  #timerAt = Number.POSITIVE_INFINITY;

  constructor(nc: NatsConnection) {
    this.#nc = nc;
    this.#prefix = newInbox(nc);
    nc.subscribe(`${this.#prefix}.*`, {
      callback: (error, message) => {
        if (error === null) this.#take(message);
      },
    });
    const end = () => this.#end("closed", () => true);
    nc.closed().then(end, end);
  }

  /** A subject for the reply to one question, which may be put more than once. */
  newReply(): string {
    this.#count += 1;
    return `${this.#prefix}.${this.#count}`;
  }

  /**
   * Sends a message and waits for its reply, or for the reason why there is none. Never rejects. A
   * question that is put again under the `reply` it had is answered by a late reply to the first too.
   */
  request(
    subject: string,
    payload: Uint8Array | string,
    headers: MsgHdrs,
    timeoutMs: number,
    reply = this.newReply(),
  ): Promise<Uint8Array | Unanswered> {
    return new Promise((resolve) => {
      const deadline = performance.now() + timeoutMs;
      this.#waiting.set(reply, { resolve, deadline });
      if (deadline < this.#timerAt) this.#arm(deadline);
      try {
        this.#nc.publish(subject, payload, { headers, reply });
      } catch {
        this.#settle(reply, this.#nc.isClosed() ? "closed" : "not-sent");
      }
    });
  }

  #take(message: Msg): void {
    const { data, subject } = message;
    const refused = data.length === 0 && message.headers?.code === NO_RESPONDERS;
    this.#settle(subject, refused ? "no-responders" : data);
  }

  #settle(subject: string, reply: Uint8Array | Unanswered): void {
    const waiting = this.#waiting.get(subject);
    this.#waiting.delete(subject);
    waiting?.resolve(reply);
  }

  /**
   * Replies leave the timer as it is: it finds the requests it was set for gone, and is set anew for the
   * oldest that is left. So under load it fires as seldom as requests take to time out.
   */
  #arm(at: number): void {
    clearTimeout(this.#timer);
    this.#timerAt = at;
    const delayMs = Math.max(1, Math.ceil(at - performance.now()));
    // The connection keeps the process alive; a timer without requests must not.
    this.#timer = setTimeout(() => this.#fire(), delayMs).unref();
  }

  #fire(): void {
    const now = performance.now();
    this.#end("timeout", ({ deadline }) => deadline <= now);
    let next = Number.POSITIVE_INFINITY;
    for (const { deadline } of this.#waiting.values()) next = Math.min(next, deadline);
    this.#timerAt = Number.POSITIVE_INFINITY;
    if (next < Number.POSITIVE_INFINITY) this.#arm(next);
  }

  #end(why: Unanswered, isOver: (waiting: Waiting) => boolean): void {
    for (const [reply, waiting] of this.#waiting) if (isOver(waiting)) this.#settle(reply, why);
  }
}
