import { setTimeout as sleep } from "node:timers/promises";
import { FAULTS, type FaultContext, type FaultName } from "./faults.ts";
import type { Gaps } from "./heard.ts";

/** One fault of a run, or two at once. */
export interface FaultReport {
  readonly kind: string;
  /** When it began, in s from the start of the load. */
  readonly at_s: number;
  readonly what: string;
  /** The longest time that some shard answered nothing, from its begin until the next fault, ms. */
  ms_unavailable: number;
  /** From the end of the fault until every shard had answered again, ms. */
  readonly ms_to_recover: number;
}

export interface ScheduleOptions extends FaultContext {
  readonly names: readonly FaultName[];
  readonly gaps: Gaps;
  /** Monotonic ms when the load began, and when no new fault begins any more. */
  readonly startedAt: number;
  readonly until: number;
  readonly tell: (report: FaultReport) => void;
}

/** Chance that two faults come at once. */
const TWO_AT_ONCE = 0.2;
/** A shard that answers nothing for so long after a fault is over will not, ms. */
const RECOVER_MS = 60_000;

/** Does faults until the time is over, each kind as often as the others, in an order of chance. */
export async function doFaults(options: ScheduleOptions): Promise<readonly FaultReport[]> {
  const { gaps, names, random, startedAt, tell, until, wrong } = options;
  const reports: { report: FaultReport; from: number }[] = [];
  let deck: FaultName[] = [];
  const close = (now: number) => {
    const last = reports.at(-1);
    if (last === undefined) return;
    last.report.ms_unavailable = Math.round(gaps.longest(last.from, now));
    tell(last.report);
  };
  while (performance.now() < until) {
    await sleep(300 + random() * 1_500);
    if (deck.length === 0) deck = shuffled(names, random);
    const chosen = [deck.pop() ?? "node-kill"];
    const other = deck.find((name) => FAULTS[name].to !== FAULTS[chosen[0] ?? name].to);
    if (random() < TWO_AT_ONCE && other !== undefined) {
      deck = deck.filter((name) => name !== other);
      chosen.push(other);
    }
    const from = performance.now();
    close(from);
    const said = await Promise.all(chosen.map((name) => doFault(name, options)));
    const overAt = performance.now();
    while (!gaps.allSince(overAt) && performance.now() - overAt < RECOVER_MS) await sleep(10);
    if (!gaps.allSince(overAt))
      wrong(`some shard answers nothing ${RECOVER_MS} ms after ${said.join()}`);
    const report = {
      at_s: Math.round((from - startedAt) / 100) / 10,
      kind: chosen.join(" + "),
      ms_to_recover: Math.round(performance.now() - overAt),
      ms_unavailable: 0,
      what: said.join("; "),
    };
    reports.push({ from, report });
  }
  close(performance.now());
  return reports.map(({ report }) => report);
}

async function doFault(name: FaultName, options: ScheduleOptions): Promise<string> {
  try {
    return await FAULTS[name].run(options);
  } catch (error) {
    options.wrong(`${name}: ${error instanceof Error ? error.message : String(error)}`);
    return "broke down";
  }
}

function shuffled<T>(list: readonly T[], random: () => number): T[] {
  const left = [...list];
  const drawn: T[] = [];
  while (left.length > 0) drawn.push(...left.splice(Math.floor(random() * left.length), 1));
  return drawn;
}
