/**
 * One request from its arrival to its record.
 *
 *   arrived ── refuse ─────────────────────────────────────────────▶ recorded (refused)
 *      └─ answer: hold ─ silence ─ head ─ frames or body ──────────▶ recorded (completed)
 *                   └───────┴────────┴──────┴─ fault, client leaves ▶ recorded (how it ended)
 *
 * There is exactly one record per request, and it is appended before the last byte of a complete
 * answer is written: whoever has read the answer finds the record.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Answer, Frame, Refusal } from "./answer.ts";
import type { Behavior } from "./behavior.ts";
import type { Clock } from "./clock.ts";
import type { Control } from "./control.ts";
import { keyOf, leaksOf } from "./key.ts";
import { type Bill, NOTHING, type Outcome, type Provider, type Served } from "./served.ts";

/** What an exchange needs of its server. */
export interface Services {
  readonly control: Control;
  readonly served: Served;
  readonly clock: Clock;
}

/** Frames are gathered up to this many characters when nothing asks for them to be apart. */
const BATCH_LENGTH = 16_384;

/** Time for bytes written before a reset to be read: a reset discards what is still on its way. */
const BEFORE_RESET_MS = 20;

/** A request, its response and what will be recorded of them. */
export class Exchange {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly provider: Provider;
  readonly route: string;
  readonly id: string;
  readonly #services: Services;
  readonly #startedAt = Date.now();
  #gone = false;
  #recorded = false;
  #whenGone: () => void = () => undefined;

  constructor(
    services: Services,
    req: IncomingMessage,
    res: ServerResponse,
    named: { readonly provider: Provider; readonly route: string; readonly id: string },
  ) {
    this.#services = services;
    this.req = req;
    this.res = res;
    this.provider = named.provider;
    this.route = named.route;
    this.id = named.id;
    services.served.begin();
    res.on("close", () => {
      if (res.writableFinished) return;
      this.#gone = true;
      this.#whenGone();
    });
    // A reset by the client shows as `close`; the error itself says nothing more.
    res.on("error", () => undefined);
  }

  /** The client has closed its connection before the answer was whole. */
  get gone(): boolean {
    return this.#gone;
  }

  get recorded(): boolean {
    return this.#recorded;
  }

