import { hash as digest, randomBytes } from "node:crypto";
import type { SealedEntry } from "../../ledger/chain.ts";
import { authorizationId } from "../../ledger/ids.ts";
import { type NanoUsd, nanoUsd, parseUsd } from "../../ledger/money.ts";
import type { Period, PeriodBounds } from "../../ledger/periods.ts";
import type { Lane, ModelPrice, Tier } from "../../ledger/price-card.ts";
import type { UsageBound } from "../../ledger/usage.ts";
import type {
  AgentSettings,
  ConfigChange,
  PolicySettings,
  PriceSettings,
} from "../../ledger/workspace-config.ts";
import type { Answer, Command, ConfigureCommand } from "../commands.ts";
import type { TurnContext, TurnResult } from "../turn.ts";
import { createWorkspace, runTurn, type WorkspaceState } from "../workspace.ts";

/** 2026-11-10 00:00 UTC: nine of November's thirty days have passed. */
export const START = Date.UTC(2026, 10, 10);

/** An amount written as dollars. */
export function usd(text: string): NanoUsd {
  const amount = parseUsd(text);
  if (amount === undefined) throw new Error(`not an amount: ${text}`);
  return amount;
}

export function sha256Hex(text: string): string {
  return digest("sha256", text, "hex");
}

/** Calendar months and years of UTC; the real zones are the edge's. */
export function utcPeriods(_zone: string, at: number): Record<Period, PeriodBounds> {
  const date = new Date(at);
  const year = date.getUTCFullYear();
  const month = date.getUTCMonth();
  return {
    month: {
      key: `${year}-${String(month + 1).padStart(2, "0")}@UTC`,
      start: Date.UTC(year, month),
      end: Date.UTC(year, month + 1),
    },
    year: { key: `${year}@UTC`, start: Date.UTC(year, 0), end: Date.UTC(year + 1, 0) },
  };
}

/** Prices by tier: $1, $2, $4 and $8 a million tokens in, five times that out. */
function model(tier: Tier, perMillion: bigint): ModelPrice {
  const price = (pico: bigint) => ({ per: 1n, pico_usd: pico });
  return {
    bands: [
      {
        from_input: 0n,
        units: {
          cache_read: price(perMillion * 100_000n),
          cache_write_1h: price(perMillion * 2_000_000n),
          cache_write_5m: price(perMillion * 1_250_000n),
          input: price(perMillion * 1_000_000n),
          output: price(perMillion * 5_000_000n),
          web_search: price(10_000_000_000n),
        },
      },
    ],
    modalities: ["image", "text"],
    model: `model-${tier.toLowerCase()}`,
    output_max: 8_000n,
    provider: "acme",
    window: 200_000n,
  };
}

const TIER_PRICES = [
  ["S", 1n],
  ["M", 2n],
  ["L", 4n],
  ["XL", 8n],
] as const;

export const LANE: Lane = {
  api: "anthropic",
  family: "acme",
  prices: "acme",
  provider: "acme",
  region: "global",
  tiers: TIER_PRICES.map(([tier]) => ({
    aliases: [`alias-${tier.toLowerCase()}`],
    model: `model-${tier.toLowerCase()}`,
    tier,
  })),
};

export const PRICES: PriceSettings = {
  card: "ab".repeat(32),
  lanes: [LANE],
  models: TIER_PRICES.map(([tier, perMillion]) => model(tier, perMillion)),
};

/** A bound of so many tokens in and out: at tier S, $1 a million in and $5 out. */
export function bound(input: bigint, output: bigint): UsageBound {
  return {
    cache_write: [],
    choices: 1n,
    counted: false,
    hidden_input: false,
    input,
    iterations: 1n,
    modalities: ["text"],
    output,
    web_search: 0n,
  };
}

export const KEY = "key_0123456789abcdef";

export function agent(overrides: Partial<AgentSettings> = {}): AgentSettings {
  return {
    caps: {},
    frozen: false,
    lane: { family: "acme", provider: "acme", region: "global" },
    on_expiry: "release",
    on_overage: "none",
    priority: "P0",
    rules: [],
    tiers: ["S", "M", "L", "XL"],
    ...overrides,
  };
}

export interface WorldOptions {
  readonly ws?: string;
  readonly changes?: readonly ConfigChange[];
  readonly policy?: PolicySettings;
  readonly caps?: { readonly month?: NanoUsd; readonly year?: NanoUsd };
  readonly agents?: Readonly<Record<string, AgentSettings>>;
}

