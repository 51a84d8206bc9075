/**
 * Goal: a month or a year of a ledger proves itself without the rest. Method: a ledger over new year is
 * cut at every period, its files are verified, and then each is changed.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bound, World } from "../actors/testing/world.ts";
import { GENESIS_HASH } from "../ledger/chain.ts";
import { PeriodExport, periodAsked } from "./period-export.ts";
import { type ExportFiles, exportOf, textOf, writeExport } from "./verify/testing/signed-export.ts";
import {
  LEDGER_FILE,
  OPENING_FILE,
  RANGE_FILE,
  type Verdict,
  verifyExport,
} from "./verify/verify-export.ts";
import { LedgerVerifier } from "./verify-ledger.ts";

const DAY_MS = 86_400_000;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tarmac-period-"));
});

afterAll(() => rm(folder, { recursive: true }));

/** From 10 November 2026 to some time in 2027: holds that end in another month than they began in. */
function ledger(): readonly string[] {
  const world = new World();
  const late: string[] = [];
  for (let day = 0; day < 110; day += 3) {
    const { authorization } = world.authorize({
      run: `r${day % 4}`,
      usage_bound: bound(500n, 500n),
    });
    world.settle(authorization, { final: day % 2 === 0, usage: { output: 40n } });
    late.push(world.authorize().authorization);
    world.now += 3 * DAY_MS;
    if (day % 4 === 0) world.pass(0);
    const [due] = late.splice(0, 1);
    if (due !== undefined && day % 5 === 0) world.settle(due, { usage: { output: 7n } });
  }
  return world.entries.map(({ line }) => line);
}

const lines = ledger();

function periodOf(asked: string): {
  readonly files: ExportFiles;
  readonly inside: readonly string[];
} {
  const size = BigInt(lines.length);
  const period = new PeriodExport("acme", periodAsked(asked, "UTC"), size, GENESIS_HASH);
  const verifier = new LedgerVerifier();
  const inside = lines.filter((line) => {
    const isIn = period.follow(line, verifier.state, verifier.head);
    expect(verifier.next(line)).toBeUndefined();
    return isIn;
  });
  period.finish(verifier.head);
  const files = {
    ...exportOf(lines),
    [LEDGER_FILE]: textOf(inside),
    [OPENING_FILE]: period.opening(),
    [RANGE_FILE]: period.rangeProof(),
  };
  return { files, inside };
}

async function verified(files: ExportFiles): Promise<Verdict> {
  const own = await mkdtemp(join(folder, "export-"));
  await writeExport(own, files);
  return verifyExport({
    folder: own,
    ledger: join(own, LEDGER_FILE),
    onProgress: () => undefined,
    since: [],
    vkeys: [],
  });
}

async function saidOf(files: ExportFiles): Promise<string> {
  const verdict = await verified(files);
  if (verdict.ok) return "sound";
  const { fault } = verdict;
  return fault.at === "entry" ? `${fault.code} ${fault.seq}` : fault.code;
}

test.each([
  "2026-10",
  "2026-11",
  "2026-12",
  "2027-01",
  "2027-02",
  "2027-12",
  "2026",
  "2027",
  "2025",
])("period: %s is proved by its lines, and what is left open is said", async (asked) => {
  const { files, inside } = periodOf(asked);
  const verdict = await verified(files);
  expect(verdict).toMatchObject({ entries: BigInt(inside.length), ok: true });
  expect(verdict.ok && verdict.unchecked.some((what) => what.startsWith("decisions"))).toBe(true);
});

describe("period: what was changed is found", () => {
  const { files, inside } = periodOf("2026-12");
  const first = BigInt(lines.indexOf(inside[0] as string) + 1);
  const changed = (file: string, from: RegExp | string, to: string) => ({
    ...files,
    [file]: (files[file] as string).replace(from, to),
  });
  test("a removed line", async () => {
    const damaged = { ...files, [LEDGER_FILE]: textOf(inside.toSpliced(2, 1)) };
    expect(await saidOf(damaged)).toBe(`removed ${first + 2n}`);
  });
  test("lines missing at the end", async () => {
    const damaged = { ...files, [LEDGER_FILE]: textOf(inside.slice(0, -1)) };
    expect(await saidOf(damaged)).toBe(`truncated ${first + BigInt(inside.length) - 1n}`);
  });
  test("an opening balance that no line bears out", async () => {
    const damaged = changed(OPENING_FILE, /"settled":"(\d+)"/, '"settled":"9$1"');
    expect(await saidOf(damaged)).toMatch(/^balance \d+$/);
  });
  test("an authorization that was not open", async () => {
    expect(await saidOf(changed(OPENING_FILE, /"open":\[.*?\]/, '"open":[]'))).toMatch(
      /^balance \d+$/,
    );
  });
  test("a proof of another stretch", async () => {
    expect(
      await saidOf({ ...files, [RANGE_FILE]: periodOf("2027-01").files[RANGE_FILE] as string }),
    ).toBe("range");
  });
  test("a proof with another hash", async () => {
    const proof = files[RANGE_FILE] as string;
    const other = proof.replace(/\n(.)/, (_, digit: string) => `\n${digit === "A" ? "B" : "A"}`);
    expect(await saidOf({ ...files, [RANGE_FILE]: other })).toBe("range");
  });
  test("no proof", async () => {
    const { [RANGE_FILE]: _, ...without } = files;
    expect(await saidOf(without)).toBe("range");
  });
});

test("period: what is neither a month nor a year is refused", () => {
  expect(() => periodAsked("2026-13", "UTC")).toThrow(/give a month like 2026-11/);
  expect(periodAsked("2026-11", "Europe/Berlin")).toEqual({
    from: Date.UTC(2026, 9, 31, 23),
    key: "2026-11@Europe/Berlin",
    to: Date.UTC(2026, 10, 30, 23),
  });
});
