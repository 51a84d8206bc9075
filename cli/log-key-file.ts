import { randomBytes } from "node:crypto";
import { link, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { type LogKey, LogKeyProblem, newLogKeyLine, readLogKeys } from "../readmodel/log-keys.ts";
import { Failure } from "./output.ts";

const HEADING = `# Keys that sign the ledgers' checkpoints: Ed25519 seeds in base64, the newest first. Secret.
# Change it with: tarmac log-key rotate, tarmac log-key retire
`;

/**
 * The keys in a file, the newest first; `undefined` where there is none.
 * @throws Failure when it is broken
 */
export async function logKeysIn(path: string): Promise<readonly LogKey[] | undefined> {
  const text = await textOf(path);
  if (text === undefined) return undefined;
  try {
    return readLogKeys(text);
  } catch (error) {
    if (!(error instanceof LogKeyProblem)) throw error;
    throw new Failure(`${path}: ${error.message}. Put the file back as it was.`);
  }
}

/** Makes a first key where there is no file yet. Of two that do so at once, both have the same. */
export async function ensureLogKeyFile(path: string): Promise<void> {
  if ((await textOf(path)) !== undefined) return;
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const draft = await writeDraft(path, [newLogKeyLine()]);
  try {
    // A link either makes the whole file appear under its name, or fails because one is there.
    await link(draft, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
  } finally {
    await rm(draft, { force: true });
  }
}

/** Puts a new key before those in a file. The file changes as a whole. @throws Failure when it is broken */
export async function addLogKey(path: string): Promise<void> {
  await replace(path, [newLogKeyLine(), ...(await linesOf(path)).map(({ line }) => line)]);
}

/** Takes a key out of a file for good. @throws Failure when it is broken */
export async function removeLogKey(path: string, id: string): Promise<void> {
  const left = (await linesOf(path)).filter(({ key }) => key.id !== id);
  await replace(
    path,
    left.map(({ line }) => line),
  );
}

async function linesOf(
  path: string,
): Promise<readonly { readonly line: string; readonly key: LogKey }[]> {
  await logKeysIn(path);
  const lines = ((await textOf(path)) ?? "").split("\n").map((line) => line.trim());
  return lines
    .filter((line) => line !== "" && !line.startsWith("#"))
    .flatMap((line) => readLogKeys(line).map((key) => ({ key, line })));
}

async function replace(path: string, lines: readonly string[]): Promise<void> {
  await rename(await writeDraft(path, lines), path);
}

async function writeDraft(path: string, lines: readonly string[]): Promise<string> {
  const draft = `${path}.${process.pid}.${randomBytes(4).toString("hex")}`;
  await writeFile(draft, `${HEADING}${lines.join("\n")}\n`, { mode: 0o600 });
  return draft;
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
