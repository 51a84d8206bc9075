import type { Answer, Command } from "../actors/commands.ts";
import type { Lane, ModelPrice } from "../ledger/price-card.ts";
import type { AgentSettings, ProviderSettings } from "../ledger/workspace-config.ts";

/**
 * What enforcement needs of the world. The process plugs in NATS, undici and the machine's clock; a
 * simulator plugs in its own and runs this very code.
 */

/** Sends commands to the actors of workspaces. */
export interface EnginePort {
  /** @throws an error with `outcome: "none" | "unknown"` when no decision came in time. */
  request(
    ws: string,
    command: Command,
    options: { readonly tryTimeoutMs: number; readonly deadlineMs: number },
  ): Promise<Answer>;
}

/** A key as the gateway sees it: whose it is, never what it is. */
export interface KnownKey {
  readonly ws: string;
  readonly id: string;
  /** The only agent it may speak for; absent lets the caller name one. */
  readonly agent: string | undefined;
  readonly revoked: boolean;
}

/** Lanes and prices in force for one workspace. */
export interface KnownPrices {
  lane(key: string): Lane | undefined;
  model(provider: string, model: string): ModelPrice | undefined;
}

/** The committed configuration, as far as this gateway has seen it. Decides nothing by itself. */
export interface ConfigPort {
  /** True once everything that was written before the start has been read. */
  ready(): boolean;
  /** Finds a key by the SHA-256 of its whole text, hex. */
  keyByHash(hash: string): KnownKey | undefined;
  agent(ws: string, name: string): AgentSettings | undefined;
  workspaces(): readonly string[];
  provider(ws: string, name: string): ProviderSettings | undefined;
  prices(ws: string): KnownPrices | undefined;
  /** Life of a hold without a sign of life, in ms. */
  expiryMs(ws: string): number | undefined;
  /** Sequence of the last configure entry seen; 0 before the first. */
  seq(ws: string): bigint;
  /** Resolves true once {@link seq} is at least `seq`, false when that takes too long. */
  whenAtLeast(ws: string, seq: bigint, timeoutMs: number): Promise<boolean>;
}

/** Time as it passes. */
export interface Clock {
  monotonicMs(): number;
  wallMs(): number;
  /** Calls once after `ms`; the result cancels. */
  after(ms: number, call: () => void): () => void;
}

/** The side of a call that waits for the answer. */
export interface ClientPort {
  readonly gone: boolean;
  /** Called once when the client leaves before its answer is whole. */
  onGone(call: () => void): void;
  head(status: number, headers: Readonly<Record<string, string | readonly string[]>>): void;
  /** Resolves when more may be written, or when the client has gone. */
  write(bytes: Uint8Array): Promise<void>;
  end(bytes?: Uint8Array): void;
  /** Ends the connection so that the client sees a broken answer, not a whole one. */
  cut(): void;
}

/** One call as it leaves. */
export interface ProviderRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** What a provider answers. */
export interface ProviderReply {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body: AsyncIterable<Uint8Array>;
}

/** Carries calls to providers. */
export interface ProviderPort {
  /**
   * Sends a call. Once `signal` aborts, waiting for the answer and reading it throw.
   * @throws ProviderFault when there is no answer.
   */
  send(request: ProviderRequest, signal: AbortSignal): Promise<ProviderReply>;
}

/**
 * A provider gave no answer, or broke off. `outcome` is `none` when the request never left this
 * machine, so that nothing can have been served; `unknown` when it may have.
 */
export class ProviderFault extends Error {
  override readonly name = "ProviderFault";
  readonly code: "provider-unreachable" | "provider-timeout" | "provider-broken";
  readonly outcome: "none" | "unknown";

  constructor(
    code: ProviderFault["code"],
    outcome: ProviderFault["outcome"],
    message: string,
    cause?: unknown,
  ) {
    super(message, { cause });
    this.code = code;
    this.outcome = outcome;
  }
}

/** Writes one structured line for people and machines. Never a key, a credential or a body. */
export interface Log {
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
  error(fields: Readonly<Record<string, unknown>>, message: string): void;
}

/** What is counted and timed, by fixed names; see metrics.ts. */
export interface Telemetry {
  /** A call came to this end: an outcome, a refusal's code or a fault's. */
  ended(surface: string, how: string): void;
  /** A settle was posted or taken over by the outbox: `measured` or `assumed`, `acked` or `owed`. */
  settled(basis: "assumed" | "measured", way: "acked" | "owed"): void;
  /** Somebody has to look: usage off the card, holds lost, the outbox refused. */
  alarm(what: string): void;
  /** Milliseconds of one stage of a call. */
  took(stage: "authorize" | "first-byte" | "read" | "settle", ms: number): void;
}
