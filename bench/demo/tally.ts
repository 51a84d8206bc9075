import type { Told } from "./told.ts";

interface Counts {
  calls: number;
  /** Calls by outcome of the gateway, or by result where it gave none. */
  readonly outcomes: Map<string, number>;
}

/** Counts what was told and prints it: refusals as they come, the rest once a minute. */
export class Tally {
  readonly #print: (line: string) => void;
  readonly #verbose: boolean;
  #byAgent = new Map<string, Counts>();
  /** Agents that were last heard to be refused: a refusal is printed when it begins, not each time. */
  readonly #refused = new Map<string, string>();
  readonly totals = new Map<string, number>();

  constructor(print: (line: string) => void, verbose: boolean) {
    this.#print = print;
    this.#verbose = verbose;
  }

  /** Takes note of one call. */
  note(told: Told): void {
    const refused = told.result !== "ok" && told.result !== "left";
    const word = refused ? told.result : told.outcome || told.result;
    const counts = this.#byAgent.get(told.agent) ?? {
      calls: 0,
      outcomes: new Map<string, number>(),
    };
    this.#byAgent.set(told.agent, counts);
    counts.calls += 1;
    counts.outcomes.set(word, (counts.outcomes.get(word) ?? 0) + 1);
    this.totals.set(word, (this.totals.get(word) ?? 0) + 1);
    const news = refused && this.#refused.get(told.agent) !== told.result;
    if (refused) this.#refused.set(told.agent, told.result);
    else this.#refused.delete(told.agent);
    if (this.#verbose || news) this.#print(lineOf(told));
  }

  /** Prints the counts since the last summary. */
  summary(): void {
    const parts = [...this.#byAgent]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([agent, counts]) => {
        const words = [...counts.outcomes].map(([word, count]) => `${count} ${word}`);
        return `  ${agent}: ${words.join(", ")}`;
      });
    this.#byAgent = new Map();
    if (parts.length > 0) this.#print(`${stamp()} in the last minute\n${parts.join("\n")}`);
  }
}

function lineOf(told: Told): string {
  const gateway =
    told.outcome === ""
      ? ""
      : `  ${told.outcome} ${told.tier} rule ${told.rule} held $${told.held}`;
  return `${stamp()} ${told.agent} ${told.run}: ${told.result} ${told.status} in ${told.ms} ms${gateway}`;
}

function stamp(): string {
  return new Date().toISOString().slice(11, 19);
}
