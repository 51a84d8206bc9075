import { MODEL_TIERS, type ModelCap, type ModelTier, modelDecide } from "./model-cascade.ts";

/** An agent as the model knows it. */
export interface ModelAgent {
  frozen: boolean;
  readonly priority: 0 | 1 | 2 | 3;
  readonly allowed: readonly ModelTier[];
  readonly costCenter?: string;
  readonly team?: string;
  readonly captures: boolean;
  readonly floorAbove?: { readonly pace: bigint; readonly tier: ModelTier };
}

export interface ModelTokens {
  readonly input: bigint;
  readonly output: bigint;
}

export interface ModelPart {
  readonly amount: bigint;
  readonly assumed: boolean;
  readonly final: boolean;
  readonly late: boolean;
  readonly overage: bigint;
  readonly released: bigint;
}

export interface ModelHold {
  readonly id: string;
  readonly agent: string;
  readonly at: number;
  readonly granted: bigint;
  readonly tier: ModelTier | undefined;
  /** Nano-USD for one token in and one out at tier S. */
  readonly price: bigint;
  readonly legs: readonly string[];
  readonly seen: ReturnType<typeof modelDecide>;
  state: "open" | "refused" | "settled" | "expired" | "voided";
  held: bigint;
  settled: bigint;
  expiresAt: number;
  /** Taken as spent without a measure, which may still come. */
  correctable: boolean;
  readonly parts: Map<string, ModelPart>;
  readonly adjusts: Map<string, bigint>;
}

interface Sum {
  settled: bigint;
  held: bigint;
  lastAt: number;
}

const DAY_MS = 86_400_000;
const EXPIRY_MS = 30_000;
const WEIGHT: Readonly<Record<ModelTier, bigint>> = { S: 1n, M: 2n, L: 4n, XL: 8n };

/** Ledger rules R1 to R13 over plain maps: what the workspace actor has to come to. */
export class Model {
  now: number;
  /** Nano-USD a token in at tier S; output costs five times that. */
  price = 1_000n;
  readonly limits = new Map<string, bigint>();
  readonly sums = new Map<string, Sum>();
  readonly holds = new Map<string, ModelHold>();
  readonly agents: Readonly<Record<string, ModelAgent>>;

  constructor(now: number, agents: Readonly<Record<string, ModelAgent>>) {
    this.now = now;
    this.agents = agents;
  }

  sum(key: string): Sum {
    const known = this.sums.get(key);
    const over =
      key.includes("/run|") && known?.held === 0n && known.lastAt + 35 * DAY_MS <= this.now;
    if (known !== undefined && !over) return known;
    const fresh = { settled: 0n, held: 0n, lastAt: this.now };
    this.sums.set(key, fresh);
    return fresh;
  }