/** The command that makes a workspace. */
export function foundingCommand(options: WorldOptions = {}): ConfigureCommand {
  const agents = options.agents ?? { bot: agent() };
  return {
    base_seq: 0n,
    by: "test",
    changes: [
      [
        {
          id: options.ws ?? "acme",
          item: "workspace",
          value: {
            caps: options.caps ?? {},
            currency: "USD",
            expiry_ms: 30_000,
            time_zone: "UTC",
          },
        },
        ...Object.entries(agents).map(
          ([id, value]): ConfigChange => ({ id, item: "agent", value }),
        ),
        {
          id: KEY,
          item: "key",
          value: { created_at: "2026-11-01T00:00:00.000Z", hash: "cd".repeat(32), revoked: false },
        },
        ...(options.changes ?? []),
      ],
    ],
    commit: true,
    kind: "configure",
    price: PRICES,
    stage: "founding",
    ...(options.policy === undefined ? {} : { policy: options.policy }),
  };
}

/** One workspace with a clock of its own, for tests of decisions. */
export class World {
  state: WorkspaceState;
  now = START;
  epoch = 1n;
  claimAt = START - 60_000;
  readonly entries: SealedEntry[] = [];
  #salt = 0;

  constructor(options: WorldOptions = {}) {
    this.state = createWorkspace(options.ws ?? "acme");
    this.send(foundingCommand(options));
  }

  context(command: Command): TurnContext {
    return {
      epoch: this.epoch,
      now: this.now,
      payloadHash: sha256Hex(
        JSON.stringify(command, (_, v) => (typeof v === "bigint" ? `${v}` : v)),
      ),
      periodsAt: utcPeriods,
      recordedAt: this.now,
      salt: () => (this.#salt++).toString(16).padStart(32, "0"),
      sha256Hex,
      term: { claimAt: this.claimAt, claimSeq: this.epoch, owner: "test" },
    };
  }

  /** Works one command, answering a `fetch` from this world's own entries as Postgres would. */
  turn(command: Command): Extract<TurnResult, { kind: "answered" }> {
    let result = runTurn(this.state, command, this.context(command));
    this.entries.push(...result.entries);
    if (result.kind === "answered") return result;
    const fetched = this.#fetch(result.authorization, result.idempotency);
    result = runTurn(this.state, command, { ...this.context(command), fetched });
    this.entries.push(...result.entries);
    if (result.kind !== "answered") throw new Error("a turn fetched twice");
    return result;
  }

  send(command: Command): Answer {
    return this.turn(command).answer;
  }

  #fetch(authorization: string | undefined, idempotency: string | undefined) {
    const linesOf = (id: string) =>
      this.entries
        .filter(({ entry }) => "authorization" in entry && entry.authorization === id)
        .map(({ line }) => line);
    const own = authorization === undefined ? [] : linesOf(authorization);
    if (own.length > 0) return { authorization: authorization as string, lines: own };
    const sibling = this.entries.find(
      ({ entry }) => entry.kind === "authorize" && entry.idempotency === idempotency,
    );
    if (idempotency !== undefined && sibling?.entry.kind === "authorize") {
      const id = sibling.entry.authorization;
      return { authorization: id, lines: linesOf(id) };
    }
    return { authorization: authorization ?? "", lines: [] };
  }

  /** A fresh authorization id of this moment. */
  id(random: Uint8Array = randomBytes(16)): string {
    return authorizationId(this.now, random);
  }

  /** An authorize with what a test does not care about filled in. */
  authorize(
    overrides: Partial<Extract<Command, { kind: "authorize" }>> = {},
  ): Extract<Answer, { kind: "decided" }> {
    const answer = this.send({
      agent: "bot",
      authorization: this.id(),
      key: KEY,
      kind: "authorize",
      model: "auto",
      refinable: false,
      usage_bound: bound(1_000n, 1_000n),
      ...overrides,
    });
    if (answer.kind !== "decided") throw new Error(`not decided: ${JSON.stringify(answer.kind)}`);
    return answer;
  }

  settle(
    authorization: string,
    overrides: Partial<Extract<Command, { kind: "settle" }>> = {},
  ): Answer {
    return this.send({ authorization, final: true, kind: "settle", part: "1", ...overrides });
  }

  balance(cap: string, period = "2026-11@UTC"): { settled: bigint; held: bigint } {
    const counter = this.state.counters.get(`${cap}|${period}`);
    return { held: counter?.held ?? 0n, settled: counter?.settled ?? 0n };
  }
}

export { nanoUsd };
