/**
 * Decides a ledger again, entry by entry, with the very functions that decided it first: what an entry
 * says is compared with what they come to on the state that the entries before it make.
 *
 *   authorize, settle, void, adjust   the command is read back out of the entry and decided
 *   release, a freeze after overage   follow from a settle at once: they are owed, and nothing else is
 *   policy, price                     belong to a commit, which must stand behind them
 *   expire, takeover                  their causes are facts; what follows from those is checked
 */
import { assert, InvariantError } from "../ledger/assert.ts";
import type { SealedEntry } from "../ledger/chain.ts";
import { encodeEntry } from "../ledger/codec.ts";
import {
  type AuthorizeEntry,
  ENTRY_VERSION,
  type Entry,
  type EntryBody,
  type EntryOf,
} from "../ledger/entries.ts";
import type { PeriodBounds } from "../ledger/periods.ts";
import type { RefusalCode } from "../ledger/refusals.ts";
import { applyEntry } from "./apply.ts";
import { decideAuthorize } from "./authorize.ts";
import { decideAdjust, decideVoid, expireBody } from "./closing.ts";
import type { Answer, AuthorizeCommand, SettleCommand } from "./commands.ts";
import { decideConfigure } from "./configure.ts";
import { openingOf } from "./record.ts";
import { PeriodBook } from "./redecide-periods.ts";
import { type Mismatch, Report } from "./redecide-report.ts";
import { decideSettle } from "./settle.ts";
import { isConfigured, settingsOf, type WorkspaceState } from "./state.ts";
import type { TurnContext } from "./turn.ts";
import { consequences, OVERAGE_AUTHOR, TAKEOVER_GRACE_MS } from "./workspace.ts";

/** How often something was taken as it stands, because nobody can decide it again. */
export interface Facts {
  /** Moments: the `at` of every entry. */
  times: number;
  /** Keys that were let in, and the hashes of what was asked. */
  asked: number;
  /** Bounds of use, as the gateway measured them. */
  bounds: number;
  /** Usages, as the provider reported them. */
  usages: number;
  /** Holds that expired: renewals are memory only. */
  expiries: number;
  /** Holds that were given back on request. */
  voids: number;
  /** Amounts of operators' corrections. */
  corrections: number;
  /** Entries by which people changed configuration, rules or prices. */
  configured: number;
  /** Claims of the shard. */
  claims: number;
}

/** The two fields of an entry that nothing before it tells. */
const OWN_FIELDS = /"recorded_at":"([^"]+)".*"salt":"([0-9a-f]{32})"/;

/** What a decision of the actor came to: bodies of entries, or an answer that stands on none. */
type Decided =
  | { readonly kind: "entries"; readonly bodies: readonly EntryBody[] }
  | { readonly kind: "answer"; readonly answer: Answer }
  | { readonly kind: "fetch" };

/** Follows a ledger from its first entry on, deciding each again before it is folded in. */
export class Redecider {
  readonly state: WorkspaceState;
  readonly facts: Facts = {
    asked: 0,
    bounds: 0,
    claims: 0,
    configured: 0,
    corrections: 0,
    expiries: 0,
    times: 0,
    usages: 0,
    voids: 0,
  };
  /** What the last command still owes: these bodies, in this order, at the same moment. */
  #owed: readonly EntryBody[] = [];
  #foreseen: Entry | undefined;
  /** A policy or price entry that waits for its commit. */
  #committing: EntryOf<"policy"> | EntryOf<"price"> | undefined;
  /** When the present term was claimed, ms: what was held before has its grace. */
  #claimAt = 0;
  /** Ledger time of the last decision of this term, ms: what was due by then has expired before it. */
  #decidedAt = -1;
  #lastExpire: EntryOf<"expire"> | undefined;
  /** Every `expiry_ms` there was, with the sequence from which it counted, in order. */
  readonly #lifetimes: { readonly seq: bigint; readonly ms: number }[] = [];
  readonly #periods = new PeriodBook();

  /** @param state of a workspace that has no entry yet; it moves on with each */
  constructor(state: WorkspaceState) {
    this.state = state;
  }

  /** True where the ledger cannot end: it was cut inside what one command wrote. */
  get isInside(): boolean {
    return this.#owed.length > 0 || this.#committing !== undefined;
  }

