import { expect } from "vitest";
import type { NanoUsd } from "../../ledger/money.ts";
import type { AgentSettings, ConfigChange } from "../../ledger/workspace-config.ts";
import type { AuthorizeCommand, Command, SettleCommand } from "../commands.ts";
import { encodeSnapshot } from "../snapshot.ts";
import { readCounter } from "../state.ts";
import { forget } from "../workspace.ts";
import { Model, type ModelHold, type ModelTokens } from "./model.ts";
import { MODEL_TIERS, type ModelTier } from "./model-cascade.ts";
import type { Operation } from "./operations.ts";
import { bound, modelPrice, PRICES } from "./prices.ts";
import { agent, START, usd, World } from "./world.ts";

const FLOOR_RULE = {
  file: "agents/bot.yaml",
  if: { field: "pace" as const, is: ">" as const, value: 9_000n },
  line: 1,
  source: "if pace > 90% then floor: L",
  then: { do: "floor" as const, tier: "L" as const },
};

/** A world and its model, moved by the same operations and compared after each. */
export class ModelRun {
  readonly world: World;
  readonly model: Model;
  readonly calls: AuthorizeCommand[] = [];
  readonly holds: ModelHold[] = [];
  snapshot: { readonly text: string; readonly entries: number } | undefined;

  constructor() {
    const limits = { month: usd("6"), run: usd("1"), year: usd("40") };
    this.world = new World({
      agents: {
        bot: agent({ caps: limits, cost_center: "labs", rules: [FLOOR_RULE] }),
        crawler: agent({
          caps: { month: usd("4") },
          cost_center: "labs",
          on_expiry: "capture",
          priority: "P3",
          team: "core",
          tiers: ["S", "L"],
        }),
      },
      caps: { month: usd("9"), year: usd("50") },
      changes: [
        { id: "labs", item: "cost_center", value: { caps: {} } },
        { id: "core", item: "team", value: { caps: {} } },
      ],
    });
    this.model = new Model(START, {
      bot: {
        allowed: MODEL_TIERS,
        captures: false,
        costCenter: "labs",
        floorAbove: { pace: 9_000n, tier: "L" },
        frozen: false,
        priority: 0,
      },
      crawler: {
        allowed: ["S", "L"],
        captures: true,
        costCenter: "labs",
        frozen: false,
        priority: 3,
        team: "core",
      },
    });
    const set = { "agent:bot/run": "1", "agent:bot/month": "6", "agent:bot/year": "40" };
    const more = { "agent:crawler/month": "4", "workspace:acme/month": "9" };
    for (const [cap, limit] of Object.entries({ ...set, ...more, "workspace:acme/year": "50" })) {
      this.model.limits.set(cap, usd(limit));
    }
  }

  run(operations: readonly Operation[]): void {
    for (const one of operations) {
      this.#work(one);
      this.#compare();
    }
  }

