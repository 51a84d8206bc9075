/**
 * Goal: an export that was touched is found, what was done to it is told apart, and the first entry that
 * cannot be believed is named. Method: a ledger made by the actor's own turns, signed by a test's key, is
 * damaged in every way (each bit, each entry, each note), written to files, and verified from there.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sha256Hex } from "../../actors/testing/world.ts";
import { vectorLedger } from "../../ledger/testing/vector-ledger.ts";
import { LedgerVerifier } from "../verify-ledger.ts";
import {
  damages,
  type ExportFiles,
  exportOf,
  ledgerLines,
  TestSigner,
  textOf,
  writeExport,
} from "./testing/signed-export.ts";
import { LEDGER_FILE, type Verdict, VKEY_FILE, verifyExport } from "./verify-export.ts";

const signer = new TestSigner();
let root: string;
let lines: readonly string[];

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "tarmac-verify-"));
  lines = ledgerLines();
});

afterAll(() => rm(root, { recursive: true }));

interface Given {
  readonly since?: readonly string[];
  readonly vkeys?: readonly string[];
}

async function verified(
  files: ExportFiles,
  { since = [], vkeys = [] }: Given = {},
): Promise<Verdict> {
  const folder = await mkdtemp(join(root, "export-"));
  await writeExport(folder, files);
  const earlier = since.map((_, i) => join(folder, `earlier-${i}`));
  for (const [i, note] of since.entries()) await writeFile(earlier[i] as string, note);
  return verifyExport({
    folder,
    ledger: join(folder, LEDGER_FILE),
    onProgress: () => undefined,
    since: earlier,
    vkeys,
  });
}

/** `changed 7`, `forked`, or `sound`. */
function said(verdict: Verdict): string {
  if (verdict.ok) return "sound";
  const { fault } = verdict;
  return fault.at === "entry" ? `${fault.code} ${fault.seq}` : fault.code;
}

/** What is said of lines under the checkpoint of the whole ones. */
async function saidOf(damaged: readonly string[]): Promise<string> {
  return said(await verified({ ...exportOf(lines), [LEDGER_FILE]: textOf(damaged) }));
}

test("verify: an untouched export is accepted, with what could not be checked", async () => {
  const verdict = await verified(exportOf(lines), {
    since: [signer.checkpoint(lines.slice(0, 5))],
  });
  expect(verdict).toMatchObject({
    checkpoint: { origin: "log.example/ws/acme", size: BigInt(lines.length) },
    entries: BigInt(lines.length),
    facts: { times: lines.length },
    ok: true,
    signedBy: [signer.origin],
    ws: "acme",
  });
  expect(verdict.ok && verdict.unchecked).toEqual([
    "whose keys these are: they came with the export; name one you trust with --vkey",
  ]);
  const pinned = await verified(exportOf(lines), {
    since: [signer.checkpoint(lines)],
    vkeys: [signer.vkey],
  });
  expect(pinned).toMatchObject({ ok: true, unchecked: [] });
});

test("verify: a ledger with every kind of entry is accepted", async () => {
  const every = vectorLedger().map(({ line }) => line);
  expect(said(await verified(exportOf(every)))).toBe("sound");
});

test("verify: lines by themselves are checked, and what that leaves open is said", async () => {
  const verdict = await verified({ [LEDGER_FILE]: textOf(lines) });
  expect(verdict.ok && verdict.unchecked[0]).toMatch(/nothing is missing at the end/);
  const { [VKEY_FILE]: _, ...keyless } = exportOf(lines);
  const unsigned = await verified(keyless);
  expect(unsigned.ok && unsigned.unchecked[0]).toMatch(/who signed the checkpoint/);
});

describe("verify: each kind of damage is found, named and told apart", () => {
  test.each(damages(ledgerLines()).map((one) => [one.name, one] as const))(
    "%s",
    async (_, { files, said: due, since = [] }) => {
      expect(said(await verified(files, { since, vkeys: [] }))).toBe(due);
    },
  );

  test("a key that was pinned is not the one that signed", async () => {
    const vkeys = [new TestSigner(2).vkey];
    expect(said(await verified(exportOf(lines), { vkeys }))).toBe("unknown-key");
  });

  test("an earlier checkpoint of another log", async () => {
    const other = new TestSigner(1, "other");
    const given = { since: [other.checkpoint(lines)], vkeys: [signer.vkey, other.vkey] };
    expect(said(await verified(exportOf(lines), given))).toBe("note");
  });

  test("lines that end before an earlier checkpoint, without a checkpoint of their own", async () => {
    const cut = lines.slice(0, -3);
    const since = [signer.checkpoint(lines)];
    const files = { [LEDGER_FILE]: textOf(cut), [VKEY_FILE]: `${signer.vkey}\n` };
    expect(said(await verified(files, { since }))).toBe(`truncated ${cut.length + 1}`);
  });
});

