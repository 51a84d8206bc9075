import fc from "fast-check";
import { MODEL_TIERS } from "./model-cascade.ts";

const tokens = fc.record({
  input: fc.bigInt({ max: 150_000n, min: 0n }),
  output: fc.bigInt({ max: 8_000n, min: 0n }),
});
const tier = fc.constantFrom(...MODEL_TIERS);
const target = fc.nat({ max: 30 });
const part = fc.constantFrom("1", "2", "3");
/** Beside the seconds of a call: the edge of a hold's life, of an id's, of a run's counter. */
const wait = fc.oneof(
  fc.nat({ max: 3_000 }),
  fc.constantFrom(10_000, 29_999, 30_000, 30_001, 120_001, 3 * 86_400_000, 36 * 86_400_000),
);

const CAPS = [
  "agent:bot/run",
  "agent:bot/month",
  "agent:bot/year",
  "agent:crawler/run",
  "agent:crawler/month",
  "cost_center:labs/month",
  "team:core/month",
  "workspace:acme/month",
  "workspace:acme/year",
] as const;

const authorizeOp = fc.record({
  agent: fc.constantFrom("bot", "crawler"),
  op: fc.constant("authorize" as const),
  preferred: fc.option(tier, { nil: undefined }),
  run: fc.option(fc.constantFrom("r1", "r2", "r3"), { nil: undefined }),
  tokens,
});
const settleOp = fc.record({
  final: fc.boolean(),
  op: fc.constant("settle" as const),
  part,
  served: fc.oneof(
    { arbitrary: fc.constant(undefined), weight: 4 },
    { arbitrary: fc.oneof(tier, fc.constant("unpriced" as const)), weight: 1 },
  ),
  target,
  tokens: fc.option(tokens, { freq: 4, nil: undefined }),
});
const capOp = fc.record({
  cap: fc.constantFrom(...CAPS),
  limit: fc.option(fc.constantFrom("0", "0.05", "1", "4", "12"), { nil: undefined }),
  op: fc.constant("cap" as const),
});
const adjustOp = fc.record({
  cents: fc.integer({ max: 30, min: -30 }),
  op: fc.constant("adjust" as const),
  part,
  target,
});

export const operation = fc.oneof(
  { arbitrary: authorizeOp, weight: 12 },
  { arbitrary: settleOp, weight: 10 },
  { arbitrary: fc.record({ ms: wait, op: fc.constant("wait" as const) }), weight: 4 },
  { arbitrary: fc.record({ op: fc.constant("void" as const), target }), weight: 2 },
  { arbitrary: fc.record({ op: fc.constant("repeat" as const), target }), weight: 2 },
  {
    arbitrary: fc.record({
      op: fc.constant("renew" as const),
      targets: fc.array(target, { maxLength: 5 }),
    }),
    weight: 2,
  },
  { arbitrary: adjustOp, weight: 1 },
  { arbitrary: capOp, weight: 2 },
  {
    arbitrary: fc.record({ op: fc.constant("price" as const), factor: fc.constantFrom(1n, 3n) }),
    weight: 1,
  },
  { arbitrary: fc.record({ op: fc.constant("freeze" as const), frozen: fc.boolean() }), weight: 1 },
  {
    arbitrary: fc.record({
      from: fc.constantFrom("journal" as const, "snapshot" as const),
      op: fc.constant("takeOver" as const),
    }),
    weight: 1,
  },
  { arbitrary: fc.record({ op: fc.constant("forget" as const) }), weight: 1 },
  { arbitrary: fc.record({ op: fc.constant("snapshot" as const) }), weight: 1 },
);
export type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;
