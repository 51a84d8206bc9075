import { randomBytes } from "node:crypto";
import { chmod, link, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * 192 random bits that begin with a letter and are written with letters, digits, `-` and `_` only, so
 * they need no quoting in a URL, in a NATS configuration, or in a file of variables.
 */
export function newSecret(): string {
  return `k${randomBytes(24).toString("base64url")}`;
}

/**
 * The secret kept in a file of mode 0600, a new one when there is none yet. Of two processes that
 * make it at once, both get the same.
 *
 * @throws Error when the file is empty or the directory cannot be written.
 */
export async function readOrCreateSecret(path: string): Promise<string> {
  const known = await readSecret(path);
  if (known !== undefined) return known;
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${process.pid}.${randomBytes(4).toString("hex")}`;
  try {
    await writeFile(draft, `${newSecret()}\n`, { mode: 0o600 });
    // A link either makes the whole file appear under its name, or fails because one is there.
    await link(draft, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
  } finally {
    await rm(draft, { force: true });
  }
  const made = await readSecret(path);
  if (made === undefined) throw new Error(`${path} vanished while it was being made`);
  return made;
}

/**
 * The secret in `path`, or undefined when there is no such file.
 *
 * @throws Error when the file is empty.
 */
export async function readSecret(path: string): Promise<string | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const secret = text.trim();
  if (secret === "") throw new Error(`${path} is empty: put the secret back, or remove the file`);
  await chmod(path, 0o600);
  return secret;
}
