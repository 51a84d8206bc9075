/**
 * Checkpoints of C2SP (https://c2sp.org/tlog-checkpoint, v1.0.0, read 2026-11-22): the text that a log
 * signs as a note. It has the three lines of origin, size and root; ours has no extension lines, and a
 * checkpoint with some is not one of this format.
 */
import { assert } from "./assert.ts";
import { HASH_BYTES } from "./merkle.ts";
import { hashLine, parseHash, parseSize } from "./proof-text.ts";
import {
  type Ed25519Verify,
  isKeyName,
  type NoteKey,
  NoteProblem,
  verifyNote,
} from "./signed-note.ts";

/** What a log was at a time. */
export interface Checkpoint {
  /** Names the log; the keys that sign for it have the same name. */
  readonly origin: string;
  /** Entries. */
  readonly size: bigint;
  readonly root: Uint8Array;
}

/** The name of a workspace's log at a host. */
export function logOrigin(host: string, ws: string): string {
  return `${host}/ws/${ws}`;
}

/** The text to sign. */
export function encodeCheckpoint(checkpoint: Checkpoint): string {
  const { origin, size, root } = checkpoint;
  assert(isKeyName(origin), `"${origin}" cannot name a log`);
  assert(size >= 0n, `a log cannot have ${size} entries`);
  assert(root.length === HASH_BYTES, `a root has 32 bytes, not ${root.length}`);
  return `${origin}\n${size}\n${hashLine(root)}`;
}

/**
 * Reads the text of a checkpoint, which says nothing before its note is verified.
 * @throws NoteProblem when it is not in the format.
 */
export function parseCheckpoint(text: string): Checkpoint {
  const [origin, size, root, end, ...more] = text.split("\n");
  const whole = origin !== undefined && size !== undefined && root !== undefined;
  if (!whole || end !== "" || more.length > 0) {
    throw new NoteProblem("checkpoint: must have three lines: origin, size, and root");
  }
  if (!isKeyName(origin)) throw new NoteProblem(`checkpoint: "${origin}" cannot name a log`);
  return {
    origin,
    root: parseHash(root, "checkpoint: root"),
    size: parseSize(size, "checkpoint: size"),
  };
}

/** A checkpoint that known keys of its log have signed. */
export interface VerifiedCheckpoint {
  readonly checkpoint: Checkpoint;
  /** At least one, each named as the origin. */
  readonly by: readonly NoteKey[];
}

/**
 * Accepts a checkpoint that its log has signed: a known key that has the origin's name.
 * @throws NoteProblem when it is not accepted.
 */
export async function verifyCheckpoint(
  note: string,
  keys: readonly NoteKey[],
  verify: Ed25519Verify,
): Promise<VerifiedCheckpoint> {
  const verified = await verifyNote(note, keys, verify);
  const checkpoint = parseCheckpoint(verified.text);
  const by = verified.by.filter(({ name }) => name === checkpoint.origin);
  if (by.length === 0) {
    const names = verified.by.map(({ name }) => name).join(", ");
    throw new NoteProblem(
      `checkpoint: is of ${checkpoint.origin}, and signed only by keys of ${names}`,
      "no-known-key",
    );
  }
  return { by, checkpoint };
}
