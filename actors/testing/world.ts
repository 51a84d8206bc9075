import { hash as digest } from "node:crypto";
import type { SealedEntry } from "../../ledger/chain.ts";
import type { EntryKind, EntryOf } from "../../ledger/entries.ts";
import { authorizationId } from "../../ledger/ids.ts";
import { type NanoUsd, nanoUsd, parseUsd } from "../../ledger/money.ts";
import type { Period, PeriodBounds } from "../../ledger/periods.ts";
import type { AgentSettings, ConfigChange, PolicySettings } from "../../ledger/workspace-config.ts";
import type {
  Answer,
  AuthorizeCommand,
  Command,
  ConfigureCommand,
  DecidedAnswer,
  PostedAnswer,
  SettleCommand,
} from "../commands.ts";
import { decodeSnapshot, encodeSnapshot } from "../snapshot.ts";
import type { TurnContext, TurnResult } from "../turn.ts";
import {
  beginTerm,
  createWorkspace,
  expireDue,
  replayEntry,
  runTurn,
  type TermContext,
  type WorkspaceState,
} from "../workspace.ts";
import { Auditor } from "./auditor.ts";
import { bound, PRICES } from "./prices.ts";

/** 2026-11-10 00:00 UTC: nine of November's thirty days have passed. */
export const START = Date.UTC(2026, 10, 10);

/** An amount written as dollars. */
export function usd(text: string): NanoUsd {
  const amount = parseUsd(text);
  if (amount === undefined) throw new Error(`not an amount: ${text}`);
  return amount;
}

export function sha256Hex(text: string): string {
  return digest("sha256", text, "hex");
}

/** Calendar months and years of UTC; the real zones are the edge's. */
export function utcPeriods(zone: string, at: number): Record<Period, PeriodBounds> {
  if (zone.startsWith("Mars/")) throw new RangeError(`no data for ${zone}`);
  const date = new Date(at);
  const year = date.getUTCFullYear();
  const month = date.getUTCMonth();
  return {
    month: {
      key: `${year}-${String(month + 1).padStart(2, "0")}@UTC`,
      start: Date.UTC(year, month),
      end: Date.UTC(year, month + 1),
    },
    year: { key: `${year}@UTC`, start: Date.UTC(year, 0), end: Date.UTC(year + 1, 0) },
  };
}

export const KEY = "key_0123456789abcdef";

export function agent(overrides: Partial<AgentSettings> = {}): AgentSettings {
  return {
    caps: {},
    frozen: false,
    lane: { family: "acme", provider: "acme", region: "global" },
    on_expiry: "release",
    on_overage: "none",
    priority: "P0",
    rules: [],
    tiers: ["S", "M", "L", "XL"],
    ...overrides,
  };
}

export interface WorldOptions {
  /** False for a workspace that nobody has made yet. */
  readonly founded?: boolean;
  readonly ws?: string;
  readonly changes?: readonly ConfigChange[];
  readonly policy?: PolicySettings;
  readonly caps?: { readonly month?: NanoUsd; readonly year?: NanoUsd };
  readonly agents?: Readonly<Record<string, AgentSettings>>;
}

/** The command that makes a workspace. */
export function foundingCommand(options: WorldOptions = {}): ConfigureCommand {
  const agents = options.agents ?? { bot: agent() };
  return {
    base_seq: 0n,
    by: "test",
    changes: [
      [
        {
          id: options.ws ?? "acme",
          item: "workspace",
          value: {
            caps: options.caps ?? {},
            currency: "USD",
            expiry_ms: 30_000,
            time_zone: "UTC",
          },
        },
        ...Object.entries(agents).map(
          ([id, value]): ConfigChange => ({ id, item: "agent", value }),
        ),
        {
          id: KEY,
          item: "key",
          value: { created_at: "2026-11-01T00:00:00.000Z", hash: "cd".repeat(32), revoked: false },
        },
        ...(options.changes ?? []),
      ],
    ],
    commit: true,
    kind: "configure",
    price: PRICES,
    stage: "founding",
    ...(options.policy === undefined ? {} : { policy: options.policy }),
  };
}

/**
 * One workspace with a clock of its own, for tests of decisions. Every entry passes an auditor that
 * knows nothing of the state; ids and salts are counted, so that a world can be run twice.
 */
export class World {
  state: WorkspaceState;
  now = START;
  epoch = 1n;
  claimAt = START - 60_000;
  readonly entries: SealedEntry[] = [];
  readonly auditor = new Auditor();
  /** How often a turn asked for a record that memory did not have. */
  fetches = 0;
  #salt = 0;
  #ids = 0;

  constructor(options: WorldOptions = {}) {
    this.state = createWorkspace(options.ws ?? "acme");
    if (options.founded === false) return;
    const answer = this.send(foundingCommand(options));
    if (answer.kind !== "configured") throw new Error(`not founded: ${show(answer)}`);
  }

  context(command: Command): TurnContext {
    return { ...this.term(), payloadHash: sha256Hex(show(command)) };
  }

