/**
 * Checks a receipt step by step, and says what is wrong in a way that tells one deceit from another:
 *
 * - `entry-changed`: the entry's bytes are not those that were hashed into the log;
 * - `proof-wrong`: the bytes are as recorded, but the path does not lead from them to the root;
 * - `signature-wrong`: a key that is known did not sign this checkpoint;
 * - `unknown-key`: the checkpoint is signed by a key that this browser has not accepted;
 * - `cut-back`: the log has fewer entries than were seen before;
 * - `forked`: the log is not a continuation of what was seen before.
 *
 * A step that needs what is not to be had is `open`: neither right nor wrong.
 */
import { decodeBase64 } from "../../../ledger/base64.ts";
import { type Checkpoint, parseCheckpoint, verifyCheckpoint } from "../../../ledger/checkpoint.ts";
import { leafHash, type Sha256 } from "../../../ledger/merkle.ts";
import { verifyConsistency, verifyInclusion } from "../../../ledger/merkle-proofs.ts";
import {
  type Ed25519Verify,
  encodeVkey,
  type NoteKey,
  NoteProblem,
  parseNote,
  parseVkey,
} from "../../../ledger/signed-note.ts";
import { parseTlogProof, type TlogProof } from "../../../ledger/tlog-proof.ts";
import { encodeUtf8 } from "../../../ledger/utf8.ts";
import { hexOf } from "./digests.ts";
import type { KnownLog } from "./known-log.ts";

export type Fault =
  | "entry-changed"
  | "proof-wrong"
  | "signature-wrong"
  | "unknown-key"
  | "cut-back"
  | "forked";

export type StepName = "bytes" | "leaf" | "path" | "signature" | "key" | "history";

export interface Step {
  readonly name: StepName;
  readonly state: "good" | "bad" | "open";
  /** What was found, in a sentence. */
  readonly says: string;
  /** What was compared, as label and value. */
  readonly compared: readonly (readonly [label: string, value: string])[];
  readonly fault?: Fault;
}

export interface Verification {
  readonly steps: readonly Step[];
  /** What to remember when all steps hold; undefined otherwise. */
  readonly known: KnownLog | undefined;
}

/** What the server says, and what this browser knows. */
export interface ReceiptToVerify {
  readonly ws: string;
  readonly seq: string;
  readonly line: string;
  /** `.tlog-proof` text. */
  readonly proof: string;
  /** The newest checkpoint, a signed note. */
  readonly checkpoint: string;
  readonly vkeys: readonly string[];
  /** The entry's hash as the chain has it, hex; undefined where it could not be had. */
  readonly recordedHash: string | undefined;
  readonly known: KnownLog | undefined;
}

export interface VerificationPorts {
  readonly withSha256: <T>(run: (sha256: Sha256) => T | Promise<T>) => Promise<T>;
  readonly verify: Ed25519Verify;
  /** RFC 6962 consistency path between two sizes, base64 hashes; rejects when it cannot be had. */
  readonly consistency: (from: bigint, to: bigint) => Promise<readonly string[]>;
  /** Told of each step as it is done. */
  readonly onStep: (step: Step) => void;
  readonly now: () => string;
}

/**
 * Checks a receipt. What is wrong is in the steps; a proof that cannot be read is a wrong one.
 * @throws NoCryptography where the browser has none.
 */
