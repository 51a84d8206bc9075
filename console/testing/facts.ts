/** Facts and entries by hand, for tests of the live view. */
import fc from "fast-check";
import type { Fact } from "../live/fact.ts";
import type { DecisionRow, FrameMessage, Outcome } from "../wire.ts";

export type Sort = Outcome | "settle" | "void" | "takeover";

/** One fact of a sort; every amount tells its sequence, so that a sum cannot be right by chance. */
export function factAt(seq: number, sort: Sort, agent = "bot"): Fact {
  const at = Date.UTC(2026, 10, 22) + seq * 37;
  const isDecision = sort === "admit" || sort === "throttle" || sort === "hold";
  const held = sort === "admit" || sort === "throttle" ? BigInt(seq) * 1_000_003n : 0n;
  return {
    seq: BigInt(seq),
    at,
    kind: isDecision ? "authorize" : sort,
    agent: sort === "takeover" ? undefined : agent,
    held,
    settled: sort === "settle" ? BigInt(seq) * 77_777n : 0n,
    month:
      sort === "takeover"
        ? undefined
        : { period: "2026-11@UTC", settled: BigInt(seq), held: BigInt(seq * 2) },
    row: isDecision ? rowAt(seq, at, sort, agent, held) : undefined,
  };
}

function rowAt(
  seq: number,
  at: number,
  outcome: Outcome,
  agent: string,
  held: bigint,
): DecisionRow {
  return {
    seq: String(seq),
    at: new Date(at).toISOString(),
    authorization: `auth_${seq}`,
    agent,
    outcome,
    rule: outcome === "admit" ? "05" : "03",
    reason: outcome === "admit" ? "heaviest-fit" : "priority-rebalance",
    asked_model: "auto",
    held_nano: String(held),
    priority: "P1",
    subject: `events.acme.authorize.${agent}`,
  };
}

export const sorts: fc.Arbitrary<Sort> = fc.constantFrom(
  "admit",
  "admit",
  "throttle",
  "hold",
  "settle",
  "settle",
  "void",
  "takeover",
);

/** A ledger of facts, the first of sequence 1. */
export const ledgers = (longest: number): fc.Arbitrary<readonly Fact[]> =>
  fc
    .array(fc.tuple(sorts, fc.constantFrom("bot", "other")), { minLength: 1, maxLength: longest })
    .map((all) => all.map(([sort, agent], index) => factAt(index + 1, sort, agent)));

/** What a page has been told, and whether it all fits together. */
export class Told {
  readonly frames: FrameMessage[] = [];
  readonly gaps: (readonly [bigint, bigint])[] = [];
  /** The last sequence it was told of. */
  at: bigint;
  readonly begun: bigint;

  constructor(begun: bigint) {
    this.at = begun;
    this.begun = begun;
  }

  frame(frame: FrameMessage): void {
    if (BigInt(frame.from_seq) !== this.at + 1n) {
      throw new Error(`a frame begins at ${frame.from_seq} where ${this.at} was the last`);
    }
    if (BigInt(frame.to_seq) < BigInt(frame.from_seq)) throw new Error("a frame goes back");
    this.at = BigInt(frame.to_seq);
    this.frames.push(frame);
  }

  gap(from: bigint, to: bigint): void {
    if (from !== this.at + 1n) throw new Error(`a gap begins at ${from}, after ${this.at}`);
    this.at = to;
    this.gaps.push([from, to]);
  }

  /** What is wrong, compared with the facts themselves; nothing when all is right. */
  problems(ledger: readonly Fact[], agent?: string): string[] {
    const problems: string[] = [];
    const inGap = (seq: bigint) => this.gaps.some(([from, to]) => seq >= from && seq <= to);
    const due = ledger.filter(
      (fact) =>
        fact.seq > this.begun &&
        fact.seq <= this.at &&
        !inGap(fact.seq) &&
        (agent === undefined || fact.agent === agent),
    );
    const count = (outcome: Outcome) => due.filter(({ row }) => row?.outcome === outcome).length;
    const sum = (of: (frame: FrameMessage) => number) =>
      this.frames.reduce((total, frame) => total + of(frame), 0);
    const amount = (of: (frame: FrameMessage) => string) =>
      this.frames.reduce((total, frame) => total + BigInt(of(frame)), 0n);
    const same = (what: string, told: bigint | number, wanted: bigint | number) => {
      if (String(told) !== String(wanted)) problems.push(`${what}: ${told}, not ${wanted}`);
    };
    for (const outcome of ["admit", "throttle", "hold"] as const) {
      same(
        `total ${outcome}`,
        sum(({ totals }) => totals[outcome]),
        count(outcome),
      );
      const rows = this.rows.filter((row) => row.outcome === outcome).length;
      same(`rows ${outcome}`, rows + sum(({ omitted }) => omitted[outcome]), count(outcome));
      const ofSeconds = sum((frame) => frame.seconds.reduce((n, one) => n + one[outcome], 0));
      same(`seconds ${outcome}`, ofSeconds, count(outcome));
      const ofAgents = sum((frame) => frame.agents.reduce((n, one) => n + one[outcome], 0));
      same(`agents ${outcome}`, ofAgents, count(outcome));
    }
    const held = due.reduce((total, fact) => total + fact.held, 0n);
    const settled = due.reduce((total, fact) => total + fact.settled, 0n);
    same(
      "held",
      amount(({ totals }) => totals.held_nano),
      held,
    );
    same(
      "settled",
      amount(({ totals }) => totals.settled_nano),
      settled,
    );
    const seqs = this.rows.map(({ seq }) => seq);
    same("distinct rows", new Set(seqs).size, seqs.length);
    for (const frame of this.frames) {
      const own = frame.rows.map(({ seq }) => BigInt(seq));
      const ordered = own.every((seq, index) => index === 0 || seq > (own[index - 1] ?? 0n));
      if (!ordered) problems.push("rows of a frame are not in order");
      if (own.length > 50) problems.push(`a frame of ${own.length} rows`);
      const outside = own.some((seq) => seq < BigInt(frame.from_seq) || seq > BigInt(frame.to_seq));
      if (outside) problems.push("a row lies outside its frame");
    }
    return problems;
  }

  get rows(): readonly DecisionRow[] {
    return this.frames.flatMap(({ rows }) => rows);
  }

  /** Sequences of throttles and holds that were told as rows. */
  get refusals(): readonly string[] {
    return this.rows.filter(({ outcome }) => outcome !== "admit").map(({ seq }) => seq);
  }
}