  /** What expiries need of a turn. */
  term(): TermContext {
    return {
      epoch: this.epoch,
      now: this.now,
      periodsAt: utcPeriods,
      recordedAt: this.now,
      salt: () => (this.#salt++).toString(16).padStart(32, "0"),
      sha256Hex,
      term: { claimAt: this.claimAt, claimSeq: this.epoch, owner: "test" },
    };
  }

  /** Works one command, answering a `fetch` from this world's own entries as Postgres would. */
  turn(command: Command): Extract<TurnResult, { kind: "answered" }> {
    let result = runTurn(this.state, command, this.context(command));
    const entries = [...result.entries];
    if (result.kind === "fetch") {
      this.fetches += 1;
      const fetched = this.#fetch(result.authorization ?? "", result.idempotency);
      result = runTurn(this.state, command, { ...this.context(command), fetched });
      entries.push(...result.entries);
    }
    this.#keep(entries);
    if (result.kind !== "answered") throw new Error("a turn fetched twice");
    return { ...result, entries };
  }

  send(command: Command): Answer {
    return this.turn(command).answer;
  }

  /** Lets time pass and ends what is due. */
  pass(ms: number): readonly SealedEntry[] {
    this.now += ms;
    const entries = expireDue(this.state, this.term());
    this.#keep(entries);
    return entries;
  }

  #keep(entries: readonly SealedEntry[]): void {
    this.entries.push(...entries);
    for (const { entry } of entries) this.auditor.read(entry);
  }

  #fetch(authorization: string, idempotency: string | undefined) {
    const linesOf = (id: string) =>
      this.entries
        .filter(({ entry }) => "authorization" in entry && entry.authorization === id)
        .map(({ line }) => line);
    const own = linesOf(authorization);
    if (own.length > 0) return { authorization, lines: own };
    const sibling = this.entries.findLast(
      ({ entry }) =>
        idempotency !== undefined &&
        entry.kind === "authorize" &&
        entry.idempotency === idempotency,
    );
    if (sibling?.entry.kind === "authorize") {
      const id = sibling.entry.authorization;
      return { authorization: id, lines: linesOf(id) };
    }
    return { authorization, lines: [] };
  }

  /** A state rebuilt from the entries alone. */
  replayed(): WorkspaceState {
    const state = createWorkspace(this.state.ws);
    for (const sealed of this.entries) replayEntry(state, sealed);
    return state;
  }

  /** Another owner takes over, from the journal alone or from a snapshot cut at this moment. */
  takeOver(from: "journal" | "snapshot"): void {
    this.state = from === "journal" ? this.replayed() : decodeSnapshot(encodeSnapshot(this.state));
    this.epoch += 1n;
    this.claimAt = this.now;
    beginTerm(this.state, this.claimAt);
  }

  /** A fresh authorization id of this moment. */
  id(): string {
    const random = new Uint8Array(16);
    new DataView(random.buffer).setUint32(4, ++this.#ids);
    return authorizationId(this.now, random);
  }

  /** An authorize command with what a test does not care about filled in. */
  call(overrides: Partial<AuthorizeCommand> = {}): AuthorizeCommand {
    return {
      agent: "bot",
      authorization: this.id(),
      key: KEY,
      kind: "authorize",
      model: "auto",
      refinable: false,
      usage_bound: bound(1_000n, 1_000n),
      ...overrides,
    };
  }

  /** A call that is decided. */
  authorize(overrides: Partial<AuthorizeCommand> = {}): DecidedAnswer {
    const answer = this.send(this.call(overrides));
    if (answer.kind !== "decided") throw new Error(`not decided: ${show(answer)}`);
    return answer;
  }

  settle(authorization: string, overrides: Partial<SettleCommand> = {}): PostedAnswer {
    const answer = this.send({
      authorization,
      final: true,
      kind: "settle",
      part: "1",
      ...overrides,
    });
    if (answer.kind !== "posted") throw new Error(`not posted: ${show(answer)}`);
    return answer;
  }

  void(authorization: string): PostedAnswer {
    const answer = this.send({ authorization, kind: "void", reason: "test" });
    if (answer.kind !== "posted") throw new Error(`not voided: ${show(answer)}`);
    return answer;
  }

  adjust(authorization: string, amount: NanoUsd, part = "1"): Answer {
    return this.send({ amount, authorization, by: "ops", kind: "adjust", part, reason: "test" });
  }

  /** Commits changes on top of the configuration in force. */
  configure(changes: readonly ConfigChange[], extra: Partial<ConfigureCommand> = {}): Answer {
    return this.send({
      base_seq: this.state.configSeq,
      by: "test",
      changes: [[...changes]],
      commit: true,
      kind: "configure",
      stage: `stage-${this.state.head.seq}`,
      ...extra,
    });
  }

  /** Changes one agent's settings. */
  setAgent(id: string, overrides: Partial<AgentSettings>): Answer {
    const value = { ...this.state.config.agents.get(id), ...overrides } as AgentSettings;
    return this.configure([{ id, item: "agent", value }]);
  }

  /** The newest entry, which must be of this kind. */
  last<K extends EntryKind>(kind: K): EntryOf<K> {
    const entry = this.entries.at(-1)?.entry;
    if (entry?.kind !== kind) throw new Error(`the last entry is a ${entry?.kind}`);
    return entry as EntryOf<K>;
  }

  balance(cap: string, period = "2026-11@UTC"): { settled: bigint; held: bigint } {
    const counter = this.state.counters.get({ cap, period });
    return { held: counter?.held ?? 0n, settled: counter?.settled ?? 0n };
  }
}

/** A value of the ledger as text, for messages and hashes. */
export function show(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => (typeof part === "bigint" ? `${part}` : part));
}

export { bound, LANE, modelPrice, PRICES } from "./prices.ts";
export { nanoUsd };
