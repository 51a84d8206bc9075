import { writeFile } from "node:fs/promises";
import { receiptId } from "../ledger/ids.ts";
import { formatUsd } from "../ledger/money.ts";
import { type CliConfig, cliConfig } from "./config.ts";
import { workspaceOr } from "./engine-session.ts";
import { Failure, print, printJson } from "./output.ts";
import { lifeOf, withReadModel } from "./read-ledger.ts";
import { describeEntry } from "./tail.ts";

interface ReceiptOptions {
  readonly proof?: string;
  readonly workspace?: string;
  readonly json?: boolean;
}

/** Prints one authorization from decision to close: every entry of it, in order. */
export async function receipt(id: string, options: ReceiptOptions): Promise<void> {
  const config = cliConfig();
  const ws = await workspaceOr(config, options.workspace);
  const { closedSeq, entries, lines, opening, hashes } = await lifeOf(config, ws, id);
  const proved = options.proof === undefined ? undefined : (closedSeq ?? entries.at(-1)?.seq);
  if (options.proof !== undefined && proved !== undefined) {
    await writeProof(config, ws, proved, options.proof);
  }
  if (options.json === true) {
    printJson({
      authorization: opening.authorization,
      entries: lines.map((line): unknown => JSON.parse(line)),
      hashes,
      ...(options.proof === undefined ? {} : { proof: options.proof, proved_seq: proved }),
      receipt: receiptId(opening.authorization),
      workspace: ws,
    });
    return;
  }
  print(`Receipt ${receiptId(opening.authorization)} of workspace ${ws}`);
  print(`  price card ${opening.price_card}`);
  for (const [i, entry] of entries.entries()) {
    const said = describeEntry(entry) ?? `release     ${" ".repeat(18)} $${releasedOf(entry)}`;
    print(
      `\n  entry ${entry.seq} · ${new Date(entry.at).toISOString()} · ${hashes[i]?.slice(0, 16)}…`,
    );
    print(`    ${said}`);
  }
  if (options.proof !== undefined) {
    const which =
      closedSeq === undefined ? "the last so far: it is not closed yet" : "which closed it";
    print(`\nWrote the proof of entry ${proved} (${which}) to ${options.proof}.`);
    print(`Check it: npx tarmac verify ${options.proof}`);
  }
  print(`\nWhy it was decided so: npx tarmac explain ${opening.authorization}`);
}

function releasedOf(entry: { readonly kind: string }): string {
  return "amount" in entry ? formatUsd(entry.amount as Parameters<typeof formatUsd>[0]) : "";
}

/** How long a checkpoint that covers an entry may take, in ms: one is signed every 2 s at most. */
const CHECKPOINT_MS = 15_000;

/** Writes the proof that an entry stands in the log. @throws Failure while no checkpoint covers it */
async function writeProof(config: CliConfig, ws: string, seq: bigint, path: string): Promise<void> {
  if (!path.endsWith(".tlog-proof")) {
    throw new Failure(`--proof ${path}: name a file that ends in .tlog-proof.`, 2);
  }
  await withReadModel(config, async ({ log }) => {
    await log.checkpointAtLeast(ws, seq, CHECKPOINT_MS);
    const proof = await log.receiptProof(ws, seq);
    if (proof === undefined) {
      throw new Failure(
        `No checkpoint covers entry ${seq} yet, so nothing proves it. Is the log's key there? See: npx tarmac log-key list`,
      );
    }
    await writeFile(path, proof, { mode: 0o600 });
  });
}
