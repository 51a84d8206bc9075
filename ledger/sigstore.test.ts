/**
 * Goal: a verifier that shares no code with us accepts our proofs and checkpoints, and refuses the
 * tampered ones just as ours does.
 * Method: @sigstore/verify's own verifier of Rekor entries. Its Merkle and checkpoint modules are not part
 * of its public API, so they are loaded by path, in this test only.
 */

import type { KeyObject } from "node:crypto";
import { createRequire } from "node:module";
import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeCheckpoint, verifyCheckpoint } from "./checkpoint.ts";
import { leafHash } from "./merkle.ts";
import { inclusionProof, verifyInclusion } from "./merkle-proofs.ts";
import {
  ed25519Verify,
  flipped,
  NaiveTree,
  numberedLeaves,
  sha256,
  signedBy,
  testSigner,
} from "./testing/log.ts";

interface SigstoreEntry {
  readonly canonicalizedBody: Buffer;
  readonly inclusionProof: {
    readonly logIndex: string;
    readonly hashes: readonly Buffer[];
    readonly checkpoint: { readonly envelope: string };
  };
}
interface SigstoreCheckpoint {
  readonly origin: string;
  readonly logSize: bigint;
  readonly logHash: Buffer;
}
interface SigstoreLog {
  readonly logID: Buffer;
  readonly publicKey: KeyObject;
  readonly baseURL: string;
}
interface Sigstore {
  verifyMerkleInclusion(entry: SigstoreEntry, checkpoint: SigstoreCheckpoint): void;
  verifyCheckpoint(entry: SigstoreEntry, logs: readonly SigstoreLog[]): SigstoreCheckpoint;
}

const load = createRequire(new URL("../node_modules/@sigstore/verify/dist/tlog/", import.meta.url));
const sigstore = { ...load("./merkle.js"), ...load("./checkpoint.js") } as Sigstore;

const ORIGIN = "ledger.example.com/ws/acme";
const LOG = testSigner(ORIGIN, 1);
const TRUSTED = [
  { baseURL: `https://${ORIGIN}`, logID: Buffer.from(LOG.key.id), publicKey: LOG.publicKey },
];
const LEAVES = numberedLeaves(300);
const TREE = new NaiveTree(LEAVES);

/** One entry as both verifiers see it. */
interface Case {
  readonly index: number;
  readonly leaf: Uint8Array;
  readonly path: readonly Uint8Array[];
  readonly note: string;
}

function honest(index: number, size: number): Case {
  const { read } = TREE.reader(BigInt(size));
  const path = inclusionProof(BigInt(index), BigInt(size), read, sha256);
  const text = encodeCheckpoint({ origin: ORIGIN, root: TREE.hash(0, size), size: BigInt(size) });
  return { index, leaf: LEAVES[index] as Uint8Array, note: signedBy(text, LOG), path };
}

function sigstoreAccepts({ index, leaf, path, note }: Case): boolean {
  const entry = {
    canonicalizedBody: Buffer.from(leaf),
    inclusionProof: {
      checkpoint: { envelope: note },
      hashes: path.map((hash) => Buffer.from(hash)),
      logIndex: String(index),
    },
  };
  try {
    sigstore.verifyMerkleInclusion(entry, sigstore.verifyCheckpoint(entry, TRUSTED));
    return true;
  } catch (problem) {
    expect((problem as Error).name).toBe("VerificationError");
    return false;
  }
}

async function weAccept({ index, leaf, path, note }: Case): Promise<boolean> {
  const found = await verifyCheckpoint(note, [LOG.key], ed25519Verify).catch(() => undefined);
  if (found === undefined) return false;
  const { size, root } = found.checkpoint;
  const claim = { index: BigInt(index), leaf: leafHash(leaf, sha256), path, root, size };
  return verifyInclusion(claim, sha256);
}

async function bothSay(given: Case): Promise<boolean> {
  const [theirs, ours] = [sigstoreAccepts(given), await weAccept(given)];
  expect(ours).toBe(theirs);
  return ours;
}

const place = fc
  .integer({ max: LEAVES.length, min: 1 })
  .chain((size) => fc.tuple(fc.integer({ max: size - 1, min: 0 }), fc.constant(size)));

test("both: accept every leaf of every size up to 20", async () => {
  for (let size = 1; size <= 20; size += 1) {
    for (let index = 0; index < size; index += 1) {
      expect(await bothSay(honest(index, size))).toBe(true);
    }
  }
});

test("both: accept what is honest and refuse what is tampered with", async () => {
  await fc.assert(
    fc.asyncProperty(place, fc.integer({ max: 1 << 16, min: 0 }), async ([index, size], bit) => {
      const given = honest(index, size);
      const { path, note, leaf } = given;
      expect(await bothSay(given)).toBe(true);
      const tampered: Partial<Case>[] = [
        { leaf: flipped(leaf, bit) },
        { index: index + 1 },
        { index: size },
        { path: [...path, leafHash(leaf, sha256)] },
        ...path.map((hash, i) => ({ path: path.with(i, flipped(hash, bit)) })),
        ...path.map((_, i) => ({ path: path.toSpliced(i, 1) })),
        ...path.slice(1).map((hash, i) => {
          return { path: path.with(i, hash).with(i + 1, path[i] as Uint8Array) };
        }),
        { note: note.replace(`\n${size}\n`, `\n${size + 1}\n`) },
        {
          note: note.replace(/\n[^\n]+=\n\n/, `\n${Buffer.alloc(32, bit).toString("base64")}\n\n`),
        },
        { note: signedBy(`${ORIGIN}\n${size}\n${"A".repeat(43)}=\n`, testSigner(ORIGIN, 2)) },
      ];
      for (const change of tampered) expect(await bothSay({ ...given, ...change })).toBe(false);
    }),
    { numRuns: 40 },
  );
});

test("sigstore: reads a checkpoint as we wrote it", () => {
  const { note } = honest(3, 11);
  const entry = {
    canonicalizedBody: Buffer.alloc(0),
    inclusionProof: { checkpoint: { envelope: note }, hashes: [], logIndex: "3" },
  };
  expect(sigstore.verifyCheckpoint(entry, TRUSTED)).toMatchObject({
    logHash: Buffer.from(TREE.hash(0, 11)),
    logSize: 11n,
    origin: ORIGIN,
  });
});
