import { assert } from "../ledger/assert.ts";
import { capKind } from "../ledger/caps.ts";
import { type ChainHead, EMPTY_CHAIN } from "../ledger/chain.ts";
import type { AuthorizeEntry, EntryRef } from "../ledger/entries.ts";
import { type NanoUsd, ZERO_USD } from "../ledger/money.ts";
import { DEFAULT_REBALANCING } from "../ledger/policy.ts";
import { type Lane, laneKey, type ModelPrice, modelKey } from "../ledger/price-card.ts";
import type {
  AgentSettings,
  ConfigChange,
  GroupSettings,
  KeySettings,
  PolicySettings,
  PriceSettings,
  ProviderSettings,
  WorkspaceSettings,
} from "../ledger/workspace-config.ts";
import type { PeriodCaps } from "./cap.ts";
import type { AuthorizationState, DecidedAnswer } from "./commands.ts";
import { type Counter, type CounterName, Counters } from "./counters.ts";
import { ExpiryQueue } from "./expiry-queue.ts";

/** A settle, adjust or void that an authorization has had, by its part. */
export interface PostedPart {
  readonly part: string;
  readonly seq: bigint;
  readonly amount: NanoUsd;
  readonly overage: NanoUsd;
  readonly late: boolean;
  readonly assumed: boolean;
  readonly final: boolean;
  /** Given back to the caps by the release that went with it. */
  readonly released: NanoUsd;
}

/** What was granted: where the call goes, and what its settle is priced by. */
export type Grant = NonNullable<AuthorizeEntry["grant"]>;
/** The part of an answer that is a pure function of the authorize entry. */
export type Decided = Omit<DecidedAnswer, "kind" | "state" | "expires_ms">;

/** One authorization in memory, from decision to close. */
export interface AuthorizationRecord {
  readonly authorization: string;
  /** Its authorize entry; absent for an id that was voided before it was ever authorized. */
  readonly opened: EntryRef | undefined;
  readonly decided: Decided | undefined;
  readonly payloadHash: string;
  readonly idempotency: string | undefined;
  readonly at: number;
  readonly agent: string;
  readonly run: string;
  readonly lane: string;
  /** Sequence of the price entry its hold names. */
  readonly priceSeq: bigint;
  /** Counters: the caps and periods that were fixed when it was decided (R4). */
  readonly legs: readonly CounterName[];
  state: AuthorizationState;
  /** Still set aside on every leg. */
  held: NanoUsd;
  /** Posted into spend so far, corrections included. */
  settled: NanoUsd;
  /** The entry that took the hold as spent (assumed or captured), while a measured part may correct it. */
  correctable: EntryRef | undefined;
  /** Given back by the void that ended it. */
  returned: NanoUsd;
  /** Memory only: renewals are not journaled. ms */
  expiresAt: number;
  parts: readonly PostedPart[];
  /** Sequence of the entry that ended it; 0 while it is open. */
  closedSeq: bigint;
}

/** Prices of a workspace's lanes, indexed once when their entry is applied. */
export interface PriceTable {
  readonly seq: bigint;
  readonly settings: PriceSettings;
  readonly lanes: ReadonlyMap<string, Lane>;
  readonly models: ReadonlyMap<string, ModelPrice>;
}

/** The committed configuration of a workspace. */
export interface WorkspaceConfig {
  settings: WorkspaceSettings | undefined;
  readonly agents: Map<string, AgentSettings>;
  readonly costCenters: Map<string, GroupSettings>;
  readonly keys: Map<string, KeySettings>;
  readonly providers: Map<string, ProviderSettings>;
  readonly teams: Map<string, GroupSettings>;
}

