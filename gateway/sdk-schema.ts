import { z } from "zod";
import { RUN_PATTERN } from "../ledger/ids.ts";
import { UNITS, type Usage, type UsageBound, usageOf } from "../ledger/usage.ts";

/** A count: a whole number, or one as a decimal string where it may exceed 2^53. */
const count = z.union([
  z.number().int().nonnegative().transform(BigInt),
  z
    .string()
    .regex(/^(0|[1-9][0-9]{0,30})$/, "must be a whole number as a decimal string")
    .transform(BigInt),
]);

const usageBound = z
  .strictObject({
    input: count,
    output: count.optional(),
    choices: count.default(1n),
    iterations: count.default(1n),
    web_search: count.default(0n),
    hidden_input: z.boolean().default(false),
    cache_write: z.array(z.enum(["1h", "5m"])).default([]),
    modalities: z.array(z.enum(["image", "pdf", "text"])).default(["text"]),
  })
  .transform(({ output, cache_write, modalities, ...rest }): UsageBound => {
    const sorted = <T extends string>(list: readonly T[]) => [...new Set(list)].sort();
    return {
      ...rest,
      cache_write: sorted(cache_write),
      modalities: sorted(modalities),
      counted: false,
      ...(output === undefined ? {} : { output }),
    };
  });

/** Body of `POST /v1/authorize`. */
export const authorizeBody = z.strictObject({
  agent: z.string().min(1).max(63).optional(),
  run: z.string().regex(RUN_PATTERN, "is not a run id").optional(),
  tool: z.string().min(1).max(128).optional(),
  attributes: z
    .record(z.string().regex(/^[A-Za-z0-9_.-]{1,64}$/), z.string().max(512))
    .refine((value) => JSON.stringify(value).length <= 2_048, "must be at most 2048 bytes")
    .optional(),
  model: z.string().min(1).max(200).default("auto"),
  usage_bound: usageBound,
});
export type AuthorizeBody = z.infer<typeof authorizeBody>;

const usage = z
  .strictObject(
    Object.fromEntries(UNITS.map((unit) => [unit, count.optional()])) as {
      readonly [U in (typeof UNITS)[number]]: z.ZodOptional<typeof count>;
    },
  )
  .transform((counts): Usage => usageOf(counts));

/** Body of `POST /v1/authorizations/{id}/settle`. Absent usage is not zero: it settles at the hold. */
export const settleBody = z.strictObject({
  part: z
    .union([z.string(), z.number().int().positive().transform(String)])
    .pipe(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$/, 'must be a part like "1"')),
  final: z.boolean(),
  usage: usage.optional(),
  model: z.string().min(1).max(200).optional(),
});

/** Body of `POST /v1/authorizations/{id}/void`. */
export const voidBody = z.strictObject({
  reason: z.string().min(1).max(200).default("by the caller"),
});

/** Body of `POST /v1/authorizations/{id}/renew`. */
export const renewBody = z.strictObject({});

/** Every mistake as `field: what is wrong`. */
export function mistakes(error: z.ZodError): string[] {
  return error.issues.map((issue) => `${issue.path.join(".") || "body"}: ${issue.message}`);
}