  #work(one: Operation): void {
    const { world } = this;
    switch (one.op) {
      case "authorize":
        return this.#authorize(one);
      case "wait":
        world.pass(one.ms);
        this.model.now = world.now;
        return this.model.expire();
      case "cap":
        return this.#setCap(one.cap, one.limit === undefined ? undefined : usd(one.limit));
      case "price":
        return this.#setPrice(one.factor);
      case "freeze":
        (this.model.agents["bot"] as { frozen: boolean }).frozen = one.frozen;
        expect(world.setAgent("bot", { frozen: one.frozen }).kind).toBe("configured");
        return;
      case "takeOver":
        world.takeOver(one.from);
        return this.model.takeOver();
      case "forget":
        return forget(world.state, world.state.head.seq, world.now);
      case "snapshot":
        this.snapshot = { entries: world.entries.length, text: encodeSnapshot(world.state) };
        return;
      case "renew":
        return this.#renew(one.targets);
      default:
        return this.#advise(one);
    }
  }

  #pick(index: number): ModelHold | undefined {
    return this.holds[this.holds.length === 0 ? 0 : index % this.holds.length];
  }

  #authorize(one: Extract<Operation, { op: "authorize" }>): void {
    const { world, model } = this;
    const call = world.call({
      agent: one.agent,
      model: one.preferred === undefined ? "auto" : `alias-${one.preferred.toLowerCase()}`,
      usage_bound: bound(one.tokens.input, one.tokens.output),
      ...(one.run === undefined ? {} : { run: one.run }),
    });
    const id = call.authorization;
    const expected = model.authorize(id, one.agent, one.run ?? id, one.preferred, one.tokens);
    this.calls.push(call);
    this.holds.push(expected);
    const answer = world.send(call);
    expect(answer).toMatchObject({
      held: expected.granted,
      kind: "decided",
      outcome: expected.seen.outcome,
      reason: expected.seen.reason,
      rule: expected.seen.rule,
      state: expected.state,
    });
    const entry = world.last("authorize");
    expect(entry.grant?.tier).toBe(expected.tier);
    const failing = (entry.failing ?? []).map(({ cap, shortfall }) => ({ cap, shortfall }));
    expect(failing).toEqual(expected.seen.failing);
    expect(entry.blocked_by === "holds").toBe(expected.seen.blockedByHolds);
    expect(entry.legs.map((leg) => `${leg.cap}|${leg.period}`)).toEqual(expected.legs);
  }

  #advise(one: Extract<Operation, { op: "adjust" | "repeat" | "settle" | "void" }>): void {
    const hold = this.#pick(one.target);
    if (hold === undefined) return;
    if (one.op === "settle") return this.#settle(hold, one);
    const { world, model } = this;
    if (one.op === "void") {
      const released = model.void(hold);
      const answer = world.void(hold.id);
      expect([answer.amount, answer.state]).toEqual([0n, hold.state]);
      if (released > 0n) expect(answer.released).toBe(released);
      return;
    }
    if (one.op === "adjust") {
      const amount = BigInt(one.cents) * 10_000_000n;
      const taken = model.adjust(hold, one.part, amount);
      const answer = world.adjust(hold.id, amount as NanoUsd, one.part);
      const posted = { amount: hold.adjusts.get(one.part), kind: "posted" };
      expect(answer).toMatchObject(taken ? posted : { code: "bad-request" });
      return;
    }
    const call = this.calls.find(({ authorization }) => authorization === hold.id) as Command;
    const answer = world.send(call);
    // R3. After two minutes memory may have forgotten the id; then it is stale, never decided anew.
    if (answer.kind === "refused" && world.now > hold.at + 120_000) {
      expect(answer.code).toBe("stale");
    } else {
      expect(answer).toMatchObject({ held: hold.granted, kind: "decided", state: hold.state });
    }
  }

  #settle(hold: ModelHold, one: Extract<Operation, { op: "settle" }>): void {
    const { world, model } = this;
    const before = world.entries.length;
    const expected = model.settle(hold, one.part, one.final, one.tokens, one.served);
    const command: SettleCommand = {
      authorization: hold.id,
      final: one.final,
      kind: "settle",
      part: one.part,
      ...(one.tokens === undefined ? {} : { usage: usageOf(one.tokens) }),
      ...(one.served === undefined ? {} : { model: modelName(one.served) }),
    };
    const answer = world.send(command);
    if (expected === "refused") {
      expect(answer).toMatchObject({ code: "bad-request" });
      return;
    }
    if (expected === "standing") {
      expect(answer).toMatchObject({ amount: 0n, state: "expired" });
      return;
    }
    expect(answer).toEqual({
      amount: expected.amount,
      authorization: hold.id,
      kind: "posted",
      released: expected.released,
      seq: (answer as { seq: bigint }).seq,
      state: hold.state,
      ...(expected.assumed ? { assumed: true } : {}),
      ...(expected.late ? { late: true } : {}),
      ...(expected.overage > 0n ? { overage: expected.overage } : {}),
    });
    const posted = world.entries.slice(before).find(({ entry }) => entry.kind === "settle");
    if (posted?.entry.kind !== "settle" || posted.entry.basis === "assumed") return;
    const other = world.state.priceSeq !== world.state.authorizations.get(hold.id)?.priceSeq;
    const now = model.cost(posted.entry.tier as ModelTier, one.tokens as ModelTokens, model.price);
    expect(posted.entry.cost_now).toBe(other ? now : undefined);
  }

  #renew(targets: readonly number[]): void {
    const holds = targets.map((index) => this.#pick(index)).filter((hold) => hold !== undefined);
    const alive = holds.filter((hold) => this.model.renew(hold));
    const answer = this.world.send({ authorizations: holds.map(({ id }) => id), kind: "renew" });
    expect(answer).toMatchObject({ kind: "renewed", renewed: alive.length });
  }

  #setCap(cap: string, limit: NanoUsd | undefined): void {
    if (limit === undefined) this.model.limits.delete(cap);
    else this.model.limits.set(cap, limit);
    const [item, id, kind] = cap.split(/[:/]/) as ["agent" | "team", string, string];
    const { config } = this.world.state;
    const maps = { agent: config.agents, cost_center: config.costCenters, team: config.teams };
    const known = item in maps ? maps[item].get(id) : config.settings;
    const { [kind]: _, ...rest } = (known?.caps ?? {}) as Record<string, NanoUsd>;
    const caps = limit === undefined ? rest : { ...rest, [kind]: limit };
    const value = { ...known, caps } as AgentSettings;
    const change = { id, item, value } as ConfigChange;
    expect(this.world.configure([change]).kind).toBe("configured");
  }

  #setPrice(factor: bigint): void {
    this.model.price = 1_000n * factor;
    const models = (["S", "M", "L", "XL"] as const).map((one, i) =>
      modelPrice(one, factor * 2n ** BigInt(i)),
    );
    const price = { ...PRICES, card: `${factor}`.repeat(64), models };
    expect(this.world.configure([], { price }).kind).toBe("configured");
  }

  #compare(): void {
    const { world, model } = this;
    for (const key of model.sums.keys()) {
      // The counter of a single call goes with its record.
      if (key.includes("|auth_")) continue;
      const { settled, held } = model.sum(key);
      const [cap, period] = key.split("|") as [string, string];
      const counter = readCounter(world.state, { cap, period }, world.now);
      expect([key, counter.settled, counter.held]).toEqual([key, settled, held]);
      expect(world.auditor.heldBy(key)).toBe(held);
    }
    const open = this.holds.filter((hold) => hold.state === "open");
    expect(world.state.openHolds).toBe(open.length);
    for (const hold of open) {
      const record = world.state.authorizations.get(hold.id);
      expect([record?.held, record?.settled]).toEqual([hold.held, hold.settled]);
    }
  }
}

function usageOf(used: ModelTokens): { input?: bigint; output?: bigint } {
  return { input: used.input, output: used.output };
}

function modelName(served: ModelTier | "unpriced"): string {
  return served === "unpriced" ? "mystery" : `model-${served.toLowerCase()}`;
}
