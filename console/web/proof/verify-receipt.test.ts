/**
 * Goal: the receipt page accepts what is genuine, and tells one deceit from another.
 * Method: a log with real hashes and keys; each forgery is made as a forger would make it, and verified
 * with the hash and signature functions that browsers have, which Node has too.
 */
import { expect, test } from "vitest";
import type { ReceiptProof } from "../../wire.ts";
import { FakeLog, type FakeSigner, fakeSigner } from "../testing/fake-log.ts";
import { verifyEd25519, withSha256 } from "./digests.ts";
import type { KnownLog } from "./known-log.ts";
import { type Fault, type Verification, verifyReceipt } from "./verify-receipt.ts";

const log = new FakeLog("acme", 45);
const signer = fakeSigner(log.origin);

interface Circumstances {
  readonly known?: KnownLog | undefined;
  readonly recordedHash?: string | undefined;
  /** Which log answers for consistency; none rejects. */
  readonly server?: FakeLog | undefined;
}

function verify(receipt: ReceiptProof, given: Circumstances = {}): Promise<Verification> {
  const { known, server = log } = given;
  const recordedHash =
    "recordedHash" in given ? given.recordedHash : log.hashOf(Number(receipt.seq));
  return verifyReceipt(
    {
      ...receipt,
      checkpoint: receipt.checkpoint ?? "",
      known,
      proof: receipt.proof ?? "",
      recordedHash,
    },
    {
      consistency: async (from, to) => {
        if ("server" in given && given.server === undefined) throw new Error("away");
        return server.consistency(Number(from), Number(to));
      },
      now: () => "2026-11-22T12:00:00.000Z",
      onStep: () => undefined,
      verify: verifyEd25519,
      withSha256,
    },
  );
}

function faults({ steps }: Verification): (Fault | undefined)[] {
  return steps.flatMap(({ fault, state }) => (state === "bad" ? [fault] : []));
}

function knowing(checkpoint: string, ...signers: FakeSigner[]): KnownLog {
  return { checkpoint, since: "2026-11-01T00:00:00.000Z", vkeys: signers.map(({ vkey }) => vkey) };
}

test("verify: accepts every entry of a log, and remembers key and checkpoint", async () => {
  for (const seq of [1, 2, 31, 32, 33, 44, 45]) {
    const receipt = log.receipt(seq, [signer]);
    const { known, steps } = await verify(receipt);
    expect(steps.map(({ name, state }) => [name, state])).toEqual(
      ["bytes", "leaf", "path", "signature", "key", "history"].map((name) => [name, "good"]),
    );
    expect(known).toEqual({
      checkpoint: receipt.checkpoint,
      since: "2026-11-22T12:00:00.000Z",
      vkeys: [signer.vkey],
    });
  }
});

test("verify: accepts a log that has grown since it was seen", async () => {
  const known = knowing(log.checkpoint([signer], 17), signer);
  const verification = await verify(log.receipt(3, [signer]), { known });
  expect(faults(verification)).toEqual([]);
  expect(verification.known?.since).toBe(known.since);
});

test("verify: names an entry of which any byte was changed", async () => {
  const receipt = log.receipt(9, [signer]);
  for (let at = 0; at < receipt.line.length; at += 1) {
    const flipped = String.fromCharCode(receipt.line.charCodeAt(at) ^ 1);
    const line = receipt.line.slice(0, at) + flipped + receipt.line.slice(at + 1);
    const found = faults(await verify({ ...receipt, line }));
    expect(new Set(found), `byte ${at}`).toEqual(new Set(["entry-changed"]));
  }
});

test("verify: names the entry even when the forger changed the proof's copy of it alike", async () => {
  const receipt = log.receipt(9, [signer]);
  const line = receipt.line.replace("settle", "settlE");
  const proof = (receipt.proof ?? "").replace(
    Buffer.from(receipt.line).toString("base64"),
    Buffer.from(line).toString("base64"),
  );
  expect(faults(await verify({ ...receipt, line, proof }))).toEqual([
    "entry-changed",
    "entry-changed",
  ]);
});

