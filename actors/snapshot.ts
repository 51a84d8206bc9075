import { capKind, counterKey, counterName } from "../ledger/caps.ts";
import { authorizationIdSchema } from "../ledger/entries.ts";
import { ZERO_USD } from "../ledger/money.ts";
import {
  bool,
  decimal,
  type Infer,
  instant,
  integer,
  list,
  object,
  oneOf,
  parseJson,
  text,
  token,
} from "../ledger/schema.ts";
import {
  amount,
  type ConfigChange,
  configChange,
  name,
  policySettings,
  priceSettings,
  signedAmount,
} from "../ledger/workspace-config.ts";
import { remember } from "./apply.ts";
import { ID_FUTURE_MS } from "./authorize.ts";
import { AUTHORIZATION_STATES, decided } from "./commands.ts";
import { applyChanges } from "./configure.ts";
import type { Counter } from "./counters.ts";
import { decisionOf, openingOf, ownRunOf } from "./record.ts";
import {
  type AuthorizationRecord,
  createWorkspace,
  priceTable,
  type WorkspaceConfig,
  type WorkspaceState,
} from "./state.ts";

/** Version of the snapshot format; another one is refused and rebuilt from the journal. */
export const SNAPSHOT_VERSION = 1;

const hash = token(/^[0-9a-f]{64}$/, "a hex SHA-256");
const MANY = 10_000_000;

const recordSchema = object(
  {
    agent: text(63),
    at: instant,
    authorization: authorizationIdSchema,
    closed_seq: decimal(0n),
    decided,
    expires_at: instant,
    held: amount,
    lane: text(200),
    legs: list(text(400), 32),
    opened: object({ hash, seq: decimal(1n) }),
    parts: list(
      object({
        amount: signedAmount,
        assumed: bool,
        final: bool,
        late: bool,
        overage: amount,
        part: text(40),
        released: amount,
        seq: decimal(1n),
      }),
      MANY,
    ),
    payload_hash: hash,
    price_seq: decimal(1n),
    run: text(128),
    settled: signedAmount,
    state: oneOf(AUTHORIZATION_STATES),
  },
  { correctable: object({ hash, seq: decimal(1n) }), idempotency: hash },
);

const counterSchema = object({
  cap: text(200),
  held: amount,
  last_at: instant,
  period: text(200),
  settled: signedAmount,
});

/** What there is few of in a workspace, in the two stretches that the long lists leave. */
const beforeCounters = {
  config: list(configChange, MANY),
  config_seq: decimal(0n),
};
const afterCounters = {
  epoch: decimal(0n),
  hash,
  holds_until: instant,
  last_stage: text(64),
  newest_id: instant,
  policy: policySettings,
  policy_seq: decimal(0n),
  price_seq: decimal(0n),
  prices: list(object({ seq: decimal(1n), settings: priceSettings }), MANY),
  seq: decimal(0n),
  staged: list(object({ changes: list(configChange, MANY), stage: text(64) }), 100),
  time: instant,
  v: integer(SNAPSHOT_VERSION, SNAPSHOT_VERSION),
  ws: name,
};
const beforeSchema = object(beforeCounters);
const afterSchema = object(afterCounters);

const snapshotSchema = object({
  authorizations: list(recordSchema, MANY),
  ...beforeCounters,
  counters: list(counterSchema, MANY),
  ...afterCounters,
});

/** True for a record that only memory can answer for: open, or ended by time and not settled yet. */
function isKept(record: AuthorizationRecord): boolean {
  return record.state === "open" || record.state === "expired";
}

function configList(config: WorkspaceConfig): ConfigChange[] {
  return [
    ...[...config.costCenters].map(([id, value]) => ({ id, item: "cost_center" as const, value })),
    ...[...config.teams].map(([id, value]) => ({ id, item: "team" as const, value })),
    ...[...config.agents].map(([id, value]) => ({ id, item: "agent" as const, value })),
    ...[...config.keys].map(([id, value]) => ({ id, item: "key" as const, value })),
    ...[...config.providers].map(([id, value]) => ({ id, item: "provider" as const, value })),
  ];
}

function recordOut(record: AuthorizationRecord): Infer<typeof recordSchema> {
  return {
    agent: record.agent,
    at: record.at,
    authorization: record.authorization,
    closed_seq: record.closedSeq,
    decided: decisionOf(record),
    expires_at: record.expiresAt,
    held: record.held,
    lane: record.lane,
    legs: record.legs.map(({ cap, period }) => counterKey(cap, period)),
    opened: openingOf(record),
    parts: record.parts,
    payload_hash: record.payloadHash,
    price_seq: record.priceSeq,
    run: record.run,
    settled: record.settled,
    state: record.state,
    ...(record.correctable === undefined ? {} : { correctable: record.correctable }),
    ...(record.idempotency === undefined ? {} : { idempotency: record.idempotency }),
  };
}

/** Records or counters that are written as one piece: some 5 ms of work. */
const PIECE = 256;

/**
 * Writes a workspace down as it is now. Closed authorizations stay out: they stand in Postgres, so a
 * snapshot may be saved only where the projection is durable up to it.
 *
 * What is written is fixed when this returns; the pieces of the text may be taken one by one, while
 * the workspace goes on. Only how long a hold lives may come out later than it was.
 */
