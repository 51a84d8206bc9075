/**
 * Goal: an export that was touched is found, and the entry that was touched is named. Method: a real
 * ledger made by the actor's own turns is damaged in every way (each byte flipped, each entry removed,
 * repeated, swapped, forged, cut off) and verified from a file.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { agent, sha256Hex, usd, World } from "../actors/testing/world.ts";
import { verifyLedgerFile } from "./verify-ledger.ts";

let folder: string;
let lines: readonly string[];
let head: { readonly entries: bigint; readonly head: string };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tarmac-verify-"));
  const world = new World({ agents: { bot: agent({ caps: { month: usd("5") } }) } });
  for (let i = 0; i < 12; i += 1) {
    const { authorization, outcome } = world.authorize({ run: `run-${i % 3}` });
    if (outcome !== "hold") world.settle(authorization, { usage: { input: 800n, output: 90n } });
    world.now += 1_000;
  }
  lines = world.entries.map(({ line }) => line);
  head = { entries: BigInt(lines.length), head: world.entries.at(-1)?.hash ?? "" };
});

afterAll(() => rm(folder, { recursive: true }));

async function verified(damaged: readonly string[], known: typeof head | undefined = head) {
  const path = join(folder, `${Math.random()}.jsonl`);
  await writeFile(path, damaged.map((line) => `${line}\n`).join(""));
  return verifyLedgerFile(path, known, () => undefined);
}

async function faultOf(damaged: readonly string[], known: typeof head | undefined = head) {
  const result = await verified(damaged, known);
  return result.ok ? undefined : result.fault;
}

test("verify: an untouched ledger is accepted with its count and root", async () => {
  const result = await verified(lines);
  expect(result).toMatchObject({ entries: head.entries, head: head.head, ok: true, ws: "acme" });
});

test("verify: one flipped bit is found and its entry named", async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(lines.length - 1), fc.nat(), fc.nat(6), async (at, place, bit) => {
      const bytes = Buffer.from(lines[at] as string, "utf8");
      const index = place % bytes.length;
      bytes[index] = (bytes[index] as number) ^ (1 << bit);
      const damaged = [...lines];
      damaged[at] = bytes.toString("utf8");
      const fault = await faultOf(damaged);
      expect(fault?.seq).toBe(BigInt(at + 1));
    }),
    { numRuns: 300 },
  );
});

test("verify: a removed entry is found where it is missing", async () => {
  for (let at = 0; at < lines.length - 1; at += 1) {
    expect((await faultOf(lines.toSpliced(at, 1)))?.seq).toBe(BigInt(at + 1));
  }
});

test("verify: an entry that stands twice is found at its second place", async () => {
  for (let at = 0; at < lines.length; at += 1) {
    const damaged = lines.toSpliced(at, 0, lines[at] as string);
    expect((await faultOf(damaged))?.seq).toBe(BigInt(at + 2));
  }
});

test("verify: two entries that changed places are found at the first of them", async () => {
  for (let at = 0; at < lines.length - 1; at += 1) {
    const damaged = lines.toSpliced(at, 2, lines[at + 1] as string, lines[at] as string);
    expect((await faultOf(damaged))?.seq).toBe(BigInt(at + 1));
  }
});

test("verify: a forged entry with a fitting chain is found by its balances", async () => {
  const at = lines.findIndex((line) => line.includes('"kind":"settle"'));
  const forged = (lines[at] as string).replace(/"amount":"\d+"/, '"amount":"1"');
  const damaged = [...lines.slice(0, at), forged];
  let prev = sha256Hex(forged);
  for (const line of lines.slice(at + 1)) {
    const chained = line.replace(/"prev":"[0-9a-f]{64}"/, `"prev":"${prev}"`);
    damaged.push(chained);
    prev = sha256Hex(chained);
  }
  const fault = await faultOf(damaged, { ...head, head: prev });
  expect(fault?.seq).toBe(BigInt(at + 1));
  expect(fault?.problem).toContain("balance");
});

test("verify: what is cut off at the end is found by the known head only", async () => {
  const cut = lines.slice(0, -2);
  expect((await faultOf(cut))?.seq).toBe(head.entries - 1n);
  const path = join(folder, "cut.jsonl");
  await writeFile(path, cut.map((line) => `${line}\n`).join(""));
  expect((await verifyLedgerFile(path, undefined, () => undefined)).ok).toBe(true);
});
