/**
 * Goal: processor time is that of the process or thread that is asked for, with its children.
 * Method: lines of /proc as proc_pid_stat(5) describes them, made up so that each field differs.
 */
import { expect, test } from "vitest";
import { type ProcStat, parseStat, sumOfTree } from "./cpu.ts";

/** Fields 3 to 20 hold their own number where they are not given. */
function line(pid: number, name: string, fields: Readonly<Record<number, string>> = {}): string {
  const rest = Array.from({ length: 18 }, (_, i) => fields[i + 3] ?? String(i + 3));
  return `${pid} (${name}) ${rest.join(" ")}`;
}

test("parseStat: reads user and system time, own and of ended children", () => {
  const text = line(42, "node", { 3: "S", 4: "7", 14: "100", 15: "20", 16: "3", 17: "4" });
  expect(parseStat(text)).toEqual({
    childTicks: 7,
    name: "node",
    parent: 7,
    pid: 42,
    ticks: 120,
  });
});

test("parseStat: a name may hold brackets and spaces", () => {
  expect(parseStat(line(1, "worker 0) (x"))).toMatchObject({ name: "worker 0) (x", parent: 4 });
});

test("parseStat: what is no such line is refused", () => {
  expect(() => parseStat("")).toThrow(/not a line/);
  expect(() => parseStat("1 node S 1 2 3")).toThrow(/not a line/);
});

test("sumOfTree: counts a process, all below it and those that ended, and nothing beside it", () => {
  const stat = (pid: number, parent: number, ticks: number, childTicks = 0): ProcStat => ({
    childTicks,
    name: "p",
    parent,
    pid,
    ticks,
  });
  const all = [stat(1, 0, 1_000), stat(2, 1, 10, 5), stat(3, 2, 20), stat(4, 3, 40), stat(5, 1, 9)];
  expect(sumOfTree(all, 2)).toBe(75);
  expect(sumOfTree(all, 9)).toBe(0);
});
