import { PRIORITIES } from "./caps.ts";
import { TIERS } from "./price-card.ts";
import {
  decimal,
  type Infer,
  integer,
  lazy,
  list,
  object,
  oneOf,
  type Schema,
  text,
} from "./schema.ts";

/** Comparisons that a policy rule may make. */
export const COMPARISONS = ["<", "<=", "=", "!=", ">", ">="] as const;
export type Comparison = (typeof COMPARISONS)[number];

/**
 * A condition over what the decision reads. `pace` is in basis points, `remaining` in nano-USD (the
 * least over the capped legs; without a cap it is unlimited and no `<` holds). `tier` is the preferred
 * tier, ordered S < M < L < XL; `priority` is ordered P0 < P1 < P2 < P3 by its number.
 */
export type Condition =
  | { readonly all: readonly Condition[] }
  | { readonly any: readonly Condition[] }
  | { readonly not: Condition }
  | { readonly field: "pace" | "remaining"; readonly is: Comparison; readonly value: bigint }
  | { readonly field: "tier"; readonly is: Comparison; readonly value: (typeof TIERS)[number] }
  | {
      readonly field: "priority";
      readonly is: Comparison;
      readonly value: (typeof PRIORITIES)[number];
    };

const nested: Schema<Condition> = lazy(() => condition);
const branches = [
  object({ all: list(nested, 64) }),
  object({ any: list(nested, 64) }),
  object({ not: nested }),
];
const comparisons: Readonly<Record<string, Schema<Condition>>> = {
  pace: object({ field: oneOf(["pace"]), is: oneOf(COMPARISONS), value: decimal(0n) }),
  remaining: object({ field: oneOf(["remaining"]), is: oneOf(COMPARISONS), value: decimal() }),
  tier: object({ field: oneOf(["tier"]), is: oneOf(COMPARISONS), value: oneOf(TIERS) }),
  priority: object({
    field: oneOf(["priority"]),
    is: oneOf(COMPARISONS),
    value: oneOf(PRIORITIES),
  }),
};

/** Picks the schema of a condition by the keys it has. */
function schemaFor(value: object): Schema<Condition> {
  if ("all" in value) return branches[0] as Schema<Condition>;
  if ("any" in value) return branches[1] as Schema<Condition>;
  if ("not" in value) return branches[2] as Schema<Condition>;
  const field = "field" in value && typeof value.field === "string" ? value.field : "";
  return comparisons[field] ?? (comparisons["pace"] as Schema<Condition>);
}

export const condition: Schema<Condition> = {
  write: (value) => schemaFor(value).write(value),
  read(json, path, problems) {
    if (typeof json === "object" && json !== null)
      return schemaFor(json).read(json, path, problems);
    problems.push(`${path}: must be a condition`);
    return undefined;
  },
};

/** What a rule does: set a least tier, set a greatest tier, or refuse. */
export const policyAction = object(
  { do: oneOf(["ceiling", "floor", "hold"]) },
  { tier: oneOf(TIERS) },
);
export type PolicyAction = Infer<typeof policyAction>;

/** One policy rule, with the words and the place it was written in, so that a refusal can quote it. */
export const policyRule = object({
  if: condition,
  then: policyAction,
  /** The rule as it was written: `if pace > 90% then floor: L`. */
  source: text(500),
  file: text(200),
  line: integer(1, 1_000_000),
});
export type PolicyRule = Infer<typeof policyRule>;

/** What rebalancing does to one priority: the greatest tier it may still use, or none at all. */
export const REBALANCE_STEPS = ["S", "M", "L", "shed"] as const;

/** One row of the rebalancing table: from this pace on, these ceilings by priority. */
export const rebalancingRow = object(
  { pace_from: decimal(0n) },
  {
    P0: oneOf(REBALANCE_STEPS),
    P1: oneOf(REBALANCE_STEPS),
    P2: oneOf(REBALANCE_STEPS),
    P3: oneOf(REBALANCE_STEPS),
  },
);
export type RebalancingRow = Infer<typeof rebalancingRow>;

/** The table of ledger rules §4, in force until a workspace writes its own. Paces in basis points. */
export const DEFAULT_REBALANCING: readonly RebalancingRow[] = [
  { pace_from: 8_000n, P3: "M" },
  { pace_from: 9_000n, P2: "M", P3: "S" },
  { pace_from: 10_000n, P1: "L", P2: "S", P3: "shed" },
  { pace_from: 11_000n, P1: "M", P2: "shed", P3: "shed" },
];