/** Folded state of one workspace: what its entries come to, and what memory adds to it. */
export interface WorkspaceState {
  readonly ws: string;
  head: ChainHead;
  /** Ledger time of the last entry, ms. */
  time: number;
  epoch: bigint;
  readonly config: WorkspaceConfig;
  configSeq: bigint;
  /** Changes that no commit has made count yet, by stage. */
  readonly staged: Map<string, ConfigChange[]>;
  /** Stage of the last commit: a repeat of it is answered, not applied again. */
  lastStage: string;
  policy: PolicySettings;
  policySeq: bigint;
  readonly prices: Map<bigint, PriceTable>;
  priceSeq: bigint;
  readonly counters: Counters;
  /** Period caps of each agent as its last call met them; emptied by each commit. */
  readonly periodCaps: Map<string, PeriodCaps>;
  readonly authorizations: Map<string, AuthorizationRecord>;
  /** Idempotency hash → authorization id, as long as memory keeps the id. */
  readonly idempotency: Map<string, string>;
  readonly expiries: ExpiryQueue;
  /** Authorizations that are open. */
  openHolds: number;
  /** Ids that are closed, in the order they closed: candidates for forgetting. */
  readonly fading: string[];
  /**
   * An id whose own time is not after this may have been forgotten when a snapshot was cut, so memory
   * alone cannot tell; ms. 0 while memory holds everything.
   */
  fetchBefore: number;
  /** The youngest own time of any id there was, ms: what a snapshot leaves out is no younger. */
  newestId: number;
  /** R13: no hold ends before this; set by the claim of the present term. ms */
  holdsUntil: number;
}

/** A workspace that has no entry yet. */
export function createWorkspace(ws: string): WorkspaceState {
  return {
    ws,
    head: EMPTY_CHAIN,
    time: 0,
    epoch: 0n,
    config: {
      settings: undefined,
      agents: new Map(),
      costCenters: new Map(),
      keys: new Map(),
      providers: new Map(),
      teams: new Map(),
    },
    configSeq: 0n,
    staged: new Map(),
    lastStage: "",
    policy: { rebalancing: DEFAULT_REBALANCING, rules: [] },
    policySeq: 0n,
    prices: new Map(),
    priceSeq: 0n,
    counters: new Counters(),
    periodCaps: new Map(),
    authorizations: new Map(),
    idempotency: new Map(),
    expiries: new ExpiryQueue(),
    openHolds: 0,
    fading: [],
    fetchBefore: 0,
    newestId: 0,
    holdsUntil: 0,
  };
}

/** True once a committed `configure` entry has made the workspace. */
export function isConfigured(state: WorkspaceState): boolean {
  return state.configSeq > 0n;
}

/** The settings of a workspace that has been made. @throws InvariantError for one that has not. */
export function settingsOf(state: WorkspaceState): WorkspaceSettings {
  const { settings } = state.config;
  assert(settings !== undefined, "a configured workspace has settings");
  return settings;
}

/** The prices of one price entry. @throws InvariantError when there is none of that sequence. */
export function pricesAt(state: WorkspaceState, seq: bigint): PriceTable {
  const prices = state.prices.get(seq);
  assert(prices !== undefined, () => `price entry ${seq} is not in memory`);
  return prices;
}

/** R6a: a run counter ends 35 days after its last entry; a run id used later is a new run. ms */
export const RUN_KEPT_MS = 35 * 24 * 3_600_000;

/** True when a run's counter has ended by the time `at`, so that the run counts from zero. */
export function isOver(counter: Counter, at: number): boolean {
  return counter.kind === "run" && counter.held === 0n && counter.lastAt + RUN_KEPT_MS <= at;
}

/** The counter of a cap in a period as a decision at `at` reads it; a new one is not kept. */
export function readCounter(state: WorkspaceState, name: CounterName, at: number): Counter {
  const known = state.counters.get(name);
  if (known !== undefined && !isOver(known, at)) return known;
  const { cap, period } = name;
  return { cap, kind: capKind(cap), period, settled: ZERO_USD, held: ZERO_USD, lastAt: at };
}

/** Indexes the lanes and models of a price entry. */
export function priceTable(seq: bigint, settings: PriceSettings): PriceTable {
  return {
    seq,
    settings,
    lanes: new Map(settings.lanes.map((lane) => [laneKey(lane), lane])),
    models: new Map(settings.models.map((model) => [modelKey(model.provider, model.model), model])),
  };
}
