/** Ledgers out of the actor's own turns, signed by a key of the test's, and written as exports are. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { agent, bound, usd, World } from "../../../actors/testing/world.ts";
import { encodeCheckpoint, logOrigin } from "../../../ledger/checkpoint.ts";
import { leafHash, TreeFrontier } from "../../../ledger/merkle.ts";
import { inclusionProof } from "../../../ledger/merkle-proofs.ts";
import { encodeVkey, noteKey, signNote } from "../../../ledger/signed-note.ts";
import { encodeTlogProof } from "../../../ledger/tlog-proof.ts";
import { ed25519Signer, sha256 } from "../../../readmodel/node-crypto.ts";
import { CHECKPOINT_FILE, LEDGER_FILE, VKEY_FILE } from "../verify-export.ts";

/** A key pair of the test's own, by a number. */
export class TestSigner {
  readonly #signer: ReturnType<typeof ed25519Signer>;
  readonly #key: ReturnType<typeof noteKey>;
  readonly origin: string;

  constructor(seed = 1, ws = "acme") {
    this.#signer = ed25519Signer(new Uint8Array(32).fill(seed));
    this.origin = logOrigin("log.example", ws);
    this.#key = noteKey(this.origin, this.#signer.publicKey, sha256);
  }

  get vkey(): string {
    return encodeVkey(this.#key);
  }

  /** The checkpoint over the first lines. */
  checkpoint(lines: readonly string[]): string {
    const root = treeOf(lines).root();
    const text = encodeCheckpoint({ origin: this.origin, root, size: BigInt(lines.length) });
    const signature = this.#signer.sign(Buffer.from(text));
    return signNote(text, [{ key: this.#key, signature }]);
  }

  /** The proof of the entry at a place, under the checkpoint over all lines. */
  receipt(lines: readonly string[], index: number): string {
    const read = (level: number, at: bigint) => {
      const from = Number(at) * 2 ** level;
      return treeOf(lines.slice(from, from + 2 ** level)).root();
    };
    const path = inclusionProof(BigInt(index), BigInt(lines.length), read, sha256);
    const extra = Buffer.from(lines[index] ?? "");
    return encodeTlogProof({
      checkpoint: this.checkpoint(lines),
      extra,
      index: BigInt(index),
      path,
    });
  }
}

function treeOf(lines: readonly string[]): TreeFrontier {
  const tree = new TreeFrontier(sha256);
  for (const line of lines) tree.pushSubtree(0, leafHash(Buffer.from(line), sha256));
  return tree;
}

/** Lines of a workspace that has admitted, refused, settled and expired. */
export function ledgerLines(calls = 12, salt = 0): readonly string[] {
  const world = new World({ agents: { bot: agent({ caps: { month: usd("0.2") } }) } });
  for (let i = 0; i < calls; i += 1) {
    const usage_bound = bound(BigInt(1_000 + salt), 1_000n);
    const { authorization, outcome } = world.authorize({ run: `run-${i % 3}`, usage_bound });
    if (outcome !== "hold" && i % 4 !== 3) {
      world.settle(authorization, { usage: { input: 800n, output: 90n } });
    }
    world.pass(1_000);
  }
  world.pass(60_000);
  return world.entries.map(({ line }) => line);
}

/** Files of an export, by name. */
export type ExportFiles = Readonly<Record<string, string | Uint8Array>>;

/** What `tarmac export` would write of these lines. */
export function exportOf(lines: readonly string[], signer = new TestSigner()): ExportFiles {
  return {
    [CHECKPOINT_FILE]: signer.checkpoint(lines),
    [LEDGER_FILE]: textOf(lines),
    [VKEY_FILE]: `${signer.vkey}\n`,
  };
}

/** Lines as they stand in a file. */
export function textOf(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join("");
}

export async function writeExport(folder: string, files: ExportFiles): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
}

/** One kind of damage: what is done to an export, and what must be said of it. */
export interface Damage {
  readonly name: string;
  readonly files: ExportFiles;
  /** Checkpoints from earlier, by which it is checked. */
  readonly since?: readonly string[];
  /** `changed 7`, or the code of a checkpoint's fault. */
  readonly said: string;
}

/** What can be done to lines alone, at a place that has others behind it. */
export interface LineDamage {
  readonly name: string;
  readonly lines: readonly string[];
  /** The code, and the `seq` that is named. */
  readonly said: string;
}

/** Every kind of damage to lines, at the place `at`. */
export function lineDamages(lines: readonly string[], at: number): readonly LineDamage[] {
  const line = lines[at] as string;
  const next = lines[at + 1] as string;
  const flipped = line.replace(
    /"salt":"(.)/,
    (_, digit: string) => `"salt":"${digit === "f" ? "e" : "f"}`,
  );
  const forged = line.replace(/"recorded_at":"....-/, '"recorded_at":"2025-');
  const cut = lines.slice(0, -4);
  const seq = at + 1;
  const half = line.slice(0, line.length / 2);
  return [
    { lines: lines.with(at, flipped), name: "a flipped byte", said: `changed ${seq}` },
    {
      lines: lines.with(at, line.slice(1)),
      name: "a line that is no entry",
      said: `changed ${seq}`,
    },
    { lines: lines.with(at, half), name: "a truncated entry", said: `changed ${seq}` },
    { lines: lines.toSpliced(at, 1), name: "a removed entry", said: `removed ${seq}` },
    {
      lines: lines.toSpliced(at, 2, next, line),
      name: "two entries swapped",
      said: `swapped ${seq}`,
    },
    { lines: lines.toSpliced(at, 0, forged), name: "an inserted entry", said: `inserted ${seq}` },
    { lines: lines.toSpliced(seq, 0, line), name: "an entry twice", said: `doubled ${seq}` },
    { lines: cut, name: "entries missing at the end", said: `truncated ${cut.length + 1}` },
  ];
}

/** Every kind of damage to an export, signatures and all, on the same ledger. */
export function damages(lines: readonly string[]): readonly Damage[] {
  const signer = new TestSigner();
  const whole = exportOf(lines, signer);
  const at = 9;
  const other = ledgerLines(12, 1);
  const cut = lines.slice(0, -4);
  const ofLines = lineDamages(lines, at).map(
    ({ lines: damaged, name, said }): Damage => ({
      files: { ...whole, [LEDGER_FILE]: textOf(damaged) },
      name,
      said,
    }),
  );
  const resized = signer
    .checkpoint(lines)
    .replace(`\n${lines.length}\n`, `\n${lines.length + 1}\n`);
  const under = (checkpoint: string): ExportFiles => ({ ...whole, [CHECKPOINT_FILE]: checkpoint });
  return [
    ...ofLines,
    {
      files: under(signer.checkpoint(cut)),
      name: "entries behind the checkpoint",
      said: `surplus ${cut.length + 1}`,
    },
    {
      files: exportOf(cut, signer),
      name: "a log cut back to an older checkpoint",
      said: "cut-back",
      since: [signer.checkpoint(lines)],
    },
    {
      files: exportOf(other, signer),
      name: "a forked log",
      said: "forked",
      since: [signer.checkpoint(lines.slice(0, at))],
    },
    {
      files: { ...exportOf(other, signer), [CHECKPOINT_FILE]: signer.checkpoint(lines) },
      name: "a log that was written anew",
      said: "rewritten",
    },
    {
      files: under(new TestSigner(2).checkpoint(lines)),
      name: "a checkpoint by a key that nobody knows",
      said: "unknown-key",
    },
    { files: under(resized), name: "a checkpoint with another size", said: "signature" },
    {
      files: under("log.example/ws/acme\n12\n"),
      name: "a checkpoint that is no note",
      said: "note",
    },
    {
      files: exportOf(lines, new TestSigner(1, "other")),
      name: "a checkpoint of another workspace",
      said: "note",
    },
  ];
}
