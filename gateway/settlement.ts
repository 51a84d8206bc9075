import type { SettleCommand, VoidCommand } from "../actors/commands.ts";
import { REFUSALS } from "../ledger/refusals.ts";
import type { InFlight } from "./in-flight.ts";
import type { Delivery, Outbox } from "./outbox.ts";
import { type OwedCommand, partOf } from "./outbox-records.ts";
import type { EnginePort, Log } from "./ports.ts";

/** The last byte waits for a settle this long at most, in ms (ledger rules §7). */
const SETTLE_MS_MAX = 250;
/** One delivery of the outbox, with its tries, in ms. */
const DELIVERY = { tryTimeoutMs: 1_000, deadlineMs: 5_000 } as const;

/** What a settle or void came to, as far as the client may be told. */
export interface Posted {
  /** True when the engine acked it; false when the outbox has taken it over. */
  readonly acked: boolean;
  /** Moved into spend, in nano-USD; undefined when it was not acked. */
  readonly amount: bigint | undefined;
  readonly assumed: boolean;
}

/** Ends holds: with the engine's ack when it comes in time, else through the outbox. */
export class Settlement {
  readonly #engine: EnginePort;
  readonly #outbox: Outbox;
  readonly #inFlight: InFlight;
  readonly #log: Log;

  constructor(engine: EnginePort, outbox: Outbox, inFlight: InFlight, log: Log) {
    this.#engine = engine;
    this.#outbox = outbox;
    this.#inFlight = inFlight;
    this.#log = log;
  }

  /** Settles; resolves once the engine has acked it or the outbox has it on disk. */
  settle(ws: string, command: SettleCommand): Promise<Posted> {
    return this.#post(ws, command);
  }

  /** Gives a hold back; resolves as {@link settle}. */
  giveBack(ws: string, authorization: string, reason: string): Promise<Posted> {
    return this.#post(ws, { kind: "void", authorization, reason: reason.slice(0, 200) });
  }

  /** Gives back what may or may not have been authorized: until it is acked, whatever happens. */
  async giveBackUnknown(ws: string, authorization: string): Promise<void> {
    const command: VoidCommand = {
      kind: "void",
      authorization,
      reason: "authorize was not answered",
    };
    await this.#outbox.owe(ws, command);
  }

  /** Delivers what the outbox owes. */
  readonly deliver = async (ws: string, command: OwedCommand): Promise<Delivery> => {
    try {
      const answer = await this.#engine.request(ws, command, DELIVERY);
      if (answer.kind === "posted") return "delivered";
      if (answer.kind !== "refused") return { refused: `answered ${answer.kind}` };
      if (REFUSALS[answer.code].status === 503) return "retry";
      return { refused: `${answer.code}: ${answer.message}` };
    } catch {
      // Not answered: sent again with the same key, it posts once.
      return "retry";
    }
  };

  async #post(ws: string, command: OwedCommand): Promise<Posted> {
    const { authorization } = command;
    // The client is done with the call; nothing is to be cut any more.
    this.#inFlight.quiet(ws, authorization);
    const limits = { tryTimeoutMs: SETTLE_MS_MAX, deadlineMs: SETTLE_MS_MAX };
    try {
      const answer = await this.#engine.request(ws, command, limits);
      if (answer.kind === "posted") {
        this.#outbox.done(authorization, partOf(command));
        this.#inFlight.end(ws, authorization);
        return { acked: true, amount: answer.amount, assumed: answer.assumed === true };
      }
      const why = answer.kind === "refused" ? `${answer.code}: ${answer.message}` : answer.kind;
      this.#log.warn({ ws, authorization, why }, "a settle was not taken; the outbox has it");
    } catch (cause) {
      this.#log.warn({ ws, authorization, cause: String(cause) }, "a settle goes to the outbox");
    }
    // A void that is owed needs no hold: if the hold expires first, that gives it back too.
    if (command.kind === "void") this.#inFlight.end(ws, authorization);
    await this.#outbox.owe(ws, command);
    return { acked: false, amount: undefined, assumed: false };
  }
}
