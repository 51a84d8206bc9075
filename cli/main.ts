/** The `tarmac` command: parses the line, runs one command, and says what went wrong in plain words. */
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { BusUnreachable } from "../bus/connect.ts";
import { addClusterCommands } from "./commands/cluster.ts";
import { addComposeCommands } from "./commands/compose.ts";
import { addConfigureCommands } from "./commands/configure.ts";
import { addInspectCommands } from "./commands/inspect.ts";
import { addLedgerCommands } from "./commands/ledger.ts";
import { addLogKeyCommands } from "./commands/log-key.ts";
import { addProcessCommands } from "./commands/processes.ts";
import { ConfigInvalid } from "./config.ts";
import { Failure, note } from "./output.ts";

const { version } = JSON.parse(
  readFileSync(new URL("../package.json", import.meta.url), "utf8"),
) as { readonly version: string };

function program(): Command {
  const tarmac = new Command("tarmac")
    .description(
      "Spend authorization for AI agents: a hold before every model call, settled at its real cost.",
    )
    .version(version)
    .showHelpAfterError("(add --help to see what it takes)")
    .exitOverride();
  addClusterCommands(tarmac);
  addComposeCommands(tarmac);
  addConfigureCommands(tarmac);
  addInspectCommands(tarmac);
  addLedgerCommands(tarmac);
  addLogKeyCommands(tarmac);
  addProcessCommands(tarmac);
  tarmac.action(() => {
    tarmac.outputHelp();
    note(
      "\nFirst time? `npm start` brings up everything on this machine and prints what to paste.",
    );
  });
  return tarmac;
}

/** Prints a failure for the person who reads it; the stack only where it is our own mistake. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof Failure) {
    note(error.message);
    return error.exitCode;
  }
  if (error instanceof ConfigInvalid) {
    note(`The environment holds ${error.problems.length} mistake(s):`);
    for (const problem of error.problems) note(`  ${problem}`);
    return 2;
  }
  if (error instanceof BusUnreachable) {
    note(`${error.message}\nIs Tarmac running? See: npx tarmac status`);
    return 1;
  }
  note(error instanceof Error ? (error.stack ?? error.message) : String(error));
  return 1;
}

try {
  await program().parseAsync(process.argv);
} catch (error) {
  process.exitCode = report(error);
}