export function snapshotPieces(state: WorkspaceState): Generator<string> {
  const kept: AuthorizationRecord[] = [];
  const ownRuns = new Set<Counter>();
  for (const record of state.authorizations.values()) {
    if (isKept(record)) {
      kept.push(record);
      continue;
    }
    const own = ownRunOf(record);
    const counter = own === undefined ? undefined : state.counters.get(own);
    if (counter !== undefined) ownRuns.add(counter);
  }
  const counters: Counter[] = [];
  for (const counter of state.counters.values()) {
    if (!ownRuns.has(counter)) counters.push({ ...counter });
  }
  return pieces(kept, beforeText(state), counters, afterText(state));
}

function* pieces(
  kept: readonly AuthorizationRecord[],
  before: string,
  counters: readonly Counter[],
  after: string,
): Generator<string> {
  let out = '{"authorizations":[';
  for (const [i, record] of kept.entries()) {
    out += (i === 0 ? "" : ",") + recordSchema.write(recordOut(record));
    if (i % PIECE === PIECE - 1) {
      yield out;
      out = "";
    }
  }
  out += `],${before.slice(1, -1)},"counters":[`;
  for (const [i, counter] of counters.entries()) {
    out += (i === 0 ? "" : ",") + counterSchema.write(counterOut(counter));
    if (i % (4 * PIECE) === 4 * PIECE - 1) {
      yield out;
      out = "";
    }
  }
  yield `${out}],${after.slice(1)}`;
}

function counterOut(counter: Counter): Infer<typeof counterSchema> {
  return {
    cap: counter.cap,
    held: counter.held,
    last_at: counter.lastAt,
    period: counter.period,
    settled: counter.settled,
  };
}

function beforeText(state: WorkspaceState): string {
  const settings = state.config.settings;
  const workspace: ConfigChange[] =
    settings === undefined ? [] : [{ id: state.ws, item: "workspace", value: settings }];
  return beforeSchema.write({
    config: [...workspace, ...configList(state.config)],
    config_seq: state.configSeq,
  });
}

function afterText(state: WorkspaceState): string {
  return afterSchema.write({
    epoch: state.epoch,
    hash: state.head.hash,
    holds_until: state.holdsUntil,
    last_stage: state.lastStage,
    // No younger than an id may be: one from the end of time would make a moment that cannot be read.
    newest_id: Math.min(state.newestId, state.time + ID_FUTURE_MS),
    policy: state.policy,
    policy_seq: state.policySeq,
    price_seq: state.priceSeq,
    prices: [...state.prices.values()].map(({ seq, settings: prices }) => ({
      seq,
      settings: prices,
    })),
    seq: state.head.seq,
    staged: [...state.staged].map(([stage, changes]) => ({ changes, stage })),
    time: state.time,
    v: SNAPSHOT_VERSION,
    ws: state.ws,
  });
}

/** The whole of {@link snapshotPieces}. */
export function encodeSnapshot(state: WorkspaceState): string {
  return [...snapshotPieces(state)].join("");
}

/** A snapshot that cannot be read: another version, or not one at all. */
export class SnapshotUnreadable extends Error {
  override readonly name = "SnapshotUnreadable";
}

/** Reads a workspace back. @throws SnapshotUnreadable */
export function decodeSnapshot(snapshot: string): WorkspaceState {
  const parsed = parseJson(snapshotSchema, snapshot);
  if (!parsed.ok) throw new SnapshotUnreadable(parsed.problems.slice(0, 5).join("; "));
  const read = parsed.value;
  const state = createWorkspace(read.ws);
  state.head = { hash: read.hash, seq: read.seq };
  state.time = read.time;
  state.epoch = read.epoch;
  applyChanges(state, read.config);
  state.configSeq = read.config_seq;
  state.lastStage = read.last_stage;
  for (const { stage, changes } of read.staged) state.staged.set(stage, [...changes]);
  state.policy = read.policy;
  state.policySeq = read.policy_seq;
  for (const { seq, settings } of read.prices) state.prices.set(seq, priceTable(seq, settings));
  state.priceSeq = read.price_seq;
  for (const counter of read.counters) {
    state.counters.set({
      cap: counter.cap,
      kind: capKind(counter.cap),
      period: counter.period,
      settled: counter.settled,
      held: counter.held,
      lastAt: counter.last_at,
    });
  }
  for (const record of read.authorizations) remember(state, recordIn(record));
  // The closed ones were left out, and none of them is younger than this. A void takes an id of any
  // time, also of one far ahead that no authorize would be given.
  state.newestId = Math.max(state.newestId, read.newest_id);
  state.fetchBefore = Math.min(read.newest_id, read.time + ID_FUTURE_MS);
  state.holdsUntil = read.holds_until;
  return state;
}

function recordIn(read: Infer<typeof recordSchema>): AuthorizationRecord {
  return {
    authorization: read.authorization,
    opened: read.opened,
    decided: read.decided,
    payloadHash: read.payload_hash,
    idempotency: read.idempotency,
    at: read.at,
    agent: read.agent,
    run: read.run,
    lane: read.lane,
    priceSeq: read.price_seq,
    legs: read.legs.map(counterName),
    state: read.state,
    held: read.held,
    settled: read.settled,
    correctable: read.correctable,
    returned: ZERO_USD,
    expiresAt: read.expires_at,
    parts: read.parts.map((part) => ({ ...part })),
    closedSeq: read.closed_seq,
  };
}
