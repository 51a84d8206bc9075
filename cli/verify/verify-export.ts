/**
 * Checks what `tarmac export` wrote: the notes first, then the lines in one pass, then what compares
 * roots. Whatever could not be checked is said.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Facts } from "../../actors/redecide.ts";
import { parseRangeProof, type RangeProof } from "../../ledger/range-proof.ts";
import { parseJson } from "../../ledger/schema.ts";
import { Failure } from "../output.ts";
import { checkpointFault, entryFault, type Fault, Unsound } from "./faults.ts";
import { HashedFile, type HashedLine } from "./hashed-lines.ts";
import { LedgerFollower } from "./ledger-follower.ts";
import type { Roots } from "./line-hasher.ts";
import { type Opening, openingSchema } from "./period-balances.ts";
import {
  type KnownKeys,
  knownKeys,
  type ReadCheckpoint,
  readCheckpoint,
  requireOrigin,
  textIfThere,
  unsoundNote,
} from "./read-notes.ts";

/** Names of the files of an export. */
export const LEDGER_FILE = "ledger.jsonl";
export const CHECKPOINT_FILE = "checkpoint";
export const VKEY_FILE = "vkey";
export const OPENING_FILE = "opening.json";
export const RANGE_FILE = "range-proof";

/** What to check, and by what. */
export interface VerifyTask {
  /** The ledger's lines. */
  readonly ledger: string;
  /** The directory with the other files; `undefined` for a ledger by itself. */
  readonly folder: string | undefined;
  /** Verifier keys that count; none: those in the export. */
  readonly vkeys: readonly string[];
  /** Paths of earlier checkpoints. */
  readonly since: readonly string[];
  /** Hears the entries checked so far, and how many there are to be. */
  readonly onProgress: (entries: bigint, of: bigint | undefined) => void;
}

/** What an export came to. */
export type Verdict =
  | {
      readonly ok: true;
      /** Lines that were checked. */
      readonly entries: bigint;
      readonly ws: string;
      /** SHA-256 of the last entry, hex. */
      readonly head: string;
      /** RFC 6962 root, base64; of a period that of its log. */
      readonly root: string;
      readonly checkpoint?: { readonly origin: string; readonly size: bigint };
      readonly signedBy: readonly string[];
      readonly facts?: Facts;
      readonly unchecked: readonly string[];
    }
  | { readonly ok: false; readonly fault: Fault };

interface Notes {
  readonly keys: KnownKeys;
  readonly checkpoint: ReadCheckpoint | undefined;
  readonly since: readonly ReadCheckpoint[];
  readonly opening: Opening | undefined;
  readonly range: RangeProof | undefined;
}

/** Checks an export from its first line to its last. @throws Failure for what cannot be read at all */
export async function verifyExport(task: VerifyTask): Promise<Verdict> {
  try {
    const notes = await readNotes(task);
    return await verifyLines(task, notes);
  } catch (error) {
    if (error instanceof Unsound) return { fault: error.fault, ok: false };
    throw error;
  }
}

async function readNotes({ folder, since, vkeys }: VerifyTask): Promise<Notes> {
  const beside = (file: string) =>
    folder === undefined ? Promise.resolve(undefined) : textIfThere(join(folder, file));
  const keys = knownKeys(vkeys, await beside(VKEY_FILE));
  const note = await beside(CHECKPOINT_FILE);
  const checkpoint = note === undefined ? undefined : await readCheckpoint(note, keys);
  const earlier: ReadCheckpoint[] = [];
  for (const path of since) earlier.push(await readEarlier(path, keys, checkpoint));
  const opening = readOpening(await beside(OPENING_FILE));
  const range = readRange(await beside(RANGE_FILE));
  if (opening !== undefined) requireRange(opening, range, checkpoint);
  return { checkpoint, keys, opening, range: opening && range, since: earlier };
}

/** An earlier checkpoint of the same log: what was signed once must still be there. @throws Unsound */
async function readEarlier(
  path: string,
  keys: KnownKeys,
  present: ReadCheckpoint | undefined,
): Promise<ReadCheckpoint> {
  const note = await readFile(path, "utf8").catch((cause: unknown) => {
    throw new Failure(`${path} cannot be read: ${String(cause)}`, 2);
  });
  const earlier = await readCheckpoint(note, keys);
  if (present === undefined) return earlier;
  if (earlier.origin !== present.origin) {
    const problem = `${path} is of ${earlier.origin}, the export of ${present.origin}`;
    throw new Unsound(checkpointFault("note", problem));
  }
  if (earlier.size > present.size) {
    const problem = `${earlier.size} entries were signed earlier (${path}), and now ${present.size}`;
    throw new Unsound(checkpointFault("cut-back", problem));
  }
  return earlier;
}

function readOpening(text: string | undefined): Opening | undefined {
  if (text === undefined) return undefined;
  const parsed = parseJson(openingSchema, text);
  if (parsed.ok) return parsed.value;
  throw new Failure(`${OPENING_FILE} cannot be read: ${parsed.problems.slice(0, 3).join("; ")}`);
}

function readRange(text: string | undefined): RangeProof | undefined {
  if (text === undefined) return undefined;
  try {
    return parseRangeProof(text);
  } catch (error) {
    throw unsoundNote(error, "range");
  }
}

