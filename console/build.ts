/**
 * Builds the console's pages when their sources changed since the last build: `node console/build.ts`.
 * What was built says of which sources in a file beside it, written last, so a build that was cut short
 * is made again.
 */
import { createHash } from "node:crypto";
import { existsSync, globSync, readFileSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const WEB = fileURLToPath(new URL("./web", import.meta.url));
const CONFIG = join(WEB, "vite.config.ts");
const DIST = join(WEB, "dist");
/** Not served: names that begin with a dot are denied. */
const STAMP = join(DIST, ".sources");

/** Whether pages had to be built. */
export type Built = "built" | "unchanged";

/** Builds the pages if needed. @throws Error when there are no sources, or they do not build. */
export async function buildPages(): Promise<Built> {
  if (!existsSync(CONFIG)) throw new Error(`there are no sources of pages at ${WEB}`);
  const sources = hashOfSources();
  const last = await readFile(STAMP, "utf8").catch(() => "");
  if (last.trim() === sources && existsSync(join(DIST, "index.html"))) return "unchanged";
  await rm(STAMP, { force: true });
  await build({ configFile: CONFIG, logLevel: "warn", mode: "production" });
  await writeFile(STAMP, `${sources}\n`);
  return "built";
}

/** SHA-256 over names and contents of all that the pages are made of. */
function hashOfSources(): string {
  const paths = globSync(
    ["console/web/**/*", "console/wire.ts", "ledger/**/*.ts", "package-lock.json"],
    { cwd: ROOT, withFileTypes: true },
  )
    .filter((entry) => entry.isFile())
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)))
    .filter((path) => !/(^|\/)(dist|testing)\/|\.test\.tsx?$/.test(path))
    .sort();
  const hash = createHash("sha256");
  for (const path of paths) {
    const content = readFileSync(join(ROOT, path));
    hash.update(`${path}\n${content.length}\n`).update(content);
  }
  return hash.digest("hex");
}

if (import.meta.main) {
  const began = performance.now();
  buildPages().then(
    (built) => {
      const ms = Math.round(performance.now() - began);
      process.stdout.write(built === "built" ? `built in ${ms} ms\n` : "nothing changed\n");
    },
    (error: unknown) => {
      process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`);
      process.exit(1);
    },
  );
}
