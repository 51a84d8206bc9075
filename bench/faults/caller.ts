/**
 * Calls as gateways make them: an authorize with the gateway's own deadline, then whatever becomes of
 * the call. A lost answer is voided until the void is acknowledged, a settle is sent until it is.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Answer, Command } from "../../actors/commands.ts";
import { shardOf } from "../../actors/placement.ts";
import { type EngineClient, EngineUnreachable } from "../../bus/engine-client.ts";
import type { BenchWorkspace } from "../cluster/workspaces.ts";
import { BOUND, freshId } from "../load/holds.ts";
import type { Gaps, Heard } from "./heard.ts";

/** What the calls of a workspace are like. */
export interface CallerWorkspace extends BenchWorkspace {
  /** Calls of one run, whose cap they share. */
  readonly callsPerRun?: number;
  /** Every call is voided, so that its caps are never used up and stay at stake. */
  readonly voidsAll?: boolean;
  /** Some settles come after the hold has ended: it lives this long, ms. */
  readonly lateAfterMs?: number;
}

export interface CallerOptions {
  readonly engines: readonly EngineClient[];
  readonly workspaces: readonly CallerWorkspace[];
  readonly shards: number;
  /** Holds a second. */
  readonly rate: number;
  readonly random: () => number;
  readonly heard: Heard;
  readonly gaps: Gaps;
}

/** A settle or void that is not acknowledged for so long is given up, and found in the ledger. ms */
const ADVICE_MS = 150_000;
/** The decisions of a workspace that were already given back to it are asked for again so often. */
const REPEATS = 0.04;
const TICK_MS = 5;
/** At most the calls of so many seconds are under way. */
const IN_FLIGHT_S = 6;

export class Caller {
  readonly #options: CallerOptions;
  readonly #calls = new Set<Promise<void>>();
  #running = true;
  #number = 0;
  #over = Promise.resolve();

  constructor(options: CallerOptions) {
    this.#options = options;
  }

  /** Calls under way. */
  get inFlight(): number {
    return this.#calls.size;
  }

  start(): void {
    this.#over = this.#run();
  }

  /** Makes no new calls, and waits until those under way have come to their end. */
  async stop(): Promise<void> {
    this.#running = false;
    await this.#over;
    await Promise.all(this.#calls);
  }

  async #run(): Promise<void> {
    const startedAt = performance.now();
    while (this.#running) {
      const due = ((performance.now() - startedAt) * this.#options.rate) / 1_000;
      while (this.#number < due) {
        // As many as would wait out a deadline; more would only take the processor from who answers.
        if (this.#calls.size < this.#options.rate * IN_FLIGHT_S) this.#call();
        else this.#shed();
      }
      await sleep(TICK_MS);
    }
  }

  #shed(): void {
    this.#number += 1;
    this.#options.heard.shed += 1;
  }

  #call(): void {
    const { heard, workspaces } = this.#options;
    this.#number += 1;
    const workspace = workspaces[this.#number % workspaces.length];
    if (workspace === undefined) throw new Error("there are no workspaces");
    const call = this.#live(workspace, this.#number)
      .catch((error: unknown) => heard.odd("a call", String(error)))
      .finally(() => this.#calls.delete(call));
    this.#calls.add(call);
  }

  async #live(workspace: CallerWorkspace, number: number): Promise<void> {
    const { heard, random, workspaces } = this.#options;
    const { ws } = workspace;
    const [fate, thinkMs] = [random(), random() * 40];
    const round = Math.floor(number / workspaces.length);
    const run = `run-${Math.floor(round / (workspace.callsPerRun ?? 50))}`;
    const command = {
      agent: workspace.agent,
      authorization: freshId(),
      key: workspace.keyId,
      kind: "authorize",
      model: "auto",
      refinable: false,
      run,
      usage_bound: BOUND,
    } as const satisfies Command;
    const answer = await this.#decide(ws, command);
    if (answer === undefined) return;
    if (fate < REPEATS) await this.#repeat(ws, command, answer);
    if (answer.outcome === "hold") {
      heard.refused += 1;
      return;
    }
    // The first try's answer was lost, and its hold has ended by time: a gateway forwards nothing.
    if (answer.state === "expired") return;
    if (answer.state !== "open") return heard.odd("an admit that is not open", answer);
    await sleep(thinkMs);
    const { lateAfterMs } = workspace;
    const isLate = lateAfterMs !== undefined && fate > 0.6;
    if (isLate) await sleep(lateAfterMs + 500);
    if (workspace.voidsAll === true || (!isLate && fate < 0.15)) {
      await this.#void(ws, command.authorization, "a test");
    } else {
      await this.#settle(ws, command.authorization, fate);
    }
  }

  /** One authorize within a gateway's deadline; a lost answer is voided and comes to nothing. */
  async #decide(ws: string, command: Command & { readonly kind: "authorize" }) {
    const { heard } = this.#options;
    const { authorization } = command;
    const startedAt = performance.now();
    let answer: Answer;
    try {
      answer = await this.#engine().request(ws, command);
    } catch (error) {
      if (!(error instanceof EngineUnreachable)) throw error;
      heard.unreachable += 1;
      if (error.outcome === "none") heard.undecided.push({ authorization, ws });
      else await this.#void(ws, authorization, "no answer");
      return undefined;
    }
    if (performance.now() - startedAt > heard.lateMs) heard.late += 1;
    if (answer.kind !== "decided") return heard.odd("an authorize", answer);
    this.#tell(ws, "authorize", answer.authorization, answer.seq, answer.held, answer.outcome);
    return answer;
  }

