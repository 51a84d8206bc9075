/**
 * Sessions: a cookie says who it is and until when, signed, so that a restart keeps it. What was signed
 * out before its time is written down, so that a copy of the cookie does not outlive it.
 */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { appendFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";
import { grantSchema } from "./grant.ts";

const sessionSchema = z.strictObject({
  ...grantSchema.shape,
  id: z.string().regex(/^[A-Za-z0-9_-]{22}$/),
  /** ms since 1970. */
  expires: z.number().int(),
});
export type Session = z.infer<typeof sessionSchema>;

export const SESSION_COOKIE = "tarmac_session";
/** How long a session lasts, in ms. */
export const SESSION_MS = 12 * 3_600_000;
/** A cookie that is longer was not made here. */
const COOKIE_MAX = 4_096;

export class Sessions {
  readonly #key: Buffer;
  readonly #file: string;
  /** Ended before their time, with the time at which they would have run out. */
  readonly #ended: Map<string, number>;

  private constructor(key: Buffer, file: string, ended: Map<string, number>) {
    this.#key = key;
    this.#file = file;
    this.#ended = ended;
  }

  /** Opens them with a key of 32 bytes and the file of what was signed out. */
  static async open(key: Buffer, file: string, now: number): Promise<Sessions> {
    const ended = new Map<string, number>();
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return "";
      throw error;
    });
    for (const line of text.split("\n")) {
      const [id, expires] = line.split(" ");
      if (id !== undefined && Number(expires) > now) ended.set(id, Number(expires));
    }
    const kept = [...ended].map(([id, expires]) => `${id} ${expires}\n`).join("");
    await writeFile(file, kept, { mode: 0o600 });
    return new Sessions(key, file, ended);
  }

  /** A new session for whom a link signs in. */
  begin(grant: z.infer<typeof grantSchema>, now: number): Session {
    return { ...grant, id: randomBytes(16).toString("base64url"), expires: now + SESSION_MS };
  }

  /** The cookie of a session. */
  cookie(session: Session): string {
    const body = Buffer.from(JSON.stringify(session)).toString("base64url");
    return `${body}.${this.#sign(body).toString("base64url")}`;
  }

  /** The session of a cookie; undefined when it is not one of ours, ran out, or was ended. */
  read(cookie: string | undefined, now: number): Session | undefined {
    if (cookie === undefined || cookie.length > COOKIE_MAX) return undefined;
    const [body, signature, ...rest] = cookie.split(".");
    if (body === undefined || signature === undefined || rest.length > 0) return undefined;
    const expected = this.#sign(body);
    const given = Buffer.from(signature, "base64url");
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
    const parsed = sessionSchema.safeParse(JSON.parse(Buffer.from(body, "base64url").toString()));
    return parsed.success && this.isOpen(parsed.data, now) ? parsed.data : undefined;
  }

  isOpen(session: Session, now: number): boolean {
    return session.expires > now && !this.#ended.has(session.id);
  }

  /** Ends a session for good. @throws when that cannot be written down */
  async end(session: Session): Promise<void> {
    this.#ended.set(session.id, session.expires);
    await appendFile(this.#file, `${session.id} ${session.expires}\n`, { mode: 0o600 });
  }

  #sign(body: string): Buffer {
    return createHmac("sha256", this.#key).update(`tarmac console session v1\n${body}`).digest();
  }
}
