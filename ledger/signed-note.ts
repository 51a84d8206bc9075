/**
 * Signed notes of C2SP (https://c2sp.org/signed-note, v1.0.0, read 2026-11-22): a text that ends in a
 * line feed, an empty line, and a line `— <key name> <base64 of key id and signature>` for each
 * signature. Keys are Ed25519; lines of other keys, such as those of witnesses, are passed over.
 */
import { decodeBase64, encodeBase64 } from "./base64.ts";
import type { Sha256 } from "./merkle.ts";
import { encodeUtf8 } from "./utf8.ts";

/**
 * `malformed`: not in the format. `no-known-key`, `bad-signature`: well written, but nobody we trust has
 * signed it so. `not-included`: signed, but the entry is not where the proof says.
 */
export type NoteProblemKind = "malformed" | "no-known-key" | "bad-signature" | "not-included";

/** Why a key, a note, or a proof is not accepted. Its message is for whoever brought it. */
export class NoteProblem extends Error {
  override readonly name = "NoteProblem";
  readonly kind: NoteProblemKind;

  constructor(message: string, kind: NoteProblemKind = "malformed") {
    super(message);
    this.kind = kind;
  }
}

/** An Ed25519 key that signs notes. */
export interface NoteKey {
  readonly name: string;
  /** 4 bytes: the beginning of SHA-256 over name, line feed, type and key. */
  readonly id: Uint8Array;
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
}

/** Whether an Ed25519 signature holds; the edge passes it in. A promise, because browsers answer with one. */
export type Ed25519Verify = (
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
) => Promise<boolean>;

export interface NoteSignature {
  readonly name: string;
  /** 4 bytes. */
  readonly id: Uint8Array;
  readonly signature: Uint8Array;
}