test("verify: one flipped bit is found, and its entry named", async () => {
  const files = exportOf(lines);
  // Of the last two, nothing behind them tells which one was changed.
  await fc.assert(
    fc.asyncProperty(fc.nat(lines.length - 3), fc.nat(), fc.nat(7), async (at, place, bit) => {
      const damaged = lines.map((line) => Buffer.from(line));
      const bytes = damaged[at] as Buffer;
      bytes[place % bytes.length] = (bytes[place % bytes.length] as number) ^ (1 << bit);
      // A line feed in a line makes two of it; the first of them is no entry.
      const content = Buffer.concat(damaged.flatMap((line) => [line, Buffer.from("\n")]));
      const found = said(await verified({ ...files, [LEDGER_FILE]: content }));
      const isSplit = bytes.includes(0x0a);
      expect(found).toBe(`${isSplit ? "format" : "changed"} ${at + 1}`);
    }),
    { numRuns: 80 },
  );
});

test("verify: a bit of the last entry is found, if only by the root", async () => {
  const last = lines.at(-1) as string;
  const salted = last.replace(
    /"salt":"(.)/,
    (_, digit: string) => `"salt":"${digit === "f" ? "e" : "f"}`,
  );
  expect(await saidOf(lines.with(-1, salted))).toBe("rewritten");
  expect(await saidOf(lines.with(-1, last.slice(1)))).toBe(`format ${lines.length}`);
});

test("verify: a removed, repeated or swapped entry is found wherever it stands", async () => {
  for (let at = 0; at < lines.length - 1; at += 3) {
    expect(await saidOf(lines.toSpliced(at, 1))).toBe(`removed ${at + 1}`);
    expect(await saidOf(lines.toSpliced(at, 0, lines[at] as string))).toBe(`doubled ${at + 1}`);
    const swapped = lines.toSpliced(at, 2, lines[at + 1] as string, lines[at] as string);
    expect(await saidOf(swapped)).toBe(`swapped ${at + 1}`);
  }
  expect(await saidOf(lines.slice(0, -1))).toBe(`truncated ${lines.length}`);
  expect(await saidOf([...lines, lines.at(-1) as string])).toBe(`doubled ${lines.length}`);
});

/** Changes one line and gives every line behind it the `prev` and `opened` that then fit. */
function rechained(at: number, change: (line: string) => string): readonly string[] {
  const damaged = [...lines.slice(0, at)];
  const renamed = new Map<string, string>();
  for (const [i, original] of lines.slice(at).entries()) {
    let line = original.replace(/"(prev|hash)":"([0-9a-f]{64})"/g, (all, name, hash: string) =>
      renamed.has(hash) ? `"${name}":"${renamed.get(hash)}"` : all,
    );
    if (i === 0) line = change(line);
    renamed.set(sha256Hex(original), sha256Hex(line));
    damaged.push(line);
  }
  return damaged;
}

test("verify: an entry that was forged with a fitting chain is found by its balances", async () => {
  const at = lines.findIndex((line) => line.includes('"kind":"settle"'));
  const damaged = rechained(at, (line) => line.replace(/"amount":"\d+"/, '"amount":"1"'));
  expect(said(await verified(exportOf(damaged)))).toBe(`balance ${at + 1}`);
});

test("verify: a decision that was forged with fitting balances is found, and its field told", async () => {
  const at = lines.findIndex((line) => line.includes('"kind":"authorize"'));
  const damaged = rechained(at, (line) => line.replace('"rule":"05"', '"rule":"04"'));
  const verdict = await verified(exportOf(damaged));
  expect(said(verdict)).toBe(`decision ${at + 1}`);
  expect(!verdict.ok && verdict.fault.problem).toBe("rule is 04, and must be 05");
});

test("verify: lines as they come are checked as those of a file, to the same root", async () => {
  const verifier = new LedgerVerifier();
  for (const line of lines) expect(verifier.next(line)).toBeUndefined();
  const verdict = await verified(exportOf(lines));
  const { entries, head, root: found, ws } = verifier.result();
  expect(verdict).toMatchObject({ entries, head, root: found, ws });
  expect(new LedgerVerifier().next(lines[1] as string)).toMatchObject({ code: "removed", seq: 1n });
});
