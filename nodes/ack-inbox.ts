import { headers, type NatsConnection } from "@nats-io/nats-core";

import { ReplyInbox, type Unanswered } from "../bus/reply-inbox.ts";

/** A publish had no answer, or no server to take it. It may have landed or not. */
export class PublishUnanswered extends Error {
  override readonly name = "PublishUnanswered";
  readonly code = "publish-unanswered";
  readonly outcome = "unknown";
}

/** Publishes and waits for the stream's acknowledgement. */
export class AckInbox {
  readonly #replies: ReplyInbox;

  constructor(nc: NatsConnection) {
    this.#replies = new ReplyInbox(nc);
  }

  /** @throws PublishUnanswered after `timeoutMs`, or when no server takes it. */
  async publish(
    subject: string,
    payload: Uint8Array | string,
    fields: Readonly<Record<string, string>>,
    timeoutMs: number,
  ): Promise<Uint8Array> {
    const header = headers();
    for (const [name, value] of Object.entries(fields)) header.set(name, value);
    const reply = await this.#replies.request(subject, payload, header, timeoutMs);
    if (typeof reply === "string") throw new PublishUnanswered(describe(reply, subject, timeoutMs));
    return reply;
  }
}

function describe(why: Unanswered, subject: string, timeoutMs: number): string {
  if (why === "timeout") return `no acknowledgement on ${subject} within ${timeoutMs} ms`;
  if (why === "no-responders") return "no server takes the message: the stream has no leader";
  return `${subject} was not sent`;
}
