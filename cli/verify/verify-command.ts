import { readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Facts } from "../../actors/redecide.ts";
import { Failure, note, print, printJson } from "../output.ts";
import { describeFault, type Fault } from "./faults.ts";
import { textIfThere } from "./read-notes.ts";
import { LEDGER_FILE, VKEY_FILE, verifyExport } from "./verify-export.ts";
import { verifyReceipt } from "./verify-receipt.ts";

export interface VerifyOptions {
  readonly json?: boolean;
  readonly since?: readonly string[];
  readonly vkey?: readonly string[];
}

/** How often a long check says how far it is, in ms. */
const PROGRESS_MS = 2_000;

/** Checks an export, a ledger by itself, or the proof of a receipt, and says what it found. */
export async function verify(target: string, options: VerifyOptions): Promise<void> {
  const found = await stat(target).catch(() => {
    throw new Failure(`${target} is not there.`, 2);
  });
  if (target.endsWith(".tlog-proof") && found.isFile()) return verifyProof(target, options);
  const verdict = await verifyExport({
    folder: found.isDirectory() ? target : undefined,
    ledger: found.isDirectory() ? join(target, LEDGER_FILE) : target,
    onProgress: progress(),
    since: options.since ?? [],
    vkeys: options.vkey ?? [],
  });
  if (!verdict.ok) return sayFault(verdict.fault, options);
  if (options.json === true) return printJson(verdict);
  const { checkpoint, entries, facts, root, signedBy, unchecked } = verdict;
  print(`OK ${entries} entries, root ${root}`);
  if (checkpoint !== undefined && signedBy.length > 0) {
    note(
      `signed: ${checkpoint.size} entries of ${checkpoint.origin}, by ${signedBy.length} key(s)`,
    );
  }
  if (facts !== undefined) note(`taken as they stand: ${describeFacts(facts)}`);
  for (const what of unchecked) note(`not checked: ${what}`);
}

async function verifyProof(path: string, options: VerifyOptions): Promise<void> {
  if (options.since !== undefined) {
    throw new Failure("--since is for an export: a receipt's proof has one checkpoint.", 2);
  }
  const beside = await textIfThere(join(dirname(path), VKEY_FILE));
  const verdict = await verifyReceipt(await readFile(path, "utf8"), options.vkey ?? [], beside);
  if (!verdict.ok) return sayFault(verdict.fault, options);
  const { checkpoint, entry, line, unchecked } = verdict;
  const { origin, size } = checkpoint;
  if (options.json === true) {
    return printJson({
      checkpoint: { origin, size },
      entry: JSON.parse(line) as unknown,
      ok: true,
      unchecked,
    });
  }
  print(`OK entry ${entry.seq} (${entry.kind}) of ${size} in ${origin}`);
  if ("authorization" in entry) note(`authorization ${entry.authorization}`);
  for (const what of unchecked) note(`not checked: ${what}`);
}

function sayFault(fault: Fault, { json }: VerifyOptions): void {
  if (json === true) printJson({ ok: false, ...fault });
  else print(describeFault(fault));
  process.exitCode = 1;
}

/** Says how far a check is, now and then. */
function progress(): (entries: bigint, of: bigint | undefined) => void {
  let said = performance.now();
  return (entries, of) => {
    if (performance.now() - said < PROGRESS_MS) return;
    said = performance.now();
    note(`  ${entries}${of === undefined ? "" : ` of ${of}`} entries`);
  };
}

const FACTS: { readonly [F in keyof Facts]: readonly [one: string, many: string] } = {
  asked: ["key let in", "keys let in"],
  bounds: ["bound of use", "bounds of use"],
  claims: ["claim", "claims"],
  configured: ["change of configuration", "changes of configuration"],
  corrections: ["correction by an operator", "corrections by operators"],
  expiries: ["expiry", "expiries"],
  times: ["moment", "moments"],
  usages: ["usage", "usages"],
  voids: ["void", "voids"],
};

/** What nobody can decide again, by kind. */
function describeFacts(facts: Facts): string {
  return (Object.entries(facts) as [keyof Facts, number][])
    .filter(([, count]) => count > 0)
    .map(([fact, count]) => `${count} ${FACTS[fact][count === 1 ? 0 : 1]}`)
    .join(", ");
}
