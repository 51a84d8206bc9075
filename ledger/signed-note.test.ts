/**
 * Goal: keys and notes are those of C2SP signed-note, to the byte; a note that a known key has not signed
 * as it stands is refused, and the message says why.
 * Method: the key of the specification's own example; notes signed with real Ed25519 by Node; every
 * single bit of a note turned over; each thing that the format forbids, one at a time.
 */
import { describe, expect, test } from "vitest";
import { encodeBase64 } from "./base64.ts";
import {
  encodeVkey,
  type NoteKey,
  NoteProblem,
  type NoteProblemKind,
  noteKey,
  parseNote,
  parseVkey,
  signNote,
  verifyNote,
} from "./signed-note.ts";
import { ed25519Verify, flipped, sha256, signedBy, testSigner } from "./testing/log.ts";

/** c2sp.org/signed-note, "Verifier keys", read 2026-11-22. */
const SPEC_VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";

const ALICE = testSigner("example.com/alice", 1);
const BOB = testSigner("example.com/bob", 2);
const TEXT = "example.com/alice\n3\nthree lines\n";
const NOTE = signedBy(TEXT, ALICE);
const LINE = NOTE.slice(TEXT.length + 1);

/** What is said of a note that is refused. */
async function refusal(note: string, keys: readonly NoteKey[] = [ALICE.key]) {
  return verifyNote(note, keys, ed25519Verify).then(
    () => ({ kind: "accepted", message: "" }),
    (problem: unknown) => {
      expect(problem).toBeInstanceOf(NoteProblem);
      const { kind, message } = problem as NoteProblem;
      return { kind, message };
    },
  );
}

describe("vkey", () => {
  test("read and write: the specification's example comes back as it is", () => {
    const key = parseVkey(SPEC_VKEY, sha256);
    expect(key.name).toBe("example.com/foo");
    expect(Buffer.from(key.id).toString("hex")).toBe("530d903a");
    expect(encodeVkey(key)).toBe(SPEC_VKEY);
    expect(noteKey(key.name, key.publicKey, sha256)).toEqual(key);
  });

  test("read: says what is wrong with a key", () => {
    const [name, id, key] = ["example.com/foo", "530d903a", SPEC_VKEY.slice(25)] as const;
    const p256 = encodeBase64(Uint8Array.of(2, ...new Uint8Array(32)));
    const short = encodeBase64(Uint8Array.of(1, ...new Uint8Array(31)));
    for (const [text, message] of [
      ["", "must be name+id+key"],
      [`${name}+${id}`, "must be name+id+key"],
      [`+${id}+${key}`, "cannot name a key"],
      [`a b+${id}+${key}`, "cannot name a key"],
      [`${name}+${id.toUpperCase()}+${key}`, "8 hexadecimal digits"],
      [`${name}+530d903+${key}`, "8 hexadecimal digits"],
      [`${name}+${id}+${key}\n`, "not base64"],
      [`${name}+${id}+${key.slice(1)}`, "not base64"],
      [`${name}+${id}+${p256}`, "must be an Ed25519 key"],
      [`${name}+${id}+${short}`, "must be an Ed25519 key"],
      [`${name}+${id}+`, "must be an Ed25519 key"],
      [`${name}+530d903b+${key}`, "that of this name and key is 530d903a"],
      [`example.com/bar+${id}+${key}`, "its id is 530d903a, and that of"],
    ] as const) {
      expect(() => parseVkey(text, sha256)).toThrow(NoteProblem);
      expect(() => parseVkey(text, sha256)).toThrow(message);
    }
  });

  test("noteKey: refuses what is no name or no key", () => {
    const { publicKey } = ALICE.key;
    for (const name of ["", "a b", "a+b", "a\u00a0b", "a\u0085b", "a\nb", "\ud800"]) {
      expect(() => noteKey(name, publicKey, sha256)).toThrow("must not be empty");
    }
    expect(() => noteKey("a", publicKey.subarray(1), sha256)).toThrow("32 bytes, not 31");
  });
});

