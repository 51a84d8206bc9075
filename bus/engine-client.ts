import { setTimeout as sleep } from "node:timers/promises";
import { headers, type NatsConnection, RequestError } from "@nats-io/nats-core";

import type { Answer, Command } from "../actors/commands.ts";
import { decodeAnswer, encodeCommand } from "./codec.ts";
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
/** Bounds of the pause before another try, in ms. "No responders" comes back in about one. */
const BACKOFF_MS_MIN = 25;
const BACKOFF_MS_MAX = 100;

/**
 * No answer came within the deadline. `outcome` is `none` when no try can have been decided: each met
 * no owner, or was refused as not decided. Else it is `unknown`, and only the same command again, or a
 * `void` of its id, settles the matter.
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
  readonly #nc: NatsConnection;

  constructor(nc: NatsConnection) {
    this.#nc = nc;
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
    let outcome: "none" | "unknown" = "none";
    let last: unknown;
    for (;;) {
      const leftMs = deadline - performance.now();
      if (leftMs < 1) break;
      const answer = await this.#attempt(subject, bytes, leftMs, Math.min(tryTimeoutMs, leftMs));
      if ("answer" in answer) {
        if (!isNotDecided(answer.answer)) return answer.answer;
        last = answer.answer;
      } else {
        last = answer.fault;
        if (!isNoResponders(answer.fault)) outcome = "unknown";
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

  /** One try. Its time to live is what the caller still waits: later, nobody wants the decision. */
  async #attempt(
    subject: string,
    bytes: Uint8Array,
    ttlMs: number,
    timeoutMs: number,
  ): Promise<{ readonly answer: Answer } | { readonly fault: unknown }> {
    const ttl = headers();
    ttl.set(TTL_HEADER, String(Math.ceil(ttlMs)));
    let data: Uint8Array;
    try {
      const timeout = Math.max(1, timeoutMs);
      data = (await this.#nc.request(subject, bytes, { timeout, headers: ttl })).data;
    } catch (fault) {
      if (this.#nc.isClosed()) {
        throw new EngineUnreachable("the connection to NATS is closed", "unknown", fault);
      }
      return { fault };
    }
    const parsed = decodeAnswer(data);
    if (parsed.ok) return { answer: parsed.value };
    throw new AnswerUnreadable(`an answer on ${subject} cannot be read: ${parsed.problems[0]}`);
  }
}

function isNotDecided(answer: Answer): boolean {
  return answer.kind === "refused" && NOT_DECIDED.has(answer.code);
}

function isNoResponders(fault: unknown): boolean {
  return fault instanceof RequestError && fault.isNoResponders();
}

function describe(last: unknown): string {
  if (isNoResponders(last)) return "no node owns its shard at the moment";
  if (last instanceof Error) return last.message;
  if (typeof last === "object" && last !== null && "message" in last) return String(last.message);
  return "there was no time for a try";
}
