import { execFileSync } from "node:child_process";
import { cpus, totalmem } from "node:os";
import { fileURLToPath } from "node:url";

/** Fields that every bench prints. */
export interface Report {
  readonly bench: string;
  readonly commit: string;
  readonly machine: {
    readonly cores: number;
    readonly memory_gb: number;
    readonly node: string;
    readonly nats: string;
    readonly postgres: string;
  };
  readonly pass: boolean;
}

/** What this machine and this tree are. */
export function reportHead(
  bench: string,
  versions: { readonly nats: string; readonly postgres: string },
): Omit<Report, "pass"> {
  return {
    bench,
    commit: commitOf(),
    machine: {
      cores: cpus().length,
      memory_gb: Math.round(totalmem() / 1024 ** 3),
      nats: versions.nats,
      node: process.version,
      postgres: versions.postgres,
    },
  };
}

function commitOf(): string {
  const cwd = fileURLToPath(new URL("../..", import.meta.url));
  try {
    const git = (...args: string[]) => execFileSync("git", args, { cwd, encoding: "utf8" }).trim();
    const dirty = git("status", "--porcelain", "--untracked-files=no") === "" ? "" : "+changes";
    return `${git("rev-parse", "--short=12", "HEAD")}${dirty}`;
  } catch {
    return "unknown";
  }
}
