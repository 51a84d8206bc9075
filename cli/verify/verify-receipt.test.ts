/**
 * Goal: a receipt's proof is accepted only if its entry stands where it says in a log that was signed.
 * Method: proofs of every entry of a signed ledger, each then changed in every part.
 */
import { describe, expect, test } from "vitest";
import { encodeTlogProof, parseTlogProof } from "../../ledger/tlog-proof.ts";
import { ledgerLines, TestSigner } from "./testing/signed-export.ts";
import { verifyReceipt } from "./verify-receipt.ts";

const signer = new TestSigner();
const lines = ledgerLines(4);
const proof = signer.receipt(lines, 6);

async function codeOf(text: string, vkeys: readonly string[] = [signer.vkey]): Promise<string> {
  const verdict = await verifyReceipt(text, vkeys);
  if (verdict.ok) return "sound";
  return verdict.fault.code;
}

test("receipt: the proof of every entry is accepted", async () => {
  for (const [i, line] of lines.entries()) {
    const verdict = await verifyReceipt(signer.receipt(lines, i), [signer.vkey]);
    expect(verdict).toMatchObject({ entry: { seq: BigInt(i + 1) }, line, ok: true, unchecked: [] });
  }
});

test("receipt: without a key that somebody vouches for, that is said", async () => {
  const [alone, beside] = [
    await verifyReceipt(proof, []),
    await verifyReceipt(proof, [], signer.vkey),
  ];
  expect(alone.ok && alone.unchecked[0]).toMatch(/no key is known/);
  expect(beside.ok && beside.unchecked[0]).toMatch(/lay beside the proof/);
});

describe("receipt: what was changed is found", () => {
  const parts = parseTlogProof(proof);
  const [first, ...path] = parts.path;
  const other = Buffer.from(lines[5] as string);
  test.each([
    ["another entry", encodeTlogProof({ ...parts, extra: other }), "proof"],
    ["another index", encodeTlogProof({ ...parts, index: 5n }), "proof"],
    ["a shorter path", encodeTlogProof({ ...parts, path }), "proof"],
    [
      "a changed path",
      encodeTlogProof({ ...parts, path: [parts.path[1] ?? (first as Uint8Array), ...path] }),
      "proof",
    ],
    [
      "no entry",
      encodeTlogProof({ checkpoint: parts.checkpoint, index: 6n, path: parts.path }),
      "proof",
    ],
    ["not a proof", proof.slice(1), "proof"],
    ["another key", new TestSigner(3).receipt(lines, 6), "unknown-key"],
    ["another workspace", new TestSigner(1, "other").receipt(lines, 6), "unknown-key"],
    [
      "a changed signature",
      `${proof.slice(0, -8)}${proof.at(-8) === "A" ? "B" : "A"}${proof.slice(-7)}`,
      "signature",
    ],
  ])("%s", async (_, text, code) => {
    expect(await codeOf(text)).toBe(code);
  });

  test("an entry of another workspace than the log's", async () => {
    const stranger = new TestSigner(1, "other");
    expect(await codeOf(stranger.receipt(lines, 6), [stranger.vkey])).toBe("proof");
  });

  test("a key that is none is refused with what is wrong", async () => {
    await expect(verifyReceipt(proof, ["nonsense"])).rejects.toThrow(
      /nonsense is not a verifier key/,
    );
  });
});