/** @throws Unsound when a period's proof is not one of where it says that it begins */
function requireRange(
  { first_seq }: Opening,
  range: RangeProof | undefined,
  checkpoint: ReadCheckpoint | undefined,
): void {
  const refuse = (problem: string) => new Unsound(checkpointFault("range", problem));
  if (range === undefined) throw refuse(`a period has a ${RANGE_FILE}, and there is none`);
  if (range.first !== first_seq - 1n) {
    throw refuse(`it begins behind entry ${range.first}, ${OPENING_FILE} at entry ${first_seq}`);
  }
  if (checkpoint !== undefined && range.size !== checkpoint.size) {
    throw refuse(`it is of ${range.size} entries, the checkpoint of ${checkpoint.size}`);
  }
}

async function verifyLines(task: VerifyTask, notes: Notes): Promise<Verdict> {
  const { checkpoint, opening, range, since } = notes;
  const end = opening === undefined ? checkpoint?.size : range?.end;
  const sizes = opening === undefined ? since.map(({ size }) => size) : [];
  const file = await HashedFile.open(task.ledger, {
    sizes,
    ...(range === undefined ? {} : { range }),
  });
  try {
    const follower = new LedgerFollower({
      ...(end === undefined ? {} : { size: end }),
      ...(opening === undefined ? {} : { opening }),
    });
    const fault = await followFile(file, follower, notes, task);
    if (fault !== undefined) return { fault, ok: false };
    const due = [end ?? 0n, ...sizes].reduce((most, size) => (size > most ? size : most));
    if (follower.head.seq < due) {
      const { seq } = follower.head;
      const which = seq + 1n === due ? `entry ${due} is` : `entries ${seq + 1n} to ${due} are`;
      return { fault: entryFault(seq + 1n, "truncated", `${which} missing at the end`), ok: false };
    }
    const roots = await file.roots().catch((error: unknown) => {
      throw unsoundNote(error, "range");
    });
    compareRoots(roots, notes);
    return verdictOf(follower, roots, notes);
  } finally {
    await file.close();
  }
}

/** Follows every line, each with the one behind it in sight. */
async function followFile(
  file: HashedFile,
  follower: LedgerFollower,
  { checkpoint, range, since }: Notes,
  { onProgress }: VerifyTask,
): Promise<Fault | undefined> {
  const total = range?.end ?? checkpoint?.size;
  let line: HashedLine | undefined;
  const step = (following: HashedLine | undefined) => {
    if (line === undefined) return undefined;
    const isFirst = follower.ws === undefined;
    const fault = follower.next(line, following);
    const { ws } = follower;
    if (isFirst && ws !== undefined) {
      for (const note of checkpoint === undefined ? since : [checkpoint]) requireOrigin(note, ws);
    }
    return fault;
  };
  for await (const chunk of file.chunks()) {
    for (const following of chunk) {
      const fault = step(following);
      if (fault !== undefined) return fault;
      line = following;
    }
    onProgress(follower.head.seq, total);
  }
  return step(undefined);
}

/** @throws Unsound when the lines are not those that were signed */
function compareRoots({ at, root }: Roots, { checkpoint, opening, since }: Notes): void {
  const isRoot = (found: Uint8Array | undefined, due: Uint8Array) =>
    found !== undefined && Buffer.compare(found, due) === 0;
  if (opening === undefined) {
    const forked = since.find(({ root: due, size }) => !isRoot(at.get(size), due));
    if (forked !== undefined) {
      const problem = `the first ${forked.size} entries are others than those signed earlier`;
      throw new Unsound(checkpointFault("forked", problem));
    }
  }
  if (checkpoint === undefined || isRoot(root, checkpoint.root)) return;
  throw new Unsound(
    opening === undefined
      ? checkpointFault("rewritten", "every line is sound, and yet they are not those signed")
      : checkpointFault("range", "the lines and their proof do not lead to its root"),
  );
}

function verdictOf(follower: LedgerFollower, { root }: Roots, notes: Notes): Verdict {
  const { checkpoint, opening } = notes;
  const { facts, head, ws } = follower;
  const first = opening === undefined ? 0n : opening.first_seq - 1n;
  return {
    entries: head.seq - first,
    head: head.hash,
    ok: true,
    root: Buffer.from(root).toString("base64"),
    signedBy: checkpoint?.by ?? [],
    unchecked: uncheckedOf(follower, notes),
    ws: ws ?? opening?.ws ?? "",
    ...(checkpoint && { checkpoint: { origin: checkpoint.origin, size: checkpoint.size } }),
    ...(facts && { facts }),
  };
}

/** What nothing at hand could tell. */
function uncheckedOf(follower: LedgerFollower, notes: Notes): string[] {
  const { checkpoint, keys, opening, since } = notes;
  const unchecked: string[] = [];
  if (checkpoint === undefined) {
    unchecked.push(
      "that nothing is missing at the end, and that all was not written anew: there is no checkpoint",
    );
  } else if (keys.keys.length === 0) {
    unchecked.push("who signed the checkpoint: no key is known (--vkey)");
  } else if (!keys.isPinned) {
    unchecked.push(
      "whose keys these are: they came with the export; name one you trust with --vkey",
    );
  }
  if (since.length === 0) {
    unchecked.push(
      "that it continues what was signed earlier: name a checkpoint of then with --since",
    );
  }
  if (opening !== undefined) {
    unchecked.push("decisions: to decide again, all entries from the first are needed");
    unchecked.push("that no entry of the period stands before the first line or behind the last");
    if (since.length > 0)
      unchecked.push("earlier checkpoints: of a period, only their signatures and sizes");
  }
  if (follower.isInside) {
    unchecked.push("what else the last command wrote: it stands behind the end");
  }
  return unchecked;
}
