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
  variant,
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

/** How deep `all`, `any` and `not` may stand in each other: a bound of the reader, not of anyone's rule. */
const CONDITION_DEPTH_MAX = 16;

const comparisons: Readonly<Record<string, Schema<Condition>>> = {
  pace: object({ field: oneOf(["pace"]), is: oneOf(COMPARISONS), value: decimal(0n) }),
  priority: object({
    field: oneOf(["priority"]),
    is: oneOf(COMPARISONS),
    value: oneOf(PRIORITIES),
  }),
  remaining: object({ field: oneOf(["remaining"]), is: oneOf(COMPARISONS), value: decimal() }),
  tier: object({ field: oneOf(["tier"]), is: oneOf(COMPARISONS), value: oneOf(TIERS) }),
};
const comparison = variant(
  "field",
  comparisons as Readonly<Record<string, Schema<object>>>,
) as Schema<Condition>;

/** Conditions that hold at most `depth` levels of others; its own schema picks by the keys there are. */
function conditionOf(depth: number): Schema<Condition> {
  const nested = lazy(() => conditionOf(depth - 1));
  const all = object({ all: list(nested, 64) }) as Schema<Condition>;
  const any = object({ any: list(nested, 64) }) as Schema<Condition>;
  const not = object({ not: nested }) as Schema<Condition>;
  const schemaFor = (value: object): Schema<Condition> => {
    if ("all" in value) return all;
    if ("any" in value) return any;
    return "not" in value ? not : comparison;
  };
  return {
    write: (value) => schemaFor(value).write(value),
    read(json, path, problems) {
      if (typeof json !== "object" || json === null) {
        problems.push(`${path}: must be a condition`);
        return undefined;
      }
      if (depth === 0) {
        problems.push(
          `${path}: conditions stand in each other more than ${CONDITION_DEPTH_MAX} deep`,
        );
        return undefined;
      }
      return schemaFor(json).read(json, path, problems);
    },
  };
}

export const condition: Schema<Condition> = conditionOf(CONDITION_DEPTH_MAX);

/** What a rule does: set a least tier, set a greatest tier, or refuse. Only the first two name a tier. */
export interface PolicyAction {
  readonly do: "ceiling" | "floor" | "hold";
  readonly tier?: (typeof TIERS)[number];
}
export const policyAction: Schema<PolicyAction> = variant("do", {
  ceiling: object({ do: oneOf(["ceiling"]), tier: oneOf(TIERS) }),
  floor: object({ do: oneOf(["floor"]), tier: oneOf(TIERS) }),
  hold: object({ do: oneOf(["hold"]) }),
});

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