  /**
   * The entry of a line that is owed as it stands, read without parsing: all but its salt and its wall
   * clock is known. `undefined` where nothing is owed, or the line is another.
   */
  foresee(line: string): Entry | undefined {
    const [owed] = this.#owed;
    if (owed === undefined) return undefined;
    const [, clock = "", salt = ""] = OWN_FIELDS.exec(line) ?? [];
    const recorded_at = Date.parse(clock);
    if (Number.isNaN(recorded_at)) return undefined;
    const { epoch, head, time, ws } = this.state;
    const place = { at: time, epoch, prev: head.hash, seq: head.seq + 1n, v: ENTRY_VERSION, ws };
    const entry = { ...owed, ...place, recorded_at, salt } as Entry;
    if (encodeEntry(entry) !== line) return undefined;
    this.#foreseen = entry;
    return entry;
  }

  /**
   * Decides the next entry again, and folds it in. @returns every field that must be another; and with
   * `isSpelled` that its line was written again byte for byte, so that it is known to be canonical
   * @throws InvariantError when its balances are not what the entries add up to
   */
  next(sealed: SealedEntry): {
    readonly isSpelled: boolean;
    readonly mismatches: readonly Mismatch[];
  } {
    const { entry } = sealed;
    const report = new Report(sealed);
    let owed: readonly EntryBody[];
    if (entry === this.#foreseen) {
      report.isSpelled = true;
      owed = this.#owed.slice(1);
    } else {
      this.#checkTerm(entry, report);
      owed = this.#again(entry, report);
    }
    applyEntry(this.state, sealed);
    this.#remember(entry);
    this.#owed = entry.kind === "settle" ? [...owed, ...consequences(this.state, [sealed])] : owed;
    return report;
  }