export interface ParsedNote {
  /** What is signed, with its last line feed. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

const ED25519_TYPE = 0x01;
const PUBLIC_KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
const ID_BYTES = 4;
const LINE_FEED = 0x0a;
const SIGNATURE_PREFIX = "\u2014 ";

/** Characters. A checkpoint with one signature has about 250, each witness adds about 130. */
const NOTE_LENGTH_MAX = 65_536;
/** As many as `golang.org/x/mod/sumdb/note` takes. */
const SIGNATURES_MAX = 100;

/** Whether a text may name a key or a log: no space, no `+`, no control character. */
export function isKeyName(name: string): boolean {
  return name.isWellFormed() && /^[^\s+\p{Cc}]+$/u.test(name);
}

function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function sameId(left: Uint8Array, right: Uint8Array): boolean {
  return hex(left) === hex(right);
}

/** The type byte and the key, as key id and vkey have them. */
function typedKey(publicKey: Uint8Array): Uint8Array {
  return Uint8Array.of(ED25519_TYPE, ...publicKey);
}

/**
 * The key of that name, with its id.
 * @throws NoteProblem when it is no name or no Ed25519 public key.
 */
export function noteKey(name: string, publicKey: Uint8Array, sha256: Sha256): NoteKey {
  if (!isKeyName(name)) {
    throw new NoteProblem(`key name "${name}": must not be empty, nor hold spaces or +`);
  }
  if (publicKey.length !== PUBLIC_KEY_BYTES) {
    throw new NoteProblem(
      `key ${name}: an Ed25519 public key has 32 bytes, not ${publicKey.length}`,
    );
  }
  const hash = sha256(Uint8Array.of(...encodeUtf8(name), LINE_FEED, ...typedKey(publicKey)));
  return { id: Uint8Array.from(hash.subarray(0, ID_BYTES)), name, publicKey };
}

/** A key as verifiers are given it: `name+id in hex+base64 of type and key`. */
export function encodeVkey(key: NoteKey): string {
  return `${key.name}+${hex(key.id)}+${encodeBase64(typedKey(key.publicKey))}`;
}

/**
 * Reads what `encodeVkey` writes.
 * @throws NoteProblem when it is no verifier key of Ed25519, or its id is not that of name and key.
 */
export function parseVkey(text: string, sha256: Sha256): NoteKey {
  // The base64 may hold a + of its own.
  const [, name, id, encoded] = /^([^+]*)\+([^+]*)\+(.*)$/s.exec(text) ?? [];
  if (name === undefined || id === undefined || encoded === undefined) {
    throw new NoteProblem(`vkey "${text.slice(0, 200)}": must be name+id+key`);
  }
  if (!isKeyName(name)) throw new NoteProblem(`vkey: "${name}" cannot name a key`);
  if (!/^[0-9a-f]{8}$/.test(id)) {
    throw new NoteProblem(`vkey of ${name}: its id must be 8 hexadecimal digits in lower case`);
  }
  const typed = decodeBase64(encoded);
  if (typed === undefined) throw new NoteProblem(`vkey of ${name}: its key is not base64`);
  if (typed[0] !== ED25519_TYPE || typed.length !== 1 + PUBLIC_KEY_BYTES) {
    throw new NoteProblem(
      `vkey of ${name}: must be an Ed25519 key: the byte 01 and 32 bytes of key`,
    );
  }
  const key = noteKey(name, typed.slice(1), sha256);
  if (hex(key.id) !== id) {
    throw new NoteProblem(
      `vkey of ${name}: its id is ${id}, and that of this name and key is ${hex(key.id)}`,
    );
  }
  return key;
}

/** What forbids a string in a note; both halves of a note obey it. */
function problemOfCharacters(note: string): string | undefined {
  if (!note.isWellFormed()) return "holds half a surrogate pair";
  for (let i = 0; i < note.length; i += 1) {
    const code = note.charCodeAt(i);
    if (code < 0x20 && code !== LINE_FEED) return "holds a control character";
  }
  return undefined;
}

/** One signature that the caller has made over the text's UTF-8 bytes. */
export interface SignedBy {
  readonly key: NoteKey;
  readonly signature: Uint8Array;
}

/**
 * Puts signatures under a text; the first signer stands first.
 * @throws NoteProblem when what comes out would not be read again.
 */
export function signNote(text: string, signers: readonly SignedBy[]): string {
  if (!text.endsWith("\n")) throw new NoteProblem("note: its text must end in a line feed");
  const lines = signers.map(({ key, signature }) => {
    if (signature.length !== SIGNATURE_BYTES) {
      throw new NoteProblem(
        `note: an Ed25519 signature has 64 bytes, that of ${key.name} ${signature.length}`,
      );
    }
    return signatureLine(key, signature);
  });
  const note = `${text}\n${lines.join("")}`;
  parseNote(note);
  return note;
}

function signatureLine(key: NoteKey, signature: Uint8Array): string {
  const blob = encodeBase64(Uint8Array.of(...key.id, ...signature));
  return `${SIGNATURE_PREFIX}${key.name} ${blob}\n`;
}

/**
 * Takes a note apart without trusting it.
 * @throws NoteProblem when it is not in the format.
 */
export function parseNote(note: string): ParsedNote {
  if (note.length > NOTE_LENGTH_MAX) {
    throw new NoteProblem(`note: is longer than ${NOTE_LENGTH_MAX} characters`);
  }
  const wrong = problemOfCharacters(note);
  if (wrong !== undefined) throw new NoteProblem(`note: ${wrong}`);
  const split = note.lastIndexOf("\n\n");
  if (split === -1) throw new NoteProblem("note: has no empty line before its signatures");
  const block = note.slice(split + 2);
  if (block === "") throw new NoteProblem("note: has no signature");
  if (!block.endsWith("\n")) throw new NoteProblem("note: its last line is cut short");
  const lines = block.slice(0, -1).split("\n");
  if (lines.length > SIGNATURES_MAX) {
    throw new NoteProblem(`note: has more than ${SIGNATURES_MAX} signatures`);
  }
  const signatures = lines.map(parseSignature);
  const signers = new Set(signatures.map(({ name, id }) => `${name} ${hex(id)}`));
  if (signers.size < signatures.length) throw new NoteProblem("note: a key has signed it twice");
  return { signatures, text: note.slice(0, split + 1) };
}

function parseSignature(line: string, place: number): NoteSignature {
  const at = `note: signature ${place + 1}`;
  const [name, encoded, more] = line.slice(SIGNATURE_PREFIX.length).split(" ");
  if (!line.startsWith(SIGNATURE_PREFIX) || encoded === undefined || more !== undefined) {
    throw new NoteProblem(`${at}: must be an em dash, a key name, and base64`);
  }
  if (name === undefined || !isKeyName(name)) {
    throw new NoteProblem(`${at}: "${name}" cannot name a key`);
  }
  const blob = decodeBase64(encoded);
  if (blob === undefined || blob.length <= ID_BYTES) {
    throw new NoteProblem(`${at}: must be base64 of a key id and a signature`);
  }
  return { id: blob.slice(0, ID_BYTES), name, signature: blob.slice(ID_BYTES) };
}

/** A note that known keys have signed. */
export interface VerifiedNote {
  readonly text: string;
  /** The keys that have, at least one, in the order of the note. */
  readonly by: readonly NoteKey[];
}

/**
 * Accepts a note that at least one of the keys has signed. Signatures of other keys are passed over; a
 * bad one of a known key is not, whoever else has signed.
 * @throws NoteProblem when the note is not accepted.
 */
export async function verifyNote(
  note: string,
  keys: readonly NoteKey[],
  verify: Ed25519Verify,
): Promise<VerifiedNote> {
  const { text, signatures } = parseNote(note);
  const message = encodeUtf8(text);
  const by: NoteKey[] = [];
  for (const { name, id, signature } of signatures) {
    const key = keys.find((known) => known.name === name && sameId(known.id, id));
    if (key === undefined) continue;
    const good =
      signature.length === SIGNATURE_BYTES && (await verify(key.publicKey, message, signature));
    if (!good) {
      throw new NoteProblem(
        `note: the signature of ${name} (key ${hex(id)}) does not fit the text`,
        "bad-signature",
      );
    }
    by.push(key);
  }
  if (by.length === 0) {
    const signers = signatures.map(({ name, id }) => `${name} (key ${hex(id)})`).join(", ");
    throw new NoteProblem(`note: signed by no known key, only by ${signers}`, "no-known-key");
  }
  return { by, text };
}
