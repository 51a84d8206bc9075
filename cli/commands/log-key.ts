import { userInfo } from "node:os";
import type { Command } from "commander";
import { homeAt } from "../cluster/home.ts";
import { type CliConfig, cliConfig } from "../config.ts";
import { EngineSession, workspaceOr } from "../engine-session.ts";
import { type Announced, listLogKeys, retireLogKey, rotateLogKey } from "../log-key.ts";
import { Failure, note, print, printJson, table } from "../output.ts";
import { withReadModel } from "../read-ledger.ts";

export function addLogKeyCommands(tarmac: Command): void {
  const logKey = tarmac
    .command("log-key")
    .description("list and rotate the key that signs the ledgers' checkpoints");
  logKey
    .command("list")
    .description("keys that sign, what ledgers say of them, and how a verifier names them")
    .option("-w, --workspace <name>", "the workspace whose verifier keys are printed")
    .option("-f, --file <path>", "where the keys are kept, if not in .tarmac/keys")
    .option("--json", "one JSON object")
    .action(list);
  logKey
    .command("rotate")
    .description("make a new key that signs beside the old one, and name it in every ledger")
    .option("-f, --file <path>", "where the keys are kept, if not in .tarmac/keys")
    .option("--json", "one JSON object")
    .action(rotate);
  logKey
    .command("retire")
    .description("end the old key: say so in every ledger, then sign with it no more")
    .argument("[id]", "the key; the oldest without one")
    .option("-f, --file <path>", "where the keys are kept, if not in .tarmac/keys")
    .option("--json", "one JSON object")
    .action(retire);
}

interface LogKeyOptions {
  readonly workspace?: string;
  readonly file?: string;
  readonly json?: boolean;
}

/** The file that is meant: as given, as the nodes have it, or that of the cluster on this machine. */
function keyFile(config: CliConfig, given: string | undefined): string {
  if (given !== undefined) return given;
  const references = config.environment["TARMAC_LOG_KEY"] ?? "";
  if (references === "") return homeAt(config.home).logKey;
  const [, path] = /(?:^|,)\s*file:([^,]+)/.exec(references) ?? [];
  if (path !== undefined) return path.trim();
  throw new Failure(
    "TARMAC_LOG_KEY names no file, so a key cannot be put there. Name one: --file PATH, and give it to the nodes as file:PATH",
    2,
  );
}

const author = () => `cli:${userInfo().username}`;

async function list(options: LogKeyOptions): Promise<void> {
  const config = cliConfig();
  const file = keyFile(config, options.file);
  const ws = await workspaceOr(config, options.workspace);
  const { keys, vkeys } = await withReadModel(config, async (model) => ({
    keys: await listLogKeys(file, model),
    vkeys: await model.log.vkeys(ws),
  }));
  if (options.json === true) return printJson({ file, keys, vkeys, workspace: ws });
  if (keys.length === 0) return note(`No key signs. Make one: npx tarmac log-key rotate`);
  print(
    table([
      ["key", "signs", "active in", "retired in", "public key"],
      ...keys.map((key) => [
        key.id,
        key.in_file ? "yes" : "no",
        `${key.active_in.length} ledgers`,
        `${key.retired_in.length} ledgers`,
        key.public_key,
      ]),
    ]),
  );
  note(`\nKeep these where auditors look, apart from the ledger. Of workspace ${ws}:`);
  for (const vkey of vkeys) print(vkey);
  if (vkeys.length === 0) note("nothing is signed yet");
}

async function rotate(options: LogKeyOptions): Promise<void> {
  await step(options, rotateLogKey, ({ key, told }) => [
    `Key ${key} signs from now on, beside the one before; ${told.length} ledgers name it.`,
    "Give its verifier key to whoever checks: npx tarmac log-key list",
    "Then end the one before: npx tarmac log-key retire",
  ]);
}

async function retire(id: string | undefined, options: LogKeyOptions): Promise<void> {
  await step(
    options,
    (context) => retireLogKey(context, id),
    ({ key, told }) => [
      `Key ${key} is retired in ${told.length} ledgers and out of the file: it signs no more.`,
    ],
  );
}

async function step(
  options: LogKeyOptions,
  run: (context: Parameters<typeof rotateLogKey>[0]) => Promise<Announced>,
  words: (announced: Announced) => readonly string[],
): Promise<void> {
  const config = cliConfig();
  const file = keyFile(config, options.file);
  const session = await EngineSession.open(config);
  try {
    const announced = await withReadModel(config, (model) =>
      run({ by: author(), file, model, session }),
    );
    if (options.json === true) return printJson({ file, ...announced });
    for (const line of words(announced)) note(line);
    print(announced.key);
  } finally {
    await session.close();
  }
}
