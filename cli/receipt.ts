import { receiptId } from "../ledger/ids.ts";
import { formatUsd } from "../ledger/money.ts";
import { cliConfig } from "./config.ts";
import { workspaceOr } from "./engine-session.ts";
import { print, printJson } from "./output.ts";
import { lifeOf } from "./read-ledger.ts";
import { describeEntry } from "./tail.ts";

interface ReceiptOptions {
  readonly workspace?: string;
  readonly json?: boolean;
}

/** Prints one authorization from decision to close: every entry of it, in order. */
export async function receipt(id: string, options: ReceiptOptions): Promise<void> {
  const config = cliConfig();
  const ws = await workspaceOr(config, options.workspace);
  const { entries, lines, opening, hashes } = await lifeOf(config, ws, id);
  if (options.json === true) {
    printJson({
      authorization: opening.authorization,
      entries: lines.map((line): unknown => JSON.parse(line)),
      hashes,
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
  print(`\nWhy it was decided so: npx tarmac explain ${opening.authorization}`);
}

function releasedOf(entry: { readonly kind: string }): string {
  return "amount" in entry ? formatUsd(entry.amount as Parameters<typeof formatUsd>[0]) : "";
}
