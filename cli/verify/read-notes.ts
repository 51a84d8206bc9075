import { readFile } from "node:fs/promises";
import { type Checkpoint, parseCheckpoint, verifyCheckpoint } from "../../ledger/checkpoint.ts";
import {
  type NoteKey,
  NoteProblem,
  type NoteProblemKind,
  parseNote,
  parseVkey,
} from "../../ledger/signed-note.ts";
import { ed25519Verify, sha256 } from "../../readmodel/node-crypto.ts";
import { Failure } from "../output.ts";
import { type CheckpointFaultCode, checkpointFault, Unsound } from "./faults.ts";

/** Keys to check signatures with, and whether somebody but the export itself vouches for them. */
export interface KnownKeys {
  readonly keys: readonly NoteKey[];
  readonly isPinned: boolean;
}

/** A checkpoint as it was read, and who signed it; nobody where no key is known. */
export interface ReadCheckpoint extends Checkpoint {
  readonly by: readonly string[];
}

const CODES: { readonly [K in NoteProblemKind]: CheckpointFaultCode } = {
  "bad-signature": "signature",
  malformed: "note",
  "no-known-key": "unknown-key",
  "not-included": "proof",
};

/** What is wrong with a note or a proof, in the words of verification; other errors come through. */
export function unsoundNote(error: unknown, malformed: CheckpointFaultCode = "note"): Unsound {
  if (!(error instanceof NoteProblem)) throw error;
  const code = error.kind === "malformed" ? malformed : CODES[error.kind];
  return new Unsound(checkpointFault(code, error.message));
}

/**
 * The keys that were named, else those that came with the export.
 * @throws Failure for a key that is none
 */
export function knownKeys(named: readonly string[], beside: string | undefined): KnownKeys {
  const isPinned = named.length > 0;
  const texts = isPinned ? named : (beside ?? "").split("\n").filter((line) => line !== "");
  return { isPinned, keys: texts.map(readKey) };
}

function readKey(text: string): NoteKey {
  try {
    return parseVkey(text.trim(), sha256);
  } catch (error) {
    if (!(error instanceof NoteProblem)) throw error;
    throw new Failure(`${text.trim()} is not a verifier key: ${error.message}`, 2);
  }
}

/** Reads a checkpoint and checks who signed it, where keys are known. @throws Unsound */
export async function readCheckpoint(note: string, { keys }: KnownKeys): Promise<ReadCheckpoint> {
  try {
    if (keys.length === 0) return { ...parseCheckpoint(parseNote(note).text), by: [] };
    const { by, checkpoint } = await verifyCheckpoint(note, keys, ed25519Verify);
    return { ...checkpoint, by: by.map(({ name }) => name) };
  } catch (error) {
    throw unsoundNote(error);
  }
}

/** The text of a file that may be missing. @throws Failure when it is there and cannot be read */
export async function textIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw new Failure(`${path} cannot be read: ${String(error)}`);
  }
}

/** Refuses a checkpoint of another log than that of the lines. @throws Unsound */
export function requireOrigin(checkpoint: Checkpoint, ws: string): void {
  if (checkpoint.origin.endsWith(`/ws/${ws}`)) return;
  const problem = `it is of ${checkpoint.origin}, and the entries are of workspace ${ws}`;
  throw new Unsound(checkpointFault("note", problem));
}
