/**
 * One call, from its request to its settle.
 *
 *   read ─ authorize ─┬─ refused ──────────────────────────────────▶ 402/403/…   nothing forwarded
 *                     ├─ not answered ─ void owed to the outbox ───▶ 503         nothing forwarded
 *                     └─ open ─ note ─ forward ─┬─ never sent ─ void ──────────▶ 502
 *                                               ├─ refused (3xx to 5xx) ─ void ▶ the provider's own answer
 *                                               ├─ no answer ─ settle assumed ─▶ 502/504
 *                                               └─ answered ─ relay ─ settle ──▶ the last byte
 *
 * Money first: a call goes out only on a decision that is `open`, once, and only after it is noted in
 * the outbox; the last byte goes out only after its settle is acked, or synced in the outbox. Between
 * the two the hold is renewed; one that cannot be renewed cuts the client and ends the provider while
 * it still stands. When the client leaves, the provider is followed to its end, so that the real usage
 * is settled; what is not measured settles at the hold, never at zero.
 */
import type { Answer, AuthorizeCommand, DecidedAnswer, SettleCommand } from "../actors/commands.ts";
import { type Lane, laneKey } from "../ledger/price-card.ts";
import { type Ask, authorizeCommand } from "./ask.ts";
import type { Caller } from "./authenticate.ts";
import { newForwardedId } from "./call-ids.ts";
import { encodingsOf } from "./count-tokens.ts";
import type { InFlight, Loss } from "./in-flight.ts";
import type { Outbox } from "./outbox.ts";
import {
  type ClientPort,
  type Clock,
  type ConfigPort,
  type EnginePort,
  type Log,
  ProviderFault,
  type ProviderPort,
  type ProviderReply,
  type Telemetry,
} from "./ports.ts";
import type { ProviderTargets, Target } from "./provider-target.ts";
import {
  decidedRefused,
  engineRefused,
  notDecided,
  type Problem,
  providerFailed,
  refused,
  usdHeader,
  wrongLane,
} from "./refusal.ts";
import { Drain, type DrainLimits, gatherBody, relayStream } from "./relay.ts";
import { decisionHeaders, oneHeader, passedHeaders } from "./response-headers.ts";
import { sendProblem } from "./send-problem.ts";
import { servedModel } from "./served-model.ts";
import type { Posted, Settlement } from "./settlement.ts";
import { StreamGate } from "./stream-gate.ts";
import { type Metered, NOT_METERED, type Surface } from "./surface.ts";

/** One try of an authorize, in ms (architecture §3). */
const AUTHORIZE_TRY_MS = 400;
/** How long a gateway that is behind may take to catch up with the decision's configuration, in ms. */
const CATCH_UP_MS = 1_000;
/** The usage of a running stream is written down this often at most, in ms. */
const USAGE_EVERY_MS = 1_000;

/** What enforcement works with. */
export interface EnforcementPorts {
  readonly engine: EnginePort;
  readonly config: ConfigPort;
  readonly clock: Clock;
  readonly providers: ProviderPort;
  readonly targets: ProviderTargets;
  readonly outbox: Outbox;
  readonly inFlight: InFlight;
  readonly settlement: Settlement;
  readonly telemetry: Telemetry;
  readonly log: Log;
  readonly drainLimits: DrainLimits;
  /** All tries of an authorize together, in ms: later it counts as not decided. */
  readonly decisionMs: number;
  /** Counts the prompt by tokenizer; undefined when that cannot be had in time. */
  readonly countTokens: (
    body: Buffer,
    encodings: NonNullable<ReturnType<typeof encodingsOf>>,
  ) => Promise<bigint | undefined>;
}

/** A hold that stands, with where its call may go. */
interface Held {
  readonly ask: Ask;
  readonly decided: DecidedAnswer;
  readonly grant: NonNullable<DecidedAnswer["grant"]>;
  readonly lane: Lane | undefined;
  /** Monotonic ms at which the hold may end unless it is renewed. */
  readonly deadline: number;
}

/** A call on its way: its hold, and the means to end it. */
interface Sent extends Held {
  readonly client: ClientPort;
  readonly target: Target;
  readonly drain: Drain;
  readonly signal: AbortSignal;
}

export class Enforcement {
  readonly #ports: EnforcementPorts;

  constructor(ports: EnforcementPorts) {
    this.#ports = ports;
  }

