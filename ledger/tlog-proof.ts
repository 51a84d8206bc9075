/**
 * Proofs of C2SP (https://c2sp.org/tlog-proof, read 2026-11-22) that an entry is in a log, complete in
 * one file: the index, the audit path from leaf to root, and the signed checkpoint that it leads to.
 */
import { assert } from "./assert.ts";
import { decodeBase64, encodeBase64 } from "./base64.ts";
import { type VerifiedCheckpoint, verifyCheckpoint } from "./checkpoint.ts";
import { leafHash, type Sha256 } from "./merkle.ts";
import { verifyInclusion } from "./merkle-proofs.ts";
import { hashLine, parseHash, parseSize } from "./proof-text.ts";
import { type Ed25519Verify, type NoteKey, NoteProblem, parseNote } from "./signed-note.ts";

export interface TlogProof {
  /** Of the leaf, from 0: one less than the entry's sequence. */
  readonly index: bigint;
  readonly path: readonly Uint8Array[];
  /** Not proved by itself: here the entry's bytes, so that the file needs nothing beside it. */
  readonly extra?: Uint8Array;
  /** The signed note, as it was published. */
  readonly checkpoint: string;
}

const HEADER = "c2sp.org/tlog-proof@v1";
/** As many as a tree of 2^63 - 1 leaves can ask for. */
const PATH_MAX = 63;
/** Bytes: the most that an entry has. */
const EXTRA_BYTES_MAX = 65_535;

/** The proof as a `.tlog-proof` file. */
export function encodeTlogProof(proof: TlogProof): string {
  const { index, path, extra, checkpoint } = proof;
  assert(index >= 0n, `there is no leaf ${index}`);
  assert(path.length <= PATH_MAX, `a path of ${path.length} hashes belongs to no tree`);
  assert(
    extra === undefined || (extra.length > 0 && extra.length <= EXTRA_BYTES_MAX),
    `an entry has from 1 to ${EXTRA_BYTES_MAX} bytes, not ${extra?.length}`,
  );
  const extraLine = extra === undefined ? "" : `extra ${encodeBase64(extra)}\n`;
  return `${HEADER}\n${extraLine}index ${index}\n${path.map(hashLine).join("")}\n${checkpoint}`;
}

/**
 * Reads a `.tlog-proof` file. It proves nothing before its checkpoint is verified and its path leads there.
 * @throws NoteProblem when it is not in the format.
 */
export function parseTlogProof(text: string): TlogProof {
  const split = text.indexOf("\n\n");
  if (split === -1) throw new NoteProblem("proof: has no empty line before its checkpoint");
  const [header, ...lines] = text.slice(0, split).split("\n");
  if (header !== HEADER) throw new NoteProblem(`proof: its first line must be ${HEADER}`);
  const extra = lines[0]?.startsWith("extra ") === true ? parseExtra(lines.shift() as string) : {};
  const [indexLine, ...hashes] = lines;
  if (indexLine?.startsWith("index ") !== true) {
    throw new NoteProblem("proof: has no line that begins with index");
  }
  if (hashes.length > PATH_MAX) throw new NoteProblem(`proof: has more than ${PATH_MAX} hashes`);
  const checkpoint = text.slice(split + 2);
  parseNote(checkpoint);
  return {
    ...extra,
    checkpoint,
    index: parseSize(indexLine.slice("index ".length), "proof: index"),
    path: hashes.map((line, i) => parseHash(line, `proof: hash ${i + 1}`)),
  };
}

function parseExtra(line: string): { readonly extra: Uint8Array } {
  const extra = decodeBase64(line.slice("extra ".length));
  if (extra === undefined || extra.length === 0 || extra.length > EXTRA_BYTES_MAX) {
    throw new NoteProblem(`proof: extra must be base64 of 1 to ${EXTRA_BYTES_MAX} bytes`);
  }
  return { extra };
}

/** What a proof proves once all of it holds. */
export interface ProvedLeaf extends VerifiedCheckpoint {
  readonly index: bigint;
  /** The entry's bytes. */
  readonly leaf: Uint8Array;
}

/** What it takes to check a proof: keys that are trusted, and the two algorithms. */
export interface ProofTrust {
  readonly keys: readonly NoteKey[];
  readonly sha256: Sha256;
  readonly verify: Ed25519Verify;
}

/**
 * Checks a proof whole: the checkpoint is signed by a known key, and the path leads from the entry to its
 * root. The entry is the one given, or else the one in the file. That its `seq` and `ws` are those of
 * index and origin is for the caller to compare.
 * @throws NoteProblem when it is not accepted.
 */
export async function verifyTlogProof(
  text: string,
  trust: ProofTrust,
  entry?: Uint8Array,
): Promise<ProvedLeaf> {
  const { index, path, extra, checkpoint: note } = parseTlogProof(text);
  const verified = await verifyCheckpoint(note, trust.keys, trust.verify);
  const leaf = entry ?? extra;
  if (leaf === undefined) {
    throw new NoteProblem("proof: holds no entry, and none was given to check it with");
  }
  const { origin, size, root } = verified.checkpoint;
  const claim = { index, leaf: leafHash(leaf, trust.sha256), path, root, size };
  if (!verifyInclusion(claim, trust.sha256)) {
    throw new NoteProblem(
      `proof: does not lead from this entry, at index ${index}, to the root of ${origin} at ${size} entries`,
      "not-included",
    );
  }
  return { ...verified, index, leaf };
}
