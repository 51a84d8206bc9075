/**
 * Goal: a key text gives the keys it holds or says which line is wrong, and what a key signs is accepted
 * under its public key alone. Method: the vectors of RFC 8032, section 7.1, and random texts.
 */
import { expect, test } from "vitest";

import { LogKeyProblem, logKeyId, newLogKeyLine, readLogKeys } from "./log-keys.ts";
import { ed25519Signer, ed25519Verify, sha256 } from "./node-crypto.ts";

const bytes = (hex: string) => Buffer.from(hex, "hex");
/** RFC 8032, section 7.1, test 2. */
const SEED = bytes("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
const PUBLIC = bytes("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
const SIGNATURE = bytes(
  "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
);

test("sign: as RFC 8032 does, and verified by the public key alone", async () => {
  const signer = ed25519Signer(SEED);
  expect(Buffer.from(signer.publicKey)).toEqual(PUBLIC);
  expect(Buffer.from(signer.sign(bytes("72")))).toEqual(SIGNATURE);
  expect(await ed25519Verify(PUBLIC, bytes("72"), SIGNATURE)).toBe(true);
  expect(await ed25519Verify(PUBLIC, bytes("73"), SIGNATURE)).toBe(false);
  expect(await ed25519Verify(PUBLIC, bytes("72"), SIGNATURE.subarray(1))).toBe(false);
  expect(await ed25519Verify(PUBLIC.subarray(1), bytes("72"), SIGNATURE)).toBe(false);
  expect(
    Buffer.from(sha256(bytes("")))
      .toString("hex")
      .slice(0, 8),
  ).toBe("e3b0c442");
});

test("read: a key a line, the newest first, and comments between them", () => {
  const [newer, older] = [newLogKeyLine(), newLogKeyLine()];
  const keys = readLogKeys(`# made today\n${newer}\n\n  ${older}  \n`);
  expect(keys).toHaveLength(2);
  expect(keys[0]?.id).toBe(readLogKeys(newer)[0]?.id);
  expect(keys[1]?.id).toBe(logKeyId(keys[1]?.publicKey ?? new Uint8Array()));
  expect(keys[1]?.id).toMatch(/^[0-9a-f]{16}$/);
});

test.each<[string, () => string, RegExp]>([
  ["no key", () => "# nothing\n", /holds no key/],
  ["not base64", () => `${newLogKeyLine()}\nsecret!\n`, /line 2 is not an Ed25519 seed/],
  ["31 bytes", () => Buffer.alloc(31).toString("base64"), /line 1 is not/],
  ["a key twice", () => "x\nx\n".replaceAll("x", newLogKeyLine()), /line 2 is a key that stands/],
  ["a file by mistake", () => Array.from({ length: 9 }, newLogKeyLine).join("\n"), /more than 8/],
])("refuse: %s", (_, make, words) => {
  expect(() => readLogKeys(make())).toThrow(words);
  expect(() => readLogKeys(make())).toThrow(LogKeyProblem);
});
