/**
 * What a log signs and proves about the vector ledger, with two keys that everybody knows: the first
 * signed alone, and both do since the second came, which the ledger's last entry announces.
 */
import { encodeCheckpoint, logOrigin } from "../checkpoint.ts";
import { consistencyProof, inclusionProof, subtreesOfRange } from "../merkle-proofs.ts";
import { hashLine } from "../proof-text.ts";
import { encodeRangeProof } from "../range-proof.ts";
import { encodeVkey } from "../signed-note.ts";
import { encodeTlogProof } from "../tlog-proof.ts";
import { encodeUtf8 } from "../utf8.ts";
import { NaiveTree, sha256, signedBy, testSigner } from "./log.ts";

const ORIGIN = logOrigin("ledger.example.com", "acme");
const secret = (hex: string) => testSigner(ORIGIN, Buffer.from(hex, "hex"));
/** The secret keys of tests 2 and 1 in RFC 8032 §7.1. */
const FIRST_KEY = secret("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
const SECOND_KEY = secret("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");

/** Entries under the earlier checkpoint. */
const EARLIER = 45n;
/** Indexes of the late settles and corrections: entries 35 to 44. */
const RANGE = { end: 44n, first: 34n };

/** The files of `docs/vectors/log/` by name, over all lines; the receipt is of the entry at `index`. */
export function vectorLog(lines: readonly string[], index: number): Record<string, string> {
  const leaves = lines.map(encodeUtf8);
  const tree = new NaiveTree(leaves);
  const size = BigInt(lines.length);
  const { read } = tree.reader(size);
  const checkpointAt = (at: bigint) =>
    encodeCheckpoint({ origin: ORIGIN, root: tree.hash(0, Number(at)), size: at });
  const checkpoint = signedBy(checkpointAt(size), SECOND_KEY, FIRST_KEY);
  const { left, right } = subtreesOfRange(RANGE.first, RANGE.end, size);
  const hashes = (subtrees: typeof left) => subtrees.map((of) => read(of.level, of.index));
  const between = consistencyProof(EARLIER, size, read, sha256);
  return {
    checkpoint,
    "checkpoint-earlier": signedBy(checkpointAt(EARLIER), FIRST_KEY),
    consistency: `consistency ${EARLIER} ${size}\n${between.map(hashLine).join("")}`,
    "range-proof": encodeRangeProof({ ...RANGE, left: hashes(left), right: hashes(right), size }),
    "receipt.tlog-proof": encodeTlogProof({
      checkpoint,
      extra: leaves[index] as Uint8Array,
      index: BigInt(index),
      path: inclusionProof(BigInt(index), size, read, sha256),
    }),
    vkey: [SECOND_KEY, FIRST_KEY].map(({ key }) => `${encodeVkey(key)}\n`).join(""),
  };
}
