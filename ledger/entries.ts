import { PRIORITIES } from "./caps.ts";
import { isAuthorizationId } from "./ids.ts";
import { APIS, TIERS } from "./price-card.ts";
import { REASONS } from "./refusals.ts";
import {
  bool,
  decimal,
  type Infer,
  instant,
  integer,
  list,
  object,
  oneOf,
  record,
  type Schema,
  text,
  token,
  variant,
} from "./schema.ts";
import { MODALITIES, UNITS, type Usage } from "./usage.ts";
import {
  amount,
  configChange,
  keyId,
  laneRef,
  name,
  policySettings,
  priceSettings,
  signedAmount,
} from "./workspace-config.ts";

/** Version of the entry format: field `v` of every entry. */
export const ENTRY_VERSION = 1;
/** Largest entry in bytes: a tlog-tiles leaf carries a 16-bit length. */
export const ENTRY_BYTES_MAX = 65_535;
/** Largest count of a usage or a bound: a million times what any model takes. */
const COUNT_MAX = 1_000_000_000_000n;

const hash = token(/^[0-9a-f]{64}$/, "a hex SHA-256");
/** The id of one authorization. */
export const authorizationIdSchema: Schema<string> = {
  write: (value) => `"${value}"`,
  plain: (value) => value,
  read(json, path, problems) {
    if (typeof json === "string" && isAuthorizationId(json)) return json;
    problems.push(`${path}: must be an authorization id: auth_ and a UUIDv7`);
    return undefined;
  },
};
const seq = decimal(1n);
const entryRef = object({ hash, seq });
export type EntryRef = Infer<typeof entryRef>;

/** Fields that every entry has. */
const envelope = {
  /** Ledger time: the actor's clock when it decided. Never goes back. */
  at: instant,
  /** Which claim of the shard wrote it; raised by each claim. */
  epoch: decimal(1n),
  /** SHA-256 of the preceding entry's bytes, hex; 64 zeros for the first. */
  prev: hash,
  /** The owner's wall clock when it sealed the entry. For people; nothing is decided by it. */
  recorded_at: instant,
  /** 16 random bytes, hex: keeps the leaf hash of a guessable entry from being guessed. */
  salt: token(/^[0-9a-f]{32}$/, "16 bytes in hex"),
  seq,
  v: integer(1, 1) as Schema<1>,
  ws: name,
};
export type Envelope = {
  readonly [K in keyof typeof envelope]: Infer<(typeof envelope)[K]>;
};

export const usageSchema = object(
  {},
  Object.fromEntries(UNITS.map((unit) => [unit, decimal(0n, COUNT_MAX)])) as {
    readonly [U in (typeof UNITS)[number]]: Schema<bigint>;
  },
) as Schema<Usage>;

export const usageBoundSchema = object(
  {
    cache_write: list(oneOf(["1h", "5m"]), 2),
    choices: decimal(1n, COUNT_MAX),
    counted: bool,
    hidden_input: bool,
    input: decimal(0n, COUNT_MAX),
    iterations: decimal(1n, COUNT_MAX),
    modalities: list(oneOf(MODALITIES), 8),
    web_search: decimal(0n, COUNT_MAX),
  },
  { output: decimal(0n, COUNT_MAX) },
);

/** One counter that an entry moved or read, with its balance after the entry. */
const leg = object(
  { cap: text(200), held: amount, period: text(200), settled: signedAmount },
  {
    limit: amount,
    /** Basis points; absent for run caps and where nothing limits. */
    pace: decimal(0n),
  },
);
export type Leg = Infer<typeof leg>;

/** The calendar periods of a decision, with bounds in UTC so that re-deciding needs no zone data. */
const periodBounds = object({ end: instant, key: text(80), start: instant });

/** One tier as the cascade saw it. */
const tierQuote = object(
  { model: text(200), tier: oneOf(TIERS) },
  {
    amount,
    /** Exact worst-case cost in pico-USD, `n` or `n/d`. */
    pico: text(80),
    /** Why the tier is not eligible; absent for one that is. */
    skip: oneOf([
      "above-preferred",
      "below-floor",
      "modality",
      "not-allowed",
      "unpriced",
      "window",
    ]),
  },
);
export type TierQuote = Infer<typeof tierQuote>;

/** One cap that the call did not fit, and by how much the least eligible tier missed. */
const failing = object({ cap: text(200), period: text(200), shortfall: amount });

export const RULES = ["00", "01", "02", "03", "04", "05"] as const;
export type RuleNumber = (typeof RULES)[number];
export const OUTCOMES = ["admit", "throttle", "hold"] as const;
export type Outcome = (typeof OUTCOMES)[number];

