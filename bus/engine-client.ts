import { setTimeout as sleep } from "node:timers/promises";
import { headers, type MsgHdrs, type NatsConnection } from "@nats-io/nats-core";

import type { Answer, Command } from "../actors/commands.ts";
import { decodeAnswer, encodeCommand } from "./codec.ts";
import { ReplyInbox, type Unanswered } from "./reply-inbox.ts";
import { commandSubject, TTL_HEADER } from "./subjects.ts";

/** Refusals that mean *not decided*: the engine wrote nothing, and the same bytes may be sent again. */
const NOT_DECIDED: ReadonlySet<string> = new Set([
  "append-unresolved",
  "fail-closed",
  "misrouted",
  "too-late",
]);

export interface RequestOptions {
  /** How long one try waits for its answer, in ms. */
  readonly tryTimeoutMs?: number;
  /** How long all tries together may take, in ms. */
  readonly deadlineMs?: number;
}

const TRY_TIMEOUT_MS = 400;
const DEADLINE_MS = 3_000;
/** With less time left no try is made, in ms: it would be given up before its answer can be there. */
const TRY_MS_MIN = 10;
/** Bounds of the pause before another try, in ms. "No responders" comes back in about one. */
const BACKOFF_MS_MIN = 25;
const BACKOFF_MS_MAX = 100;

/**
 * No answer came within the deadline. `outcome` is `none` when no try can have been decided: each met
 * no owner. Else it is `unknown`, and only the same command again, or a `void` of its id, settles the
 * matter.
 */
export class EngineUnreachable extends Error {
  override readonly name = "EngineUnreachable";
  readonly code = "engine-unreachable";
  readonly outcome: "none" | "unknown";

  constructor(message: string, outcome: "none" | "unknown", cause: unknown) {
    super(message, { cause });
    this.outcome = outcome;
  }
}

/** The engine answered with what is no answer: versions that do not match, or a fault of its own. */
export class AnswerUnreadable extends Error {
  override readonly name = "AnswerUnreadable";
  readonly code = "answer-unreadable";
  readonly outcome = "unknown";
}

/** Sends commands to the actors of workspaces, wherever they live. */
export class EngineClient {
  readonly #replies: ReplyInbox;
  #ttl: { readonly ms: number; readonly headers: MsgHdrs } | undefined;

  constructor(nc: NatsConnection) {
    this.#replies = new ReplyInbox(nc);
  }

  /**
   * Sends one command and waits for its answer. The identical bytes are sent again when a try brings
   * none, so the actor knows a repeat by its hash and answers it with the first decision.
   * @throws EngineUnreachable when the deadline passes without a decision.
   * @throws AnswerUnreadable when an answer came that cannot be read.
   */
  async request(ws: string, command: Command, options: RequestOptions = {}): Promise<Answer> {
    const tryTimeoutMs = options.tryTimeoutMs ?? TRY_TIMEOUT_MS;
    const deadlineMs = options.deadlineMs ?? DEADLINE_MS;
    const deadline = performance.now() + deadlineMs;
    const subject = commandSubject(command.kind, ws);
    const bytes = encodeCommand(command);
    // One for all tries: an engine that is slower than a try takes would be asked again and again, and
    // every answer would come too late, though the answer to the first is that to the last.
    const inbox = this.#replies.newReply();
    let outcome: "none" | "unknown" = "none";
    let last: Answer | Unanswered | undefined;
    for (;;) {
      const leftMs = deadline - performance.now();
      if (leftMs < Math.min(TRY_MS_MIN, deadlineMs / 2)) break;
      // Its time to live is what the caller still waits: later, nobody wants the decision.
      const ttl = this.#ttlOf(Math.ceil(leftMs));
      const timeoutMs = Math.min(tryTimeoutMs, leftMs);
      const reply = await this.#replies.request(subject, bytes, ttl, timeoutMs, inbox);
      if (typeof reply === "string") {
        if (reply === "closed") throw closed();
        if (reply !== "no-responders") outcome = "unknown";
        last = reply;
      } else {
        last = readAnswer(subject, reply);
        if (!isNotDecided(last)) return last;
        // Its owner decided nothing. One that was left behind may say so too, beside one that decides.
        outcome = "unknown";
      }
      const pauseMs = BACKOFF_MS_MIN + Math.random() * (BACKOFF_MS_MAX - BACKOFF_MS_MIN);
      await sleep(Math.max(0, Math.min(pauseMs, deadline - performance.now())));
    }
    throw new EngineUnreachable(
      `no engine decided ${command.kind} for ${ws} within ${deadlineMs} ms: ${describe(last)}`,
      outcome,
      last,
    );
  }

  /** The headers of a try. The first tries of all commands have the same. */
  #ttlOf(ms: number): MsgHdrs {
    if (this.#ttl?.ms === ms) return this.#ttl.headers;
    const ttl = headers();
    ttl.set(TTL_HEADER, String(ms));
    this.#ttl = { ms, headers: ttl };
    return ttl;
  }
}

function closed(): EngineUnreachable {
  return new EngineUnreachable("the connection to NATS is closed", "unknown", undefined);
}

function readAnswer(subject: string, reply: Uint8Array): Answer {
  const parsed = decodeAnswer(reply);
  if (parsed.ok) return parsed.value;
  throw new AnswerUnreadable(`an answer on ${subject} cannot be read: ${parsed.problems[0]}`);
}

function isNotDecided(answer: Answer): boolean {
  return answer.kind === "refused" && NOT_DECIDED.has(answer.code);
}

const UNANSWERED: { readonly [U in Unanswered]: string } = {
  closed: "the connection to NATS is closed",
  "no-responders": "no node owns its shard at the moment",
  "not-sent": "the connection to NATS did not take it",
  timeout: "no answer came in time",
};

function describe(last: Answer | Unanswered | undefined): string {
  if (last === undefined) return "there was no time for a try";
  if (typeof last === "string") return UNANSWERED[last];
  return last.kind === "refused" ? last.message : `it answered ${last.kind}`;
}
