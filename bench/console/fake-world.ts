/**
 * A workspace that makes itself up, for states that are hard to bring about for real: any rate of
 * decisions, silence, loss of connection. The same seed makes the same decisions.
 */
import type {
  AgentRow,
  DecisionRow,
  FrameMessage,
  FrameSecond,
  Outcome,
  Overview,
  Priority,
  Tier,
} from "../../console/wire.ts";

const AGENTS: readonly [name: string, priority: Priority, team: string][] = [
  ["support-triage", "P0", "support"],
  ["contract-review", "P1", "legal"],
  ["lead-enrichment", "P2", "growth"],
  ["nightly-report", "P3", "finance"],
  ["bulk-embed", "P3", "research"],
  ["code-review", "P1", "platform"],
  ["release-notes", "P2", "platform"],
];
const MODELS: Readonly<Record<Tier, string>> = {
  S: "claude-haiku-4-5",
  M: "claude-sonnet-4-5",
  L: "claude-sonnet-5",
  XL: "claude-opus-4-6",
};
const WHY: Readonly<Record<Outcome, readonly [rule: string, reason: string][]>> = {
  admit: [["05", "heaviest-fit"]],
  throttle: [
    ["03", "priority-rebalance"],
    ["04", "per-run-tier-down"],
  ],
  hold: [
    ["02", "monthly-cap"],
    ["01", "per-run-cap"],
    ["00", "policy"],
  ],
};
/** Entries that the world remembers; more than any test asks for. */
const KEPT = 60_000;
const LIMIT = 60_000_000_000_000n;