  /** Takes one call to its end. Never throws for what a caller, an engine or a provider does. */
  async run(ask: Ask, client: ClientPort): Promise<void> {
    const held = await this.#authorize(ask);
    if ("code" in held) return this.#refuse(ask, client, held);
    const { authorization } = held.decided;
    const target = await this.#prepareToSend(held, client);
    if (target === "gone") {
      await this.#ports.settlement.giveBack(ask.caller.ws, authorization, "the client left");
      return this.#ports.telemetry.ended(ask.surface.api, "client-gone");
    }
    if ("code" in target) {
      await this.#ports.settlement.giveBack(ask.caller.ws, authorization, target.message);
      return this.#refuse(ask, client, { ...target, authorization });
    }
    const abort = new AbortController();
    const drain = new Drain(this.#ports.drainLimits, this.#ports.clock, () => abort.abort());
    const sent: Sent = { ...held, client, target, drain, signal: abort.signal };
    client.onGone(() => drain.begin());
    const leftMs = held.deadline - this.#ports.clock.monotonicMs();
    this.#ports.inFlight.begin(ask.caller.ws, authorization, leftMs, (loss, left) =>
      this.#lost(sent, loss, left),
    );
    try {
      await this.#forward(sent);
    } catch (cause) {
      // A fault of our own: the provider may have served the call, and its hold must not live for ever.
      await this.#settle(sent, NOT_METERED);
      throw cause;
    } finally {
      drain.stop();
    }
  }

