/**
 * What the console's API and the page say to each other: types only, imported by both sides.
 *
 * Amounts are decimal strings of nano-USD, sequences decimal strings, instants ISO 8601 in UTC. A field
 * that does not apply is left out. A limit that cannot be read is left out with `limit_unknown: true`,
 * never shown as none.
 */

/** A whole number of nano-USD; negative where an adjustment gave back. */
export type Nano = string;
/** Place of an entry in its workspace's ledger. */
export type Seq = string;
/** `2026-11-10T00:00:01.000Z`. */
export type Instant = string;

export type Role = "viewer" | "operator" | "finance" | "admin";
export type Outcome = "admit" | "throttle" | "hold";
export type Priority = "P0" | "P1" | "P2" | "P3";
export type Tier = "S" | "M" | "L" | "XL";

/** Body of every answer that is not a success; the status of the answer matches the code. */
export interface ErrorBody {
  readonly error: {
    readonly code: ErrorCode;
    /** For the person who reads it: what happened and what to do. */
    readonly message: string;
    /** Finds the failure in the console's log. */
    readonly id: string;
  };
}

export type ErrorCode =
  /** 401: no session, or it ran out. */
  | "unauthenticated"
  /** 403: the session may not see this, or the request came from another origin. */
  | "forbidden"
  /** 400: a parameter is not what it should be; the message names all of them. */
  | "invalid"
  /** 404. */
  | "not-found"
  /** 503: Postgres is away; ask again. */
  | "postgres-unavailable"
  /** 503: NATS is away; ask again. */
  | "nats-unavailable"
  /** 503: too much is asked at once; ask again. */
  | "busy"
  /** 500: what is stored of the log is not what was signed. To be looked into, not retried. */
  | "log-broken"
  /** 500. */
  | "internal";

/** `GET /api/session`. */
export interface Session {
  readonly name: string;
  readonly role: Role;
  readonly workspaces: readonly SessionWorkspace[];
  /** Providers that are stood in for by simulators, such as `anthropic`: their money is not real. */
  readonly simulated_providers: readonly string[];
  readonly version: string;
  /** When the session runs out. */
  readonly expires_at: Instant;
}

export interface SessionWorkspace {
  readonly ws: string;
  /** Its title, or its id where it has none. */
  readonly name: string;
  /** IANA zone in which its months and days are counted. */
  readonly time_zone: string;
  readonly currency: string;
}

/** `POST /api/live-ticket`. For one socket, within 30 s. */
export interface LiveTicket {
  readonly ticket: string;
}

/** One decision: an `authorize` entry. */
export interface DecisionRow {
  readonly seq: Seq;
  readonly at: Instant;
  readonly authorization: string;
  readonly agent: string;
  /** Left out where the client named none. */
  readonly run?: string;
  readonly outcome: Outcome;
  /** `00` to `05`: which rule of the cascade decided. */
  readonly rule: string;
  readonly reason: string;
  /** Tier and model that were granted; left out for a hold. */
  readonly tier?: Tier;
  readonly model?: string;
  /** As the client asked for it. */
  readonly asked_model: string;
  /** Set aside; "0" for a hold. */
  readonly held_nano: Nano;
  /** What the tightest cap has left after this decision, and which cap that is. */
  readonly remaining_nano?: Nano;
  readonly remaining_cap?: string;
  readonly priority: Priority;
  /** The subject on which the entry went out: `events.<ws>.authorize.<agent>`. */
  readonly subject: string;
}

/** Messages from the page on `GET /api/live?ticket=`. A second `subscribe` replaces the first. */
export type ClientMessage =
  | {
      readonly type: "subscribe";
      readonly ws: string;
      /** The last sequence the page has: its `to_seq`, or the `head` of an overview. */
      readonly after?: Seq;
      /** Rows, totals and agents of this agent only. Sequences still cover the workspace. */
      readonly only?: { readonly agent?: string };
    }
  | { readonly type: "unsubscribe" }
  | { readonly type: "ping" };

export type ServerMessage = HelloMessage | FrameMessage | BeatMessage | GapMessage | FaultMessage;

/** First answer to `subscribe`. */
export interface HelloMessage {
  readonly type: "hello";
  readonly ws: string;
  /** The last entry at this moment. Without `after`, frames begin behind it. */
  readonly head: Seq;
  readonly at: Instant;
}

/**
 * What happened in `from_seq` to `to_seq`, both included. Ranges of consecutive frames join without
 * hole or overlap, but for what a `gap` names between them; so `to_seq` is all a page has to remember.
 * Totals, agents and buckets count every entry of the range. Rows are the decisions of the range, in
 * order, at most 50; `omitted` counts those that are left out. Throttles and holds are left out
 * only when the page is so far behind that waiting for them would leave it there.
 */
