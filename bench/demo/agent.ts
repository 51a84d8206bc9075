import type Anthropic from "@anthropic-ai/sdk";
import type OpenAI from "openai";
import type { Prose } from "../providers/prose.ts";
import { anthropicRun } from "./anthropic-run.ts";
import type { Part } from "./cast.ts";
import { busyness, untilNextRun } from "./day.ts";
import { openaiRun } from "./openai-run.ts";
import { scriptFor } from "./script.ts";
import type { Tally } from "./tally.ts";
import type { Told } from "./told.ts";

/** Where an agent's calls go. */
export type Client =
  | { readonly api: "anthropic"; readonly sdk: Anthropic }
  | { readonly api: "openai"; readonly sdk: OpenAI };

/** What an agent is given to work with. */
export interface Stage {
  readonly client: Client;
  readonly prose: Prose;
  readonly random: () => number;
  readonly tally: Tally;
  /** Multiplies how often runs begin. */
  readonly rate: number;
  readonly now: () => Date;
  readonly signal: AbortSignal;
}

/** Runs of one agent at the same time. More would be a stampede after every pause. */
const RUNS_AT_ONCE = 4;

/** After a refusal an agent waits this long, and twice as long after each further one, up to the most. */
const BACKOFF_MS = { least: 2_000, most: 60_000 } as const;

/** Lets an agent work until the signal: runs begin by its rhythm, slower while it is refused. */
export async function work(part: Part, stage: Stage): Promise<void> {
  const running = new Set<Promise<void>>();
  let refusals = 0;
  /** No run begins before this, on the clock of `performance`. */
  let pausedUntil = 0;
  while (!stage.signal.aborted) {
    const perHour = part.runsPerHour * stage.rate * busyness(part.rhythm, stage.now());
    const pauseMs = pausedUntil - performance.now();
    await sleep(Math.max(pauseMs, untilNextRun(perHour, stage.random)), stage.signal);
    if (stage.signal.aborted) break;
    // A refusal may have come while it slept.
    if (performance.now() < pausedUntil || running.size >= RUNS_AT_ONCE) continue;
    const run: Promise<void> = play(part, stage, (told) => {
      refusals = told.status === 200 ? 0 : refusals + 1;
      if (refusals > 0) pausedUntil = performance.now() + (told.retryAfterMs ?? backoff(refusals));
    }).finally(() => running.delete(run));
    running.add(run);
  }
  await Promise.allSettled(running);
}

/** Plays one run to its end. */
export async function play(part: Part, stage: Stage, heard: (told: Told) => void): Promise<void> {
  const script = scriptFor(part, stage.prose, stage.random);
  const id = `${part.agent}-${stage.now().getTime().toString(36)}${Math.floor(stage.random() * 1_296).toString(36)}`;
  const caller = { agent: part.agent, run: id };
  const { client } = stage;
  const calls =
    client.api === "anthropic"
      ? anthropicRun(client.sdk, caller, script)
      : openaiRun(client.sdk, caller, script);
  for await (const told of calls) {
    // A call that is cut off because the demo ends says nothing of the gateway.
    if (stage.signal.aborted) return;
    stage.tally.note(told);
    heard(told);
  }
}

function backoff(refusals: number): number {
  return Math.min(BACKOFF_MS.most, BACKOFF_MS.least * 2 ** (refusals - 1));
}

async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
  });
}
