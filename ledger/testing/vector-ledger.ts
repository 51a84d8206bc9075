/**
 * One small ledger with every kind of entry and every field that an entry can have, made by the
 * actor itself from fixed clocks, ids and salts: the same bytes on every machine.
 */
import { createHash } from "node:crypto";
import type { Command } from "../../actors/commands.ts";
import { agent, bound, PRICES, sha256Hex, usd, World } from "../../actors/testing/world.ts";
import { beginTerm } from "../../actors/workspace.ts";
import type { SealedEntry } from "../chain.ts";
import { authorizationId } from "../ids.ts";
import { DEFAULT_REBALANCING, type PolicyRule } from "../policy.ts";
import type { ModelPrice, RateBand } from "../price-card.ts";
import type { ConfigChange, PolicySettings, PriceSettings } from "../workspace-config.ts";

const SECOND_MS = 1_000;

const FLOOR_RULE: PolicyRule = {
  file: "agents/bot.yaml",
  if: { field: "pace", is: ">", value: 9_000n },
  line: 17,
  source: "if pace > 90% then floor: L",
  then: { do: "floor", tier: "L" },
};

const HOLD_RULE: PolicyRule = {
  file: "policy.yaml",
  if: {
    all: [
      { field: "priority", is: ">=", value: "P3" },
      { field: "tier", is: "=", value: "XL" },
    ],
  },
  line: 2,
  source: "if priority >= P3 and tier = XL then hold",
  then: { do: "hold" },
};

const POLICY: PolicySettings = { rebalancing: DEFAULT_REBALANCING, rules: [HOLD_RULE] };

const SCOPES: readonly ConfigChange[] = [
  { id: "support", item: "cost_center", value: { caps: { month: usd("5.00") } } },
  { id: "care", item: "team", value: { caps: {}, title: "Customer care" } },
  {
    id: "acme",
    item: "provider",
    value: { base_url: "https://api.example.com", credential: "env:ACME_API_KEY" },
  },
];

/** The first price card with longer prompts dearer, and searches priced by the thousand. */
function secondCard(): PriceSettings {
  const models = PRICES.models.map((model): ModelPrice => {
    const first = model.bands[0] as RateBand;
    const dearer = Object.fromEntries(
      Object.entries(first.units).map(([unit, price]) => [
        unit,
        { per: price.per, pico_usd: price.pico_usd * 2n },
      ]),
    );
    const web_search = { per: 1_000n, pico_usd: 10_000_000_000_000n };
    const uneven = model.model === "model-s" ? UNEVEN : {};
    return {
      ...model,
      bands: [
        { from_input: 0n, units: { ...first.units, ...uneven, web_search } },
        { from_input: 100_000n, units: { ...dearer, web_search } },
      ],
    };
  });
  return { ...PRICES, card: "ef".repeat(32), models };
}

/** Prices that leave parts of a nano-dollar: what rounding is about. */
const UNEVEN: RateBand["units"] = {
  cache_read: { per: 1n, pico_usd: 100_500n },
  output: { per: 1n, pico_usd: 5_000_250n },
};

/** Drives one workspace through its scenes and keeps what was sealed. */
class Scenes {
  readonly world = new World({
    agents: {
      batch: agent({
        caps: { month: usd("0.30") },
        on_expiry: "capture",
        on_overage: "freeze",
        priority: "P3",
      }),
      bot: agent({
        caps: { month: usd("0.60"), run: usd("0.06"), year: usd("20.00") },
        cost_center: "support",
        rules: [FLOOR_RULE],
        team: "care",
      }),
      // Nothing limits it: its legs have neither limit nor pace.
      reader: agent({ priority: "P2" }),
    },
    changes: SCOPES,
    policy: POLICY,
    ws: "acme",
  });
  #ids = 0;

