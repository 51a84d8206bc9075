/** Processor time of processes and of threads, as Linux counts it in /proc. */
import { readdir, readFile } from "node:fs/promises";

/** One process or thread as its `stat` says it. */
export interface ProcStat {
  readonly pid: number;
  /** At most 15 characters. */
  readonly name: string;
  readonly parent: number;
  /** Ticks of its own, and of children that have ended and were waited for. */
  readonly ticks: number;
  readonly childTicks: number;
}

/** Ticks a second, on every Linux that Node runs on (`getconf CLK_TCK`). */
const TICKS_PER_S = 100;
const US_PER_TICK = 1_000_000 / TICKS_PER_S;

/** Reads one `stat` line; proc_pid_stat(5). @throws Error when it is not one */
export function parseStat(text: string): ProcStat {
  // The name stands in brackets and may hold spaces and brackets itself.
  const open = text.indexOf("(");
  const close = text.lastIndexOf(")");
  const fields = text.slice(close + 2).split(" ");
  const at = (number: number) => Number(fields[number - 3]);
  const found = {
    childTicks: at(16) + at(17),
    name: text.slice(open + 1, close),
    parent: at(4),
    pid: Number(text.slice(0, open)),
    ticks: at(14) + at(15),
  };
  if (open < 0 || close < open || !Number.isFinite(found.ticks)) {
    throw new Error(`not a line of /proc/<pid>/stat: ${text.slice(0, 60)}`);
  }
  return found;
}

/** Processor time a process has used so far, with its children that have ended. µs */
export async function processCpuUs(pid: number): Promise<number> {
  const stat = parseStat(await readFile(`/proc/${pid}/stat`, "utf8"));
  return (stat.ticks + stat.childTicks) * US_PER_TICK;
}

/** Processor time of each thread of a process by its name, µs; threads of one name are added up. */
export async function threadCpuUs(pid: number): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for (const tid of await readdir(`/proc/${pid}/task`)) {
    // A thread may end between the two reads.
    const text = await readFile(`/proc/${pid}/task/${tid}/stat`, "utf8").catch(() => undefined);
    if (text === undefined) continue;
    const { name, ticks } = parseStat(text);
    found.set(name, (found.get(name) ?? 0) + ticks * US_PER_TICK);
  }
  return found;
}

/** Processor time of a process and all below it: a Postgres has a process for each connection. µs */
export async function treeCpuUs(root: number): Promise<number> {
  const all: ProcStat[] = [];
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const text = await readFile(`/proc/${name}/stat`, "utf8").catch(() => undefined);
    if (text !== undefined) all.push(parseStat(text));
  }
  return sumOfTree(all, root) * US_PER_TICK;
}

/** Ticks of a process and all its descendants, those that have ended included. */
export function sumOfTree(all: readonly ProcStat[], root: number): number {
  let sum = 0;
  let level = all.filter(({ pid }) => pid === root);
  while (level.length > 0) {
    const parents = new Set(level.map(({ pid }) => pid));
    for (const stat of level) sum += stat.ticks + stat.childTicks;
    level = all.filter(({ parent, pid }) => parents.has(parent) && pid !== root);
  }
  return sum;
}
