import { chmod, readFile, rename, rm, writeFile } from "node:fs/promises";
import { newLogKeyLine } from "../readmodel/log-keys.ts";
import { newSecret } from "./provision/secrets.ts";

/** Every variable that docker-compose.yml does not start without, and what makes its value. */
const SECRETS: Readonly<Record<string, () => string>> = {
  TARMAC_NATS_PASSWORD_GATEWAY: newSecret,
  TARMAC_NATS_PASSWORD_NODE: newSecret,
  TARMAC_NATS_PASSWORD_OPERATOR: newSecret,
  TARMAC_NATS_PASSWORD_CONSOLE: newSecret,
  TARMAC_NATS_PASSWORD_SYSTEM: newSecret,
  TARMAC_NATS_PASSWORD_ROUTE: newSecret,
  TARMAC_POSTGRES_PASSWORD: newSecret,
  TARMAC_LOG_KEY_SEED: newLogKeyLine,
};

const HEADING = `# Secrets of docker-compose.yml, made by \`tarmac compose-secrets\`. Keep a copy: Postgres keeps the password
# it was made with, and TARMAC_LOG_KEY_SEED signs the ledgers' checkpoints.
`;

/** What became of the file. */
export interface ComposeSecrets {
  readonly text: string;
  /** Variables that were made now; those that the file held are as they were. */
  readonly made: readonly string[];
}

/** Adds to the text of a file of variables those secrets that it lacks. */
export function withSecrets(text: string): ComposeSecrets {
  const set = new Set(
    text
      .split("\n")
      .flatMap((line) => /^\s*(?:export\s+)?([A-Z0-9_]+)=\s*\S/.exec(line)?.[1] ?? []),
  );
  const made = Object.entries(SECRETS).filter(([name]) => !set.has(name));
  if (made.length === 0) return { made: [], text };
  const before = text === "" ? HEADING : text.endsWith("\n") ? text : `${text}\n`;
  const lines = made.map(([name, make]) => `${name}=${make()}\n`);
  return { made: made.map(([name]) => name), text: before + lines.join("") };
}

/**
 * Makes the secrets that `path` lacks, and lets nobody but its owner read it. The file changes as a
 * whole, and what it held stays.
 */
export async function ensureComposeSecrets(path: string): Promise<readonly string[]> {
  const { made, text } = withSecrets(await textOf(path));
  if (made.length === 0) {
    await chmod(path, 0o600);
    return made;
  }
  const draft = `${path}.${process.pid}`;
  try {
    await writeFile(draft, text, { flag: "wx", mode: 0o600 });
    await rename(draft, path);
  } finally {
    await rm(draft, { force: true });
  }
  return made;
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
}
