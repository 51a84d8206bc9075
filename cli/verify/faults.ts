import type { Mismatch } from "../../actors/redecide-report.ts";

/** What can be wrong with the lines of a ledger; see docs/ledger-format.md, "Export and verification". */
export const ENTRY_FAULTS = [
  "balance",
  "changed",
  "decision",
  "doubled",
  "format",
  "inserted",
  "removed",
  "surplus",
  "swapped",
  "truncated",
] as const;
export type EntryFaultCode = (typeof ENTRY_FAULTS)[number];

/** What can be wrong with what is signed or proved. */
export const CHECKPOINT_FAULTS = [
  "cut-back",
  "forked",
  "note",
  "proof",
  "range",
  "rewritten",
  "signature",
  "unknown-key",
] as const;
export type CheckpointFaultCode = (typeof CHECKPOINT_FAULTS)[number];

/** The first entry that cannot be believed. */
export interface EntryFault {
  readonly at: "entry";
  readonly seq: bigint;
  readonly code: EntryFaultCode;
  readonly problem: string;
  /** With `decision`: every field that must be another. */
  readonly mismatches?: readonly Mismatch[];
}

/** Why nobody can be held to what the lines add up to. */
export interface CheckpointFault {
  readonly at: "checkpoint";
  readonly code: CheckpointFaultCode;
  readonly problem: string;
}

export type Fault = CheckpointFault | EntryFault;

/** Thrown where a check cannot go on, and caught by whoever answers for the whole. */
export class Unsound extends Error {
  override readonly name = "Unsound";
  readonly fault: Fault;

  constructor(fault: Fault) {
    super(fault.problem);
    this.fault = fault;
  }
}

export function entryFault(seq: bigint, code: EntryFaultCode, problem: string): EntryFault {
  return { at: "entry", code, problem, seq };
}

export function checkpointFault(code: CheckpointFaultCode, problem: string): CheckpointFault {
  return { at: "checkpoint", code, problem };
}

/** A fault as one line, as the format's page promises it. */
export function describeFault(fault: Fault): string {
  const where = fault.at === "entry" ? `entry ${fault.seq}` : "checkpoint";
  return `BAD ${where}: ${fault.code}: ${fault.problem}`;
}