describe("verify", () => {
  test("accepts: a note with all the keys that have signed it, in its order", async () => {
    const both = signedBy(TEXT, BOB, ALICE);
    const keys = [ALICE.key, BOB.key];
    expect(await verifyNote(both, keys, ed25519Verify)).toEqual({
      by: [BOB.key, ALICE.key],
      text: TEXT,
    });
    expect((await verifyNote(NOTE, keys, ed25519Verify)).by).toEqual([ALICE.key]);
  });

  test("accepts: a text with empty lines and characters of every length", async () => {
    const text = "Grüße\n\n\u20ac \u{1f600}\n\n";
    expect((await verifyNote(signedBy(text, ALICE), [ALICE.key], ed25519Verify)).text).toBe(text);
  });

  test("passes over: signatures of other keys, and of types that are longer", async () => {
    const witness = `\u2014 witness.example ${encodeBase64(new Uint8Array(76))}\n`;
    for (const note of [signedBy(TEXT, BOB, ALICE), `${NOTE}${witness}`]) {
      expect((await verifyNote(note, [ALICE.key], ed25519Verify)).by).toEqual([ALICE.key]);
    }
  });

  test("refuses: a note that only others have signed", async () => {
    expect(await refusal(NOTE, [BOB.key])).toEqual({
      kind: "no-known-key",
      message: `note: signed by no known key, only by ${ALICE.key.name} (key ${hexId(ALICE.key)})`,
    });
    // Neither the name nor the id alone makes a key known.
    const renamed = { ...ALICE.key, name: "example.com/eve" };
    const renumbered = { ...ALICE.key, id: BOB.key.id };
    for (const key of [renamed, renumbered]) {
      expect((await refusal(NOTE, [key])).kind).toBe("no-known-key");
    }
  });

  test("refuses: a bad signature of a known key, whoever else has signed", async () => {
    const { signature } = ALICE.sign(TEXT);
    const bad = { key: ALICE.key, signature: flipped(signature, 77) };
    const note = signNote(TEXT, [BOB.sign(TEXT), bad]);
    const found = await refusal(note, [ALICE.key, BOB.key]);
    expect(found.kind).toBe("bad-signature");
    expect(found.message).toContain(`${ALICE.key.name} (key ${hexId(ALICE.key)})`);
    expect((await refusal(note, [BOB.key])).kind).toBe("accepted");
  });

  test("refuses: a signature of another length under a known key", async () => {
    const { signature } = ALICE.sign(TEXT);
    for (const other of [signature.slice(0, 63), Uint8Array.of(...signature, 0)]) {
      const blob = encodeBase64(Uint8Array.of(...ALICE.key.id, ...other));
      const note = `${TEXT}\n\u2014 ${ALICE.key.name} ${blob}\n`;
      expect((await refusal(note)).kind).toBe("bad-signature");
      // Also where the edge's own check would let it pass.
      const lax = verifyNote(note, [ALICE.key], () => Promise.resolve(true));
      await expect(lax).rejects.toMatchObject({ kind: "bad-signature" });
    }
  });

  test("refuses: the note with any one bit turned over", async () => {
    const bytes = Buffer.from(NOTE);
    const kinds = new Set<string>();
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const { kind } = await refusal(Buffer.from(flipped(bytes, bit)).toString("utf8"));
      kinds.add(kind);
    }
    expect(kinds).toEqual(new Set<NoteProblemKind>(["malformed", "no-known-key", "bad-signature"]));
  });

  test("refuses: the note cut short anywhere, or with something behind it", async () => {
    for (let end = 0; end < NOTE.length; end += 1) {
      expect((await refusal(NOTE.slice(0, end))).kind).toBe("malformed");
    }
    for (const more of ["\n", " ", "x\n", "\n\n", "\u2014 x\n"]) {
      expect((await refusal(NOTE + more)).kind).toBe("malformed");
    }
  });
});

function hexId(key: NoteKey): string {
  return Buffer.from(key.id).toString("hex");
}

describe("parse", () => {
  test("refuses: each thing that the format forbids, and says which", () => {
    const blob = LINE.trimEnd().split(" ").at(-1) as string;
    const manyLines = Array.from({ length: 101 }, (_, i) => LINE.replace("alice", `alice${i}`));
    for (const [note, message] of [
      ["", "no empty line"],
      [`${TEXT}${LINE}`, "no empty line"],
      [`${TEXT}\n`, "has no signature"],
      [NOTE.trimEnd(), "cut short"],
      [NOTE.replace("three", "th\tree"), "control character"],
      [NOTE.replaceAll("\n", "\r\n"), "control character"],
      [NOTE.replace("three", "\ud800"), "half a surrogate"],
      [`${"x".repeat(65_536)}\n\n${LINE}`, "longer than"],
      [`${TEXT}\n${manyLines.join("")}`, "more than 100"],
      [`${TEXT}\n${LINE}${LINE}`, "signed it twice"],
      [`${TEXT}\n- ${LINE.slice(2)}`, "signature 1: must be an em dash"],
      [`${NOTE}\u2014 name\n`, "signature 2: must be an em dash"],
      [`${TEXT}\n\u2014 ${ALICE.key.name}  ${blob}\n`, "must be an em dash"],
      [`${TEXT}\n\u2014 ${ALICE.key.name} ${blob} \n`, "must be an em dash"],
      [`${TEXT}\n\u2014  ${blob}\n`, "cannot name a key"],
      [`${TEXT}\n\u2014 a+b ${blob}\n`, "cannot name a key"],
      [`${TEXT}\n\u2014 ab ${blob.slice(1)}\n`, "must be base64 of a key id and a signature"],
      [`${TEXT}\n\u2014 ab AAAAAA==\n`, "must be base64 of a key id and a signature"],
    ] as const) {
      expect(() => parseNote(note)).toThrow(NoteProblem);
      expect(() => parseNote(note)).toThrow(message);
    }
  });

  test("takes: a hundred signatures, and a note of the greatest length", () => {
    const lines = Array.from({ length: 100 }, (_, i) => LINE.replace("alice", `alice${i}`));
    expect(parseNote(`${TEXT}\n${lines.join("")}`).signatures).toHaveLength(100);
    const longest = `${"x".repeat(65_536 - LINE.length - 2)}\n\n${LINE}`;
    expect(parseNote(longest).signatures).toEqual(
      [ALICE.sign(TEXT)].map(({ key, signature }) => ({
        id: key.id,
        name: key.name,
        signature: Uint8Array.from(signature),
      })),
    );
  });
});

describe("sign", () => {
  test("refuses: what would not be read again", () => {
    const signer = ALICE.sign(TEXT);
    const short = { ...signer, signature: signer.signature.subarray(1) };
    expect(() => signNote("no line feed", [signer])).toThrow("must end in a line feed");
    expect(() => signNote("\t\n", [signer])).toThrow("control character");
    expect(() => signNote(TEXT, [])).toThrow("has no signature");
    expect(() => signNote(TEXT, [signer, signer])).toThrow("signed it twice");
    expect(() => signNote(TEXT, [short])).toThrow("64 bytes, that of example.com/alice 63");
  });
});