export async function verifyReceipt(
  receipt: ReceiptToVerify,
  ports: VerificationPorts,
): Promise<Verification> {
  const steps: Step[] = [];
  const done = (step: Step) => {
    steps.push(step);
    ports.onStep(step);
    return step.state === "good";
  };
  const proof = readProof(receipt, done);
  if (proof === undefined) return { known: undefined, steps };
  const bytes = encodeUtf8(receipt.line);
  const [entryHash, leaf] = await ports.withSha256((sha256) => [
    sha256(bytes),
    leafHash(bytes, sha256),
  ]);
  done(bytesStep(receipt, proof, entryHash as Uint8Array));
  done({
    compared: [["SHA-256(0x00 || bytes)", hexOf(leaf as Uint8Array)]],
    name: "leaf",
    says: `This is leaf ${proof.index} of the log's tree.`,
    state: "good",
  });
  done(await pathStep(receipt, proof, { entryHash, leaf } as Hashes, ports));
  const trust = await keysOf(receipt, ports);
  const signed = await signatureStep([proof.checkpoint, receipt.checkpoint], trust, ports.verify);
  done(signed.step);
  done(keyStep(receipt, trust, signed.signers));
  done(await historyStep(receipt, proof, ports));
  // What could not be checked is not remembered: a server that refuses a proof would move us along.
  const clean = steps.every(({ state }) => state === "good");
  const by = unique(signed.signers.flat());
  return { known: clean ? learned(receipt, proof, by, ports.now()) : undefined, steps };
}

interface Hashes {
  readonly entryHash: Uint8Array;
  readonly leaf: Uint8Array;
}

function readProof(receipt: ReceiptToVerify, done: (step: Step) => boolean): TlogProof | undefined {
  try {
    const proof = parseTlogProof(receipt.proof);
    parseCheckpoint(parseNote(proof.checkpoint).text);
    parseCheckpoint(parseNote(receipt.checkpoint).text);
    return proof;
  } catch (cause) {
    if (!(cause instanceof NoteProblem)) throw cause;
    done({
      compared: [],
      fault: "proof-wrong",
      name: "path",
      says: `The proof cannot be read: ${cause.message}.`,
      state: "bad",
    });
    return undefined;
  }
}

/** The entry is the one that the receipt is about, in the place that the proof is about. */
function bytesStep(receipt: ReceiptToVerify, proof: TlogProof, entryHash: Uint8Array): Step {
  const hash = hexOf(entryHash);
  const bytes = encodeUtf8(receipt.line);
  const base = {
    compared: [
      ["SHA-256 of the bytes", hash],
      ...(receipt.recordedHash === undefined
        ? []
        : [["as recorded in the chain", receipt.recordedHash] as const]),
    ] as const,
    name: "bytes" as const,
  };
  if (receipt.recordedHash !== undefined && receipt.recordedHash !== hash) {
    const says =
      "These bytes are not those that the chain of entries recorded: the entry was changed.";
    return { ...base, fault: "entry-changed", says, state: "bad" };
  }
  if (proof.extra !== undefined && hexOf(proof.extra) !== hexOf(bytes)) {
    const says = "The proof carries other bytes than the entry shown here.";
    return { ...base, fault: "entry-changed", says, state: "bad" };
  }
  const stated = statedPlace(receipt.line);
  if (stated.seq !== receipt.seq || stated.ws !== receipt.ws) {
    const says = `The bytes are of entry ${stated.seq ?? "?"} of ${stated.ws ?? "?"}, not of entry ${receipt.seq} of ${receipt.ws}.`;
    return { ...base, fault: "entry-changed", says, state: "bad" };
  }
  return {
    ...base,
    says: `${bytes.length} bytes, entry ${receipt.seq} of ${receipt.ws}.`,
    state: "good",
  };
}

function statedPlace(line: string): { readonly seq?: string; readonly ws?: string } {
  try {
    return JSON.parse(line) as { seq?: string; ws?: string };
  } catch {
    return {};
  }
}

