/**
 * The keys that sign checkpoints, as they are kept: a text with one key a line, the newest first, each
 * the base64 of a 32-byte Ed25519 seed. Empty lines, and those that begin with `#`, are passed over.
 */
import { randomBytes } from "node:crypto";

import { decodeBase64, encodeBase64 } from "../ledger/base64.ts";
import { type Ed25519Signer, ed25519Signer, sha256 } from "./node-crypto.ts";

/** A key that can sign. */
export interface LogKey extends Ed25519Signer {
  /** As `log_key` entries name it: 16 hex digits. */
  readonly id: string;
}

/** A text does not hold signing keys. Its message never repeats what it holds. */
export class LogKeyProblem extends Error {
  override readonly name = "LogKeyProblem";
}

const SEED_BYTES = 32;
const ID_BYTES = 8;
/** Two sign while one replaces the other; more than a few are a file by mistake. */
const KEYS_MAX = 8;

/** The name of a key in entries: the first 8 bytes of the SHA-256 of its public key, hex. */
export function logKeyId(publicKey: Uint8Array): string {
  return Buffer.from(sha256(publicKey).subarray(0, ID_BYTES)).toString("hex");
}

/** A new line for a text of keys, without its line end. */
export function newLogKeyLine(): string {
  return encodeBase64(randomBytes(SEED_BYTES));
}

/**
 * Reads a text of keys, the newest first.
 * @throws LogKeyProblem when it holds none, too many, one twice, or a line that is none.
 */
export function readLogKeys(text: string): readonly LogKey[] {
  const keys: LogKey[] = [];
  for (const [i, line] of text.split("\n").entries()) {
    const trimmed = line.trim();
    if (trimmed === "" || trimmed.startsWith("#")) continue;
    const seed = decodeBase64(trimmed);
    if (seed?.length !== SEED_BYTES) {
      throw new LogKeyProblem(`line ${i + 1} is not an Ed25519 seed: 32 bytes in base64`);
    }
    const signer = ed25519Signer(seed);
    const key = { ...signer, id: logKeyId(signer.publicKey) };
    if (keys.some(({ id }) => id === key.id)) {
      throw new LogKeyProblem(`line ${i + 1} is a key that stands there already`);
    }
    keys.push(key);
  }
  if (keys.length === 0) throw new LogKeyProblem("it holds no key");
  if (keys.length > KEYS_MAX) throw new LogKeyProblem(`it holds more than ${KEYS_MAX} keys`);
  return keys;
}