  /** Answers with an error status and body, billed nothing. */
  refuse(refusal: Refusal): void {
    const status = this.#gone ? 0 : refusal.status;
    this.#record(EMPTY, {
      status,
      outcome: this.#gone ? "client-gone" : "refused",
      error: refusal.type,
      askedModel: refusal.askedModel,
      tag: refusal.tag,
    });
    if (!this.#gone) this.#sendBody(refusal.status, refusal.headers, refusal.body);
  }

  /** Ends an exchange that went wrong in the simulation itself. */
  abandon(): void {
    this.#record(EMPTY, { status: 0, outcome: "reset", error: "simulator", askedModel: null });
    this.res.destroy();
  }

  /** Answers with a body that costs nothing and is sent at once. */
  free(body: string, headers: readonly string[], model: string | null = null): void {
    this.#record({ ...EMPTY, model }, { status: 200, outcome: "completed", askedModel: model });
    this.#sendBody(200, headers, body);
  }

  /** Waits and answers as the behaviour says. */
  async answer(answer: Answer, behavior: Behavior, askedModel: string): Promise<void> {
    const state: Sending = {
      answer,
      behavior,
      askedModel,
      output: 0,
      reported: "none",
      head: false,
    };
    if (behavior.hold || behavior.firstByteMs > 0) await this.pause(behavior);
    if (this.#gone) return this.#end(state, "client-gone");
    if (behavior.fault === "reset-before") {
      this.#end(state, "reset");
      this.res.socket?.resetAndDestroy();
      return;
    }
    answer.begin();
    if (answer.stream) await this.#sendStream(state);
    else await this.#sendPlain(state);
  }

  /** The silence before the first byte: until released, then as long as it takes. */
  async pause(behavior: Behavior): Promise<void> {
    if (behavior.hold) {
      const { released, leave } = this.#services.control.wait();
      await this.#untilGone(released, leave);
    }
    if (behavior.firstByteMs > 0) await this.#silence(behavior, behavior.firstByteMs);
  }

  /** Waits for a promise that `cancel` resolves at once, which a leaving client does. */
  async #untilGone(waiting: Promise<void>, cancel: () => void): Promise<void> {
    this.#whenGone = cancel;
    if (this.#gone) cancel();
    await waiting;
    this.#whenGone = () => undefined;
  }

  async #silence(behavior: Behavior, ms: number): Promise<void> {
    const varied = ms * (1 + behavior.jitter * (2 * this.#services.clock.random() - 1));
    const { slept, wake } = this.#services.clock.sleep(varied);
    // A vendor that generates to the end takes its time for it, client or not.
    if (behavior.whenClientGone === "finish") await slept;
    else await this.#untilGone(slept, wake);
  }

  async #sendPlain(state: Sending): Promise<void> {
    const { answer, behavior } = state;
    if (behavior.paceMs > 0) {
      const chunks = Math.ceil(answer.bill.output / behavior.tokensPerChunk);
      await this.#silence(behavior, chunks * behavior.paceMs);
      if (this.#gone) return this.#end(state, "client-gone");
    }
    state.output = answer.bill.output;
    const body = answer.body();
    if (behavior.fault === null && behavior.splitBytes === 0) {
      if (answer.reports) state.reported = "complete";
      this.#end(state, "completed");
      this.#sendBody(200, answer.headers, body);
      return;
    }
    const bytes = Buffer.from(body);
    this.#head(state, "application/json", bytes.length);
    const half = Math.floor(bytes.length / 2);
    if (behavior.fault !== null) {
      await this.#write(state, bytes.subarray(0, half));
      const on = await this.#break(
        state,
        behavior.fault === "stall" ? "stall" : plainFault(behavior),
      );
      if (!on) return;
    }
    if (answer.reports) state.reported = "complete";
    this.#end(state, this.#gone ? "client-gone" : "completed");
    await this.#write(state, behavior.fault === null ? bytes : bytes.subarray(half));
    if (!this.#gone) this.res.end();
  }

  async #sendStream(state: Sending): Promise<void> {
    const { answer, behavior } = state;
    const faultAt = behavior.faultAfterTokens ?? Math.floor(answer.bill.output / 2);
    let fault = behavior.fault;
    let batch = "";
    this.#head(state, EVENT_STREAM);
    for (const frame of answer.frames()) {
      if (fault !== null && isDue(fault, faultAt, frame)) {
        await this.#write(state, batch);
        batch = "";
        if (!(await this.#break(state, fault))) return;
        fault = null;
      }
      if (frame.phase === "content" && behavior.paceMs > 0) {
        await this.#write(state, batch);
        batch = "";
        await this.#silence(behavior, behavior.paceMs);
      }
      if (this.#gone && behavior.whenClientGone === "stop") return this.#end(state, "client-gone");
      batch += frame.text;
      state.output = frame.output;
      if (!this.#gone && frame.reports !== undefined) state.reported = frame.reports;
      if (batch.length >= BATCH_LENGTH) {
        await this.#write(state, batch);
        batch = "";
      }
    }
    this.#end(state, this.#gone ? "client-gone" : "completed");
    await this.#write(state, batch);
    if (!this.#gone) this.res.end();
  }

  /** Lets the fault happen. True when the answer goes on after it. */
  async #break(state: Sending, fault: NonNullable<Behavior["fault"]>): Promise<boolean> {
    const { behavior, answer } = state;
    switch (fault) {
      case "stall": {
        const forever = Promise.withResolvers<void>();
        if (behavior.stallMs !== null) await this.#silence(behavior, behavior.stallMs);
        else await this.#untilGone(forever.promise, forever.resolve);
        if (behavior.stallMs !== null) return true;
        this.#end(state, "stalled");
        return false;
      }
      case "error-event":
        this.#end(state, "error-event", answer.errorFrame.type);
        this.res.end(answer.errorFrame.text);
        return false;
      case "end-early":
      case "cut-before-done":
        this.#end(state, "cut");
        this.res.end();
        return false;
      case "cut":
        this.#end(state, "cut");
        this.res.socket?.end();
        return false;
      default:
        await this.#services.clock.sleep(BEFORE_RESET_MS).slept;
        this.#end(state, "reset");
        this.res.socket?.resetAndDestroy();
        return false;
    }
  }

  #head(state: Sending, type: string, length?: number): void {
    if (this.#gone) return;
    state.head = true;
    const size = length === undefined ? [] : ["content-length", String(length)];
    this.res.writeHead(200, ["content-type", type, ...size, ...state.answer.headers]);
  }

  #sendBody(status: number, headers: readonly string[], body: string): void {
    const length = String(Buffer.byteLength(body));
    const type = ["content-type", "application/json", "content-length", length];
    this.res.writeHead(status, [...type, ...headers]);
    this.res.end(body);
  }

  /** Writes unless the client has gone; waits while the socket is full. */
  async #write(state: Sending, data: string | Buffer): Promise<void> {
    if (data.length === 0 || this.#gone) return;
    const piece = state.behavior.splitBytes;
    if (piece === 0) return await this.#push(data);
    const bytes = Buffer.from(data);
    for (let start = 0; start < bytes.length; start += piece) {
      await this.#push(bytes.subarray(start, start + piece));
      // The next piece leaves in a later turn, so that the reader can see them apart.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async #push(data: string | Buffer): Promise<void> {
    if (this.#gone || this.res.write(data)) return;
    const drained = Promise.withResolvers<void>();
    this.res.once("drain", drained.resolve);
    await this.#untilGone(drained.promise, drained.resolve);
    this.res.off("drain", drained.resolve);
  }

  #end(state: Sending, outcome: Outcome, error: string | null = null): void {
    const bill = billOf(state, outcome);
    this.#record(
      { ...state.answer, bill, reported: state.reported },
      {
        status: state.head || outcome === "completed" ? 200 : 0,
        outcome,
        error,
        askedModel: state.askedModel,
        tag: state.behavior.tag,
      },
    );
  }

  #record(answer: Recorded, end: Ending): void {
    if (this.#recorded) return;
    this.#recorded = true;
    const { headers } = this.req;
    const key = keyOf(headers, this.provider);
    this.#services.served.append({
      id: this.id,
      reply_id: answer.replyId,
      tag: end.tag ?? null,
      provider: this.provider,
      route: this.route,
      started_at: new Date(this.#startedAt).toISOString(),
      ended_at: new Date().toISOString(),
      status: end.status,
      error: end.error ?? null,
      asked_model: end.askedModel ?? null,
      model: answer.model,
      service_tier: answer.serviceTier,
      stream: answer.stream,
      outcome: end.outcome,
      usage: answer.bill,
      usage_reported: answer.reported,
      output_max: answer.outputMax,
      key: { scheme: key.scheme, tail: key.value.slice(-4) },
      leaked: leaksOf(headers),
    });
  }
}

/** An answer on its way. */
interface Sending {
  readonly answer: Answer;
  readonly behavior: Behavior;
  readonly askedModel: string;
  output: number;
  reported: "complete" | "partial" | "none";
  head: boolean;
}

interface Recorded {
  readonly replyId: string | null;
  readonly model: string | null;
  readonly serviceTier: string | null;
  readonly stream: boolean;
  readonly bill: Bill;
  readonly reported: "complete" | "partial" | "none";
  readonly outputMax: number | null;
}

interface Ending {
  readonly status: number;
  readonly outcome: Outcome;
  readonly error?: string | null;
  readonly askedModel: string | null;
  readonly tag?: string | null;
}

const EMPTY: Recorded = {
  replyId: null,
  model: null,
  serviceTier: null,
  stream: false,
  bill: NOTHING,
  reported: "none",
  outputMax: null,
};

const EVENT_STREAM = "text/event-stream; charset=utf-8";

/** A plain body has no events to end early on: what is left is a cut. */
function plainFault(behavior: Behavior): "reset-after" | "cut" {
  return behavior.fault === "reset-after" ? "reset-after" : "cut";
}

/** A fault happens before the frame that would pass its mark, and before the closing frames at the latest. */
function isDue(fault: NonNullable<Behavior["fault"]>, after: number, frame: Frame): boolean {
  if (fault === "cut-before-done") return frame.phase === "end";
  return frame.output > after || frame.phase === "close" || frame.phase === "end";
}

function billOf(state: Sending, outcome: Outcome): Bill {
  const { answer, behavior } = state;
  const generated = { ...answer.bill, output: Math.min(state.output, answer.bill.output) };
  switch (outcome) {
    case "completed":
      return answer.bill;
    case "client-gone":
      return behavior.whenClientGone === "finish" ? answer.bill : generated;
    default: {
      const rule = behavior.bill ?? (behavior.fault === "reset-before" ? "none" : "generated");
      if (rule === "full") return answer.bill;
      return rule === "none" ? NOTHING : generated;
    }
  }
}
