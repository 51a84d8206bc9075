/** Holds what clients were told against what the journal and Postgres have. */
import type { ReadModel } from "../../readmodel/read-model.ts";
import type { Heard, Told } from "./heard.ts";
import type { Fact, LedgerFold } from "./ledger-fold.ts";

/** Everything that a run found wrong, by what it breaks. All lists are empty in a good run. */
export interface Findings {
  /** Answered, and not in the ledger as it was said. */
  readonly lost: readonly string[];
  /** Decided, settled or ended more than once. */
  readonly doubled: readonly string[];
  /** Written, though its client was told that it was not decided. */
  readonly undecided: readonly string[];
  /** Chain, epochs, counters, R1. */
  readonly ledger: readonly string[];
  /** Journal and Postgres differ. */
  readonly projection: readonly string[];
  /** Money that is still set aside though every call has ended. */
  readonly held: readonly string[];
  /** Answers that are none of those there may be, and processes that did what they must not. */
  readonly oddities: readonly string[];
}

/** How many things are wrong. */
export function countFindings(findings: Findings): number {
  const lists: readonly (readonly string[])[] = Object.values(findings);
  return lists.reduce((sum, list) => sum + list.length, 0);
}

/** What the clients were told, against the folded ledgers. */
export function compareTold(
  heard: Heard,
  folds: ReadonlyMap<string, LedgerFold>,
): Pick<Findings, "doubled" | "lost" | "undecided"> {
  const lost: string[] = [];
  const decided = new Set<string>();
  const doubled: string[] = [];
  for (const told of heard.told) {
    const facts = folds.get(told.ws)?.facts ?? [];
    const problem = missing(told, facts);
    if (problem !== undefined) lost.push(`${told.kind} of ${told.authorization}: ${problem}`);
  }
  for (const { facts, ws } of folds.values()) {
    for (const { authorization, kind } of facts) {
      if (kind !== "authorize" || authorization === undefined) continue;
      if (decided.has(authorization)) doubled.push(`${authorization} is decided twice in ${ws}`);
      decided.add(authorization);
    }
  }
  const undecided = heard.undecided
    .filter(({ authorization }) => decided.has(authorization))
    .map(({ authorization }) => `${authorization} is in the ledger`);
  return { doubled, lost, undecided };
}

/** Why an answer does not stand in the ledger; undefined when it does. */
function missing(told: Told, facts: readonly Fact[]): string | undefined {
  const at = Number(told.seq) - 1;
  const fact = facts[at];
  if (fact === undefined) return `entry ${told.seq} of ${told.ws} is not there`;
  // A settle is followed by the release of the rest, which closes: the answer names the last.
  const settled = told.kind === "settle" && fact.kind === "release" ? facts[at - 1] : fact;
  if (told.kind === "void" && endsWithoutVoid(fact) && fact.authorization === told.authorization) {
    return undefined;
  }
  if (settled?.kind !== told.kind || settled.authorization !== told.authorization) {
    return `entry ${told.seq} of ${told.ws} is ${fact.kind} of ${fact.authorization}`;
  }
  if (settled.amount !== told.amount || settled.outcome !== told.outcome) {
    return `entry ${told.seq} says ${settled.outcome} ${settled.amount}, the client was told ${told.outcome} ${told.amount}`;
  }
  return undefined;
}

/** A void of what was refused, or had ended by time, is answered with the entry that ended it. */
function endsWithoutVoid({ kind, outcome }: Fact): boolean {
  return kind === "expire" || (kind === "authorize" && outcome === "hold");
}

/** The projection, line by line and byte by byte, against the journal. */
export async function compareProjection(
  readModel: ReadModel,
  folds: ReadonlyMap<string, LedgerFold>,
  hashOf: (line: string) => string,
): Promise<readonly string[]> {
  const problems: string[] = [];
  for (const { facts, ws } of folds.values()) {
    let next = 0;
    for await (const { line, seq } of readModel.entries(ws)) {
      const fact = facts[next];
      next += 1;
      const same = seq === BigInt(next) && fact?.hash === hashOf(line);
      if (!same && problems.length < 100)
        problems.push(`entry ${seq} of ${ws} differs from the journal`);
    }
    if (next !== facts.length)
      problems.push(`${ws} has ${next} of ${facts.length} entries in Postgres`);
  }
  return problems;
}
