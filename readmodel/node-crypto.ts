/** SHA-256 and Ed25519 as Node has them, for the pure code of `ledger/`. */
import { createPrivateKey, createPublicKey, hash, type KeyObject, sign, verify } from "node:crypto";

import { assert } from "../ledger/assert.ts";
import type { Sha256 } from "../ledger/merkle.ts";
import type { Ed25519Verify } from "../ledger/signed-note.ts";

const SEED_BYTES = 32;
const PUBLIC_KEY_BYTES = 32;

/** What stands before the 32 bytes of an Ed25519 seed in PKCS #8, and of a public key in SPKI (RFC 8410). */
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");
const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");

export const sha256: Sha256 = (bytes) => hash("sha256", bytes, "buffer");

/** Whether a signature fits; false for a public key that is none. */
export const ed25519Verify: Ed25519Verify = (publicKey, message, signature) => {
  if (publicKey.length !== PUBLIC_KEY_BYTES) return Promise.resolve(false);
  const key = createPublicKey({
    key: Buffer.concat([SPKI_PREFIX, publicKey]),
    format: "der",
    type: "spki",
  });
  return Promise.resolve(verify(null, message, key, signature));
};

/** The secret half of an Ed25519 key, ready to sign. */
export interface Ed25519Signer {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** The signature, 64 bytes: the same for the same message. */
  sign(message: Uint8Array): Uint8Array;
}

/** The key that grows from a seed of 32 random bytes. @throws InvariantError for another length. */
export function ed25519Signer(seed: Uint8Array): Ed25519Signer {
  assert(seed.length === SEED_BYTES, `an Ed25519 seed has ${SEED_BYTES} bytes, not ${seed.length}`);
  const secret = createPrivateKey({
    key: Buffer.concat([PKCS8_PREFIX, seed]),
    format: "der",
    type: "pkcs8",
  });
  return { publicKey: publicKeyOf(secret), sign: (message) => sign(null, message, secret) };
}

function publicKeyOf(secret: KeyObject): Uint8Array {
  const spki = createPublicKey(secret).export({ format: "der", type: "spki" });
  return spki.subarray(SPKI_PREFIX.length);
}
