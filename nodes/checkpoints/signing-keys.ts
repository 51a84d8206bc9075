import { readFile, stat } from "node:fs/promises";

import { encodeCheckpoint, logOrigin } from "../../ledger/checkpoint.ts";
import { encodeVkey, noteKey, signNote } from "../../ledger/signed-note.ts";
import { type LogKey, readLogKeys } from "../../readmodel/log-keys.ts";
import { sha256 } from "../../readmodel/node-crypto.ts";
import type { ProjectorLog } from "../projector-log.ts";
import type { NewNote } from "./checkpoint-store.ts";
import type { LogPoint } from "./extend-log.ts";
import type { KeySource } from "./key-sources.ts";

/** The keys that sign at present, the newest first. */
export class SigningKeys {
  readonly #sources: readonly KeySource[];
  readonly #onLog: (line: ProjectorLog) => void;
  #keys: readonly LogKey[] = [];
  /** What the files looked like when they were read. */
  #seen = "";
  #problem = "";

  constructor(sources: readonly KeySource[], onLog: (line: ProjectorLog) => void) {
    this.#sources = sources;
    this.#onLog = onLog;
  }

  /** The keys as the files have them now. A file that is broken changes nothing. */
  async current(): Promise<readonly LogKey[]> {
    try {
      const seen = await stampOf(this.#sources);
      if (seen === this.#seen) return this.#keys;
      this.#take(await readSources(this.#sources));
      this.#seen = seen;
      this.#problem = "";
    } catch (fault) {
      const problem = fault instanceof Error ? fault.message : String(fault);
      if (problem !== this.#problem) {
        const meanwhile =
          this.#keys.length === 0 ? "nothing is signed" : "the keys stay as they are";
        this.#onLog({ level: "alarm", message: `the log's keys: ${problem}; ${meanwhile}` });
      }
      this.#problem = problem;
    }
    return this.#keys;
  }

  #take(keys: readonly LogKey[]): void {
    const [before, after] = [this.#keys, keys].map((some) => some.map(({ id }) => id).join(", "));
    this.#keys = keys;
    if (before === after) return;
    this.#onLog({ level: "info", message: `checkpoints are signed by the log's keys ${after}` });
  }
}

/** Changes when a file does: it is replaced by another one, written to, or touched. */
async function stampOf(sources: readonly KeySource[]): Promise<string> {
  const stamps = sources.map(async (source) => {
    if ("variable" in source) return source.variable;
    const { ino, mtimeMs, size } = await stat(source.file);
    return `${ino} ${mtimeMs} ${size}`;
  });
  return (await Promise.all(stamps)).join("|");
}

async function readSources(sources: readonly KeySource[]): Promise<readonly LogKey[]> {
  const keys = new Map<string, LogKey>();
  for (const source of sources) {
    const name = "file" in source ? source.file : source.variable;
    try {
      const text = "file" in source ? await readFile(source.file, "utf8") : source.text;
      for (const key of readLogKeys(text)) if (!keys.has(key.id)) keys.set(key.id, key);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new Error(`${name}: ${reason}`, { cause });
    }
  }
  return [...keys.values()];
}

/** Signs a point of a workspace's log with every key. @throws NoteProblem for a host that names no log. */
export function signPoint(
  host: string,
  ws: string,
  point: LogPoint,
  keys: readonly LogKey[],
): NewNote {
  const origin = logOrigin(host, ws);
  const text = encodeCheckpoint({ origin, root: point.root, size: point.size });
  const message = Buffer.from(text, "utf8");
  const signers = keys.map((key) => ({
    key: noteKey(origin, key.publicKey, sha256),
    signature: key.sign(message),
  }));
  return {
    ws,
    size: point.size,
    note: signNote(text, signers),
    vkeys: signers.map(({ key }) => encodeVkey(key)),
  };
}