  /** An id of this moment; its random part counts. */
  id(): string {
    this.#ids += 1;
    return authorizationId(this.world.now, new Uint8Array(16).fill(this.#ids));
  }

  wait(ms: number): void {
    this.world.now += ms;
  }

  authorize(overrides: Partial<Extract<Command, { kind: "authorize" }>> = {}): string {
    const authorization = this.id();
    this.world.authorize({ authorization, ...overrides });
    this.wait(SECOND_MS);
    return authorization;
  }

  settle(
    authorization: string,
    overrides: Partial<Extract<Command, { kind: "settle" }>> = {},
  ): void {
    this.world.settle(authorization, overrides);
    this.wait(SECOND_MS);
  }

  send(command: Command): void {
    const answer = this.world.send(command);
    if (answer.kind === "refused") throw new Error(`${command.kind}: ${answer.message}`);
    this.wait(SECOND_MS);
  }
}

/** Holds that are settled, released, voided, and a void that comes before its authorize. */
function ordinaryCalls(scenes: Scenes): void {
  const inParts = scenes.authorize({
    attributes: { customer: "4711", "ticket.kind": "refund – fällig" },
    idempotency: sha256Hex("a key of the client"),
    run: "ticket-1",
    tool: "search",
  });
  scenes.settle(inParts, { final: false, part: "1", usage: { input: 400n, output: 120n } });
  scenes.settle(inParts, {
    part: "2",
    usage: { cache_read: 300n, cache_write_5m: 200n, input: 100n, output: 321n, web_search: 1n },
  });
  const exact = scenes.authorize({ model: "alias-l" });
  scenes.settle(exact, { usage: { input: 1_000n, output: 1_000n } });
  const voided = scenes.authorize({ model: "model-s" });
  scenes.send({ authorization: voided, kind: "void", reason: "provider answered 429" });
  const unknown = scenes.id();
  scenes.send({ authorization: unknown, kind: "void", reason: "authorize was not answered" });
}

/** Every rule of the cascade but 05, which ordinary calls show. */
function refusalsAndThrottles(scenes: Scenes): void {
  const first = scenes.authorize({ run: "ticket-2" });
  const second = scenes.authorize({ run: "ticket-2", usage_bound: bound(800n, 1_000n) });
  scenes.authorize({ run: "ticket-2", usage_bound: bound(1_000n, 3_000n) });
  scenes.settle(first, { usage: { input: 900n, output: 40n } });
  scenes.settle(second, { usage: {} });
  scenes.authorize({ model: "gpt-of-another-lane" });
  scenes.authorize({ agent: "batch", model: "model-xl" });
  scenes.authorize({
    usage_bound: { ...bound(250_000n, 10n), counted: true, modalities: ["pdf", "text"] },
  });
  const heavy = scenes.authorize({
    agent: "batch",
    model: "model-l",
    usage_bound: bound(5_000n, 2_000n),
  });
  const shedding = scenes.authorize({ agent: "batch", model: "model-l" });
  const throttled = scenes.authorize({ agent: "batch", model: "model-l" });
  const lightest = scenes.authorize({ agent: "batch", model: "model-s" });
  scenes.authorize({ agent: "batch", model: "model-s" });
  scenes.authorize({ agent: "batch", model: "model-s", usage_bound: bound(199_000n, 8_000n) });
  scenes.send({ authorization: lightest, kind: "void", reason: "the client left" });
  scenes.settle(throttled, { usage: { input: 1_000n, output: 1_000n } });
  scenes.settle(shedding, { usage: { input: 1_000n, output: 700n } });
  scenes.settle(heavy, { usage: { input: 4_000n, output: 100n } });
}

/** Time ends holds; what arrives late posts, and what was assumed is corrected. */
function latenessAndCorrections(scenes: Scenes): void {
  const late = scenes.authorize({ model: "model-m" });
  const captured = scenes.authorize({ agent: "batch", model: "model-s" });
  scenes.wait(30 * SECOND_MS);
  scenes.settle(late, { usage: { input: 800n, output: 90n } });
  scenes.settle(captured, { usage: { input: 300n, output: 20n } });
  const assumed = scenes.authorize({ model: "model-m" });
  scenes.settle(assumed);
  scenes.settle(assumed, { part: "2", usage: { input: 900n, output: 77n } });
  scenes.send({
    amount: usd("-0.0005"),
    authorization: assumed,
    by: "cli:auditor",
    kind: "adjust",
    part: "credit-1",
    reason: "credit note 2026-118 of the provider",
  });
}

/** A second card by a staged commit; holds placed before it are settled at the first. */
function newPrices(scenes: Scenes): void {
  const before = scenes.authorize({ model: "model-s", usage_bound: bound(20_000n, 500n) });
  const change = {
    base_seq: scenes.world.state.configSeq,
    by: "cli:operator",
    kind: "configure",
    stage: "2026-11-10-prices",
  } as const;
  const care: ConfigChange = { id: "care", item: "team", value: { caps: { year: usd("1000") } } };
  scenes.send({ ...change, changes: [[care]], commit: false });
  scenes.send({ ...change, changes: [[]], commit: true, policy: POLICY, price: secondCard() });
  scenes.settle(before, { usage: { cache_read: 15_001n, input: 900n, output: 400n } });
  const long = scenes.authorize({
    agent: "reader",
    model: "model-s",
    usage_bound: bound(120_000n, 500n),
  });
  scenes.settle(long, { usage: { input: 99_000n, cache_read: 12_000n, output: 410n } });
  const rounded = scenes.authorize({ model: "model-s", usage_bound: bound(1_000n, 1_001n) });
  scenes.settle(rounded, { usage: { cache_read: 333n, input: 90n, output: 48n } });
  const searched = scenes.authorize({
    model: "model-s",
    usage_bound: { ...bound(2_000n, 300n), cache_write: ["1h", "5m"], web_search: 2n },
  });
  scenes.settle(searched, {
    usage: { cache_write_1h: 500n, input: 1n, output: 3n, web_search: 2n },
  });
  const elsewhere = scenes.authorize({ model: "model-s" });
  scenes.settle(elsewhere, { model: "model-unheard-of", usage: { input: 10n, output: 10n } });
}

/** An overage freezes the agent until an operator commits it again. */
function overage(scenes: Scenes): void {
  const over = scenes.authorize({ agent: "batch", model: "model-s" });
  scenes.settle(over, { usage: { input: 1_000n, output: 1_500n } });
  scenes.authorize({ agent: "batch", model: "model-s" });
}

/** Another owner takes the shard over: open holds outlive their time by its grace, and no longer. */
function takeover(scenes: Scenes): void {
  const { world } = scenes;
  const lost = scenes.authorize({ agent: "reader", model: "model-m" });
  const kept = scenes.authorize({ agent: "reader", model: "model-l" });
  scenes.wait(8 * SECOND_MS);
  world.epoch = 2n;
  world.claimAt = world.now;
  beginTerm(world.state, world.claimAt);
  scenes.wait(20 * SECOND_MS);
  for (const run of ["night-1", "night-2"]) {
    scenes.authorize({ model: "model-s", run, usage_bound: bound(9_000n, 8_000n) });
  }
  scenes.authorize({ usage_bound: bound(2_000n, 400n) });
  scenes.settle(kept, { usage: { input: 800n, output: 600n } });
  scenes.wait(8 * SECOND_MS);
  scenes.settle(lost, { usage: { input: 700n, output: 50n } });
}

/** A signing key is named by an entry. (The public key is that of test 1 in RFC 8032, section 7.1.) */
function logKey(scenes: Scenes): void {
  const public_key = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
  const id = createHash("sha256")
    .update(Buffer.from(public_key, "base64"))
    .digest("hex")
    .slice(0, 16);
  scenes.send({
    base_seq: scenes.world.state.configSeq,
    by: "cli:operator",
    changes: [[{ id, item: "log_key", value: { public_key, state: "active" } }]],
    commit: true,
    kind: "configure",
    stage: "2026-11-10-log-key",
  });
}

/** The entries of the ledger in `docs/vectors/ledger.jsonl`. */
export function vectorLedger(): readonly SealedEntry[] {
  const scenes = new Scenes();
  scenes.wait(SECOND_MS);
  ordinaryCalls(scenes);
  refusalsAndThrottles(scenes);
  latenessAndCorrections(scenes);
  newPrices(scenes);
  overage(scenes);
  takeover(scenes);
  logKey(scenes);
  return scenes.world.entries;
}
