/** Checks a `.tlog-proof` of a receipt: that its entry stands in a log that a known key has signed. */
import { decodeEntry } from "../../ledger/codec.ts";
import type { Entry } from "../../ledger/entries.ts";
import { leafHash } from "../../ledger/merkle.ts";
import { verifyInclusion } from "../../ledger/merkle-proofs.ts";
import { parseTlogProof, type TlogProof } from "../../ledger/tlog-proof.ts";
import { sha256 } from "../../readmodel/node-crypto.ts";
import { checkpointFault, type Fault, Unsound } from "./faults.ts";
import {
  type KnownKeys,
  knownKeys,
  type ReadCheckpoint,
  readCheckpoint,
  unsoundNote,
} from "./read-notes.ts";

/** What a receipt's proof came to. */
export type ReceiptVerdict =
  | {
      readonly ok: true;
      readonly entry: Entry;
      readonly line: string;
      readonly checkpoint: ReadCheckpoint;
      readonly unchecked: readonly string[];
    }
  | { readonly ok: false; readonly fault: Fault };

/**
 * Checks the text of a proof by the keys that count: those named, else those in the file `beside` it.
 * @throws Failure for a key that is none
 */
export async function verifyReceipt(
  text: string,
  vkeys: readonly string[],
  beside?: string,
): Promise<ReceiptVerdict> {
  const keys = knownKeys(vkeys, beside);
  try {
    const proof = parsedProof(text);
    const checkpoint = await readCheckpoint(proof.checkpoint, keys);
    const { entry, line } = provedEntry(proof, checkpoint);
    return { checkpoint, entry, line, ok: true, unchecked: uncheckedOf(keys) };
  } catch (error) {
    if (error instanceof Unsound) return { fault: error.fault, ok: false };
    throw error;
  }
}

function uncheckedOf({ isPinned, keys }: KnownKeys): string[] {
  if (isPinned) return [];
  return keys.length === 0
    ? ["who signed the checkpoint: no key is known; name one you trust with --vkey"]
    : ["whose keys these are: they lay beside the proof; name one you trust with --vkey"];
}

function parsedProof(text: string): TlogProof {
  try {
    return parseTlogProof(text);
  } catch (error) {
    throw unsoundNote(error, "proof");
  }
}

/** The entry in a proof, once it is where the proof says. @throws Unsound */
function provedEntry(
  { extra, index, path }: TlogProof,
  { origin, root, size }: ReadCheckpoint,
): { readonly entry: Entry; readonly line: string } {
  const refuse = (problem: string) => new Unsound(checkpointFault("proof", problem));
  if (extra === undefined) throw refuse("it holds no entry");
  const claim = { index, leaf: leafHash(extra, sha256), path, root, size };
  if (!verifyInclusion(claim, sha256)) {
    throw refuse(
      `it does not lead from its entry, at index ${index}, to the root of ${size} entries`,
    );
  }
  const line = Buffer.from(extra).toString("utf8");
  const parsed = decodeEntry(line);
  if (!parsed.ok) throw refuse(`what it proves is not an entry: ${parsed.problems.join("; ")}`);
  const entry = parsed.value;
  if (entry.seq !== index + 1n) throw refuse(`it proves entry ${entry.seq} at index ${index}`);
  if (!origin.endsWith(`/ws/${entry.ws}`)) {
    throw refuse(`its entry is of workspace ${entry.ws}, its checkpoint of ${origin}`);
  }
  return { entry, line };
}
