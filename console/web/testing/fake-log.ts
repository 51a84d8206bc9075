/** A signed log of made-up entries, with everything a forger could do to it. Real hashes, real keys. */
import { generateKeyPairSync, hash, type KeyObject, sign } from "node:crypto";
import { encodeBase64 } from "../../../ledger/base64.ts";
import { encodeCheckpoint } from "../../../ledger/checkpoint.ts";
import { leafHash, nodeHash, type Sha256, TreeFrontier } from "../../../ledger/merkle.ts";
import { consistencyProof, inclusionProof } from "../../../ledger/merkle-proofs.ts";
import { encodeVkey, type NoteKey, noteKey, signNote } from "../../../ledger/signed-note.ts";
import { encodeTlogProof } from "../../../ledger/tlog-proof.ts";
import type { ReceiptProof } from "../../wire.ts";

export const sha256: Sha256 = (bytes) => new Uint8Array(hash("sha256", bytes, "buffer"));

/** A key that signs for a log. */
export interface FakeSigner {
  readonly key: NoteKey;
  readonly vkey: string;
  readonly secret: KeyObject;
}

export function fakeSigner(origin: string): FakeSigner {
  const pair = generateKeyPairSync("ed25519");
  const { x } = pair.publicKey.export({ format: "jwk" });
  const key = noteKey(origin, new Uint8Array(Buffer.from(x ?? "", "base64url")), sha256);
  return { key, secret: pair.privateKey, vkey: encodeVkey(key) };
}

export class FakeLog {
  readonly ws: string;
  readonly origin: string;
  readonly lines: string[] = [];

  constructor(ws: string, lines = 0, salt = "") {
    this.ws = ws;
    this.origin = `ledger.example.com/ws/${ws}`;
    this.grow(lines, salt);
  }

  /** Adds entries that carry their place, and a salt that makes another log of them. */
  grow(lines: number, salt = ""): void {
    for (let i = 0; i < lines; i += 1) {
      const seq = String(this.lines.length + 1);
      this.lines.push(JSON.stringify({ kind: "settle", salt, seq, ws: this.ws }));
    }
  }

  /** The same entries again, of which the first `kept` stay and the others differ. */
  forkedAt(kept: number): FakeLog {
    const fork = new FakeLog(this.ws);
    fork.lines.push(...this.lines.slice(0, kept));
    fork.grow(this.lines.length - kept, "forked");
    return fork;
  }

  #read = (level: number, index: bigint): Uint8Array => {
    if (level === 0) return leafHash(Buffer.from(this.lines[Number(index)] ?? ""), sha256);
    const left = this.#read(level - 1, index * 2n);
    return nodeHash(left, this.#read(level - 1, index * 2n + 1n), sha256);
  };

  /** The checkpoint over the first `size` entries, signed by each of the keys. */
  checkpoint(signers: readonly FakeSigner[], size = this.lines.length): string {
    const frontier = new TreeFrontier(sha256);
    for (const line of this.lines.slice(0, size)) frontier.append(Buffer.from(line));
    const { origin } = this;
    const text = encodeCheckpoint({ origin, root: frontier.root(), size: BigInt(size) });
    const signatures = signers.map(({ key, secret }) => {
      return { key, signature: new Uint8Array(sign(null, Buffer.from(text), secret)) };
    });
    return signNote(text, signatures);
  }

  consistency(from: number, to: number): string[] {
    return consistencyProof(BigInt(from), BigInt(to), this.#read, sha256).map(encodeBase64);
  }

  /** The receipt of an entry as the console's API hands it out. */
  receipt(seq: number, signers: readonly FakeSigner[], size = this.lines.length): ReceiptProof {
    const line = this.lines[seq - 1] ?? "";
    const index = BigInt(seq - 1);
    const checkpoint = this.checkpoint(signers, size);
    const path = inclusionProof(index, BigInt(size), this.#read, sha256);
    const extra = new Uint8Array(Buffer.from(line));
    return {
      authorization: "auth_019aa5e1-7c00-7000-8000-000000000001",
      checkpoint,
      line,
      proof: encodeTlogProof({ checkpoint, extra, index, path }),
      receipt: "rcpt_019aa5e1-7c00-7000-8000-000000000001",
      seq: String(seq),
      simulated: false,
      vkeys: signers.map(({ vkey }) => vkey),
      ws: this.ws,
    };
  }

  /** The hash of an entry as the chain has it. */
  hashOf(seq: number): string {
    return hash("sha256", this.lines[seq - 1] ?? "");
  }
}
