/**
 * Goal: every check of the witness can fail. Method: a small ledger that is right, and one thing after
 * the other done to it that an engine could get wrong.
 */
import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";

import { compareTold } from "./audit.ts";
import { Heard, type Told } from "./heard.ts";
import { LedgerFold } from "./ledger-fold.ts";
import { BlockReader } from "./read-journal.ts";

type Entry = Record<string, unknown> & { epoch?: string };
const LIMITS = new Map([["agent:bot/month", 100n]]);
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const leg = (settled: number, held: number) => ({
  cap: "agent:bot/month",
  held: String(held),
  limit: "100",
  period: "2026-11",
  settled: String(settled),
});

const admit = (authorization: string, held: number, legs: unknown[]): Entry => ({
  authorization,
  held: String(held),
  kind: "authorize",
  legs,
  outcome: "admit",
});

/** Two holds of 60 and 40 on a cap of 100; the first settles at 50, the second is voided. */
const good = (): Entry[] => [
  admit("a", 60, [leg(0, 60)]),
  admit("b", 40, [leg(0, 100)]),
  { amount: "50", authorization: "a", kind: "settle", legs: [leg(50, 50)], part: "1" },
  { amount: "10", authorization: "a", kind: "release", legs: [leg(50, 40)] },
  { amount: "40", authorization: "b", kind: "void", legs: [leg(50, 0)] },
];

/** Folds entries, with what every entry has put in where it is not given. */
function fold(entries: readonly Entry[]): LedgerFold {
  const ledger = new LedgerFold("w", LIMITS);
  let prev = "0".repeat(64);
  for (const [index, entry] of entries.entries()) {
    const seq = String(index + 1);
    const line = JSON.stringify({ at: index, epoch: "1", prev, seq, ws: "w", ...entry });
    prev = sha256(line);
    ledger.take(line, "1");
  }
  return ledger;
}

test("fold: finds nothing wrong with a ledger that is right", () => {
  const ledger = fold(good());
  expect(ledger.problems).toEqual([]);
  expect(ledger.held).toEqual([]);
  expect(ledger.nearLimit).toBe(2);
});

const wrongs: readonly [string, (entries: Entry[]) => void, RegExp][] = [
  [
    "an admit over the limit (R1)",
    (entries) => entries.splice(1, 1, admit("b", 41, [leg(0, 101)])),
    /admits 1 over the limit/,
  ],
  [
    "a limit that is not the configured one",
    (entries) => {
      entries[0] = admit("a", 60, [{ ...leg(0, 60), limit: "1000" }]);
    },
    /says agent:bot\/month has the limit 1000/,
  ],
  [
    "a decision that is made twice",
    (entries) => entries.splice(1, 1, admit("a", 40, [leg(0, 100)])),
    /decides a again/,
  ],
  [
    "a part that is settled twice",
    (entries) => entries.splice(3, 0, { ...entries[2], legs: [leg(100, 0)] }),
    /settles a\/1 twice/,
  ],
  [
    "a counter that does not come from the amounts",
    (entries) => {
      entries[0] = admit("a", 60, [leg(0, 59)]);
    },
    /has 0 settled and 59 held; it has 0 and 60/,
  ],
  ["a fork", (entries) => (entries[2] = { ...entries[2], prev: sha256("") }), /does not follow/],
  ["a gap", (entries) => (entries[2] = { ...entries[2], seq: "4" }), /stands where 3 belongs/],
  [
    "an epoch that goes back",
    (entries) => (entries[3] = { ...entries[3], epoch: "0" }),
    /goes back from epoch 1/,
  ],
  [
    "time that goes back",
    (entries) => (entries[3] = { ...entries[3], at: 0 }),
    /goes back in time/,
  ],
  [
    "a hold that ends by time before a takeover's grace (R13)",
    (entries) => {
      entries.splice(2, 0, { holds_until: 90, kind: "takeover" });
      entries[5] = { ...entries[5], due_at: 89, kind: "expire" };
    },
    /was due at 89, and holds live until 90/,
  ],
  [
    "an end of what never was",
    (entries) => entries.push({ amount: "1", authorization: "z", kind: "expire", legs: [] }),
    /ends z, which never was/,
  ],
  [
    "a settle of what was voided",
    (entries) =>
      entries.push({ amount: "1", authorization: "b", kind: "settle", legs: [], part: "1" }),
    /settles what has ended/,
  ],
  [
    "a rest that is not given back",
    (entries) => (entries[3] = { ...entries[3], amount: "9", legs: [leg(50, 41)] }),
    /leaves 1 of 1 held/,
  ],
];

test.each(wrongs)("fold: finds %s", (_, wrong, said) => {
  const entries = good();
  wrong(entries);
  expect(fold(entries).problems.join("\n")).toMatch(said);
});

test("fold: finds money that stays held", () => {
  expect(fold(good().slice(0, 4)).held).toEqual(["agent:bot/month|2026-11 holds 40"]);
});

describe("told", () => {
  const compare = (told: Partial<Told>, undecided: string[] = []) => {
    const heard = new Heard();
    const whole = { amount: 60n, authorization: "a", kind: "authorize", outcome: "admit", seq: 1n };
    heard.told.push({ ...whole, ws: "w", ...told } as Told);
    heard.undecided.push(...undecided.map((authorization) => ({ authorization, ws: "w" })));
    return compareTold(heard, new Map([["w", fold(good())]]));
  };

  test("finds nothing wrong with what is so", () => {
    expect(compare({})).toEqual({ doubled: [], lost: [], undecided: [] });
    const settled = { amount: 50n, kind: "settle", outcome: undefined, seq: 4n } as const;
    expect(compare(settled).lost).toEqual([]);
  });

  test.each([
    ["an entry that is missing", { seq: 6n }],
    ["another's entry", { seq: 2n }],
    ["another amount", { amount: 61n }],
    ["another outcome", { outcome: "hold" }],
    ["another kind", { kind: "void" }],
  ] as const)("finds %s", (_, told) => {
    expect(compare(told).lost).toHaveLength(1);
  });

  test("finds what was written though its client was told otherwise", () => {
    expect(compare({}, ["b", "c"]).undecided).toEqual(["b is in the ledger"]);
  });
});

test("journal: a block under another epoch, one that forks, and a claim that goes back are found", () => {
  const reader = new BlockReader(0, () => undefined);
  const block = (epoch: string, prev: string) =>
    Buffer.from(`${JSON.stringify({ count: 0, epoch, prev })}\n`);
  const claim = (epoch: string) => Buffer.from(JSON.stringify({ epoch }));
  reader.take(1, "journal.0.1.fence", claim("2"));
  reader.take(2, "journal.0.1.block", block("2", "0".repeat(64)));
  expect(reader.problems).toEqual([]);
  reader.take(3, "journal.0.1.block", block("1", sha256("fork")));
  reader.take(5, "journal.0.1.fence", claim("2"));
  expect(reader.problems.join("\n")).toMatch(
    /of epoch 1 in the term of 2\n.*does not follow.*\n.*comes after 3\n.*claims epoch 2 after 2/,
  );
});
