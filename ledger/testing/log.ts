/** What tests of the log share: trees by the words of RFC 6962, keys from fixed seeds, real Ed25519. */
import { createPrivateKey, createPublicKey, hash, type KeyObject, sign, verify } from "node:crypto";
import { leafHash, nodeHash, type SubtreeReader } from "../merkle.ts";
import { type Ed25519Verify, type NoteKey, noteKey, signNote } from "../signed-note.ts";
import { encodeUtf8 } from "../utf8.ts";

export const sha256 = (bytes: Uint8Array): Uint8Array => hash("sha256", bytes, "buffer");

/** The leaf's number as bytes, so that no two leaves are the same. */
export function numberedLeaves(count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => encodeUtf8(`leaf ${i}`));
}

/** MTH, PATH and SUBPROOF of RFC 6962 §2.1 as they stand there, with what was hashed once kept. */
export class NaiveTree {
  readonly #hashes: readonly Uint8Array[];
  readonly #known = new Map<string, Uint8Array>();

  constructor(leaves: readonly Uint8Array[]) {
    this.#hashes = leaves.map((leaf) => leafHash(leaf, sha256));
  }

  leaf(index: number): Uint8Array {
    return this.hash(index, index + 1);
  }

  /** MTH(D[start:end]). */
  hash(start: number, end: number): Uint8Array {
    if (start === end) return sha256(new Uint8Array());
    if (end - start === 1) return this.#hashes[start] as Uint8Array;
    const key = `${start}-${end}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const split = start + largestBelow(end - start);
    const made = nodeHash(this.hash(start, split), this.hash(split, end), sha256);
    this.#known.set(key, made);
    return made;
  }

  /** PATH(m, D[start:end]), m counted from start. */
  path(m: number, start: number, end: number): Uint8Array[] {
    if (end - start === 1) return [];
    const k = largestBelow(end - start);
    if (m < k) return [...this.path(m, start, start + k), this.hash(start + k, end)];
    return [...this.path(m - k, start + k, end), this.hash(start, start + k)];
  }

  /** SUBPROOF(m, D[start:end], whole). */
  proof(m: number, start: number, end: number, whole = true): Uint8Array[] {
    if (m === end - start) return whole ? [] : [this.hash(start, end)];
    const k = largestBelow(end - start);
    if (m <= k) return [...this.proof(m, start, start + k, whole), this.hash(start + k, end)];
    return [...this.proof(m - k, start + k, end, false), this.hash(start, start + k)];
  }

  /** Hands out complete subtrees only, and notes which. */
  reader(size: bigint): { readonly read: SubtreeReader; readonly asked: string[] } {
    const asked: string[] = [];
    const read: SubtreeReader = (level, index) => {
      const [start, end] = [index << BigInt(level), (index + 1n) << BigInt(level)];
      if (end > size) throw new Error(`there is no complete subtree ${level}/${index} at ${size}`);
      asked.push(`${level}/${index}`);
      return this.hash(Number(start), Number(end));
    };
    return { asked, read };
  }
}

function largestBelow(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

/** PKCS #8 of an Ed25519 key up to its 32 bytes (RFC 8410 §7). */
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");
/** SubjectPublicKeyInfo of an Ed25519 key up to its 32 bytes (RFC 8410 §4). */
const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");

export interface TestSigner {
  readonly key: NoteKey;
  readonly publicKey: KeyObject;
  sign(text: string): { readonly key: NoteKey; readonly signature: Uint8Array };
}

/** A key from its 32 secret bytes, or 32 times the same byte: for tests and vectors, known to everybody. */
export function testSigner(name: string, secret: Uint8Array | number): TestSigner {
  const bytes = typeof secret === "number" ? Buffer.alloc(32, secret) : secret;
  const der = Buffer.concat([PKCS8_PREFIX, bytes]);
  const privateKey = createPrivateKey({ format: "der", key: der, type: "pkcs8" });
  const publicKey = createPublicKey(privateKey);
  const raw = publicKey.export({ format: "der", type: "spki" }).subarray(SPKI_PREFIX.length);
  const key = noteKey(name, new Uint8Array(raw), sha256);
  return {
    key,
    publicKey,
    sign: (text) => ({ key, signature: sign(null, Buffer.from(text), privateKey) }),
  };
}

/** Signs a text with each of the keys. */
export function signedBy(text: string, ...signers: readonly TestSigner[]): string {
  return signNote(
    text,
    signers.map((signer) => signer.sign(text)),
  );
}

export const ed25519Verify: Ed25519Verify = (publicKey, message, signature) => {
  const key = createPublicKey({
    format: "der",
    key: Buffer.concat([SPKI_PREFIX, publicKey]),
    type: "spki",
  });
  return Promise.resolve(verify(null, message, key, signature));
};

/** The bytes with one bit turned over. */
export function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  const at = (bit >> 3) % copy.length;
  copy[at] = (copy[at] as number) ^ (1 << (bit & 7));
  return copy;
}
