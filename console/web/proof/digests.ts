/**
 * SHA-256 and Ed25519 of the browser itself. The ledger's functions take a hash that answers at once,
 * and the browser's answers with a promise: so each hash that is missing is fetched and the function,
 * which is pure, runs again. A proof needs some 70 hashes at most.
 */
import type { Sha256 } from "../../../ledger/merkle.ts";
import type { Ed25519Verify } from "../../../ledger/signed-note.ts";

/** Why this browser cannot check anything, and what would help. */
export class NoCryptography extends Error {
  override readonly name = "NoCryptography";
}

/** Passed on by a run that needs a hash which is not here yet. */
class DigestMissing extends Error {
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    super("a digest is missing");
    this.bytes = bytes;
  }
}

function subtle(): SubtleCrypto {
  // Absent, whatever the types say, on pages that were opened without encryption.
  const found = globalThis.crypto.subtle as SubtleCrypto | undefined;
  if (found === undefined) {
    throw new NoCryptography(
      "Browsers check nothing on pages opened over plain http from another machine. Open the console over https or on localhost, or run the command below.",
    );
  }
  return found;
}

function keyOf(bytes: Uint8Array): string {
  let key = "";
  for (const byte of bytes) key += String.fromCharCode(byte);
  return key;
}

/** A copy on a buffer of its own, which is what the browser's functions take. */
const own = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => Uint8Array.from(bytes);

/**
 * Runs a pure function that hashes, with the browser's SHA-256.
 * @throws NoCryptography where the page has none; else what the function throws.
 */
export async function withSha256<T>(run: (sha256: Sha256) => T | Promise<T>): Promise<T> {
  const known = new Map<string, Uint8Array>();
  const sha256: Sha256 = (bytes) => {
    const digest = known.get(keyOf(bytes));
    if (digest === undefined) throw new DigestMissing(own(bytes));
    return digest;
  };
  for (;;) {
    try {
      return await run(sha256);
    } catch (cause) {
      if (!(cause instanceof DigestMissing)) throw cause;
      const digest = await subtle().digest("SHA-256", own(cause.bytes));
      known.set(keyOf(cause.bytes), new Uint8Array(digest));
    }
  }
}

/**
 * Checks a signature with the browser's Ed25519.
 * @throws NoCryptography where it has none.
 */
export const verifyEd25519: Ed25519Verify = async (publicKey, message, signature) => {
  const crypto = subtle();
  let key: CryptoKey;
  try {
    key = await crypto.importKey("raw", own(publicKey), "Ed25519", false, ["verify"]);
  } catch (cause) {
    throw new NoCryptography(
      "This browser does not know Ed25519, so it cannot check the signature. A newer one can, and so can the command below.",
      { cause },
    );
  }
  return crypto.verify("Ed25519", key, own(signature), own(message));
};

/** Bytes as hexadecimal digits. */
export function hexOf(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