  /** Decides an entry again. @returns what its command owes behind it */
  #again(entry: Entry, report: Report): readonly EntryBody[] {
    const [owed, ...rest] = this.#owed;
    if (owed !== undefined) {
      if (entry.at !== this.state.time) report.sayInstant("at", this.state.time);
      report.compare(owed);
      return rest;
    }
    try {
      return this.#decide(entry, report);
    } catch (error) {
      if (!(error instanceof InvariantError)) throw error;
      report.say("kind", `nothing that cannot be decided: ${error.message}`);
      return [];
    }
  }

  #decide(entry: Entry, report: Report): readonly EntryBody[] {
    const commits = entry.kind === "configure" || entry.kind === "policy" || entry.kind === "price";
    if (this.#committing !== undefined) this.#checkCommitting(this.#committing, entry, report);
    if (commits || entry.kind === "takeover") {
      if (entry.kind === "configure") this.#checkConfigure(entry, report);
      return [];
    }
    if (!isConfigured(this.state)) {
      report.say("kind", "configure: the workspace is not made yet");
      return [];
    }
    switch (entry.kind) {
      case "authorize":
        return this.#authorize(entry, report);
      case "settle":
        return this.#settle(entry, entry.final, report);
      case "adjust":
        return entry.usage === undefined
          ? this.#correct(entry, report)
          : this.#settle(entry, true, report);
      case "void": {
        const { authorization, reason } = entry;
        const command = { authorization, kind: "void" as const, reason };
        return against(decideVoid(this.state, command, contextOf(entry)), "kind", report);
      }
      case "expire":
        this.#expire(entry, report);
        return [];
      case "release":
        report.say("kind", "no release: no final settle stands before it");
        return [];
    }
  }

  /** The epoch is raised by a takeover alone, the first entry of its term. */
  #checkTerm(entry: Entry, report: Report): void {
    const { epoch, head } = this.state;
    const raised = head.seq > 0n && entry.epoch > epoch;
    if (raised && entry.kind !== "takeover") report.say("epoch", `${epoch}: no takeover raised it`);
    if (entry.kind !== "takeover") return;
    if (!raised) report.say("epoch", `above ${epoch}: a takeover begins a term`);
    const soonest = entry.at + TAKEOVER_GRACE_MS;
    if (entry.holds_until > soonest) report.sayInstant("holds_until", soonest, "at most ");
  }

  #authorize(entry: AuthorizeEntry, report: Report): readonly EntryBody[] {
    const { agent, authorization, idempotency, key, model, usage_bound } = entry;
    this.#periods.check(entry, settingsOf(this.state).time_zone, report);
    // An idempotency key is remembered only for a time, so it cannot be asked again whether it was new.
    const command: AuthorizeCommand = {
      agent,
      authorization,
      key,
      kind: "authorize",
      model,
      refinable: false,
      usage_bound,
      ...(entry.attributes === undefined ? {} : { attributes: entry.attributes }),
      ...(entry.run === authorization ? {} : { run: entry.run }),
      ...(entry.tool === undefined ? {} : { tool: entry.tool }),
    };
    const decision = decideAuthorize(this.state, command, {
      ...contextOf(entry),
      payloadHash: entry.payload_hash,
      periodsAt: () => ({ month: entry.month, year: entry.year }),
    });
    if (idempotency === undefined || decision.kind !== "entries") {
      return against(decision, "authorization", report);
    }
    const bodies = decision.bodies.map((body) => ({ ...body, idempotency }));
    return against({ bodies, kind: "entries" }, "authorization", report);
  }

  /** A part as it was posted, or the correction that a measure comes to after an assumed one. */
  #settle(
    entry: EntryOf<"adjust"> | EntryOf<"settle">,
    final: boolean,
    report: Report,
  ): readonly EntryBody[] {
    const command: SettleCommand = {
      authorization: entry.authorization,
      final,
      kind: "settle",
      part: entry.part ?? "",
      ...(entry.model === undefined ? {} : { model: entry.model }),
      ...(entry.usage === undefined ? {} : { usage: entry.usage }),
    };
    return against(decideSettle(this.state, command, contextOf(entry)), "part", report);
  }

  #correct(entry: EntryOf<"adjust">, report: Report): readonly EntryBody[] {
    const { amount, authorization, by, part = "", reason } = entry;
    const command = { amount, authorization, by, kind: "adjust" as const, part, reason };
    return against(decideAdjust(this.state, command, contextOf(entry)), "part", report);
  }

  /** That it expired is a fact. What that moves, its order, and when it can have been due are not. */
  #expire(entry: EntryOf<"expire">, report: Report): void {
    const { state } = this;
    const record = state.authorizations.get(entry.authorization);
    if (record?.state !== "open") {
      report.say("kind", `no expiry: ${entry.authorization} is ${record?.state ?? "unknown"}`);
      return;
    }
    const { at, due_at: dueAt } = entry;
    report.compare(expireBody(state, { ...record, expiresAt: dueAt }, at));
    if (dueAt > at) report.sayInstant("due_at", at, "at most ");
    const shortest = record.at + this.#shortestLife(openingOf(record).seq);
    const graced = record.at < this.#claimAt ? state.holdsUntil : 0;
    const soonest = Math.max(shortest, graced);
    if (dueAt < soonest) report.sayInstant("due_at", soonest, "at least ");
    if (at === this.#decidedAt) report.say("kind", "no expiry behind a decision of its own moment");
    const last = this.#lastExpire;
    if (last?.at !== at || last.epoch !== entry.epoch) return;
    const inOrder =
      last.due_at < dueAt || (last.due_at === dueAt && last.opened.seq < entry.opened.seq);
    if (!inOrder) report.sayInstant("due_at", last.due_at, "in order of due_at and seq: after ");
  }

  /** The shortest life that a hold placed at `opened`, or a renewal of it since, can have been given. */
  #shortestLife(opened: bigint): number {
    const since = this.#lifetimes.findLastIndex(({ seq }) => seq <= opened);
    return Math.min(...this.#lifetimes.slice(since).map(({ ms }) => ms));
  }

  /** What people configure is a fact; that it could be committed as it stands is none. */
  #checkConfigure(entry: EntryOf<"configure">, report: Report): void {
    const { base_seq, by, changes, commit, stage } = entry;
    if (by === OVERAGE_AUTHOR) report.say("by", "somebody else: no settle calls for a freeze here");
    if (base_seq !== this.state.configSeq) report.say("base_seq", `${this.state.configSeq}`);
    if (stage === this.state.lastStage) report.say("stage", "another: this one was committed");
    if (!commit || report.mismatches.length > 0) return;
    const command = { base_seq, by, changes: [changes], commit, kind: "configure" as const, stage };
    against(decideConfigure(this.state, command, contextOf(entry)), "changes", report);
  }

  /** Prices, then rules, then the commit they belong to, by one author at one moment. */
  #checkCommitting(
    before: EntryOf<"policy"> | EntryOf<"price">,
    entry: Entry,
    report: Report,
  ): void {
    const commits = entry.kind === "configure" && entry.commit;
    if (!commits && !(before.kind === "price" && entry.kind === "policy")) {
      report.say("kind", `the commit that the ${before.kind} before it belongs to`);
      return;
    }
    if (entry.by !== before.by) report.say("by", before.by);
    if (entry.at !== before.at) report.sayInstant("at", before.at);
  }

  /** Keeps what the entries to come are checked by, and counts what was believed. */
  #remember(entry: Entry): void {
    const { facts, state } = this;
    facts.times += 1;
    this.#committing = undefined;
    if (entry.kind !== "expire" && entry.kind !== "takeover") this.#decidedAt = entry.at;
    switch (entry.kind) {
      case "authorize":
        facts.asked += 1;
        facts.bounds += 1;
        break;
      case "settle":
        if (entry.usage !== undefined) facts.usages += 1;
        break;
      case "adjust":
        if (entry.usage === undefined) facts.corrections += 1;
        else facts.usages += 1;
        break;
      case "expire":
        this.#lastExpire = entry;
        facts.expiries += 1;
        break;
      case "void":
        facts.voids += 1;
        break;
      case "takeover":
        this.#claimAt = entry.holds_until - TAKEOVER_GRACE_MS;
        this.#decidedAt = -1;
        facts.claims += 1;
        break;
      case "policy":
      case "price":
        this.#committing = entry;
        facts.configured += 1;
        break;
      case "configure": {
        if (entry.by !== OVERAGE_AUTHOR) facts.configured += 1;
        const ms = state.config.settings?.expiry_ms;
        if (ms !== undefined && ms !== this.#lifetimes.at(-1)?.ms) {
          this.#lifetimes.push({ ms, seq: entry.seq });
        }
        break;
      }
      case "release":
        break;
    }
    this.#forget();
  }

  /** Drops what only a live actor needs: the queue of expiries, and the order of forgetting. */
  #forget(): void {
    const { expiries, fading, time } = this.state;
    fading.length = 0;
    for (let due = expiries.peek(); due !== undefined; due = expiries.peek()) {
      if (due.expiresAt >= time) break;
      expiries.pop();
    }
  }
}