/** The path leads from the leaf to the root; if not, the recorded hash says which of both is wrong. */
async function pathStep(
  receipt: ReceiptToVerify,
  proof: TlogProof,
  { entryHash, leaf }: Hashes,
  ports: VerificationPorts,
): Promise<Step> {
  const { root, size } = parseCheckpoint(parseNote(proof.checkpoint).text);
  const { index, path } = proof;
  const compared = [
    ["path", `${path.length} hashes, from leaf ${index} upwards`],
    ["root in the checkpoint", hexOf(root)],
  ] as const;
  const name = "path";
  if (index !== BigInt(receipt.seq) - 1n) {
    const says = `The proof is of entry ${index + 1n}, not of entry ${receipt.seq}.`;
    return { compared, fault: "proof-wrong", name, says, state: "bad" };
  }
  const leads = await ports.withSha256((sha256) =>
    verifyInclusion({ index, leaf, path, root, size }, sha256),
  );
  if (leads) {
    const says = `The path leads from the leaf to the root of the tree over ${size} entries.`;
    return { compared, name, says, state: "good" };
  }
  if (receipt.recordedHash === hexOf(entryHash)) {
    const says =
      "The entry is as it was recorded, but the path does not lead from it to the root: the proof is wrong.";
    return { compared, fault: "proof-wrong", name, says, state: "bad" };
  }
  if (receipt.recordedHash === undefined) {
    const says = "The path does not lead from these bytes to the root: one of the two was changed.";
    return { compared, fault: "proof-wrong", name, says, state: "bad" };
  }
  const says =
    "The path does not lead from these bytes to the root: this is not the entry that the log holds.";
  return { compared, fault: "entry-changed", name, says, state: "bad" };
}

interface Trust {
  /** Keys that this browser has accepted before. */
  readonly accepted: readonly NoteKey[];
  /** Keys that the server names. */
  readonly named: readonly NoteKey[];
}

async function keysOf(receipt: ReceiptToVerify, ports: VerificationPorts): Promise<Trust> {
  const parse = (vkeys: readonly string[]) =>
    ports.withSha256((sha256) =>
      vkeys.flatMap((vkey) => {
        try {
          return [parseVkey(vkey, sha256)];
        } catch (cause) {
          if (cause instanceof NoteProblem) return [];
          throw cause;
        }
      }),
    );
  return { accepted: await parse(receipt.known?.vkeys ?? []), named: await parse(receipt.vkeys) };
}

/** Who signed each checkpoint, in the order in which they were given; empty when one is not signed well. */
type Signers = readonly (readonly NoteKey[])[];

/** Each checkpoint is signed by some key that is accepted or named; which of both is the next step's. */
async function signatureStep(
  notes: readonly string[],
  { accepted, named }: Trust,
  verify: Ed25519Verify,
): Promise<{ readonly step: Step; readonly signers: Signers }> {
  const name = "signature";
  const keys = unique([...accepted, ...named]);
  const signers: (readonly NoteKey[])[] = [];
  for (const note of new Set(notes)) {
    try {
      signers.push((await verifyCheckpoint(note, keys, verify)).by);
    } catch (cause) {
      if (!(cause instanceof NoteProblem)) throw cause;
      const unknown = cause.kind === "no-known-key";
      const step: Step = {
        compared: keys.map((key) => ["key", encodeVkey(key)] as const),
        fault: unknown ? "unknown-key" : "signature-wrong",
        name,
        says: unknown
          ? "No key that is known here has signed this checkpoint."
          : "The signature does not fit the checkpoint: it was changed, or signed by somebody else.",
        state: "bad",
      };
      return { signers: [], step };
    }
  }
  const all = unique(signers.flat());
  const step: Step = {
    compared: all.map((key) => ["signed by", encodeVkey(key)] as const),
    name,
    says: `The checkpoint is signed by ${all.map((key) => key.name).join(" and ")}.`,
    state: "good",
  };
  return { signers, step };
}

/** A key that signed is one that this browser has accepted; the first one it sees is taken at its word. */
function keyStep(receipt: ReceiptToVerify, { accepted }: Trust, signers: Signers): Step {
  const name = "key";
  if (signers.length === 0) {
    return { compared: [], name, says: "There is no good signature to ask about.", state: "open" };
  }
  const shown = unique(signers.flat()).map((key) => ["signed by", encodeVkey(key)] as const);
  if (receipt.known === undefined) {
    const says =
      "First time: this browser remembers the key from now on. Compare it with the one that you were given.";
    return { compared: shown, name, says, state: "good" };
  }
  const compared = [...shown, ...accepted.map((key) => ["remembered", encodeVkey(key)] as const)];
  if (signers.every((by) => by.some((key) => has(accepted, key)))) {
    return { compared, name, says: "It is the key that this browser remembers.", state: "good" };
  }
  const says =
    "The key has changed: it is not the one that this browser remembers. Ask whoever runs this log before you accept it.";
  return { compared, fault: "unknown-key", name, says, state: "bad" };
}

