/** What the live view needs of one entry, taken out once and shared by all who watch. Pure. */
import { capId } from "../../ledger/caps.ts";
import type { Entry, Leg } from "../../ledger/entries.ts";
import type { DecisionRow } from "../wire.ts";
import { decisionRow } from "./decision-row.ts";

/** The workspace's month counter as an entry left it. */
export interface MonthBalance {
  readonly period: string;
  readonly settled: bigint;
  readonly held: bigint;
}

export interface Fact {
  readonly seq: bigint;
  /** Ledger time, ms since 1970. */
  readonly at: number;
  readonly kind: Entry["kind"] | "unreadable";
  readonly agent: string | undefined;
  /** Newly set aside, nano-USD. */
  readonly held: bigint;
  /** Newly spent, nano-USD; negative where an adjustment gave back. */
  readonly settled: bigint;
  readonly month: MonthBalance | undefined;
  /** Of decisions only. */
  readonly row: DecisionRow | undefined;
}

/** The fact that an entry comes to. */
export function factOf(entry: Entry): Fact {
  return {
    seq: entry.seq,
    at: entry.at,
    kind: entry.kind,
    agent: "agent" in entry ? entry.agent : undefined,
    held: entry.kind === "authorize" ? entry.held : 0n,
    settled: spentBy(entry),
    month: "legs" in entry ? monthOf(entry.ws, entry.legs) : undefined,
    row: entry.kind === "authorize" ? decisionRow(entry) : undefined,
  };
}

/** Stands for an entry that a newer version wrote. */
export function unreadableFact(seq: bigint): Fact {
  return {
    seq,
    at: 0,
    kind: "unreadable",
    agent: undefined,
    held: 0n,
    settled: 0n,
    month: undefined,
    row: undefined,
  };
}

/** What an entry moved into spend, or out of it. */
function spentBy(entry: Entry): bigint {
  if (entry.kind === "settle" || entry.kind === "adjust") return entry.amount;
  return entry.kind === "expire" && entry.on_expiry === "capture" ? entry.amount : 0n;
}

function monthOf(ws: string, legs: readonly Leg[]): MonthBalance | undefined {
  const cap = capId("workspace", ws, "month");
  const leg = legs.find((one) => one.cap === cap);
  return leg === undefined
    ? undefined
    : { period: leg.period, settled: leg.settled, held: leg.held };
}