/** Deciding again reads none of these: no entry is sealed, and only an `authorize` reads its periods. */
const NO_TEXT = () => "";
const NO_TERM = { claimAt: 0, claimSeq: 0n, owner: "" };
const NO_BOUNDS: PeriodBounds = { end: 0, key: "", start: 0 };
const NO_PERIODS = () => ({ month: NO_BOUNDS, year: NO_BOUNDS });

/** The surroundings of a decision, as its entry states them. Memory is whole: nothing need be fetched. */
function contextOf(entry: Entry): TurnContext {
  return {
    epoch: entry.epoch,
    fetched: { authorization: "", lines: [] },
    now: entry.at,
    payloadHash: "",
    periodsAt: NO_PERIODS,
    recordedAt: entry.recorded_at,
    salt: NO_TEXT,
    sha256Hex: NO_TEXT,
    term: NO_TERM,
  };
}

/** The field that a refusal speaks of, where its message does not begin with one. */
const FIELD_OF: { readonly [C in RefusalCode]?: string } = {
  forbidden: "key",
  "idempotency-conflict": "authorization",
  stale: "authorization",
  unauthenticated: "key",
  "unknown-agent": "agent",
  "unknown-authorization": "authorization",
};

/**
 * Compares an entry with what its command comes to. An answer says that no such entry can stand here;
 * `field` is to blame where it names none. @returns what stands behind the entry
 */
function against(decided: Decided, field: string, report: Report): readonly EntryBody[] {
  if (decided.kind === "entries") {
    const [body, ...rest] = decided.bodies;
    assert(body !== undefined, "a decision without entries");
    report.compare(body);
    return rest;
  }
  assert(decided.kind === "answer", "a whole ledger was read, and an entry is asked for");
  const { answer } = decided;
  if (answer.kind !== "refused") {
    report.say(field, "no such entry: what it says was said before");
    return [];
  }
  const { code, message, problems = [] } = answer;
  const named = FIELD_OF[code] ?? /^[a-z_]+(?=: )/.exec(message)?.[0] ?? field;
  report.say(named, `no such entry: ${[message, ...problems].join(" ")}`);
  return [];
}
