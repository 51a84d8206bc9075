import { once } from "node:events";
import { createWriteStream, type WriteStream } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { finished } from "node:stream/promises";
import { GENESIS_HASH } from "../ledger/chain.ts";
import type { ReadModel } from "../readmodel/read-model.ts";
import type { SignedCheckpoint } from "../readmodel/transparency.ts";
import { cliConfig } from "./config.ts";
import { workspaceOr } from "./engine-session.ts";
import { Failure, note, print, printJson } from "./output.ts";
import { PeriodExport, periodAsked } from "./period-export.ts";
import { caughtUpHead, withReadModel } from "./read-ledger.ts";
import {
  CHECKPOINT_FILE,
  LEDGER_FILE,
  OPENING_FILE,
  RANGE_FILE,
  VKEY_FILE,
} from "./verify/verify-export.ts";
import { LedgerVerifier } from "./verify-ledger.ts";

export interface ExportOptions {
  readonly workspace?: string;
  readonly period?: string;
  readonly out: string;
  readonly json?: boolean;
}

/** A checkpoint is signed every 2 s at most, so one that covers the head comes within this, in ms. */
const CHECKPOINT_MS = 15_000;
const PROGRESS_MS = 2_000;

/** Writes a workspace's ledger, or a period of it, with the checkpoint that was signed over it. */
export async function exportLedger(options: ExportOptions): Promise<void> {
  const config = cliConfig();
  const ws = await workspaceOr(config, options.workspace);
  await mkdir(options.out, { recursive: true });
  const path = join(options.out, LEDGER_FILE);
  const draft = `${path}.part`;
  const { checkpoint, entries, period } = await withReadModel(config, async (model) => {
    const head = await caughtUpHead(config, model, ws);
    const signed = await model.log.checkpointAtLeast(ws, head.seq, CHECKPOINT_MS);
    if (signed === undefined) {
      throw new Failure(
        `No checkpoint of ${ws} covers entry ${head.seq} yet, so nothing would vouch for the export. Is the log's key there? See: npx tarmac log-key list`,
      );
    }
    const asked = options.period && periodAsked(options.period, await zoneOf(model, ws));
    const part = asked ? new PeriodExport(ws, asked, signed.size, GENESIS_HASH) : undefined;
    const out = createWriteStream(draft, { mode: 0o600 });
    const copied = await copyLines(model, ws, signed, part, out);
    return { checkpoint: signed, entries: copied, period: part };
  });
  await writeBeside(options.out, checkpoint, period);
  await rename(draft, path);
  const root = Buffer.from(checkpoint.root).toString("base64");
  if (options.json === true) {
    printJson({ entries, out: options.out, period: period?.key, root, size: checkpoint.size, ws });
    return;
  }
  const what = period === undefined ? `workspace ${ws}` : `${period.key} of workspace ${ws}`;
  print(`Wrote ${entries} entries of ${what} to ${path}.`);
  print(`Check them: npx tarmac verify ${options.out}`);
  note(`Whoever trusts nobody asks somebody else for the key in ${VKEY_FILE}, and pins it: --vkey`);
}

/** The zone of a workspace, which is fixed by the entry that makes it. */
async function zoneOf(model: ReadModel, ws: string): Promise<string> {
  const verifier = new LedgerVerifier();
  for await (const { line } of model.entries(ws)) {
    verifier.next(line);
    const zone = verifier.state?.config.settings?.time_zone;
    if (zone !== undefined) return zone;
  }
  throw new Failure(`Workspace ${ws} is not made yet: it has no periods.`);
}

/** Copies every line that belongs in, each checked on its way: a fault is ours, and not handed on. */
async function copyLines(
  model: ReadModel,
  ws: string,
  { root, size }: SignedCheckpoint,
  period: PeriodExport | undefined,
  out: WriteStream,
): Promise<bigint> {
  const verifier = new LedgerVerifier();
  let written = 0n;
  let said = performance.now();
  for await (const { line, seq } of model.entries(ws, { to: size })) {
    const isIn = period?.follow(line, verifier.state, verifier.head) ?? true;
    const fault = verifier.next(line);
    if (fault !== undefined) {
      throw new Failure(`Entry ${fault.seq} of ${ws} is wrong in the read model: ${fault.problem}`);
    }
    if (isIn) {
      written += 1n;
      if (!out.write(`${line}\n`)) await once(out, "drain");
    }
    if (performance.now() - said > PROGRESS_MS) {
      said = performance.now();
      note(`  ${seq} of ${size} entries`);
    }
  }
  out.end();
  await finished(out);
  period?.finish(verifier.head);
  const { entries, root: found } = verifier.result();
  if (entries !== size || found !== Buffer.from(root).toString("base64")) {
    throw new Failure(
      `The read model of ${ws} has ${entries} entries with root ${found}, the log signed ${size} with another: not exported.`,
    );
  }
  return written;
}

async function writeBeside(
  folder: string,
  { note: text, vkeys }: SignedCheckpoint,
  period: PeriodExport | undefined,
): Promise<void> {
  const write = (file: string, content: string) =>
    writeFile(join(folder, file), content, { mode: 0o600 });
  await write(CHECKPOINT_FILE, text);
  await write(VKEY_FILE, vkeys.map((vkey) => `${vkey}\n`).join(""));
  // What an earlier export left here would be taken for part of this one.
  if (period === undefined) {
    await rm(join(folder, OPENING_FILE), { force: true });
    await rm(join(folder, RANGE_FILE), { force: true });
    return;
  }
  await write(OPENING_FILE, period.opening());
  await write(RANGE_FILE, period.rangeProof());
}
