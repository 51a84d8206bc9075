/**
 * Goal: a checkpoint is the text of C2SP tlog-checkpoint without extensions, and is believed only when a
 * key of that very log has signed it.
 * Method: text against text; each thing that the format forbids, one at a time; real signatures.
 */
import { expect, test } from "vitest";
import { InvariantError } from "./assert.ts";
import { encodeCheckpoint, logOrigin, parseCheckpoint, verifyCheckpoint } from "./checkpoint.ts";
import { NoteProblem } from "./signed-note.ts";
import { ed25519Verify, sha256, signedBy, testSigner } from "./testing/log.ts";

const ORIGIN = logOrigin("ledger.example.com", "acme");
const ROOT = sha256(Uint8Array.of(7));
const ROOT_TEXT = Buffer.from(ROOT).toString("base64");
const CHECKPOINT = { origin: ORIGIN, root: Uint8Array.from(ROOT), size: 20_852_163n };
const TEXT = `ledger.example.com/ws/acme\n20852163\n${ROOT_TEXT}\n`;

test("encode and parse: are each other's inverse", () => {
  expect(encodeCheckpoint(CHECKPOINT)).toBe(TEXT);
  expect(parseCheckpoint(TEXT)).toEqual(CHECKPOINT);
  for (const size of [0n, 1n, 2n ** 63n - 1n]) {
    const checkpoint = { ...CHECKPOINT, size };
    expect(parseCheckpoint(encodeCheckpoint(checkpoint))).toEqual(checkpoint);
  }
});

test("parse: refuses each thing that the format forbids, and says which", () => {
  const sized = (size: string) => TEXT.replace("20852163", size);
  for (const [text, message] of [
    ["", "must have three lines"],
    [TEXT.trimEnd(), "must have three lines"],
    [`${TEXT}extension\n`, "must have three lines"],
    [`${TEXT}\n`, "must have three lines"],
    [`\n${TEXT}`, "must have three lines"],
    [TEXT.replace(ORIGIN, ""), "cannot name a log"],
    [TEXT.replace(ORIGIN, "a b"), "cannot name a log"],
    [TEXT.replace(ORIGIN, "a+b"), "cannot name a log"],
    ...["", "01", "+1", "-1", "1.0", "1e3", "0x1", " 1", "1 ", "\u0661"].map(
      (size) => [sized(size), "size: must be a number"] as const,
    ),
    [sized(String(2n ** 63n)), "size: must be a number"],
    [sized("1".repeat(20)), "size: must be a number"],
    [TEXT.replace(ROOT_TEXT, ROOT_TEXT.slice(4)), "root: must be base64 of 32 bytes"],
    [TEXT.replace(ROOT_TEXT, ROOT_TEXT.replace("=", "")), "root: must be base64 of 32 bytes"],
    [TEXT.replace("\n2", "\r\n2"), "cannot name a log"],
  ] as const) {
    expect(() => parseCheckpoint(text)).toThrow(NoteProblem);
    expect(() => parseCheckpoint(text)).toThrow(message);
  }
});

test("encode: nothing is written that would not be read", () => {
  for (const wrong of [{ origin: "a b" }, { size: -1n }, { root: ROOT.subarray(1) }]) {
    expect(() => encodeCheckpoint({ ...CHECKPOINT, ...wrong })).toThrow(InvariantError);
  }
});

test("verify: only a key with the origin's name vouches for a log", async () => {
  const [log, elsewhere] = [testSigner(ORIGIN, 1), testSigner("ledger.example.com/ws/other", 1)];
  const keys = [elsewhere.key, log.key];
  const good = await verifyCheckpoint(signedBy(TEXT, elsewhere, log), keys, ed25519Verify);
  expect(good).toEqual({ by: [log.key], checkpoint: CHECKPOINT });
  await expect(verifyCheckpoint(signedBy(TEXT, elsewhere), keys, ed25519Verify)).rejects.toThrow(
    new NoteProblem(
      `checkpoint: is of ${ORIGIN}, and signed only by keys of ledger.example.com/ws/other`,
      "no-known-key",
    ),
  );
  const noCheckpoint = verifyCheckpoint(signedBy("hello\n", log), keys, ed25519Verify);
  await expect(noCheckpoint).rejects.toThrow("must have three lines");
});
