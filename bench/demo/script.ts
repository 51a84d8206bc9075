import type { Prose } from "../providers/prose.ts";
import { modelFor, type Part, type Range } from "./cast.ts";

/** One run of a part, before it is played. */
export interface Script {
  readonly part: Part;
  readonly model: string;
  /** The same in every run of the part, so that the provider's cache has something to read. */
  readonly instructions: string;
  readonly prose: Prose;
  readonly random: () => number;
}

/** One question of a run. */
export interface Turn {
  readonly question: string;
  readonly toolResult: string;
  readonly streamed: boolean;
  /** The agent loses interest after so many chunks; `undefined`: it reads to the end. */
  readonly leavesAfterChunks: number | undefined;
}

/** Prepares a run. */
export function scriptFor(part: Part, prose: Prose, random: () => number): Script {
  return {
    part,
    model: modelFor(part),
    instructions: prose.take(part.agent.length, part.instructionBytes),
    prose,
    random,
  };
}

/** The questions of a run, made up one at a time. */
export function* turnsOf({ part, prose, random }: Script): Generator<Turn> {
  const subject = 1_000 + Math.floor(random() * 9_000);
  const turns = between(part.turns, random);
  for (let number = 1; number <= turns; number += 1) {
    const work = part.work[Math.floor(random() * part.work.length)] ?? "";
    const bytes = between(part.questionBytes, random);
    const streamed = random() < part.streamed;
    yield {
      question: `${work} ${subject}. ${prose.take(Math.floor(random() * 1_000_000), bytes)}`,
      toolResult: JSON.stringify({
        id: subject,
        state: "shipped",
        paid_cents: 4_250,
        note: prose.take(subject, 240),
      }),
      streamed,
      leavesAfterChunks: streamed && random() < part.leaves ? between([3, 20], random) : undefined,
    };
  }
}

function between([least, most]: Range, random: () => number): number {
  return least + Math.floor(random() * (most - least + 1));
}
