/**
 * Goal: a proof file is that of C2SP tlog-proof; it holds for the entry in its place, and for nothing else.
 * Method: the file's text line by line; each thing that the format forbids; every single bit of a file
 * turned over, which must be found whether it hits entry, index, path, checkpoint or signature.
 */
import { expect, test } from "vitest";
import { InvariantError } from "./assert.ts";
import { encodeCheckpoint } from "./checkpoint.ts";
import { inclusionProof } from "./merkle-proofs.ts";
import { NoteProblem } from "./signed-note.ts";
import {
  ed25519Verify,
  flipped,
  NaiveTree,
  numberedLeaves,
  sha256,
  signedBy,
  testSigner,
} from "./testing/log.ts";
import { encodeTlogProof, parseTlogProof, verifyTlogProof } from "./tlog-proof.ts";

const ORIGIN = "ledger.example.com/ws/acme";
const LOG = testSigner(ORIGIN, 1);
const LEAVES = numberedLeaves(11);
const TREE = new NaiveTree(LEAVES);
const SIZE = 11n;
const INDEX = 6;
const LEAF = Uint8Array.from(LEAVES[INDEX] as Uint8Array);
const NOTE = signedBy(
  encodeCheckpoint({ origin: ORIGIN, root: TREE.hash(0, 11), size: SIZE }),
  LOG,
);
const PATH = inclusionProof(BigInt(INDEX), SIZE, TREE.reader(SIZE).read, sha256);
const HASHES = PATH.map((hash) => Buffer.from(hash).toString("base64"));
const PROOF = { checkpoint: NOTE, extra: LEAF, index: BigInt(INDEX), path: PATH };
const FILE = encodeTlogProof(PROOF);
const TRUST = { keys: [LOG.key], sha256, verify: ed25519Verify };

test("encode: writes the lines that C2SP names", () => {
  const head = ["c2sp.org/tlog-proof@v1", `extra ${Buffer.from(LEAF).toString("base64")}`];
  expect(FILE).toBe([...head, "index 6", ...HASHES, "", NOTE].join("\n"));
  const bare = { checkpoint: NOTE, index: 0n, path: [] };
  expect(encodeTlogProof(bare)).toBe(`c2sp.org/tlog-proof@v1\nindex 0\n\n${NOTE}`);
  expect(parseTlogProof(encodeTlogProof(bare))).toEqual(bare);
});

test("parse: reads what was written", () => {
  const path = PATH.map((hash) => Uint8Array.from(hash));
  expect(parseTlogProof(FILE)).toEqual({ ...PROOF, path });
});

test("parse: refuses each thing that the format forbids, and says which", async () => {
  const tooMany = `${HASHES[0]}\n`.repeat(64 - HASHES.length);
  const large = `extra ${Buffer.alloc(65_536).toString("base64")}\n`;
  for (const [text, message] of [
    ["", "no empty line"],
    [FILE.replace("@v1", "@v2"), "first line must be c2sp.org/tlog-proof@v1"],
    [`\n${FILE}`, "first line must be"],
    [FILE.replace(/extra .*\n/, "extra \n"), "extra must be base64"],
    [FILE.replace(/extra .*\n/, "extra A\n"), "extra must be base64"],
    [FILE.replace(/extra .*\n/, large), "extra must be base64 of 1 to 65535 bytes"],
    [FILE.replace("index 6\n", ""), "begins with index"],
    [FILE.replace(/extra .*\n/, (line) => line + line), "begins with index"],
    [`c2sp.org/tlog-proof@v1\n\n${NOTE}`, "begins with index"],
    [FILE.replace("index 6", "index 06"), "index: must be a number"],
    [FILE.replace("index 6", "index -6"), "index: must be a number"],
    [FILE.replace("index 6\n", `index 6\n${tooMany}`), "more than 63 hashes"],
    [FILE.replace(HASHES[1] as string, "AAAA"), "hash 2: must be base64 of 32 bytes"],
    [FILE.replace(`${HASHES[1]}\n`, `${HASHES[1]} \n`), "hash 2: must be base64 of 32 bytes"],
    [FILE.replace("\n\n", "\n\n\n"), "does not fit the text"],
    [FILE.trimEnd(), "note: its last line is cut short"],
    [`${FILE}\n`, "note: "],
  ] as const) {
    const read = async () => verifyTlogProof(text, TRUST);
    await expect(read()).rejects.toThrow(NoteProblem);
    await expect(read()).rejects.toThrow(message);
  }
});

test("encode: nothing is written that would not be read", () => {
  const hash = PATH[0] as Uint8Array;
  for (const wrong of [
    { index: -1n },
    { path: Array.from({ length: 64 }, () => hash) },
    { path: [hash.subarray(1)] },
    { extra: new Uint8Array() },
    { extra: new Uint8Array(65_536) },
  ]) {
    expect(() => encodeTlogProof({ ...PROOF, ...wrong })).toThrow(InvariantError);
  }
});

test("verify: an entry in its place is proved, from the file or beside it", async () => {
  const checkpoint = { origin: ORIGIN, root: Uint8Array.from(TREE.hash(0, 11)), size: SIZE };
  const proved = { by: [LOG.key], checkpoint, index: 6n, leaf: LEAF };
  expect(await verifyTlogProof(FILE, TRUST)).toEqual(proved);
  const { extra: _, ...bare } = PROOF;
  expect(await verifyTlogProof(encodeTlogProof(bare), TRUST, LEAF)).toEqual(proved);
  await expect(verifyTlogProof(encodeTlogProof(bare), TRUST)).rejects.toThrow("holds no entry");
});

test("verify: another entry, index, path, log or key is refused, and told apart", async () => {
  const other = testSigner("ledger.example.com/ws/other", 1);
  const forged = encodeCheckpoint({ origin: ORIGIN, root: TREE.hash(0, 10), size: 10n });
  for (const [change, kind] of [
    [{ extra: LEAVES[5] as Uint8Array }, "not-included"],
    [{ index: 5n }, "not-included"],
    [{ index: 11n }, "not-included"],
    [{ path: PATH.toReversed() }, "not-included"],
    [{ path: PATH.slice(1) }, "not-included"],
    [{ checkpoint: signedBy(forged, LOG) }, "not-included"],
    [{ checkpoint: signedBy(forged, other) }, "no-known-key"],
    [{ checkpoint: NOTE.replace("\n11\n", "\n12\n") }, "bad-signature"],
  ] as const) {
    const file = encodeTlogProof({ ...PROOF, ...change });
    await expect(verifyTlogProof(file, TRUST)).rejects.toMatchObject({ kind, name: "NoteProblem" });
  }
  await expect(verifyTlogProof(FILE, TRUST, LEAVES[5])).rejects.toMatchObject({
    message: `proof: does not lead from this entry, at index 6, to the root of ${ORIGIN} at 11 entries`,
  });
});

test("verify: a file with any one bit turned over is refused", async () => {
  const bytes = Buffer.from(FILE);
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const text = Buffer.from(flipped(bytes, bit)).toString("utf8");
    await expect(verifyTlogProof(text, TRUST)).rejects.toThrow(NoteProblem);
  }
});