/** The log goes on from what was seen before: remembered, proved and newest checkpoint are one history. */
async function historyStep(
  receipt: ReceiptToVerify,
  proof: TlogProof,
  ports: VerificationPorts,
): Promise<Step> {
  const name = "history";
  const told = [proof.checkpoint, receipt.checkpoint].map((note) => of(note));
  const newest = told.reduce((a, b) => (b.size > a.size ? b : a));
  const seen = receipt.known?.checkpoint === undefined ? undefined : of(receipt.known.checkpoint);
  const compared = [
    ...(seen === undefined ? [] : [["seen before", describe(seen)] as const]),
    ["now", describe(newest)] as const,
  ];
  if (seen !== undefined && seen.origin !== newest.origin) {
    const says = `The log is called ${newest.origin} now, and was ${seen.origin}.`;
    return { compared, fault: "forked", name, says, state: "bad" };
  }
  if (seen !== undefined && newest.size < seen.size) {
    const says = `The log was cut back: this browser has seen ${seen.size} entries signed, and now there are ${newest.size}.`;
    return { compared, fault: "cut-back", name, says, state: "bad" };
  }
  const line = [...told, ...(seen === undefined ? [] : [seen])].sort((a, b) =>
    a.size < b.size ? -1 : a.size > b.size ? 1 : 0,
  );
  for (const [i, from] of line.entries()) {
    const to = line[i + 1];
    if (to === undefined) break;
    const joined = await joins(from, to, ports);
    if (joined === "open") {
      const says =
        "The server could not prove just now that the log goes on from what was seen before.";
      return { compared, name, says, state: "open" };
    }
    if (!joined) {
      const says = `The log was forked: its ${to.size} entries do not begin with the ${from.size} that were signed before.`;
      return { compared, fault: "forked", name, says, state: "bad" };
    }
  }
  const says =
    seen === undefined
      ? "First time: this browser remembers the checkpoint, and will hold the log to it."
      : "The log goes on from the checkpoint that this browser remembers; nothing was taken back.";
  return { compared, name, says, state: "good" };
}

async function joins(
  from: Checkpoint,
  to: Checkpoint,
  ports: VerificationPorts,
): Promise<boolean | "open"> {
  if (from.size === to.size) return hexOf(from.root) === hexOf(to.root);
  let path: readonly (Uint8Array | undefined)[];
  try {
    path = (await ports.consistency(from.size, to.size)).map(decodeBase64);
  } catch {
    return "open";
  }
  if (path.some((hash) => hash === undefined)) return false;
  const claim = {
    from: from.size,
    fromRoot: from.root,
    path: path as readonly Uint8Array[],
    to: to.size,
    toRoot: to.root,
  };
  return ports.withSha256((sha256) => verifyConsistency(claim, sha256));
}

/** A key that signed beside one that is remembered is remembered as well: so keys are rotated. */
function learned(
  receipt: ReceiptToVerify,
  proof: TlogProof,
  by: readonly NoteKey[],
  now: string,
): KnownLog {
  const newest = of(receipt.checkpoint).size >= of(proof.checkpoint).size;
  return {
    checkpoint: newest ? receipt.checkpoint : proof.checkpoint,
    since: receipt.known?.since ?? now,
    vkeys: [...new Set([...(receipt.known?.vkeys ?? []), ...by.map(encodeVkey)])],
  };
}

const of = (note: string): Checkpoint => parseCheckpoint(parseNote(note).text);
const describe = ({ root, size }: Checkpoint) => `${size} entries, root ${hexOf(root)}`;
const same = (a: NoteKey, b: NoteKey) => encodeVkey(a) === encodeVkey(b);
const has = (keys: readonly NoteKey[], key: NoteKey) => keys.some((one) => same(one, key));
const unique = (keys: readonly NoteKey[]) =>
  keys.filter((key, index) => keys.findIndex((one) => same(one, key)) === index);
