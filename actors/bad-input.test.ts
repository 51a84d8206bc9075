/**
 * Goal: no command that its schema lets through can stop a workspace: absurd amounts are refused or
 * taken at the hold, and nothing leaves int64.
 * Method: the greatest values that the schemas allow, and random commands straight from them.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { entrySchema, usageBoundSchema, usageSchema } from "../ledger/entries.ts";
import { INT64_MAX, type NanoUsd } from "../ledger/money.ts";
import { type Parsed, parseJson } from "../ledger/schema.ts";
import { modelPrice as modelPriceSchema } from "../ledger/workspace-config.ts";
import { answerSchema, type Command, commandSchema } from "./commands.ts";
import { bound, modelPrice, PRICES } from "./testing/prices.ts";
import { agent, usd, World } from "./testing/world.ts";

const HUGE = 10n ** 12n;

describe("amounts", () => {
  test.each<[string, Partial<ReturnType<typeof bound>>]>([
    ["choices", { choices: HUGE }],
    ["rounds", { iterations: HUGE }],
    ["searches", { web_search: HUGE }],
    ["all of them", { choices: HUGE, iterations: HUGE, web_search: HUGE }],
  ])("authorize: a bound of a million million %s is refused, not a fault", (_, change) => {
    const world = new World();
    const answer = world.authorize({ usage_bound: { ...bound(1n, 8_000n), ...change } });
    expect(answer).toMatchObject({ outcome: "hold", reason: "unpriced", rule: "00" });
    expect(world.authorize().outcome).toBe("admit");
  });

  test("settle: a usage of a million million tokens is taken at the hold, not a fault", () => {
    const world = new World();
    const { authorization } = world.authorize();
    const usage = { cache_read: HUGE, cache_write_1h: HUGE, input: HUGE, output: HUGE };
    expect(world.settle(authorization, { usage })).toMatchObject({
      amount: usd("0.048"),
      assumed: true,
    });
  });

  test("adjust: what no call costs is refused, not a fault", () => {
    const world = new World();
    const { authorization } = world.authorize();
    for (const part of ["1", "2"]) {
      expect(world.adjust(authorization, INT64_MAX as NanoUsd, part)).toEqual({
        authorization,
        code: "bad-request",
        kind: "refused",
        message: `amount: would bring what ${authorization} has spent above 1000000000000000 nano-USD, which no call costs.`,
      });
    }
    expect(world.adjust(authorization, usd("1000000"))).toMatchObject({ kind: "posted" });
  });

  test("price: the dearest price that fits the schema is refused, not a fault", () => {
    const dear = { ...modelPrice("S", 10n ** 24n), window: 10n ** 30n };
    expect(parseJson(modelPriceSchema, modelPriceSchema.write(dear)).ok).toBe(true);
    const world = new World();
    world.configure([], { price: { ...PRICES, models: [dear] } });
    expect(world.authorize()).toMatchObject({ reason: "unpriced" });
  });

  test("cap: the greatest amount there is can be a cap", () => {
    const caps = {
      month: INT64_MAX as NanoUsd,
      run: INT64_MAX as NanoUsd,
      year: INT64_MAX as NanoUsd,
    };
    const world = new World({ agents: { bot: agent({ caps }) } });
    expect(world.authorize({ usage_bound: { ...bound(1n, 1n), choices: HUGE } }).outcome).toBe(
      "hold",
    );
    expect(world.authorize().outcome).toBe("admit");
  });

  test.each([
    [usageSchema, `{"output":"${HUGE + 1n}"}`],
    [usageSchema, '{"output":"-1"}'],
    [usageSchema, '{"tokens":"1"}'],
    [usageBoundSchema, usageBoundSchema.write({ ...bound(1n, 1n), choices: HUGE + 1n })],
    [usageBoundSchema, usageBoundSchema.write({ ...bound(1n, 1n), choices: 0n })],
    [usageBoundSchema, usageBoundSchema.write({ ...bound(1n, 1n), iterations: 0n })],
    [usageBoundSchema, usageBoundSchema.write({ ...bound(-1n, 1n) })],
  ])("read: %# is refused with one mistake", (schema, json) => {
    const parsed = parseJson<unknown>(schema, json) as Extract<Parsed<unknown>, { ok: false }>;
    expect(parsed.ok).toBe(false);
    expect(parsed.problems).toHaveLength(1);
  });
});

describe("random commands", () => {
  const count = fc.oneof(fc.bigInt({ max: HUGE, min: 0n }), fc.bigInt({ max: 9_000n, min: 0n }));
  const usage = fc.record(
    { cache_read: count, cache_write_5m: count, input: count, output: count, web_search: count },
    { requiredKeys: [] },
  );
  const positive = fc.oneof(fc.constant(1n), fc.bigInt({ max: HUGE, min: 1n }));
  const usageBound = fc.record({
    cache_write: fc.subarray(["1h", "5m"] as const),
    choices: positive,
    counted: fc.boolean(),
    hidden_input: fc.boolean(),
    input: count,
    iterations: positive,
    modalities: fc.subarray(["image", "pdf", "text"] as const),
    output: count,
    web_search: count,
  });
  const model = fc.constantFrom("auto", "model-s", "alias-xl", "", "mystery", "__proto__");
  const target = fc.nat({ max: 5 });
  const commands = fc.array(
    fc.oneof(
      fc.record({ kind: fc.constant("authorize" as const), model, usage_bound: usageBound }),
      fc.record({
        final: fc.boolean(),
        kind: fc.constant("settle" as const),
        model,
        target,
        usage,
      }),
      fc.record({
        amount: fc.bigInt({ max: INT64_MAX, min: -INT64_MAX }) as fc.Arbitrary<NanoUsd>,
        kind: fc.constant("adjust" as const),
        target,
      }),
    ),
    { maxLength: 12 },
  );

  test("turn: none of them is a fault, and all answers and entries are what their schemas say", () => {
    fc.assert(
      fc.property(commands, (given) => {
        const world = new World({ agents: { bot: agent({ caps: { year: usd("9000000000") } }) } });
        const ids = [world.id()];
        for (const [i, one] of given.entries()) {
          const { kind } = one;
          const authorization = ids["target" in one ? one.target % ids.length : 0] as string;
          let command: Command;
          if (kind === "authorize") {
            command = world.call({ model: one.model, usage_bound: one.usage_bound });
            ids.push(command.authorization);
          } else if (kind === "settle") {
            const { final, model: served, usage: used } = one;
            command = { authorization, final, kind, model: served, part: `p${i}`, usage: used };
          } else {
            command = {
              amount: one.amount,
              authorization,
              by: "o",
              kind,
              part: `p${i}`,
              reason: "",
            };
          }
          const sent = parseJson(commandSchema, commandSchema.write(command));
          expect(sent).toEqual({ ok: true, value: command });
          const result = world.turn(command);
          const answer = answerSchema.write(result.answer);
          expect(parseJson(answerSchema, answer)).toEqual({ ok: true, value: result.answer });
          for (const { entry, line } of result.entries) {
            expect(parseJson(entrySchema, line)).toEqual({ ok: true, value: entry });
          }
        }
      }),
      { numRuns: 100 },
    );
  });
});
