import fc from "fast-check";
import { PRIORITIES } from "../caps.ts";
import {
  BASES,
  type Entry,
  type EntryKind,
  type EntryOf,
  type EntryRef,
  type Envelope,
  type Leg,
  OUTCOMES,
  RULES,
  type TierQuote,
} from "../entries.ts";
import { authorizationId } from "../ids.ts";
import { APIS, TIERS } from "../price-card.ts";
import { REASONS } from "../refusals.ts";
import { MODALITIES, UNITS, type Usage, type UsageBound } from "../usage.ts";
import {
  amount,
  change,
  hash,
  hex,
  key,
  lane,
  line,
  name,
  policyRules,
  position,
  price,
  record,
  row,
  seq,
  signed,
  some,
  words,
} from "./configuration.ts";

const count = fc.bigInt({ max: 10n ** 12n, min: 0n });
const instant = fc.integer({ max: Date.UTC(9999, 11, 31), min: 0 });
const authorization = fc
  .tuple(fc.nat({ max: 2 ** 48 - 1 }), fc.uint8Array({ maxLength: 16, minLength: 16 }))
  .map(([time, random]) => authorizationId(time, random));
const ref: fc.Arbitrary<EntryRef> = fc.record({ hash, seq });

const envelope: { readonly [K in keyof Envelope]: fc.Arbitrary<Envelope[K]> } = {
  at: instant,
  epoch: seq,
  prev: hash,
  recorded_at: instant,
  salt: hex(32),
  seq,
  v: fc.constant(1),
  ws: name,
};

const usage: fc.Arbitrary<Usage> = fc.record(
  Object.fromEntries(UNITS.map((unit) => [unit, count])),
  { requiredKeys: [] },
);
const bound = record<UsageBound>(
  {
    cache_write: fc.subarray(["1h", "5m"] as const),
    choices: fc.bigInt({ max: 10n ** 12n, min: 1n }),
    counted: fc.boolean(),
    hidden_input: fc.boolean(),
    input: count,
    iterations: fc.bigInt({ max: 10n ** 12n, min: 1n }),
    modalities: fc.subarray([...MODALITIES]),
    web_search: count,
  },
  { output: count },
);
const leg = record<Leg>(
  { cap: words(200), held: amount, period: words(200), settled: signed },
  { limit: amount, pace: position },
);
const legs = some(leg);
const period = fc.record({ end: instant, key: words(80), start: instant });
const quote = record<TierQuote>(
  { model: words(200), tier: fc.constantFrom(...TIERS) },
  { amount, pico: words(80), skip: fc.constantFrom("unpriced", "window") },
);
const attributes = fc.dictionary(
  fc.oneof(
    fc.stringMatching(/^[A-Za-z0-9_.-]{1,64}$/),
    fc.constantFrom("__proto__", "constructor", "10", "9", "toString"),
  ),
  words(512),
  { maxKeys: 5, noNullPrototype: true },
);
const opening = { agent: name, authorization, legs, opened: ref, run: words(128) };

/** Random entries of every kind: whatever their types allow. */
export const anyEntryOf: { readonly [K in EntryKind]: fc.Arbitrary<EntryOf<K>> } = {
  adjust: record<EntryOf<"adjust">>(
    {
      ...envelope,
      ...opening,
      amount: signed,
      by: words(128),
      corrects: ref,
      kind: fc.constant("adjust"),
      reason: words(500),
    },
    { model: words(200), part: words(32), pico: words(80), usage },
  ),
  authorize: record<EntryOf<"authorize">>(
    {
      ...envelope,
      agent: name,
      authorization,
      config_seq: seq,
      expires_at: instant,
      held: amount,
      key,
      kind: fc.constant("authorize"),
      lane,
      legs,
      model: words(200),
      month: period,
      outcome: fc.constantFrom(...OUTCOMES),
      payload_hash: hash,
      policy_seq: position,
      price_card: hash,
      price_seq: seq,
      priority: fc.constantFrom(...PRIORITIES),
      reason: fc.constantFrom(...REASONS),
      rule: fc.constantFrom(...RULES),
      run: words(128),
      tiers: some(quote),
      usage_bound: bound,
      year: period,
    },
    {
      attributes,
      blocked_by: fc.constant("holds"),
      ceiling: fc.constantFrom(...TIERS, "shed"),
      failing: some(fc.record({ cap: words(200), period: words(200), shortfall: amount })),
      floor: fc.constantFrom(...TIERS),
      grant: fc.record({
        api: fc.constantFrom(...APIS),
        model: words(200),
        provider: words(64),
        tier: fc.constantFrom(...TIERS),
      }),
      idempotency: hash,
      pace: fc.record({ cap: words(200), value: position }),
      policy_rule: fc.record({ file: words(200), line, source: words(500) }),
      preferred: fc.constantFrom(...TIERS),
      tool: words(128),
    },
  ),
  configure: record<EntryOf<"configure">>(
    {
      ...envelope,
      base_seq: position,
      by: words(128),
      changes: some(change),
      commit: fc.boolean(),
      kind: fc.constant("configure"),
      stage: words(64),
    },
    {},
  ),
  expire: record<EntryOf<"expire">>(
    {
      ...envelope,
      ...opening,
      amount,
      due_at: instant,
      kind: fc.constant("expire"),
      on_expiry: fc.constantFrom("capture", "release"),
    },
    {},
  ),
  policy: record<EntryOf<"policy">>(
    {
      ...envelope,
      by: words(128),
      kind: fc.constant("policy"),
      policy: fc.record({ rebalancing: some(row), rules: some(policyRules) }),
    },
    {},
  ),
  price: record<EntryOf<"price">>(
    { ...envelope, by: words(128), kind: fc.constant("price"), price },
    {},
  ),
  release: record<EntryOf<"release">>(
    { ...envelope, ...opening, amount, kind: fc.constant("release") },
    {},
  ),
  settle: record<EntryOf<"settle">>(
    {
      ...envelope,
      ...opening,
      amount,
      basis: fc.constantFrom(...BASES),
      final: fc.boolean(),
      kind: fc.constant("settle"),
      late: fc.boolean(),
      overage: amount,
      part: words(32),
      price_card: hash,
    },
    {
      cost_now: amount,
      model: words(200),
      pico: words(80),
      tier: fc.constantFrom(...TIERS),
      unpriced: fc.boolean(),
      usage,
    },
  ),
  takeover: record<EntryOf<"takeover">>(
    {
      ...envelope,
      claim_seq: seq,
      holds_until: instant,
      kind: fc.constant("takeover"),
      owner: words(128),
    },
    {},
  ),
  void: record<EntryOf<"void">>(
    {
      ...envelope,
      amount,
      authorization,
      kind: fc.constant("void"),
      legs,
      reason: words(200),
    },
    { agent: name, opened: ref, run: words(128) },
  ),
};

/** An entry of any kind. */
export const anyEntry: fc.Arbitrary<Entry> = fc.oneof(
  ...(Object.values(anyEntryOf) as fc.Arbitrary<Entry>[]),
);
