import {
  authorizationIdSchema,
  OUTCOMES,
  RULES,
  usageBoundSchema,
  usageSchema,
} from "../ledger/entries.ts";
import { APIS, TIERS } from "../ledger/price-card.ts";
import { REASONS, REFUSAL_CODES } from "../ledger/refusals.ts";
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
  text,
  token,
  variant,
} from "../ledger/schema.ts";
import {
  amount,
  configChange,
  keyId,
  name,
  policySettings,
  priceSettings,
  signedAmount,
} from "../ledger/workspace-config.ts";

/** Request-reply commands, one NATS subject each. */
export const COMMAND_KINDS = [
  "adjust",
  "authorize",
  "configure",
  "inspect",
  "renew",
  "settle",
  "void",
] as const;
export type CommandKind = (typeof COMMAND_KINDS)[number];

const hash = token(/^[0-9a-f]{64}$/, "a hex SHA-256");
/** Names one settle of an authorization: "1", "2", …. (authorization, part) is its key. */
export const part = token(/^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$/, "a part like 1");

export const authorizeCommand = object(
  {
    agent: name,
    authorization: authorizationIdSchema,
    key: keyId,
    kind: oneOf(["authorize"]),
    /** A model id or alias of the agent's lane, or `auto`. */
    model: text(200),
    /** The gateway can count tokens and ask again with a tighter bound. */
    refinable: bool,
    usage_bound: usageBoundSchema,
  },
  {
    attributes: record(/^[A-Za-z0-9_.-]{1,64}$/, text(512), 32),
    /** Config sequence that the gateway saw. */
    config_seq: decimal(0n),
    idempotency: hash,
    run: text(128),
    tool: text(128),
  },
);
export type AuthorizeCommand = Infer<typeof authorizeCommand>;

export const settleCommand = object(
  { authorization: authorizationIdSchema, final: bool, kind: oneOf(["settle"]), part },
  {
    /** The model served; the granted one when absent. */
    model: text(200),
    /** As metered. Absent is "not measured", which settles at the hold; `{}` is zero. */
    usage: usageSchema,
  },
);
export type SettleCommand = Infer<typeof settleCommand>;

export const voidCommand = object({
  authorization: authorizationIdSchema,
  kind: oneOf(["void"]),
  reason: text(200),
});
export type VoidCommand = Infer<typeof voidCommand>;

export const renewCommand = object({
  authorizations: list(authorizationIdSchema, 5_000),
  kind: oneOf(["renew"]),
});
export type RenewCommand = Infer<typeof renewCommand>;

export const adjustCommand = object({
  amount: signedAmount,
  authorization: authorizationIdSchema,
  by: text(128),
  kind: oneOf(["adjust"]),
  part,
  reason: text(500),
});
export type AdjustCommand = Infer<typeof adjustCommand>;

export const configureCommand = object(
  {
    /** The last commit's sequence that the author saw; "0" makes the workspace. */
    base_seq: decimal(0n),
    by: text(128),
    /** Each list becomes one `configure` entry. */
    changes: list(list(configChange, 2_000), 100),
    commit: bool,
    kind: oneOf(["configure"]),
    stage: text(64),
  },
  { policy: policySettings, price: priceSettings },
);
export type ConfigureCommand = Infer<typeof configureCommand>;

export const inspectCommand = object(
  { kind: oneOf(["inspect"]) },
  {
    /** One agent's balances. */
    agent: name,
    authorization: authorizationIdSchema,
  },
);
export type InspectCommand = Infer<typeof inspectCommand>;

export const commandSchema = variant("kind", {
  adjust: adjustCommand,
  authorize: authorizeCommand,
  configure: configureCommand,
  inspect: inspectCommand,
  renew: renewCommand,
  settle: settleCommand,
  void: voidCommand,
});
export type Command = Infer<typeof commandSchema>;

/** Where an authorization stands. A gateway forwards only on `open`, and only once. */
export const AUTHORIZATION_STATES = ["open", "refused", "settled", "expired", "voided"] as const;
export type AuthorizationState = (typeof AUTHORIZATION_STATES)[number];

