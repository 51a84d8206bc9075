/**
 * Links that sign in once. A link's token is never stored: a file is named by its SHA-256 and says whom
 * it signs in. Using a link removes its file, and of two that try, one does; so a link works once
 * also over restarts, and also with several consoles on one home.
 */
import { hash, randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, rm, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { type Grant, grantSchema } from "./grant.ts";

const linkSchema = z.strictObject({
  v: z.literal(1),
  grant: grantSchema,
  expires_at: z.iso.datetime(),
});

const TOKEN = /^[A-Za-z0-9_-]{43}$/;

/** How long a link that nobody uses stays good, in ms. */
export const LINK_MS = 24 * 3_600_000;

export class SignInLinks {
  readonly #dir: string;

  constructor(home: string) {
    this.#dir = join(home, "keys", "console-links");
  }

  /** Makes a link's token; forgets those that ran out. */
  async make(grant: Grant, now: number): Promise<string> {
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    await this.#prune(now);
    const token = randomBytes(32).toString("base64url");
    const expires_at = new Date(now + LINK_MS).toISOString();
    const text = JSON.stringify({ v: 1, grant, expires_at });
    await writeFile(this.#fileOf(token), `${text}\n`, { flag: "wx", mode: 0o600 });
    return token;
  }

  /** Uses a token up. @returns whom it signs in; undefined when it is unknown, was used, or ran out */
  async use(token: string, now: number): Promise<Grant | undefined> {
    if (!TOKEN.test(token)) return undefined;
    const path = this.#fileOf(token);
    const link = await readLink(path);
    if (link === undefined) return undefined;
    try {
      await unlink(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
    return Date.parse(link.expires_at) > now ? link.grant : undefined;
  }

  async #prune(now: number): Promise<void> {
    for (const file of await readdir(this.#dir)) {
      const path = join(this.#dir, file);
      const link = await readLink(path);
      if (link === undefined || Date.parse(link.expires_at) <= now) await rm(path, { force: true });
    }
  }

  #fileOf(token: string): string {
    return join(this.#dir, `${hash("sha256", token)}.json`);
  }
}

async function readLink(path: string): Promise<z.infer<typeof linkSchema> | undefined> {
  try {
    return linkSchema.parse(JSON.parse(await readFile(path, "utf8")));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    // Half written by a process that was killed: it signs nobody in.
    if (error instanceof SyntaxError || error instanceof z.ZodError) return undefined;
    throw error;
  }
}
