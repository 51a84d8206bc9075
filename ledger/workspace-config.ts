import { PRIORITIES } from "./caps.ts";
import { NAME_PATTERN } from "./ids.ts";
import { INT64_MAX, INT64_MIN, type NanoUsd } from "./money.ts";
import { policyRule, rebalancingRow } from "./policy.ts";
import { APIS, TIERS } from "./price-card.ts";
import {
  bool,
  decimal,
  type Infer,
  integer,
  list,
  object,
  oneOf,
  type Schema,
  text,
  token,
  variant,
} from "./schema.ts";
import { MODALITIES, UNITS } from "./usage.ts";

/** A name of an agent, team, cost centre or workspace. */
export const name = token(NAME_PATTERN, "a name of a-z, 0-9, _ and -, at most 63 long");

/** An amount that may be zero but not negative, in nano-USD. */
export const amount = decimal(0n, INT64_MAX) as Schema<NanoUsd>;

/** A signed amount in nano-USD. */
export const signedAmount = decimal(INT64_MIN, INT64_MAX) as Schema<NanoUsd>;

/** Ceilings of a scope by calendar period; one that is absent does not limit. */
const periodCaps = object({}, { month: amount, year: amount });
const agentCaps = object({}, { month: amount, run: amount, year: amount });

/** Where an agent's calls go; frozen once it is set. */
export const laneRef = object({ family: text(64), provider: text(64), region: text(64) });

export const workspaceSettings = object(
  {
    caps: periodCaps,
    currency: oneOf(["USD"]),
    /** How long a hold lives without a sign of life from its gateway, in ms. */
    expiry_ms: integer(1_000, 3_600_000),
    /** IANA zone; months and years of all caps are its own. Fixed when the workspace is made. */
    time_zone: text(64),
  },
  { title: text(200) },
);
export type WorkspaceSettings = Infer<typeof workspaceSettings>;

export const groupSettings = object({ caps: periodCaps }, { title: text(200) });
export type GroupSettings = Infer<typeof groupSettings>;

export const agentSettings = object(
  {
    caps: agentCaps,
    /** A frozen agent is refused, whatever its caps have left. */
    frozen: bool,
    lane: laneRef,
    on_expiry: oneOf(["capture", "release"]),
    /** `freeze`: a settle above its hold freezes the agent; the amount posts either way. */
    on_overage: oneOf(["freeze", "none"]),
    priority: oneOf(PRIORITIES),
    rules: list(policyRule, 100),
    /** Tiers of the lane that the agent may use, lightest first. */
    tiers: list(oneOf(TIERS), 4),
  },
  { cost_center: name, team: name, title: text(200) },
);
export type AgentSettings = Infer<typeof agentSettings>;

export const keySettings = object(
  {
    created_at: text(30),
    /** SHA-256 of the whole key, hex. The key itself is shown once and never stored. */
    hash: token(/^[0-9a-f]{64}$/, "a hex SHA-256"),
    revoked: bool,
  },
  { agent: name, title: text(200) },
);
export type KeySettings = Infer<typeof keySettings>;

/**
 * Where a provider is reached and with which credential. The credential is a reference such as
 * `env:ANTHROPIC_API_KEY`, never a secret.
 */
export const providerSettings = object({}, { base_url: text(500), credential: text(300) });
export type ProviderSettings = Infer<typeof providerSettings>;

/** Bytes of an Ed25519 public key in base64; the 43rd digit carries four bits. */
const PUBLIC_KEY = /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/;

/** A key that signs the log's checkpoints: by these entries an auditor passes from one key to the next. */
export const logKeySettings = object({
  public_key: token(PUBLIC_KEY, "an Ed25519 public key of 32 bytes in base64"),
  state: oneOf(["active", "retired"]),
});
export type LogKeySettings = Infer<typeof logKeySettings>;

/** Names a signing key: the first 8 bytes of the SHA-256 of its public key, hex. */
export const logKeyId = token(/^[0-9a-f]{16}$/, "16 hex digits that name a signing key");

/** A key's public id: what entries name. */
export const keyId = token(/^key_[0-9a-f]{16}$/, "a key id like key_0123456789abcdef");

/** One change of a workspace's configuration. A `value` that is absent removes the item. */
export const configChange = variant("item", {
  agent: object({ id: name, item: oneOf(["agent"]) }, { value: agentSettings }),
  cost_center: object({ id: name, item: oneOf(["cost_center"]) }, { value: groupSettings }),
  key: object({ id: keyId, item: oneOf(["key"]) }, { value: keySettings }),
  log_key: object({ id: logKeyId, item: oneOf(["log_key"]) }, { value: logKeySettings }),
  provider: object({ id: name, item: oneOf(["provider"]) }, { value: providerSettings }),
  team: object({ id: name, item: oneOf(["team"]) }, { value: groupSettings }),
  workspace: object({ id: name, item: oneOf(["workspace"]) }, { value: workspaceSettings }),
});
export type ConfigChange = Infer<typeof configChange>;

/** Workspace-wide rules and the rebalancing table; replaced as one. */
export const policySettings = object({
  rebalancing: list(rebalancingRow, 50),
  rules: list(policyRule, 200),
});
export type PolicySettings = Infer<typeof policySettings>;

const unitPrice = object({ per: decimal(1n), pico_usd: decimal(0n) });
const units = object(
  {},
  Object.fromEntries(UNITS.map((unit) => [unit, unitPrice])) as {
    readonly [U in (typeof UNITS)[number]]: typeof unitPrice;
  },
);

export const modelPrice = object({
  bands: list(object({ from_input: decimal(0n), units }), 16),
  modalities: list(oneOf(MODALITIES), 8),
  model: text(200),
  output_max: decimal(1n),
  provider: text(64),
  window: decimal(1n),
});

export const lane = object({
  api: oneOf(APIS),
  family: text(64),
  prices: text(64),
  provider: text(64),
  region: text(64),
  tiers: list(object({ aliases: list(text(200), 50), model: text(200), tier: oneOf(TIERS) }), 4),
});

/** The part of a price card that one workspace's lanes use, under the hash of the whole card. */
export const priceSettings = object({
  /** SHA-256 of the whole card's canonical bytes, hex. */
  card: token(/^[0-9a-f]{64}$/, "a hex SHA-256"),
  lanes: list(lane, 200),
  models: list(modelPrice, 500),
});
export type PriceSettings = Infer<typeof priceSettings>;