/** A generator of numbers from 0 to 1 with a seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Entry {
  readonly seq: bigint;
  readonly atMs: number;
  readonly row?: DecisionRow;
  readonly settled?: bigint;
  readonly agent: string;
}

export class FakeWorld {
  readonly ws: string;
  readonly #random: () => number;
  #entries: Entry[] = [];
  #head = 0n;
  #settled = 41_284_113_402_118n;
  #held = 38_220_000_000n;

  constructor(ws: string, seed = 7) {
    this.ws = ws;
    this.#random = seeded(seed);
  }

  get head(): bigint {
    return this.#head;
  }

  /** Decides once and settles most of what it admits. */
  decide(atMs: number, outcome: Outcome = this.#outcome()): DecisionRow {
    const [agent, priority] = this.#one(AGENTS);
    const [rule, reason] = this.#one(WHY[outcome]);
    const tier =
      outcome === "throttle" ? this.#one(["S", "M"] as const) : this.#one(["L", "XL"] as const);
    const held =
      outcome === "hold" ? 0n : BigInt(Math.floor(this.#random() ** 3 * 90_000_000)) + 950n;
    this.#head += 1n;
    const row: DecisionRow = {
      agent,
      asked_model: MODELS.XL,
      at: new Date(atMs).toISOString(),
      authorization: `auth_019aa5e1-7c00-7000-8000-${this.#head.toString(16).padStart(12, "0")}`,
      held_nano: held.toString(),
      outcome,
      priority,
      reason,
      remaining_cap: `agent:${agent}/month`,
      remaining_nano: (612_104_250_000n - this.#head * 1_000_000n).toString(),
      rule,
      seq: this.#head.toString(),
      subject: `events.${this.ws}.authorize.${agent}`,
      ...(outcome !== "hold" && { model: MODELS[tier], tier }),
    };
    this.#add({ agent, atMs, row, seq: this.#head });
    this.#held += held;
    if (outcome !== "hold" && this.#random() < 0.9) {
      this.#head += 1n;
      const settled = (held * 7n) / 10n;
      this.#held -= held;
      this.#settled += settled;
      this.#add({ agent, atMs, seq: this.#head, settled });
    }
    return row;
  }

  /** Decides `rate` times a second for the time from `fromMs` to `toMs`. */
  run(fromMs: number, toMs: number, rate: number): void {
    const step = 1_000 / rate;
    for (let at = fromMs; at < toMs; at += step) this.decide(at);
  }

  #add(entry: Entry): void {
    this.#entries.push(entry);
    if (this.#entries.length > KEPT) this.#entries = this.#entries.slice(-KEPT / 2);
  }

  #one<T>(items: readonly T[]): T {
    return items[Math.floor(this.#random() * items.length)] as T;
  }

  #outcome(): Outcome {
    const chance = this.#random();
    return chance < 0.82 ? "admit" : chance < 0.94 ? "throttle" : "hold";
  }

  /** The frame of what came after `after`, with at most `rowsMax` rows; undefined when nothing did. */
  frame(after: bigint, rowsMax = 50): FrameMessage | undefined {
    const entries = this.#since(after);
    const [first] = entries;
    const last = entries.at(-1);
    if (first === undefined || last === undefined) return undefined;
    const rows = entries.flatMap(({ row }) => (row === undefined ? [] : [row]));
    const urgent = rows.filter(({ outcome }) => outcome !== "admit");
    const room = Math.max(0, rowsMax - urgent.length);
    const admits = rows.filter(({ outcome }) => outcome === "admit");
    const kept = [...urgent, ...admits.slice(-room)].sort((a, b) => Number(a.seq) - Number(b.seq));
    const seconds = new Map<number, Entry[]>();
    for (const entry of entries) {
      const second = Math.floor(entry.atMs / 1_000) * 1_000;
      seconds.set(second, [...(seconds.get(second) ?? []), entry]);
    }
    return {
      agents: [],
      at: new Date(last.atMs).toISOString(),
      from_seq: (after + 1n).toString(),
      month: this.#month(),
      omitted: { admit: rows.length - kept.length, hold: 0, throttle: 0 },
      rows: kept,
      seconds: [...seconds].map(([at, of]): FrameSecond => {
        return { at: new Date(at).toISOString(), ...countsOf(of) };
      }),
      to_seq: last.seq.toString(),
      totals: { expire: 0, settle: 0, void: 0, ...countsOf(entries) },
      type: "frame",
      ws: this.ws,
    };
  }

  #since(after: bigint): Entry[] {
    const first = this.#entries[0]?.seq ?? 1n;
    return this.#entries.slice(Math.max(0, Number(after + 1n - first)));
  }

  #month() {
    return {
      held_nano: this.#held.toString(),
      period: "2026-11@Europe/Berlin",
      settled_nano: this.#settled.toString(),
    };
  }

  overview(nowMs: number, stepMs = 5_000, length = 180): Overview {
    const start = Math.floor(nowMs / stepMs) * stepMs - (length - 1) * stepMs;
    const steps = Array.from({ length }, () => [] as Entry[]);
    for (const entry of this.#entries)
      steps[Math.floor((entry.atMs - start) / stepMs)]?.push(entry);
    const counts = steps.map(countsOf);
    return {
      agents_active: AGENTS.length,
      at: new Date(nowMs).toISOString(),
      buckets: {
        admit: counts.map(({ admit }) => admit),
        held_nano: counts.map(({ held_nano }) => held_nano),
        hold: counts.map(({ hold }) => hold),
        settled_nano: counts.map(({ settled_nano }) => settled_nano),
        start: new Date(start).toISOString(),
        step_ms: stepMs,
        throttle: counts.map(({ throttle }) => throttle),
      },
      head: this.#head.toString(),
      month: { ...this.#month(), limit_nano: LIMIT.toString() },
      open_holds: 14,
    };
  }

  decisions(filter: Readonly<Record<string, string | undefined>>) {
    const before = BigInt(filter["before"] ?? this.#head + 1n);
    const after = BigInt(filter["after"] ?? 0n);
    const limit = Number(filter["limit"] ?? 50);
    const rows = this.#entries
      .flatMap(({ row }) => (row === undefined ? [] : [row]))
      .filter(({ agent, outcome, seq }) => {
        const inside = BigInt(seq) < before && BigInt(seq) > after;
        const wanted = (filter["outcome"] ?? outcome) === outcome;
        return inside && wanted && (filter["agent"] ?? agent) === agent;
      })
      .reverse();
    const last = rows[limit - 1];
    return {
      rows: rows.slice(0, limit),
      ...(rows.length > limit && last !== undefined && { next_before: last.seq }),
    };
  }

  agents(): AgentRow[] {
    return AGENTS.map(([agent, priority, team], index) => {
      const own = this.#entries.filter((entry) => entry.agent === agent);
      const of = (outcome: Outcome) => own.filter(({ row }) => row?.outcome === outcome).length;
      const last = own.at(-1);
      const limit = 60_000_000_000_000n / BigInt(2 ** index);
      const settled = (limit * BigInt(23 + index * 13)) / 100n;
      return {
        admits: of("admit"),
        agent,
        cost_center: team === "support" ? "customer-support" : team,
        frozen: agent === "bulk-embed",
        holds: of("hold"),
        lane: { family: "claude", provider: "anthropic-bedrock", region: "us-east-1" },
        month: {
          held_nano: "1200000000",
          limit_nano: limit.toString(),
          pace: String(3_100 + index * 1_450),
          settled_nano: settled.toString(),
        },
        priority,
        run: {
          held_nano: "0",
          id: `run-${index}`,
          limit_nano: "5000000000",
          settled_nano: String(412_000_000 * (index + 1)),
        },
        team,
        throttles: of("throttle"),
        tiers: ["S", "M", "L", "XL"],
        year: {
          held_nano: "1200000000",
          settled_nano: (settled * 9n).toString(),
          ...(index % 2 === 0 && { limit_nano: (limit * 12n).toString() }),
        },
        ...(last !== undefined && { last_at: new Date(last.atMs).toISOString() }),
      };
    });
  }
}

function countsOf(entries: readonly Entry[]) {
  const of = (wanted: Outcome) => entries.filter(({ row }) => row?.outcome === wanted).length;
  const held = entries.reduce((sum, { row }) => sum + BigInt(row?.held_nano ?? 0), 0n);
  const settled = entries.reduce((sum, entry) => sum + (entry.settled ?? 0n), 0n);
  return {
    admit: of("admit"),
    held_nano: held.toString(),
    hold: of("hold"),
    settled_nano: settled.toString(),
    throttle: of("throttle"),
  };
}
