import { headers, type Msg, type NatsConnection } from "@nats-io/nats-core";

import { newInbox } from "../bus/connect.ts";

/** A publish had no answer, or no server to take it. It may have landed or not. */
export class PublishUnanswered extends Error {
  override readonly name = "PublishUnanswered";
  readonly code = "publish-unanswered";
  readonly outcome = "unknown";
}

interface Waiting {
  readonly resolve: (data: Uint8Array) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

const NO_RESPONDERS = 503;

/**
 * Publishes and waits for the acknowledgement on an inbox of its own. The client library's `request`
 * makes two promises, a race and an Error with its stack for each call, a tenth of an owner's time.
 */
export class AckInbox {
  readonly #nc: NatsConnection;
  readonly #prefix: string;
  readonly #waiting = new Map<string, Waiting>();
  #count = 0;

  constructor(nc: NatsConnection) {
    this.#nc = nc;
    this.#prefix = newInbox(nc);
    nc.subscribe(`${this.#prefix}.*`, {
      callback: (error, message) => {
        if (error === null) this.#take(message);
      },
    });
  }

  /** @throws PublishUnanswered after `timeoutMs`, or when no server takes it. */
  publish(
    subject: string,
    payload: Uint8Array | string,
    fields: Readonly<Record<string, string>>,
    timeoutMs: number,
  ): Promise<Uint8Array> {
    const header = headers();
    for (const [name, value] of Object.entries(fields)) header.set(name, value);
    this.#count += 1;
    const reply = `${this.#prefix}.${this.#count}`;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(reply);
        reject(new PublishUnanswered(`no acknowledgement on ${subject} within ${timeoutMs} ms`));
      }, timeoutMs);
      this.#waiting.set(reply, { resolve, reject, timer });
      try {
        this.#nc.publish(subject, payload, { headers: header, reply });
      } catch (cause) {
        this.#settle(reply)?.reject(new PublishUnanswered(`${subject} was not sent`, { cause }));
      }
    });
  }

  #take(message: Msg): void {
    const waiting = this.#settle(message.subject);
    if (message.headers?.code === NO_RESPONDERS && message.data.length === 0) {
      waiting?.reject(
        new PublishUnanswered("no server takes the message: the stream has no leader"),
      );
    } else {
      waiting?.resolve(message.data);
    }
  }

  #settle(reply: string): Waiting | undefined {
    const waiting = this.#waiting.get(reply);
    this.#waiting.delete(reply);
    clearTimeout(waiting?.timer);
    return waiting;
  }
}
