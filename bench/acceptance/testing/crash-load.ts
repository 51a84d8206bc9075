/**
 * Load that goes on until everything under it dies, and remembers every answer that was given: what
 * was answered must be in the ledger afterwards, whatever happened to who answered.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Agent } from "undici";
import type { Answer, Command } from "../../../actors/commands.ts";
import { type EngineClient, EngineUnreachable } from "../../../bus/engine-client.ts";
import { BOUND, freshId } from "../../load/holds.ts";
import { call, chat, type SurfaceName } from "./http-calls.ts";
import type { MixedWorkspace } from "./mixed-workspaces.ts";

/** An answer that stands on an entry, as the client has it. */
export interface AnsweredPost {
  readonly authorization: string;
  readonly kind: "authorize" | "settle" | "void";
  readonly seq: bigint;
  /** Held or moved into spend; what a void gave back is not told. */
  readonly amount: bigint | undefined;
}

/** An HTTP call that was answered to its end. */
export interface AnsweredCall {
  readonly authorization: string;
  /** Its output limit, which no other call has. */
  readonly number: number;
  readonly stream: boolean;
  /** `x-tarmac-settled`, on whole bodies that were settled in time. */
  readonly settled: string | undefined;
}

/** How many holds are asked for each second. */
const HOLDS_PER_SECOND = 200;
/** HTTP calls under way at once. */
const CALLS_AT_ONCE = 24;
/** Longer than any restart of a connection, shorter than the test's patience. ms */
const LIMITS = { deadlineMs: 1_500, tryTimeoutMs: 400 } as const;

/** Everything that was answered by anyone, over all rounds. */
export class CrashLoad {
  readonly posts: AnsweredPost[] = [];
  readonly calls: AnsweredCall[] = [];
  /** Requests that got no answer, and calls that broke off. */
  unanswered = 0;
  /** What is neither an answer nor the lack of one. */
  readonly oddities: string[] = [];
  readonly #engine: EngineClient;
  readonly #holds: MixedWorkspace;
  readonly #http: MixedWorkspace;
  readonly #gatewayUrl: string;
  readonly #random: () => number;
  #number = 601;
  #running = false;
  #pending: Promise<void>[] = [];

  constructor(options: {
    readonly engine: EngineClient;
    /** Of holds over NATS, and of calls over HTTP. */
    readonly holds: MixedWorkspace;
    readonly http: MixedWorkspace;
    readonly gatewayUrl: string;
    readonly random: () => number;
  }) {
    this.#engine = options.engine;
    this.#holds = options.holds;
    this.#http = options.http;
    this.#gatewayUrl = options.gatewayUrl;
    this.#random = options.random;
  }

  /** Loads for so long; the requests under way are left as they are. */
  async run(ms: number): Promise<void> {
    this.#running = true;
    const client = new Agent({ connections: null, pipelining: 1 });
    const callers = Array.from({ length: CALLS_AT_ONCE }, () => this.#callOn(client));
    this.#pending.push(...callers);
    const startMs = performance.now();
    for (let sent = 0; ; ) {
      const passedMs = performance.now() - startMs;
      if (passedMs >= ms) break;
      for (; sent < (passedMs * HOLDS_PER_SECOND) / 1_000; sent += 1) {
        this.#pending.push(this.#holdAndEnd());
      }
      await sleep(5);
    }
    this.#running = false;
  }

  /** Waits until the last request has been answered or has given up. */
  async ended(): Promise<void> {
    await Promise.all(this.#pending.splice(0));
  }

  /** One hold, and what becomes of it: most are settled, some voided, some left to expire. */
  async #holdAndEnd(): Promise<void> {
    const authorization = freshId();
    const fate = this.#random();
    const run = `run-${Math.floor(this.#random() * 20)}`;
    const held = await this.#ask({
      agent: "claude",
      authorization,
      key: this.#holds.keyId,
      kind: "authorize",
      model: "auto",
      refinable: false,
      run,
      usage_bound: BOUND,
    });
    if (held === undefined) return;
    if (held.kind !== "decided" || held.outcome === "hold") return this.#odd(held);
    this.posts.push({ amount: held.held, authorization, kind: "authorize", seq: held.seq });
    if (fate < 0.15) return;
    await sleep(this.#random() * 60);
    const command: Command =
      fate < 0.25
        ? { authorization, kind: "void", reason: "a test" }
        : {
            authorization,
            final: true,
            kind: "settle",
            part: "1",
            usage: { input: 900n, output: 70n },
          };
    const posted = await this.#ask(command);
    if (posted === undefined) return;
    if (posted.kind !== "posted") return this.#odd(posted);
    const amount = command.kind === "settle" ? posted.amount : undefined;
    const kind = command.kind === "settle" ? "settle" : "void";
    this.posts.push({ amount, authorization, kind, seq: posted.seq });
  }

  async #ask(command: Command): Promise<Answer | undefined> {
    try {
      return await this.#engine.request(this.#holds.ws, command, LIMITS);
    } catch (error) {
      if (!(error instanceof EngineUnreachable)) throw error;
      this.unanswered += 1;
      return undefined;
    }
  }

  /** Calls over HTTP, one after the other, for as long as the load goes on. */
  async #callOn(client: Agent): Promise<void> {
    while (this.#running) {
      this.#number += 1;
      await this.#callOnce(client, this.#number);
      await sleep(5);
    }
  }

  async #callOnce(client: Agent, number: number): Promise<void> {
    const surface: SurfaceName = this.#random() < 0.5 ? "anthropic" : "openai";
    const stream = this.#random() < 0.5;
    const agent = this.#http.agents[surface][0] ?? "";
    try {
      const answer = await call(
        this.#gatewayUrl,
        {
          body: chat(surface, number, { stream }),
          headers: { "x-tarmac-agent": agent },
          key: this.#http.secret,
          surface,
        },
        client,
      );
      if (answer.status === 503) {
        this.unanswered += 1;
        return;
      }
      if (answer.status !== 200) this.oddities.push(`${answer.status} ${answer.text}`);
      const end = surface === "anthropic" ? "event: message_stop" : "data: [DONE]";
      if (stream && !answer.text.includes(end))
        this.oddities.push(`no end: ${answer.text.slice(-200)}`);
      const settled = answer.headers["x-tarmac-settled"];
      this.calls.push({
        authorization: String(answer.headers["x-tarmac-authorization"]),
        number,
        settled: typeof settled === "string" ? settled : undefined,
        stream,
      });
    } catch {
      // The gateway went away in the middle.
      this.unanswered += 1;
    }
  }

  #odd(answer: Answer): void {
    const text = JSON.stringify(answer, (_, part: unknown) =>
      typeof part === "bigint" ? String(part) : part,
    );
    this.oddities.push(text);
  }
}