  /** The same id again has the same decision, whoever decides now. */
  async #repeat(
    ws: string,
    command: Command & { readonly kind: "authorize" },
    first: Extract<Answer, { kind: "decided" }>,
  ): Promise<void> {
    const { heard } = this.#options;
    heard.repeats += 1;
    let again: Answer;
    try {
      again = await this.#engine().request(ws, command);
    } catch (error) {
      if (!(error instanceof EngineUnreachable)) throw error;
      return;
    }
    const same =
      again.kind === "decided" &&
      again.seq === first.seq &&
      again.held === first.held &&
      again.outcome === first.outcome;
    if (!same) heard.odd(`a repeat of entry ${first.seq} in ${ws}`, again);
  }

  async #settle(ws: string, authorization: string, fate: number): Promise<void> {
    const { heard } = this.#options;
    const command = {
      authorization,
      final: true,
      kind: "settle",
      part: "1",
      usage: { input: 900n, output: 70n },
    } as const satisfies Command;
    const first = await this.#untilPosted(ws, command);
    if (first === undefined) return;
    this.#tell(ws, "settle", authorization, first.seq, first.amount, undefined);
    if ((fate * 100) % 1 >= REPEATS) return;
    heard.repeats += 1;
    const again = await this.#untilPosted(ws, command);
    if (again !== undefined && again.seq !== first.seq) {
      heard.odd(`a repeat of the settle ${first.seq} in ${ws}`, again);
    }
  }

  async #void(ws: string, authorization: string, reason: string): Promise<void> {
    const posted = await this.#untilPosted(ws, { authorization, kind: "void", reason });
    if (posted === undefined) return;
    this.#tell(ws, "void", authorization, posted.seq, posted.released, undefined);
  }

  /** Sends an advice until it is acknowledged, as an outbox does. */
  async #untilPosted(ws: string, command: Command & { readonly kind: "settle" | "void" }) {
    const { heard } = this.#options;
    const deadline = performance.now() + ADVICE_MS;
    for (let pauseMs = 200; ; pauseMs = Math.min(pauseMs * 2, 2_000)) {
      try {
        const answer = await this.#engine().request(ws, command);
        if (answer.kind === "posted") return answer;
        return heard.odd(`a ${command.kind} of ${command.authorization} in ${ws}`, answer);
      } catch (error) {
        if (!(error instanceof EngineUnreachable)) throw error;
        if (performance.now() > deadline)
          return heard.odd(`a ${command.kind} in ${ws}`, "unposted");
        // An outbox tries again at its leisure.
        await sleep(pauseMs * (0.5 + Math.random()));
      }
    }
  }

  #tell(
    ws: string,
    kind: "authorize" | "settle" | "void",
    authorization: string,
    seq: bigint,
    amount: bigint,
    outcome: string | undefined,
  ): void {
    const { gaps, heard, shards } = this.#options;
    heard.told.push({ amount, authorization, kind, outcome, seq, ws });
    gaps.answered(shardOf(ws, shards), performance.now());
  }

  #engine(): EngineClient {
    const { engines } = this.#options;
    const engine = engines[this.#number % engines.length];
    if (engine === undefined) throw new Error("there is no client");
    return engine;
  }
}
