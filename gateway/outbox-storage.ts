import { type FileHandle, mkdir, open, readFile, rename, unlink } from "node:fs/promises";
import { dirname } from "node:path";

/** The file behind an outbox. Appends are one after the other. */
export interface OutboxStorage {
  /** Everything that was written, also by processes before. */
  read(): Promise<Buffer>;
  /** Appends without a sync: the bytes survive the process, not the machine. */
  append(bytes: Buffer): Promise<void>;
  /** What was appended survives the machine. */
  sync(): Promise<void>;
  /** Puts other content in the file's place: all of it or none, synced. */
  replace(bytes: Buffer): Promise<void>;
  close(): Promise<void>;
}

/** Another gateway that lives uses the same file. */
export class OutboxTaken extends Error {
  override readonly name = "OutboxTaken";
  readonly code = "outbox-taken";
  readonly outcome = "none";
}

/** An outbox in a file of its own, guarded by a lock file that names the process. */
export class OutboxFile implements OutboxStorage {
  readonly #path: string;
  #handle: FileHandle;

  private constructor(path: string, handle: FileHandle) {
    this.#path = path;
    this.#handle = handle;
  }

  /** @throws OutboxTaken when a live process has it open. */
  static async open(path: string): Promise<OutboxFile> {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await lock(`${path}.lock`);
    const file = new OutboxFile(path, await open(path, "a+", 0o600));
    await syncFolder(path);
    return file;
  }

  read(): Promise<Buffer> {
    return readFile(this.#path);
  }

  async append(bytes: Buffer): Promise<void> {
    // A write may be short; the rest follows, since no other append is under way.
    for (let done = 0; done < bytes.length; ) {
      done += (await this.#handle.write(bytes, done)).bytesWritten;
    }
  }

  async sync(): Promise<void> {
    await this.#handle.datasync();
  }

  async replace(bytes: Buffer): Promise<void> {
    const next = `${this.#path}.next`;
    const handle = await open(next, "w", 0o600);
    try {
      await handle.writeFile(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(next, this.#path);
    await syncFolder(this.#path);
    const old = this.#handle;
    this.#handle = await open(this.#path, "a+", 0o600);
    await old.close();
  }

  async close(): Promise<void> {
    await this.#handle.close();
    await unlink(`${this.#path}.lock`).catch(ignoreMissing);
  }
}

async function lock(path: string): Promise<void> {
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      const handle = await open(path, "wx", 0o600);
      await handle.writeFile(String(process.pid));
      await handle.close();
      return;
    } catch (cause) {
      if (!isCode(cause, "EEXIST")) throw cause;
    }
    const owner = Number(await readFile(path, "utf8").catch(() => ""));
    if (Number.isSafeInteger(owner) && owner > 0 && owner !== process.pid && isAlive(owner)) {
      throw new OutboxTaken(
        `process ${owner} uses the outbox ${path.replace(/\.lock$/, "")}: stop it, or give this gateway another TARMAC_HOME or port`,
      );
    }
    await unlink(path).catch(ignoreMissing);
  }
  throw new OutboxTaken(`the lock ${path} keeps coming back: another gateway is starting`);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (cause) {
    return isCode(cause, "EPERM");
  }
}

/** A new name in a folder is on the disk once the folder is synced. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(dirname(path), "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function ignoreMissing(cause: unknown): void {
  if (!isCode(cause, "ENOENT")) throw cause;
}

function isCode(cause: unknown, code: string): boolean {
  return cause instanceof Error && "code" in cause && cause.code === code;
}
