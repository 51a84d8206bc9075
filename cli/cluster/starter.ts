import { cp, readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { type NewKey, newKey } from "../api-keys.ts";
import { type AppliedFiles, applyFiles } from "../apply-files.ts";
import type { EngineSession } from "../engine-session.ts";
import { Failure } from "../output.ts";
import { configSeqOf, pushConfig } from "../push-config.ts";
import type { Home } from "./home.ts";

/** The workspace that `tarmac up` makes, and the one that the demo works in. */
export const STARTER_WORKSPACE = "default";
export const DEMO_WORKSPACE = "demo";
/** The agents of the first workspace; each gets a key of its own. */
export const CLAUDE_AGENT = "claude-agent";
export const GPT_AGENT = "gpt-agent";

const STARTER_FILES = fileURLToPath(new URL("../starter", import.meta.url));
const DEMO_FILES = fileURLToPath(new URL("../../bench/demo/workspace", import.meta.url));

const keysSchema = z.record(z.string(), z.string().startsWith("tarmac_pk_"));
/** Secrets of keys by agent. */
export type StarterKeys = Readonly<Record<string, string>>;

/** Makes the first workspace, and the demo's, where they are not there yet; answers with the keys. */
export async function ensureWorkspaces(
  session: EngineSession,
  home: Home,
  demo: boolean,
): Promise<StarterKeys> {
  if (!(await exists(home.workspace))) await cp(STARTER_FILES, home.workspace, { recursive: true });
  const keys = await ensureWorkspace(session, home, STARTER_WORKSPACE, home.workspace);
  if (demo) await ensureWorkspace(session, home, DEMO_WORKSPACE, DEMO_FILES);
  return keys;
}

/** The file that holds the demo's keys. */
export async function demoKeys(home: Home): Promise<string> {
  const path = keysFile(home, DEMO_WORKSPACE);
  if (!(await exists(path))) throw new Failure(`${path} is missing; the demo has no keys.`);
  return path;
}

/** The keys of a workspace that `up` made; `undefined` when the file is not there. */
export async function savedKeys(home: Home, ws: string): Promise<StarterKeys | undefined> {
  const path = keysFile(home, ws);
  if (!(await exists(path))) return undefined;
  const parsed = keysSchema.safeParse(JSON.parse(await readFile(path, "utf8")));
  if (!parsed.success)
    throw new Failure(`${path} does not hold keys by agent. Remove it for new ones.`);
  return parsed.data;
}

function keysFile(home: Home, ws: string): string {
  return join(home.keys, `agents-of-${ws}.json`);
}

/**
 * Applies the files when the workspace is new, and gives each agent a key when none are saved here.
 * The keys are saved before the engine hears of them: a key that nobody has is worse than one too many.
 */
async function ensureWorkspace(
  session: EngineSession,
  home: Home,
  ws: string,
  files: string,
): Promise<StarterKeys> {
  const isNew = (await configSeqOf(session, ws)) === 0n;
  let agents: readonly string[] | undefined;
  if (isNew) {
    const applied: AppliedFiles = await applyFiles(session, { by: "tarmac up", paths: [files] });
    agents = applied.agents;
  }
  const saved = await savedKeys(home, ws);
  if (saved !== undefined && !isNew) return saved;
  agents ??= [...(await session.config()).agents(ws).keys()];
  const made = new Map<string, NewKey>();
  for (const agent of agents) made.set(agent, newKey({ agent, title: `made by tarmac up` }));
  const secrets = Object.fromEntries([...made].map(([agent, key]) => [agent, key.secret]));
  await writeSecrets(keysFile(home, ws), secrets);
  const changes = [...made.values()].map((key) => key.change);
  const answer = await pushConfig(session, { by: "tarmac up", changes, ws });
  if (answer.kind === "refused") throw new Failure(`No keys for ${ws}: ${answer.message}`);
  return secrets;
}

async function writeSecrets(path: string, secrets: StarterKeys): Promise<void> {
  const draft = `${path}.${process.pid}`;
  await writeFile(draft, `${JSON.stringify(secrets, null, 2)}\n`, { mode: 0o600 });
  await rename(draft, path);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
