import type { Command } from "commander";
import { exportLedger } from "../export-ledger.ts";
import { verify } from "../verify/verify-command.ts";

const gather = (value: string, before: readonly string[] | undefined) => [...(before ?? []), value];

export function addLedgerCommands(tarmac: Command): void {
  tarmac
    .command("export")
    .description("write a workspace's ledger, with what was signed over it")
    .option("-w, --workspace <name>", "the workspace")
    .option("-p, --period <period>", "only the entries of a month (2026-11) or a year (2026)")
    .requiredOption("-o, --out <dir>", "where to write ledger.jsonl, checkpoint and vkey")
    .option("--json", "one JSON object")
    .action(exportLedger);
  tarmac
    .command("verify")
    .description(
      "check an export: bytes, chain, balances, every decision again, tree and signature",
    )
    .argument("<target>", "a directory that tarmac export wrote, a ledger.jsonl, or a .tlog-proof")
    .option("--vkey <key>", "a verifier key that you trust; give it again for more", gather)
    .option("--since <checkpoint>", "a checkpoint from earlier; give it again for more", gather)
    .option("--json", "one JSON object")
    .action(verify);
}
