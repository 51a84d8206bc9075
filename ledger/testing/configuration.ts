import fc from "fast-check";
import { PRIORITIES } from "../caps.ts";
import { INT64_MAX, INT64_MIN, type NanoUsd } from "../money.ts";
import {
  COMPARISONS,
  type Condition,
  type PolicyAction,
  type PolicyRule,
  REBALANCE_STEPS,
  type RebalancingRow,
} from "../policy.ts";
import { APIS, TIERS } from "../price-card.ts";
import { MODALITIES, UNITS } from "../usage.ts";
import type { AgentSettings, ConfigChange, PriceSettings } from "../workspace-config.ts";

/** Optional fields are there or not, each on its own. */
export function record<T>(
  required: { readonly [K in keyof T as undefined extends T[K] ? never : K]: fc.Arbitrary<T[K]> },
  optional: {
    readonly [K in keyof T as undefined extends T[K] ? K : never]-?: fc.Arbitrary<
      Exclude<T[K], undefined>
    >;
  },
): fc.Arbitrary<T> {
  const fields = { ...required, ...optional } as Record<string, fc.Arbitrary<unknown>>;
  return fc.record(fields, {
    requiredKeys: Object.keys(required),
  }) as fc.Arbitrary<unknown> as fc.Arbitrary<T>;
}

export const hex = (length: number) =>
  fc.string({
    maxLength: length,
    minLength: length,
    unit: fc.constantFrom(..."0123456789abcdef".split("")),
  });
/** Any character but half a pair of surrogates; the awkward ones more often. */
const character = fc.oneof(
  fc.constantFrom(
    '"',
    "\\",
    "/",
    "\n",
    "\u0000",
    "\u001f",
    "\u007f",
    "\u2028",
    "é",
    "\uffff",
    "😀",
  ),
  fc.integer({ max: 0x7e, min: 0x20 }).map((point) => String.fromCodePoint(point)),
  fc.integer({ max: 0xd7ff, min: 0x80 }).map((point) => String.fromCodePoint(point)),
  fc.integer({ max: 0x10ffff, min: 0xe000 }).map((point) => String.fromCodePoint(point)),
);
/** Any well-formed Unicode text of at most so many UTF-16 code units. */
export const words = (maxLength: number) =>
  fc.string({ maxLength: Math.floor(maxLength / 2), unit: character });
export const name = fc.stringMatching(/^[a-z0-9][a-z0-9_-]{0,20}$/);
export const amount = fc.bigInt({
  max: INT64_MAX,
  min: 0n,
}) as fc.Arbitrary<bigint> as fc.Arbitrary<NanoUsd>;
export const signed = fc.bigInt({
  max: INT64_MAX,
  min: INT64_MIN,
}) as fc.Arbitrary<bigint> as fc.Arbitrary<NanoUsd>;
export const seq = fc.bigInt({ max: 2n ** 63n, min: 1n });
export const position = fc.bigInt({ max: 2n ** 63n, min: 0n });
export const hash = hex(64);
export const key = hex(16).map((digits) => `key_${digits}`);
export const line = fc.integer({ max: 1_000_000, min: 1 });
export const some = <T>(of: fc.Arbitrary<T>) => fc.array(of, { maxLength: 4 });

export const lane = fc.record({ family: words(64), provider: words(64), region: words(64) });
const comparison = fc.constantFrom(...COMPARISONS);
export const condition = fc.letrec<{ tree: Condition; leaf: Condition }>((tie) => ({
  leaf: fc.oneof(
    fc.record({
      field: fc.constantFrom("pace" as const, "remaining" as const),
      is: comparison,
      value: position,
    }),
    fc.record({
      field: fc.constant("tier" as const),
      is: comparison,
      value: fc.constantFrom(...TIERS),
    }),
    fc.record({
      field: fc.constant("priority" as const),
      is: comparison,
      value: fc.constantFrom(...PRIORITIES),
    }),
  ),
  tree: fc.oneof(
    { depthSize: "small", maxDepth: 5 },
    tie("leaf"),
    fc.record({ all: fc.array(tie("tree"), { maxLength: 3 }) }),
    fc.record({ any: fc.array(tie("tree"), { maxLength: 3 }) }),
    fc.record({ not: tie("tree") }),
  ),
})).tree;
const action: fc.Arbitrary<PolicyAction> = fc.oneof(
  fc.record({
    do: fc.constantFrom("ceiling" as const, "floor" as const),
    tier: fc.constantFrom(...TIERS),
  }),
  fc.constant({ do: "hold" as const }),
);
export const policyRules: fc.Arbitrary<PolicyRule> = fc.record({
  file: words(200),
  if: condition,
  line,
  source: words(500),
  then: action,
});
const step = fc.constantFrom(...REBALANCE_STEPS);
export const row = record<RebalancingRow>(
  { pace_from: position },
  { P0: step, P1: step, P2: step, P3: step },
);
const caps = fc.record({ month: amount, year: amount }, { requiredKeys: [] });
const agent = record<AgentSettings>(
  {
    caps: fc.record({ month: amount, run: amount, year: amount }, { requiredKeys: [] }),
    frozen: fc.boolean(),
    lane,
    on_expiry: fc.constantFrom("capture", "release"),
    on_overage: fc.constantFrom("freeze", "none"),
    priority: fc.constantFrom(...PRIORITIES),
    rules: some(policyRules),
    tiers: fc.subarray([...TIERS]),
  },
  { cost_center: name, team: name, title: words(200) },
);
export const change: fc.Arbitrary<ConfigChange> = fc.oneof(
  record<Extract<ConfigChange, { item: "agent" }>>(
    { id: name, item: fc.constant("agent") },
    { value: agent },
  ),
  record<Extract<ConfigChange, { item: "team" }>>(
    { id: name, item: fc.constant("team") },
    { value: fc.record({ caps, title: words(200) }) },
  ),
  record<Extract<ConfigChange, { item: "key" }>>(
    { id: key, item: fc.constant("key") },
    { value: fc.record({ created_at: words(30), hash, revoked: fc.boolean() }) },
  ),
  record<Extract<ConfigChange, { item: "workspace" }>>(
    { id: name, item: fc.constant("workspace") },
    {
      value: fc.record({
        caps,
        currency: fc.constant("USD"),
        expiry_ms: fc.integer({ max: 3_600_000, min: 1_000 }),
        time_zone: words(64),
      }),
    },
  ),
);
const unitPrice = fc.record({ per: seq, pico_usd: position });
const units = fc.record(Object.fromEntries(UNITS.map((unit) => [unit, unitPrice])), {
  requiredKeys: [],
});
export const price: fc.Arbitrary<PriceSettings> = fc.record({
  card: hash,
  lanes: some(
    fc.record({
      api: fc.constantFrom(...APIS),
      family: words(64),
      prices: words(64),
      provider: words(64),
      region: words(64),
      tiers: some(
        fc.record({
          aliases: some(words(200)),
          model: words(200),
          tier: fc.constantFrom(...TIERS),
        }),
      ),
    }),
  ),
  models: some(
    fc.record({
      bands: some(fc.record({ from_input: position, units })),
      modalities: fc.subarray([...MODALITIES]),
      model: words(200),
      output_max: seq,
      provider: words(64),
      window: seq,
    }),
  ),
});