const failing = object({ cap: text(200), shortfall: amount });
const decidedFields = {
  authorization: authorizationIdSchema,
  config_seq: decimal(0n),
  held: amount,
  outcome: oneOf(OUTCOMES),
  reason: oneOf(REASONS),
  rule: oneOf(RULES),
  seq: decimal(1n),
};
const decidedOptional = {
  blocked_by: oneOf(["holds"]),
  /** The cap with the least left, and what it has left after this hold. */
  cap: text(200),
  /** Caps that the call did not fit, in order of precedence. */
  failing: list(failing, 32),
  grant: object({ api: oneOf(APIS), model: text(200), provider: text(64), tier: oneOf(TIERS) }),
  policy_rule: object({ file: text(200), line: integer(1, 1_000_000), source: text(500) }),
  remaining: signedAmount,
};

/** What an authorize entry says to whoever asked. */
export const decided = object(decidedFields, decidedOptional);

/** The answer to an authorize: a pure function of its entry, plus the present `state`. */
export const decidedAnswer = object(
  {
    ...decidedFields,
    expires_ms: integer(0, 3_600_000),
    kind: oneOf(["decided"]),
    state: oneOf(AUTHORIZATION_STATES),
  },
  decidedOptional,
);
export type DecidedAnswer = Infer<typeof decidedAnswer>;

export const refusedAnswer = object(
  { code: oneOf(REFUSAL_CODES), kind: oneOf(["refused"]), message: text(4_000) },
  {
    authorization: authorizationIdSchema,
    /** Every mistake found, `field: what is wrong`. */
    problems: list(text(1_000), 1_000),
    seq: decimal(0n),
  },
);
export type RefusedAnswer = Infer<typeof refusedAnswer>;

/** What one settle, adjust or void of an authorization did, and where it stands since. */
const postedAnswer = object(
  {
    /** Moved into spend by this part; negative for a correction that gives back. */
    amount: signedAmount,
    authorization: authorizationIdSchema,
    kind: oneOf(["posted"]),
    /** Given back to the caps by this part. */
    released: amount,
    seq: decimal(1n),
    state: oneOf(AUTHORIZATION_STATES),
  },
  { assumed: bool, late: bool, overage: amount },
);
export type PostedAnswer = Infer<typeof postedAnswer>;

export const answerSchema = variant("kind", {
  configured: object({ kind: oneOf(["configured"]), seq: decimal(1n) }),
  decided: decidedAnswer,
  inspected: object(
    { epoch: decimal(0n), head: hash, kind: oneOf(["inspected"]), seq: decimal(0n) },
    {
      authorization: object(
        {
          at: instant,
          ...decidedFields,
          agent: name,
          run: text(128),
          settled: signedAmount,
          state: oneOf(AUTHORIZATION_STATES),
          /** Still set aside. */
          still_held: amount,
        },
        decidedOptional,
      ),
      balances: list(
        object(
          { cap: text(200), held: amount, period: text(200), settled: signedAmount },
          { limit: amount, pace: decimal(0n) },
        ),
        5_000,
      ),
      config_seq: decimal(0n),
      open_holds: integer(0, 1_000_000_000),
    },
  ),
  posted: postedAnswer,
  /** Nothing was decided: count tokens and ask again with the same id. */
  refine: object({ authorization: authorizationIdSchema, kind: oneOf(["refine"]) }),
  refused: refusedAnswer,
  renewed: object({
    /** Ids that are no longer open, with where they stand; unknown ids are `unknown`. */
    ended: list(
      object({
        authorization: authorizationIdSchema,
        state: oneOf([...AUTHORIZATION_STATES, "unknown"]),
      }),
      5_000,
    ),
    expires_ms: integer(0, 3_600_000),
    kind: oneOf(["renewed"]),
    renewed: integer(0, 5_000),
  }),
});
export type Answer = Infer<typeof answerSchema>;