test("verify: names a proof whose path does not lead there", async () => {
  const receipt = log.receipt(9, [signer]);
  const lines = (receipt.proof ?? "").split("\n");
  const place = lines.findIndex((line) => line.startsWith("index ")) + 1;
  const other = Buffer.alloc(32, 7).toString("base64");
  const proof = lines.with(place, other).join("\n");
  expect(faults(await verify({ ...receipt, proof }))).toEqual(["proof-wrong"]);
  const ofAnother = log.receipt(10, [signer]).proof;
  expect(faults(await verify({ ...receipt, proof: ofAnother }))).toContain("proof-wrong");
  expect(faults(await verify({ ...receipt, proof: "nonsense" }))).toEqual(["proof-wrong"]);
});

test("verify: names a signature that does not fit", async () => {
  const receipt = log.receipt(9, [signer]);
  const change = (note: string) => note.replace("\n45\n", "\n44\n");
  const checkpoint = change(receipt.checkpoint ?? "");
  const found = faults(await verify({ ...receipt, checkpoint }));
  expect(found[0]).toBe("signature-wrong");
});

test("verify: names a key that is not the remembered one, and remembers nothing of it", async () => {
  const thief = fakeSigner(log.origin);
  const known = knowing(log.checkpoint([signer]), signer);
  const verification = await verify(log.receipt(9, [thief]), { known });
  expect(faults(verification)).toEqual(["unknown-key"]);
  expect(verification.known).toBeUndefined();
  const unnamed = { ...log.receipt(9, [thief]), vkeys: [signer.vkey] };
  expect(faults(await verify(unnamed, { known }))).toEqual(["unknown-key"]);
});

test("verify: follows a key to the one that signs beside it", async () => {
  const next = fakeSigner(log.origin);
  const known = knowing(log.checkpoint([signer], 20), signer);
  const rotated = await verify(log.receipt(9, [next, signer]), { known });
  expect(faults(rotated)).toEqual([]);
  expect(rotated.known?.vkeys).toEqual([signer.vkey, next.vkey]);
  expect(faults(await verify(log.receipt(9, [next]), { known: rotated.known }))).toEqual([]);
});

test("verify: names a log that was cut back", async () => {
  const known = knowing(log.checkpoint([signer]), signer);
  const verification = await verify(log.receipt(9, [signer], 30), { known });
  expect(faults(verification)).toEqual(["cut-back"]);
  expect(verification.known).toBeUndefined();
});

test("verify: names a log that was forked, at the same size and at a greater one", async () => {
  const fork = log.forkedAt(20);
  const known = knowing(log.checkpoint([signer]), signer);
  const same = await verify(fork.receipt(9, [signer]), { known, server: fork });
  expect(faults(same)).toEqual(["forked"]);
  fork.grow(30, "forked");
  expect(faults(await verify(fork.receipt(9, [signer]), { known, server: fork }))).toEqual([
    "forked",
  ]);
});

test("verify: a proof under an older checkpoint must be of the same history", async () => {
  const older = log.receipt(9, [signer], 30);
  const newest = log.checkpoint([signer]);
  expect(faults(await verify({ ...older, checkpoint: newest }))).toEqual([]);
  const fork = log.forkedAt(20);
  expect(faults(await verify({ ...older, checkpoint: fork.checkpoint([signer]) }))).toEqual([
    "forked",
  ]);
});

test("verify: what cannot be asked just now is open, neither right nor wrong, and not remembered", async () => {
  const known = knowing(log.checkpoint([signer], 17), signer);
  const verification = await verify(log.receipt(3, [signer]), { known, server: undefined });
  expect(verification.steps.at(-1)).toMatchObject({ name: "history", state: "open" });
  expect(faults(verification)).toEqual([]);
  expect(verification.known).toBeUndefined();
});

test("verify: without the recorded hash it says that one of both was changed", async () => {
  const receipt = log.receipt(9, [signer]);
  const line = receipt.line.replace("settle", "settlE");
  const proof = (receipt.proof ?? "").replace(/^extra .*\n/m, "");
  const found = faults(await verify({ ...receipt, line, proof }, { recordedHash: undefined }));
  expect(found).toEqual(["proof-wrong"]);
});
