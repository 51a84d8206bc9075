/**
 * Goal: nothing is handed on to be signed that is not the chain that was written, continued from what
 * was signed. Method: a real actor's lines, whole and with one thing changed at each place.
 */
import { hash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";

import { World } from "../../actors/testing/world.ts";
import { leafHash } from "../../ledger/merkle.ts";
import { sha256 } from "../../readmodel/node-crypto.ts";
import { extendLog, firstLineOf, type LogPiece, startOf } from "./extend-log.ts";
import type { StoredLine } from "./follow-lines.ts";
import { edgeOf, type FullTile, GrowingTree } from "./growing-tree.ts";
import { LogFault } from "./log-fault.ts";

const LEDGER = makeLedger(700);
const EMPTY = sha256(new Uint8Array(0));

function makeLedger(entries: number): readonly StoredLine[] {
  const world = new World();
  while (world.entries.length < entries) {
    world.now += 10;
    world.authorize({ authorization: world.id() });
  }
  return world.entries.map(({ entry, line, hash: own }) => ({
    seq: entry.seq,
    line: Buffer.from(line),
    hash: own,
  }));
}

const WS = JSON.parse(LEDGER[0]?.line.toString() ?? "").ws as string;
const leafOf = (seq: bigint) => leafHash(LEDGER[Number(seq) - 1]?.line as Buffer, sha256);

const whole = new GrowingTree(0n, [], sha256);
const roots: Uint8Array[] = [EMPTY];
for (const { seq } of LEDGER) {
  whole.append(leafOf(seq));
  roots.push(whole.root());
}

/** What a store would read to continue a checkpoint up to `to`. */
function piece(signed: bigint, to: bigint): LogPiece {
  const start = startOf(signed);
  const tile = (level: number, index: bigint) =>
    whole.full.find((found) => found.level === level && found.index === index) as FullTile;
  return {
    ws: WS,
    last: { root: roots[Number(signed)] as Uint8Array, size: signed },
    edge: edgeOf(start).flatMap(({ level, first, end }) =>
      Array.from({ length: Number(end - first) }, (_, i) => tile(level, first + BigInt(i)).root),
    ),
    lastLeaf: start === 0n ? undefined : leafOf(start),
    lines: LEDGER.slice(Number(firstLineOf(signed)) - 1, Number(to)),
  };
}

const place = fc.bigInt(0n, BigInt(LEDGER.length));
const stretch = fc
  .tuple(place, place)
  .map(([a, b]) => (a < b ? ([a, b] as const) : ([b, a] as const)))
  .filter(([, to]) => to > 0n);

test("extend: any checkpoint to any later size has the root and tiles of the whole tree", () => {
  fc.assert(
    fc.property(stretch, ([signed, to]) => {
      const { point, end, tiles } = extendLog(piece(signed, to));
      expect(point.size).toBe(to);
      expect(Buffer.from(point.root)).toEqual(Buffer.from(roots[Number(to)] as Uint8Array));
      expect(end).toEqual({ seq: to, hash: LEDGER[Number(to) - 1]?.hash });
      for (const tile of tiles) {
        expect(whole.full).toContainEqual(tile);
      }
    }),
    { numRuns: 40 },
  );
});

/** Each way in which one line can be other than it was written, with and without a hash that fits. */
const CHANGES: Readonly<Record<string, (lines: StoredLine[], at: number) => void>> = {
  "a byte": (lines, at) => {
    const { line } = lines[at] as StoredLine;
    lines[at] = { ...(lines[at] as StoredLine), line: flipped(line) };
  },
  "a byte and its hash": (lines, at) => {
    const line = flipped((lines[at] as StoredLine).line);
    lines[at] = { ...(lines[at] as StoredLine), line, hash: hash("sha256", line) };
  },
  removed: (lines, at) => {
    lines.splice(at, 1);
  },
  "removed, and those behind moved up": (lines, at) => {
    const moved = lines.splice(at + 1).map((row) => ({ ...row, seq: row.seq - 1n }));
    lines.splice(at, 1, ...moved);
  },
  "swapped with the next": (lines, at) => {
    const [one, two] = [lines[at] as StoredLine, lines[at + 1] as StoredLine];
    lines[at] = { ...two, seq: one.seq };
    lines[at + 1] = { ...one, seq: two.seq };
  },
};

function flipped(line: Buffer): Buffer {
  const copy = Buffer.from(line);
  // A digit of the salt: the line stays JSON.
  const at = copy.indexOf('"salt":"') + 8;
  copy[at] = copy[at] === 0x61 ? 0x62 : 0x61;
  return copy;
}

test.each(Object.entries(CHANGES))("refuse: %s, at whatever place", (_, change) => {
  fc.assert(
    fc.property(stretch, fc.nat(), ([signed, to], where) => {
      const good = piece(signed, to);
      fc.pre(good.lines.length > 1);
      const lines = [...good.lines];
      const at = where % (lines.length - 1);
      change(lines, at);
      const due = lines[at]?.seq ?? to;
      let fault: unknown;
      try {
        extendLog({ ...good, lines });
      } catch (error) {
        fault = error;
      }
      expect(fault).toBeInstanceOf(LogFault);
      const { seq } = fault as LogFault;
      // The line itself, or the one behind it, which no longer fits.
      expect(seq >= due - 1n && seq <= due + 1n).toBe(true);
    }),
    { numRuns: 30 },
  );
});

test("refuse: another root than was signed, and a tile that ends with another leaf", () => {
  const good = piece(600n, 650n);
  const last = { ...good.last, root: EMPTY };
  expect(() => extendLog({ ...good, last })).toThrow("the log forks");
  expect(() => extendLog({ ...good, lastLeaf: EMPTY })).toThrow(
    "is not the leaf that its tile ends",
  );
  const swapped = [...good.edge].reverse();
  expect(() => extendLog({ ...good, edge: swapped })).toThrow("the log forks");
});

test("refuse: a log that ends before what was signed", () => {
  const good = piece(600n, 650n);
  expect(() => extendLog({ ...good, lines: good.lines.slice(0, 20) })).toThrow(
    "entry 532 was signed",
  );
  expect(() => extendLog({ ...good, lines: [] })).toThrow("entry 512 was signed and is missing");
});