const authorize = object(
  {
    ...envelope,
    agent: name,
    authorization: authorizationIdSchema,
    /** Sequence of the configure entry that was in force. */
    config_seq: seq,
    expires_at: instant,
    /** Set aside on every leg; "0" when refused. */
    held: amount,
    key: keyId,
    kind: oneOf(["authorize"]),
    lane: laneRef,
    legs: list(leg, 32),
    /** As the client asked for it. */
    model: text(200),
    month: periodBounds,
    outcome: oneOf(OUTCOMES),
    payload_hash: hash,
    /** Sequence of the policy entry in force; "0" for the built-in one. */
    policy_seq: decimal(0n),
    price_card: hash,
    price_seq: seq,
    priority: oneOf(PRIORITIES),
    reason: oneOf(REASONS),
    rule: oneOf(RULES),
    run: text(128),
    tiers: list(tierQuote, 4),
    usage_bound: usageBoundSchema,
    year: periodBounds,
  },
  {
    attributes: record(/^[A-Za-z0-9_.-]{1,64}$/, text(512), 32),
    blocked_by: oneOf(["holds"]),
    /** Greatest tier that pace and policy leave; `shed` lies below S. */
    ceiling: oneOf([...TIERS, "shed"]),
    failing: list(failing, 32),
    floor: oneOf(TIERS),
    /** What was granted. Absent when refused. */
    grant: object({ api: oneOf(APIS), model: text(200), provider: text(64), tier: oneOf(TIERS) }),
    /** SHA-256 over key id and the client's idempotency key, hex. */
    idempotency: hash,
    /** The greatest pace over the legs and the cap that has it. */
    pace: object({ cap: text(200), value: decimal(0n) }),
    /** The policy rule that held: its text and place. */
    policy_rule: object({ file: text(200), line: integer(1, 1_000_000), source: text(500) }),
    preferred: oneOf(TIERS),
    tool: text(128),
  },
);

/** How the amount of a settle was found. `measured`: from the provider's usage. `assumed`: the hold. */
export const BASES = ["assumed", "measured"] as const;

const settle = object(
  {
    ...envelope,
    agent: name,
    /** What this part moved into spend. */
    amount,
    authorization: authorizationIdSchema,
    basis: oneOf(BASES),
    final: bool,
    kind: oneOf(["settle"]),
    late: bool,
    legs: list(leg, 32),
    opened: entryRef,
    /** What the money still set aside did not cover; "0" else. A late part has none set aside. */
    overage: amount,
    part: text(32),
    price_card: hash,
    run: text(128),
  },
  {
    /** The same usage at the card now in force, when that is another one. */
    cost_now: amount,
    /** The model served, when it was measured. */
    model: text(200),
    pico: text(80),
    tier: oneOf(TIERS),
    usage: usageSchema,
    /** The served model has no price at this card: settled at the hold. */
    unpriced: bool,
  },
);

const release = object({
  ...envelope,
  agent: name,
  amount,
  authorization: authorizationIdSchema,
  kind: oneOf(["release"]),
  legs: list(leg, 32),
  opened: entryRef,
  run: text(128),
});

const expire = object({
  ...envelope,
  agent: name,
  /** Released, or with `capture` taken as spent. */
  amount,
  authorization: authorizationIdSchema,
  /** When it was due. A fact: renewals are not in the ledger. */
  due_at: instant,
  kind: oneOf(["expire"]),
  legs: list(leg, 32),
  on_expiry: oneOf(["capture", "release"]),
  opened: entryRef,
  run: text(128),
});

const voided = object(
  {
    ...envelope,
    /** Released; "0" when the id was not known or held nothing. */
    amount,
    authorization: authorizationIdSchema,
    kind: oneOf(["void"]),
    legs: list(leg, 32),
    reason: text(200),
  },
  { agent: name, opened: entryRef, run: text(128) },
);

const adjust = object(
  {
    ...envelope,
    agent: name,
    /** Added to spend; negative gives back. */
    amount: signedAmount,
    authorization: authorizationIdSchema,
    by: text(128),
    corrects: entryRef,
    kind: oneOf(["adjust"]),
    legs: list(leg, 32),
    opened: entryRef,
    reason: text(500),
    run: text(128),
  },
  { model: text(200), part: text(32), pico: text(80), usage: usageSchema },
);

const configure = object({
  ...envelope,
  /** Sequence of the commit this one follows; "0" makes the workspace. */
  base_seq: decimal(0n),
  by: text(128),
  changes: list(configChange, 2_000),
  /** Only a commit makes the staged changes count. */
  commit: bool,
  kind: oneOf(["configure"]),
  /** Names the changes that belong together. */
  stage: text(64),
});

const policy = object({
  ...envelope,
  by: text(128),
  kind: oneOf(["policy"]),
  policy: policySettings,
});

const price = object({
  ...envelope,
  by: text(128),
  kind: oneOf(["price"]),
  price: priceSettings,
});

const takeover = object({
  ...envelope,
  /** Sequence of the claim in the journal's stream. */
  claim_seq: seq,
  /** No open hold ends before this. */
  holds_until: instant,
  kind: oneOf(["takeover"]),
  owner: text(128),
});

/** Every entry, by its `kind`. */
export const entrySchema = variant("kind", {
  adjust,
  authorize,
  configure,
  expire,
  policy,
  price,
  release,
  settle,
  takeover,
  void: voided,
});

export type Entry = Infer<typeof entrySchema>;
export type EntryKind = Entry["kind"];
export type EntryOf<K extends EntryKind> = Extract<Entry, { readonly kind: K }>;
export type AuthorizeEntry = Infer<typeof authorize>;

type WithoutEnvelope<E> = E extends Entry ? Omit<E, keyof Envelope> : never;
/** What a decision produces: an entry before it has its place in the chain. */
export type EntryBody = WithoutEnvelope<Entry>;
export type EntryBodyOf<K extends EntryKind> = Omit<EntryOf<K>, keyof Envelope>;