  /** Asks for the hold: once with the bytes bound, and once more with counted tokens if asked to. */
  async #authorize(ask: Ask): Promise<Held | Problem> {
    const { caller, surface, call } = ask;
    const { clock, config, telemetry } = this.#ports;
    const lane = this.#laneOf(caller);
    if (lane !== undefined && lane.api !== surface.api) return wrongLane(lane.api, surface.api);
    const id = newForwardedId(clock.wallMs());
    const encodings = call.countable ? encodingsOf(this.#modelsOf(caller, lane)) : undefined;
    const command = authorizeCommand(ask, id, config.seq(caller.ws), encodings !== undefined);
    const askedAt = clock.monotonicMs();
    let answer = await this.#request(caller.ws, command);
    if (answer?.kind === "refine" && encodings !== undefined) {
      const tokens = await this.#ports.countTokens(ask.body.bytes, encodings);
      const bound =
        tokens === undefined ? call.bound : { ...call.bound, input: tokens, counted: true };
      answer = await this.#request(caller.ws, {
        ...command,
        refinable: false,
        usage_bound: bound,
      });
    }
    telemetry.took("authorize", clock.monotonicMs() - askedAt);
    if (answer === undefined) return notDecided(id);
    if (answer.kind === "refused") return engineRefused(answer);
    if (answer.kind !== "decided") return notDecided(id);
    const { grant, outcome, state } = answer;
    if (outcome === "hold" || grant === undefined) return decidedRefused(answer, caller.agent);
    if (state !== "open" || answer.authorization !== id) {
      const message = `The hold ended (${state}) before the call could go out. Nothing was forwarded; try again.`;
      return refused("fail-closed", message, { authorization: id });
    }
    // The actor counts a hold's life from its decision, which came after the question.
    return { ask, decided: answer, grant, lane, deadline: askedAt + answer.expires_ms };
  }

  /**
   * One question to the engine; undefined when it was not decided, with a void owed where it may
   * have been.
   */
  async #request(ws: string, command: AuthorizeCommand): Promise<Answer | undefined> {
    try {
      const deadlineMs = this.#ports.decisionMs;
      const limits = { tryTimeoutMs: AUTHORIZE_TRY_MS, deadlineMs };
      return await this.#ports.engine.request(ws, command, limits);
    } catch (cause) {
      const unknown = !(cause instanceof Error && "outcome" in cause && cause.outcome === "none");
      this.#ports.log.warn({ ws, unknown, cause: String(cause) }, "an authorize was not answered");
      if (unknown) await this.#ports.settlement.giveBackUnknown(ws, command.authorization);
      return undefined;
    }
  }

  /** Everything that can still stop a call whose hold stands; the note is the last of it. */
  async #prepareToSend(held: Held, client: ClientPort): Promise<Problem | Target | "gone"> {
    const { ask, decided, grant } = held;
    const { config, outbox, targets } = this.#ports;
    const { caller, surface } = ask;
    if (grant.api !== surface.api) return wrongLane(grant.api, surface.api);
    if (!(await config.whenAtLeast(caller.ws, decided.config_seq, CATCH_UP_MS))) {
      return refused("fail-closed", "This gateway is behind the configuration. Try again.");
    }
    const target = await targets.find(grant.provider, caller, surface);
    if ("code" in target) return target;
    if (client.gone) return "gone";
    try {
      await outbox.note(caller.ws, decided.authorization);
    } catch (cause) {
      this.#ports.log.error({ cause: String(cause) }, "a call is refused: it cannot be noted");
      return refused(
        "fail-closed",
        "The gateway's outbox cannot be written. Nothing was forwarded.",
      );
    }
    return target;
  }

  /** Sends the call and follows it to its settle. */
  async #forward(sent: Sent): Promise<void> {
    const { ask, grant, lane, target } = sent;
    const { clock, config, providers, telemetry } = this.#ports;
    const price = config.prices(ask.caller.ws)?.model(lane?.prices ?? grant.provider, grant.model);
    const outputMax = price === undefined ? undefined : Number(price.output_max);
    const body = ask.surface.prepare(ask.body.bytes, ask.call, { model: grant.model, outputMax });
    const sentAt = clock.monotonicMs();
    let reply: ProviderReply;
    try {
      const url = `${target.baseUrl}${ask.surface.path}${ask.query}`;
      const account = target.passthrough ? ask.accountHeaders : {};
      const headers = { ...ask.headers, ...account, ...target.headers };
      reply = await providers.send({ url, headers, body }, sent.signal);
    } catch (cause) {
      return await this.#noAnswer(sent, cause);
    } finally {
      ask.body.release();
    }
    telemetry.took("first-byte", clock.monotonicMs() - sentAt);
    if (reply.status >= 300) return this.#providerRefused(sent, reply);
    const type = oneHeader(reply.headers, "content-type") ?? "";
    if (type.startsWith("text/event-stream")) return this.#stream(sent, reply);
    return this.#whole(sent, reply);
  }

  /** Nothing came back: what surely never left is given back, anything else is settled at its hold. */
  async #noAnswer(sent: Sent, cause: unknown): Promise<void> {
    const { ask, decided, client } = sent;
    const fault =
      cause instanceof ProviderFault
        ? cause
        : new ProviderFault("provider-broken", "unknown", "The provider did not answer.", cause);
    this.#ports.log.warn(
      { authorization: decided.authorization, code: fault.code, cause: String(fault.cause) },
      "a provider did not answer",
    );
    if (fault.outcome === "none") {
      await this.#ports.settlement.giveBack(ask.caller.ws, decided.authorization, fault.code);
    } else await this.#settle(sent, NOT_METERED);
    this.#refuse(ask, client, providerFailed(fault, decided.authorization), decided);
  }

  /** The provider refused before it served anything: its own words go back, and so does the money. */
  async #providerRefused(sent: Sent, reply: ProviderReply): Promise<void> {
    const { ask, client, decided, drain, target } = sent;
    const { settlement, targets, telemetry } = this.#ports;
    const { bytes } = await gatherBody(reply, drain);
    if (reply.status === 401) targets.forget(target);
    const { authorization } = decided;
    await settlement.giveBack(
      ask.caller.ws,
      authorization,
      `the provider answered ${reply.status}`,
    );
    if (reply.status < 400) {
      const message = `The provider answers ${reply.status}, a redirect, which is not followed.`;
      const fault = new ProviderFault("provider-broken", "none", message);
      return this.#refuse(ask, client, providerFailed(fault, authorization), decided);
    }
    telemetry.ended(ask.surface.api, "provider-refused");
    client.head(reply.status, {
      ...passedHeaders(reply.headers),
      ...decisionHeaders(decided),
      "content-length": String(bytes.length),
    });
    client.end(bytes);
  }

  /** A stream: passed on as it comes, settled before its end marker. */
  async #stream(sent: Sent, reply: ProviderReply): Promise<void> {
    const { ask, client, decided, drain } = sent;
    const { surface, call, caller } = ask;
    const gate = new StreamGate(surface.streamReader(call), surface.strips(call));
    client.head(reply.status, { ...passedHeaders(reply.headers), ...decisionHeaders(decided) });
    let notedAt = Number.NEGATIVE_INFINITY;
    await relayStream(reply, gate, client, drain, {
      progressed: () => {
        const now = this.#ports.clock.monotonicMs();
        if (now - notedAt < USAGE_EVERY_MS) return;
        const metered = gate.metered();
        if (metered.usage === undefined) return;
        notedAt = now;
        this.#ports.outbox.noteUsage(caller.ws, this.#command(sent, metered), metered.complete);
      },
      ending: async () => {
        await this.#settle(sent, gate.metered());
      },
    });
    this.#ports.telemetry.ended(surface.api, drain.draining ? "client-gone" : decided.outcome);
  }

  /** A whole answer: settled before any of it is sent, so that its headers can say what it cost. */
  async #whole(sent: Sent, reply: ProviderReply): Promise<void> {
    const { ask, client, decided, drain } = sent;
    const { bytes, fault } = await gatherBody(reply, drain);
    const posted = await this.#settle(sent, meterWhole(ask.surface, bytes, fault));
    this.#ports.telemetry.ended(ask.surface.api, drain.draining ? "client-gone" : decided.outcome);
    if (fault !== undefined) {
      return this.#refuse(ask, client, providerFailed(fault, decided.authorization), decided);
    }
    client.head(reply.status, {
      ...passedHeaders(reply.headers),
      ...decisionHeaders(decided),
      "content-length": String(bytes.length),
      ...(posted.amount === undefined ? {} : { "x-tarmac-settled": usdHeader(posted.amount) }),
    });
    client.end(bytes);
  }

  /** Posts what was metered, or the hold where it was not; the outbox takes over what is not acked. */
  async #settle(sent: Sent, metered: Metered): Promise<Posted> {
    const { ask, decided, grant } = sent;
    const { clock, log, outbox, settlement, telemetry } = this.#ports;
    const { ws } = ask.caller;
    const command = this.#command(sent, metered);
    if (metered.offCard !== undefined) {
      telemetry.alarm("off-card");
      const fields = { authorization: decided.authorization, model: grant.model };
      log.error(
        { ...fields, terms: metered.offCard },
        "served on terms that the card has no price for",
      );
    }
    outbox.noteUsage(ws, command, true);
    const startedAt = clock.monotonicMs();
    const posted = await settlement.settle(ws, command);
    telemetry.took("settle", clock.monotonicMs() - startedAt);
    const basis = command.usage === undefined ? "assumed" : "measured";
    telemetry.settled(basis, posted.acked ? "acked" : "owed");
    return posted;
  }

  /** The settle that what is known now comes to. Without usage it is assumed at the hold. */
  #command(sent: Sent, metered: Metered): SettleCommand {
    const { decided, grant, lane } = sent;
    const base = { kind: "settle", authorization: decided.authorization, part: "1", final: true };
    const { usage, model, offCard } = metered;
    if (usage === undefined || !metered.complete || offCard !== undefined)
      return base as SettleCommand;
    const served = servedModel(grant.model, model, lane);
    return { ...base, usage, ...(served === undefined ? {} : { model: served }) } as SettleCommand;
  }

  /** The hold is about to end, or has: the client is cut, and the provider ended while it stands. */
  #lost(sent: Sent, loss: Loss, leftMs: number): void {
    const { ask, decided, client, drain } = sent;
    this.#ports.telemetry.alarm(`hold-${loss}`);
    const fields = { ws: ask.caller.ws, authorization: decided.authorization, left_ms: leftMs };
    this.#ports.log.error({ ...fields, loss }, "a call is cut: its hold cannot be kept");
    client.cut();
    drain.endBy(leftMs);
  }

  #laneOf(caller: Caller): Lane | undefined {
    const { config } = this.#ports;
    const agent = config.agent(caller.ws, caller.agent);
    return agent === undefined ? undefined : config.prices(caller.ws)?.lane(laneKey(agent.lane));
  }

  /** Models that the caller's agent may be granted. */
  #modelsOf(caller: Caller, lane: Lane | undefined): readonly string[] {
    const allowed = this.#ports.config.agent(caller.ws, caller.agent)?.tiers ?? [];
    const tiers = lane?.tiers.filter(({ tier }) => allowed.includes(tier)) ?? [];
    return tiers.map(({ model }) => model);
  }

  #refuse(ask: Ask, client: ClientPort, problem: Problem, decided?: DecidedAnswer): void {
    this.#ports.telemetry.ended(ask.surface.api, problem.code);
    sendProblem(
      client,
      ask.surface,
      problem,
      decided === undefined ? {} : decisionHeaders(decided),
    );
  }
}

function meterWhole(surface: Surface, bytes: Buffer, fault: ProviderFault | undefined): Metered {
  if (fault !== undefined) return NOT_METERED;
  try {
    return surface.meterBody(JSON.parse(bytes.toString("utf8")));
  } catch {
    // Not JSON: an answer that cannot be read is not measured.
    return NOT_METERED;
  }
}
