import { userInfo } from "node:os";
import type { Command } from "commander";
import { newKey } from "../api-keys.ts";
import { applyFiles, FilesRefused } from "../apply-files.ts";
import { cliConfig } from "../config.ts";
import { EngineSession, workspaceOr } from "../engine-session.ts";
import { Failure, note, print, printJson, table } from "../output.ts";
import { pushConfig } from "../push-config.ts";

/** Who stands in the entries: the user of this machine. */
function author(): string {
  return `cli:${userInfo().username}`;
}

export function addConfigureCommands(tarmac: Command): void {
  tarmac
    .command("apply")
    .description("put workspace files in force, all of them or none")
    .requiredOption("-f, --file <path...>", "files or directories")
    .option("-w, --workspace <name>", "a workspace that there is, for agents' files alone")
    .option("--json", "one JSON object")
    .action(apply);
  const keys = tarmac.command("keys").description("make, list and revoke keys of agents");
  keys
    .command("create")
    .description("make a key; it is shown this once and stored as its hash only")
    .option("-w, --workspace <name>", "the workspace it is for")
    .option("-a, --agent <name>", "the agent it speaks for; without one the client names it")
    .option("-t, --title <text>", "what it is for")
    .option("--json", "one JSON object")
    .action(createKey);
  keys
    .command("list")
    .description("list keys, without their secrets")
    .option("-w, --workspace <name>", "the workspace")
    .option("--json", "one JSON object")
    .action(listKeys);
  keys
    .command("revoke")
    .description("refuse a key from the next authorization on")
    .argument("<key>", "its id: key_…")
    .option("-w, --workspace <name>", "the workspace")
    .action(revokeKey);
}

interface ApplyOptions {
  readonly file: readonly string[];
  readonly workspace?: string;
  readonly json?: boolean;
}

async function apply(options: ApplyOptions): Promise<void> {
  const session = await EngineSession.open(cliConfig());
  try {
    const applied = await applyFiles(session, {
      by: author(),
      paths: options.file,
      ...(options.workspace === undefined ? {} : { workspace: options.workspace }),
    });
    for (const notice of applied.notices) note(notice);
    if (options.json === true) return printJson({ ok: true, ...applied });
    print(
      `Workspace ${applied.ws}: ${applied.changes} items in force, ${applied.agents.length} agents (config ${applied.configSeq}).`,
    );
  } catch (error) {
    if (!(error instanceof FilesRefused) || options.json !== true) throw error;
    printJson({ ok: false, problems: error.problems });
    process.exitCode = 1;
  } finally {
    await session.close();
  }
}

interface KeyOptions {
  readonly workspace?: string;
  readonly agent?: string;
  readonly title?: string;
  readonly json?: boolean;
}

async function createKey(options: KeyOptions): Promise<void> {
  const config = cliConfig();
  const ws = await workspaceOr(config, options.workspace);
  const session = await EngineSession.open(config);
  try {
    const key = newKey({
      ...(options.agent === undefined ? {} : { agent: options.agent }),
      ...(options.title === undefined ? {} : { title: options.title }),
    });
    const answer = await pushConfig(session, { by: author(), changes: [key.change], ws });
    if (answer.kind === "refused") throw refused(answer);
    if (options.json === true) {
      return printJson({ agent: options.agent, key: key.secret, key_id: key.id, workspace: ws });
    }
    note(`Key ${key.id} of workspace ${ws}. It is not shown again:`);
    print(key.secret);
  } finally {
    await session.close();
  }
}

async function listKeys(options: KeyOptions): Promise<void> {
  const config = cliConfig();
  const ws = await workspaceOr(config, options.workspace);
  const session = await EngineSession.open(config);
  try {
    const keys = (await session.config()).keys(ws);
    if (options.json === true) {
      return printJson({ keys: keys.map(({ agent, key, revoked }) => ({ agent, key, revoked })) });
    }
    if (keys.length === 0) return note(`Workspace ${ws} has no keys. Make one: tarmac keys create`);
    const rows = keys.map(({ agent, key, revoked }) => [
      key,
      agent ?? "any agent",
      revoked ? "revoked" : "in force",
    ]);
    print(table([["KEY", "AGENT", "STATE"], ...rows]));
  } finally {
    await session.close();
  }
}

async function revokeKey(id: string, options: KeyOptions): Promise<void> {
  const config = cliConfig();
  const ws = await workspaceOr(config, options.workspace);
  const session = await EngineSession.open(config);
  try {
    const known = (await session.config()).keys(ws).find(({ key }) => key === id);
    if (known === undefined) throw new Failure(`Workspace ${ws} has no key ${id}.`);
    const { agent, created_at, hash, title } = known;
    const value = {
      created_at,
      hash,
      revoked: true,
      ...(agent === undefined ? {} : { agent }),
      ...(title === undefined ? {} : { title }),
    };
    const change = { id, item: "key" as const, value };
    const answer = await pushConfig(session, { by: author(), changes: [change], ws });
    if (answer.kind === "refused") throw refused(answer);
    print(`Key ${id} is revoked from now on.`);
  } finally {
    await session.close();
  }
}

function refused(answer: {
  readonly message: string;
  readonly problems?: readonly string[];
}): Failure {
  return new Failure([answer.message, ...(answer.problems ?? [])].join("\n"));
}