export interface FrameMessage {
  readonly type: "frame";
  readonly ws: string;
  /** When the server made it. */
  readonly at: Instant;
  readonly from_seq: Seq;
  readonly to_seq: Seq;
  readonly rows: readonly DecisionRow[];
  readonly omitted: Readonly<Record<Outcome, number>>;
  readonly totals: FrameTotals;
  /** Agents with anything in the range, by name. */
  readonly agents: readonly FrameAgent[];
  /** The same counts by second of ledger time, in order: for charts, right also after a replay. */
  readonly seconds: readonly FrameSecond[];
  /** The workspace's month counter as the last entry of the range that moved it left it. */
  readonly month?: {
    readonly period: string;
    readonly settled_nano: Nano;
    readonly held_nano: Nano;
  };
}

interface FlowCounts {
  readonly admit: number;
  readonly throttle: number;
  readonly hold: number;
  /** Newly set aside by decisions of the range. */
  readonly held_nano: Nano;
  /** Newly spent: settles, captures and adjustments of the range. May be negative. */
  readonly settled_nano: Nano;
}

export interface FrameTotals extends FlowCounts {
  readonly settle: number;
  readonly expire: number;
  readonly void: number;
}

export interface FrameAgent extends FlowCounts {
  readonly agent: string;
}

export interface FrameSecond extends FlowCounts {
  /** Start of the second. */
  readonly at: Instant;
}

/** Every 2 s. A page that hears none for 10 s shows what it has as stale. */
export interface BeatMessage {
  readonly type: "beat";
  readonly at: Instant;
  /** The last entry that the server knows; left out before `subscribe`. */
  readonly head?: Seq;
  /** What keeps the server from being up to date, such as `postgres-unavailable`. */
  readonly behind?: "postgres-unavailable" | "nats-unavailable";
}

/** These entries are not in any frame: load overview and decisions anew. Frames go on behind `to`. */
export interface GapMessage {
  readonly type: "gap";
  readonly ws: string;
  readonly from: Seq;
  readonly to: Seq;
  /** `too-far`: more than is replayed over a socket. `unavailable`: Postgres could not fill it. */
  readonly reason: "too-far" | "unavailable";
}

/** A message of the page was refused; the socket stays open. */
export interface FaultMessage extends ErrorBody {
  readonly type: "fault";
}

/**
 * Codes with which the server closes a socket. 4003: the session ended. 4008: the page did not read for
 * too long (come back with `after`). 1008: too many messages that are not understood. 1012: the server
 * restarts. A socket that may not be opened at all is answered by 401 or 403 before the upgrade.
 */
export type CloseCode = 4003 | 4008 | 1008 | 1012;

/** `GET /api/workspaces/:ws/overview?minutes=15` (1 to 60). */
export interface Overview {
  readonly at: Instant;
  /** The last entry that is counted here: subscribe with `after` this. */
  readonly head: Seq;
  /** Equal steps from `start` on, the oldest first; the last one is still running. */
  readonly buckets: {
    readonly start: Instant;
    readonly step_ms: number;
    readonly settled_nano: readonly Nano[];
    readonly held_nano: readonly Nano[];
    readonly admit: readonly number[];
    readonly throttle: readonly number[];
    readonly hold: readonly number[];
    /** Earlier buckets lack entries: there are more than can be counted at once. */
    readonly complete_from?: Instant;
  };
  /** The workspace's calendar month. */
  readonly month: {
    /** `2026-11@Europe/Berlin`. */
    readonly period: string;
    readonly settled_nano: Nano;
    readonly held_nano: Nano;
    readonly limit_nano?: Nano;
    readonly limit_unknown?: true;
  };
  readonly open_holds: number;
  /** Agents with a decision in these minutes. */
  readonly agents_active: number;
}

/** `GET /api/workspaces/:ws/decisions?before=&after=&limit=&outcome=&agent=&rule=`, the latest first. */
export interface DecisionPage {
  readonly rows: readonly DecisionRow[];
  /**
   * Ask again with this as `before`; left out when there is no more. May stand under an empty page: a
   * rare filter is searched a stretch at a time.
   */
  readonly next_before?: Seq;
}

/** `GET /api/workspaces/:ws/agents`, by name. */
export interface AgentPage {
  readonly at: Instant;
  /** Admits, throttles and holds are counted from here on: 24 h ago, or later where there are too many. */
  readonly counted_since: Instant;
  readonly agents: readonly AgentRow[];
}

export interface AgentRow {
  readonly agent: string;
  readonly title?: string;
  readonly priority: Priority;
  readonly lane: { readonly provider: string; readonly family: string; readonly region: string };
  readonly tiers: readonly Tier[];
  readonly team?: string;
  readonly cost_center?: string;
  readonly frozen: boolean;
  /** Of its latest run; left out before its first call. */
  readonly run?: AgentUse & { readonly id: string };
  readonly month: AgentUse;
  readonly year: AgentUse;
  readonly admits: number;
  readonly throttles: number;
  readonly holds: number;
  /** Its latest decision; left out before its first call. */
  readonly last_at?: Instant;
}

export interface AgentUse {
  readonly settled_nano: Nano;
  readonly held_nano: Nano;
  /** Left out where nothing limits. */
  readonly limit_nano?: Nano;
  /** Basis points, as of its latest decision. */
  readonly pace?: string;
}

