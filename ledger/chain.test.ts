/**
 * Goal: nothing can be changed, taken out, put in or moved in a chain without its `seq` being named.
 * Method: a chain of real entries, broken at a random place in every way, and followed.
 */
import { hash as digest } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type ChainHead,
  EMPTY_CHAIN,
  followChain,
  GENESIS_HASH,
  refOf,
  type SealedEntry,
  sealEntry,
} from "./chain.ts";
import type { Entry, EntryBody } from "./entries.ts";
import { anyEntry } from "./testing/entries.ts";

const sha256Hex = (text: string) => digest("sha256", text, "hex");

interface Place {
  readonly ws?: string;
  readonly epoch?: bigint;
  readonly at?: number;
}

function seal(head: ChainHead, body: EntryBody, place: Place = {}): SealedEntry {
  return sealEntry(
    head,
    body,
    {
      at: place.at ?? 1_000 + Number(head.seq),
      epoch: place.epoch ?? 1n,
      recordedAt: 5_000,
      salt: "0f".repeat(16),
      ws: place.ws ?? "acme",
    },
    sha256Hex,
  );
}

/** The body of a random entry, without what it gets from its place. */
const anyBody = anyEntry.map((entry): EntryBody => {
  const { at, epoch, prev, recorded_at, salt, seq, v, ws, ...body } = entry;
  return body;
});

function chainOf(bodies: readonly EntryBody[]): SealedEntry[] {
  let head = EMPTY_CHAIN;
  return bodies.map((body) => {
    const sealed = seal(head, body);
    head = { hash: sealed.hash, seq: sealed.entry.seq };
    return sealed;
  });
}

/** Follows lines from the beginning; the first fault, or the head. */
function follow(lines: readonly string[]) {
  let head = EMPTY_CHAIN;
  let previous: Entry | undefined;
  for (const line of lines) {
    const next = followChain(head, previous, line, sha256Hex);
    if ("fault" in next) return next.fault;
    head = { hash: next.sealed.hash, seq: next.sealed.entry.seq };
    previous = next.sealed.entry;
  }
  return head;
}

const chains = fc.array(anyBody, { maxLength: 6, minLength: 3 }).map(chainOf);

describe("seal", () => {
  test("seal: an entry stands behind its head and names its hash", () => {
    fc.assert(
      fc.property(chains, (chain) => {
        let prev = GENESIS_HASH;
        chain.forEach((sealed, i) => {
          expect(sealed.entry.seq).toBe(BigInt(i + 1));
          expect(sealed.entry.prev).toBe(prev);
          expect(sealed.hash).toBe(sha256Hex(sealed.line));
          expect(refOf(sealed)).toEqual({ hash: sealed.hash, seq: sealed.entry.seq });
          prev = sealed.hash;
        });
        expect(follow(chain.map(({ line }) => line))).toEqual({
          hash: prev,
          seq: BigInt(chain.length),
        });
      }),
      { numRuns: 30 },
    );
  });
});

describe("follow", () => {
  const places = fc.tuple(chains, fc.nat(), fc.nat());

  test("follow: a flipped bit is found at its entry, or at the one that names its hash", () => {
    fc.assert(
      fc.property(places, ([chain, where, bit]) => {
        const at = where % (chain.length - 1);
        const lines = chain.map(({ line }) => line);
        const bytes = new TextEncoder().encode(lines[at]);
        const byte = Math.floor(bit / 8) % bytes.length;
        bytes[byte] = (bytes[byte] as number) ^ (1 << (bit % 8));
        lines[at] = new TextDecoder().decode(bytes);
        const { seq } = follow(lines) as { seq: bigint; problem: string };
        expect([BigInt(at + 1), BigInt(at + 2)]).toContain(seq);
        expect(follow(lines)).toHaveProperty("problem");
      }),
      { numRuns: 100 },
    );
  });

  test("follow: a removed entry is found where it stood", () => {
    fc.assert(
      fc.property(places, ([chain, where]) => {
        const at = where % (chain.length - 1);
        const lines = chain.map(({ line }) => line).toSpliced(at, 1);
        expect(follow(lines)).toEqual({
          problem: `seq is ${at + 2} where ${at + 1} is due`,
          seq: BigInt(at + 1),
        });
      }),
      { numRuns: 20 },
    );
  });

  test("follow: an entry that stands twice is found at its second place", () => {
    fc.assert(
      fc.property(places, ([chain, where]) => {
        const at = where % chain.length;
        const lines = chain.map(({ line }) => line);
        expect(follow(lines.toSpliced(at, 0, lines[at] as string))).toMatchObject({
          seq: BigInt(at + 2),
        });
      }),
      { numRuns: 20 },
    );
  });

  test("follow: a foreign entry put in with the right number is found by the hash after it", () => {
    fc.assert(
      fc.property(places, anyBody, ([chain, where], body) => {
        const at = where % (chain.length - 1);
        const before = at === 0 ? EMPTY_CHAIN : refOf(chain[at - 1] as SealedEntry);
        const foreign = seal(before, { ...body, kind: body.kind } as EntryBody, { at: 1_000 + at });
        fc.pre(foreign.hash !== chain[at]?.hash);
        const lines = chain.map(({ line }) => line).with(at, foreign.line);
        expect(follow(lines)).toEqual({
          problem: `prev is not the hash of entry ${at + 1}`,
          seq: BigInt(at + 2),
        });
      }),
      { numRuns: 20 },
    );
  });

  test("follow: two entries that changed places are found at the first of them", () => {
    fc.assert(
      fc.property(places, ([chain, where]) => {
        const at = where % (chain.length - 1);
        const lines = chain.map(({ line }) => line);
        const [a, b] = [lines[at] as string, lines[at + 1] as string];
        expect(follow(lines.with(at, b).with(at + 1, a))).toMatchObject({ seq: BigInt(at + 1) });
      }),
      { numRuns: 20 },
    );
  });

  const body: EntryBody = { claim_seq: 1n, holds_until: 9, kind: "takeover", owner: "a" };
  const first = seal(EMPTY_CHAIN, body, { at: 500, epoch: 3n });

  test.each<[string, Place, string]>([
    ["another workspace", { at: 500, epoch: 3n, ws: "other" }, "workspace changes to other"],
    ["an earlier time", { at: 499, epoch: 3n }, "ledger time goes back"],
    ["an earlier epoch", { at: 500, epoch: 2n }, "epoch goes back"],
  ])("follow: %s is a fault, though the hash is right", (_, place, problem) => {
    const second = seal(refOf(first), body, place);
    expect(follow([first.line, second.line])).toEqual({ problem, seq: 2n });
  });

  test("follow: the same time and epoch are none", () => {
    const second = seal(refOf(first), body, { at: 500, epoch: 3n });
    expect(follow([first.line, second.line])).toEqual(refOf(second));
  });

  test("follow: a range begins at a head, whatever stood before", () => {
    const head = refOf(first);
    const second = seal(head, body, { at: 1, epoch: 1n, ws: "other" });
    expect(followChain(head, undefined, second.line, sha256Hex)).toEqual({ sealed: second });
  });
});