  #move(hold: ModelHold, held: bigint, settled: bigint): void {
    hold.held += held;
    hold.settled += settled;
    for (const key of hold.legs) {
      const sum = this.sum(key);
      sum.held += held;
      sum.settled += settled;
      sum.lastAt = this.now;
    }
  }

  /** Ends every hold that is due; R8 decides what becomes of it. */
  expire(): void {
    for (const hold of this.holds.values()) {
      if (hold.state !== "open" || hold.expiresAt > this.now) continue;
      const captured = this.agents[hold.agent]?.captures === true;
      this.#move(hold, -hold.held, captured ? hold.held : 0n);
      hold.state = "expired";
      hold.correctable = captured;
    }
  }

  /** R13. */
  takeOver(): void {
    for (const hold of this.holds.values()) {
      hold.expiresAt = Math.max(hold.expiresAt, this.now + EXPIRY_MS);
    }
  }

  #capsOf(agentName: string, run: string): (ModelCap & { key: string })[] {
    const agent = this.agents[agentName] as ModelAgent;
    const date = new Date(this.now);
    const year = date.getUTCFullYear();
    const month = date.getUTCMonth();
    const scopes = [
      `agent:${agentName}`,
      ...(agent.costCenter === undefined ? [] : [`cost_center:${agent.costCenter}`]),
      ...(agent.team === undefined ? [] : [`team:${agent.team}`]),
      "workspace:acme",
    ];
    const view = (cap: string, period: string, bounds: { start: number; end: number } | object) => {
      const key = `${cap}|${period}`;
      const { settled, held } = this.sum(key);
      return { key, cap, limit: this.limits.get(cap), settled, held, ...bounds };
    };
    const monthKey = `${year}-${String(month + 1).padStart(2, "0")}@UTC`;
    const months = { start: Date.UTC(year, month), end: Date.UTC(year, month + 1) };
    const years = { start: Date.UTC(year, 0), end: Date.UTC(year + 1, 0) };
    return [
      view(`agent:${agentName}/run`, run, {}),
      ...scopes.map((scope) => view(`${scope}/month`, monthKey, months)),
      ...scopes.map((scope) => view(`${scope}/year`, `${year}@UTC`, years)),
    ];
  }

  authorize(
    id: string,
    agentName: string,
    run: string,
    preferred: ModelTier | undefined,
    bound: ModelTokens,
  ): ModelHold {
    const agent = this.agents[agentName] as ModelAgent;
    const caps = this.#capsOf(agentName, run);
    const cost = Object.fromEntries(
      MODEL_TIERS.map((tier) => [tier, this.cost(tier, bound, this.price)]),
    ) as Record<ModelTier, bigint>;
    const seen = modelDecide({
      caps,
      now: this.now,
      frozen: agent.frozen,
      priority: agent.priority,
      allowed: agent.allowed,
      preferred: preferred ?? (agent.allowed.at(-1) as ModelTier),
      cost,
      floorAbove: agent.floorAbove,
    });
    const hold: ModelHold = {
      id,
      agent: agentName,
      at: this.now,
      granted: seen.held,
      tier: seen.tier,
      price: this.price,
      legs: caps.map(({ key }) => key),
      seen,
      state: seen.outcome === "hold" ? "refused" : "open",
      held: 0n,
      settled: 0n,
      expiresAt: this.now + EXPIRY_MS,
      correctable: false,
      parts: new Map(),
      adjusts: new Map(),
    };
    this.holds.set(id, hold);
    this.#move(hold, seen.held, 0n);
    return hold;
  }

  cost(tier: ModelTier, tokens: ModelTokens, price: bigint): bigint {
    return (tokens.input + 5n * tokens.output) * price * WEIGHT[tier];
  }

  /** R9 to R11. What the part came to; `undefined` when nothing was asked that can be posted. */
  settle(
    hold: ModelHold,
    part: string,
    final: boolean,
    tokens: ModelTokens | undefined,
    served: ModelTier | "unpriced" | undefined,
  ): ModelPart | "standing" | "refused" {
    const repeat = hold.parts.get(part);
    if (repeat !== undefined) return repeat;
    if (tokens === undefined && !final) return "refused";
    const tier = served ?? hold.tier;
    const measured =
      tokens === undefined || tier === undefined || tier === "unpriced"
        ? undefined
        : this.cost(tier, tokens, hold.price);
    const firstFinal = [...hold.parts.values()].find((known) => known.final);
    const nothing = { assumed: false, late: false, overage: 0n, released: 0n };
    if (final && hold.correctable) {
      if (measured === undefined) return firstFinal ?? "standing";
      let unmeasured = hold.settled;
      for (const known of hold.parts.values()) if (!known.assumed) unmeasured -= known.amount;
      for (const amount of hold.adjusts.values()) unmeasured -= amount;
      const amount = measured - unmeasured;
      this.#move(hold, 0n, amount);
      hold.correctable = false;
      hold.state = "settled";
      const adjusted = { ...nothing, amount, final: true };
      hold.parts.set(part, adjusted);
      return adjusted;
    }
    if (final && firstFinal !== undefined) return firstFinal;
    const rest = hold.granted > hold.settled ? hold.granted - hold.settled : 0n;
    const amount = measured ?? (hold.state === "open" ? hold.held : rest);
    const late = hold.state !== "open";
    const covered = amount < hold.held ? amount : hold.held;
    this.#move(hold, -covered, amount);
    const released = final ? hold.held : 0n;
    this.#move(hold, -released, 0n);
    if (final) {
      hold.state = "settled";
      hold.correctable = measured === undefined;
    }
    const assumed = measured === undefined;
    const posted = { amount, assumed, final, late, overage: amount - covered, released };
    hold.parts.set(part, posted);
    return posted;
  }

  void(hold: ModelHold): bigint {
    if (hold.state !== "open") return 0n;
    const released = hold.held;
    this.#move(hold, -released, 0n);
    hold.state = "voided";
    return released;
  }

  /** R12. False when it would take back more than was spent. */
  adjust(hold: ModelHold, part: string, amount: bigint): boolean {
    if (hold.adjusts.has(part)) return true;
    if (hold.settled + amount < 0n) return false;
    this.#move(hold, 0n, amount);
    hold.adjusts.set(part, amount);
    return true;
  }

  renew(hold: ModelHold): boolean {
    if (hold.state !== "open") return false;
    hold.expiresAt = this.now + EXPIRY_MS;
    return true;
  }
}
