import { randomBytes } from "node:crypto";
import { link, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

/** The key's file under a home: 32 bytes in hex. Removing it ends every session. */
export function sessionKeyFile(home: string): string {
  return join(home, "keys", "console-session");
}

/**
 * The key that sessions are signed with, made when there is none; sessions outlive a restart with it.
 * @throws Error when the file holds something else, or cannot be made.
 */
export async function readOrCreateSessionKey(path: string): Promise<Buffer> {
  const known = await read(path);
  if (known !== undefined) return known;
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${process.pid}.${randomBytes(4).toString("hex")}`;
  try {
    await writeFile(draft, `${randomBytes(32).toString("hex")}\n`, { mode: 0o600 });
    // A link makes the whole file appear at once, or fails because another process was first.
    await link(draft, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
  } finally {
    await rm(draft, { force: true });
  }
  const made = await read(path);
  if (made === undefined) throw new Error(`${path} vanished while it was made`);
  return made;
}

async function read(path: string): Promise<Buffer | undefined> {
  let text: string;
  try {
    text = (await readFile(path, "utf8")).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  if (!/^[0-9a-f]{64}$/.test(text)) {
    throw new Error(`${path} does not hold 32 bytes in hex. Remove it: sessions then begin anew.`);
  }
  return Buffer.from(text, "hex");
}