/** `GET /api/authorizations/:id`, by `auth_…` or `rcpt_…`. */
export interface Authorization {
  readonly ws: string;
  readonly simulated: boolean;
  readonly receipt: AuthorizationReceipt;
  /** Every cap that applied, in the order of the entry; empty for an id that was only ever voided. */
  readonly legs: readonly AuthorizationLeg[];
  readonly quotes: readonly AuthorizationQuote[];
  /** The greatest pace over the caps, in basis points, and the cap that has it. */
  readonly pace?: { readonly cap: string; readonly value: string };
  readonly ceiling?: Tier | "shed";
  readonly floor?: Tier;
  readonly policy_rule?: { readonly file: string; readonly line: number; readonly source: string };
  /** "0": no rules, and the built-in table. */
  readonly policy_seq?: Seq;
  readonly price_seq?: Seq;
  readonly config_seq?: Seq;
  readonly entries: readonly AuthorizationEntry[];
}

export interface AuthorizationReceipt {
  readonly id: string;
  readonly authorization: string;
  readonly state: "open" | "refused" | "settled" | "expired" | "voided";
  readonly outcome?: Outcome;
  readonly rule?: string;
  readonly reason?: string;
  readonly agent?: string;
  readonly run?: string;
  readonly key?: string;
  readonly tool?: string;
  readonly priority?: Priority;
  readonly model?: string;
  readonly granted_model?: string;
  readonly provider?: string;
  readonly tier?: Tier;
  readonly held_nano: Nano;
  /** Still set aside. */
  readonly open_nano: Nano;
  readonly settled_nano: Nano;
  readonly released_nano: Nano;
  readonly overage_nano: Nano;
  readonly at: Instant;
  readonly closed_at?: Instant;
  readonly assumed: boolean;
  readonly late: boolean;
  readonly opened_seq?: Seq;
  readonly closed_seq?: Seq;
}

export interface AuthorizationLeg {
  readonly cap: string;
  readonly period: string;
  readonly limit_nano?: Nano;
  readonly before_settled_nano: Nano;
  readonly before_held_nano: Nano;
  /** What was asked of it: the hold, or for a refusal what the cheapest tier in question would take. */
  readonly amount_nano: Nano;
  /** As the entry left it: unchanged by a refusal. */
  readonly after_settled_nano: Nano;
  readonly after_held_nano: Nano;
  readonly fits: boolean;
  /** By how much it did not fit. */
  readonly shortfall_nano?: Nano;
  /** Before this call, in basis points. */
  readonly pace?: string;
}

export interface AuthorizationQuote {
  readonly tier: Tier;
  readonly model: string;
  /** Worst case; left out where nothing is priced. */
  readonly cost_nano?: Nano;
  /** Why it could not serve the call. */
  readonly skip?: string;
  readonly granted: boolean;
}

export interface AuthorizationEntry {
  readonly seq: Seq;
  readonly kind: string;
  readonly at: Instant;
  /** What it moved: the hold, the spend, or what was given back. */
  readonly amount_nano?: Nano;
  /** SHA-256 of the line, hex. */
  readonly hash: string;
  /** The canonical bytes, as text without a line end. */
  readonly line: string;
}

/** `GET /api/receipts/:id`, by `auth_…` or `rcpt_…`. */
export interface ReceiptProof {
  readonly ws: string;
  readonly authorization: string;
  readonly receipt: string;
  /** The entry that is proved: the one that closed it, or the decision while it is open. */
  readonly seq: Seq;
  readonly line: string;
  /** C2SP tlog-proof text; null while no checkpoint covers the entry. */
  readonly proof: string | null;
  /** The newest checkpoint, a signed note; null before the first. */
  readonly checkpoint: string | null;
  /** C2SP verifier keys of the log, the newest first. */
  readonly vkeys: readonly string[];
  readonly simulated: boolean;
}

/** `GET /api/workspaces/:ws/consistency?from=&to=`: RFC 6962 2.1.2, base64 hashes. */
export interface ConsistencyProof {
  readonly path: readonly string[];
}

/** `GET /api/workspaces/:ws/checkpoint`. */
export interface LatestCheckpoint {
  readonly note: string | null;
  readonly vkeys: readonly string[];
}

/** `GET /api/resolve/:id`. */
export interface Resolved {
  /** A route of the page, such as `/operations/authorizations/auth_…`. */
  readonly path: string;
}

/** `GET /api/nodes`: who has which shard, a few seconds late at most. For operators and admins. */
export interface NodeMap {
  readonly at: Instant;
  /** By id. */
  readonly workers: readonly NodeWorker[];
  readonly shards: readonly NodeShard[];
}

export interface NodeWorker {
  readonly id: string;
  readonly node: string;
  /** Share of the shards, relative to the others. */
  readonly weight: number;
  /** Of Tarmac; left out by the first version. */
  readonly version?: string;
  readonly started_at?: Instant;
  /** Shards that it has. */
  readonly shards: readonly number[];
}

export interface NodeShard {
  readonly shard: number;
  readonly phase: "owned" | "taking" | "moving" | "halted" | "free";
  /** Worker that has it. */
  readonly owner?: string;
  readonly epoch?: string;
  /** Worker that is to have it. */
  readonly wanted?: string;
  /** Why it is halted, with the worker that says so. */
  readonly reason?: string;
}
