import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { finished } from "node:stream/promises";
import type { Command } from "commander";
import { cliConfig } from "../config.ts";
import { workspaceOr } from "../engine-session.ts";
import { Failure, note, print, printJson } from "../output.ts";
import { caughtUpHead, withReadModel } from "../read-ledger.ts";
import { type KnownHead, LedgerVerifier, verifyLedgerFile } from "../verify-ledger.ts";

/** Name of the ledger's own bytes in an export, one entry a line. */
const LEDGER_FILE = "ledger.jsonl";
/** Name of the note on where the exported ledger ended: size, last hash and root. */
const HEAD_FILE = "head.json";

export function addLedgerCommands(tarmac: Command): void {
  tarmac
    .command("export")
    .description("write a workspace's ledger: the very bytes of its entries")
    .option("-w, --workspace <name>", "the workspace")
    .requiredOption("-o, --out <dir>", "where to write ledger.jsonl and head.json")
    .option("--json", "one JSON object")
    .action(exportLedger);
  tarmac
    .command("verify")
    .description("check an export: chain, balances and caps at every entry")
    .argument("<dir>", "a directory that tarmac export wrote, or a ledger.jsonl")
    .option("--json", "one JSON object")
    .action(verify);
}

interface ExportOptions {
  readonly workspace?: string;
  readonly out: string;
  readonly json?: boolean;
}

async function exportLedger(options: ExportOptions): Promise<void> {
  const config = cliConfig();
  const ws = await workspaceOr(config, options.workspace);
  await mkdir(options.out, { recursive: true });
  const path = join(options.out, LEDGER_FILE);
  const draft = `${path}.part`;
  const verifier = new LedgerVerifier();
  await withReadModel(config, async (model) => {
    const head = await caughtUpHead(config, model, ws);
    const out = createWriteStream(draft, { mode: 0o600 });
    let reported = performance.now();
    for await (const { line, seq } of model.entries(ws, { to: head.seq })) {
      // What is exported is checked on its way out: a fault is ours, and is not handed on.
      const fault = verifier.next(line);
      if (fault !== undefined) {
        throw new Failure(
          `Entry ${fault.seq} of ${ws} is wrong in the read model: ${fault.problem}`,
        );
      }
      if (!out.write(`${line}\n`)) await once(out, "drain");
      if (performance.now() - reported > 1_000) {
        reported = performance.now();
        note(`  ${seq} of ${head.seq} entries`);
      }
    }
    out.end();
    await finished(out);
    if (verifier.entries !== head.seq || verifier.result().head !== head.hash) {
      throw new Failure(
        `The read model ends at entry ${verifier.entries}, the engine at ${head.seq}: not exported.`,
      );
    }
  });
  const { entries, head, root } = verifier.result();
  await writeFile(
    join(options.out, HEAD_FILE),
    `${JSON.stringify({ entries: `${entries}`, head, root, ws })}\n`,
    { mode: 0o600 },
  );
  await rename(draft, path);
  if (options.json === true) return printJson({ entries, head, out: options.out, root, ws });
  print(`Wrote ${entries} entries of workspace ${ws} to ${path}.`);
  print(`Check them: npx tarmac verify ${options.out}`);
}

async function verify(target: string, options: { readonly json?: boolean }): Promise<void> {
  const isDirectory = await stat(target).then(
    (found) => found.isDirectory(),
    () => {
      throw new Failure(`${target} is not there.`, 2);
    },
  );
  const path = isDirectory ? join(target, LEDGER_FILE) : target;
  const known = isDirectory ? await knownHead(join(target, HEAD_FILE)) : undefined;
  const result = await verifyLedgerFile(path, known, (entries) => note(`  ${entries} entries`));
  if (!result.ok) {
    if (options.json === true) {
      printJson({ ok: false, problem: result.fault.problem, seq: result.fault.seq });
    } else {
      print(`BAD entry ${result.fault.seq}: ${result.fault.problem}`);
    }
    process.exitCode = 1;
    return;
  }
  const unchecked =
    known === undefined
      ? "not checked: that nothing was cut off at the end, since there is no head.json"
      : "head.json is unsigned: it tells mishaps, not a forger who rewrites both files";
  if (options.json === true) return printJson({ ...result, unchecked });
  print(`OK ${result.entries} entries, root ${result.root}`);
  note(unchecked);
}

/** Where the export says that it ended; `undefined` when it does not say. */
async function knownHead(path: string): Promise<KnownHead | undefined> {
  const text = await readFile(path, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    const { entries, head } = JSON.parse(text) as {
      readonly entries: string;
      readonly head: string;
    };
    return { entries: BigInt(entries), head };
  } catch (cause) {
    throw new Failure(`${path} cannot be read: ${String(cause)}`);
  }
}
