/**
 * Who may import whom: architecture §8 as a table. A folder may always import itself; what is not
 * listed is refused. A folder that is not in the table at all is refused too, so a new one cannot
 * come about without a decision.
 *
 * `pure` folders hold decisions and arithmetic: no package, no `node:*`, nothing but the language.
 */
export const FOLDERS: Readonly<Record<string, FolderRule>> = {
  ledger: { imports: [], pure: true },
  actors: { imports: ["ledger"], pure: true },
  bus: { imports: ["ledger", "actors"] },
  prices: { imports: ["ledger", "actors"] },
  // Queries on the projection in Postgres.
  readmodel: { imports: ["ledger", "actors"] },
  nodes: { imports: ["ledger", "actors", "bus", "prices", "readmodel"] },
  gateway: { imports: ["ledger", "actors", "bus", "prices"] },
  console: { imports: ["ledger", "actors", "bus", "prices", "readmodel"] },
  // Runs in browsers: of the server it knows what goes over the wire, and nothing else.
  "console/web": { imports: ["ledger"], files: ["console/wire.ts"] },
  // The command starts nodes, gateway, console and simulators as processes, by path.
  cli: { imports: ["ledger", "actors", "bus", "prices", "readmodel"] },
  // What is in the image besides the programs; it starts them by path.
  docker: { imports: ["cli"] },
  sdk: { imports: ["ledger"] },
  bench: {
    imports: [
      "ledger",
      "actors",
      "bus",
      "prices",
      "readmodel",
      "nodes",
      "gateway",
      "console",
      "cli",
      "sdk",
    ],
  },
  tidy: { imports: [] },
  // Hands over to cli/ as a process.
  bin: { imports: [] },
};

export interface FolderRule {
  /** Folders that may be imported, besides the folder itself. */
  readonly imports: readonly string[];
  /** Single files of other folders that may be imported. */
  readonly files?: readonly string[];
  readonly pure?: true;
}

/** True for a test, and for what only tests import: files under a folder `testing/` or `e2e/`. */
export function isTestPath(path: string): boolean {
  return /\.test\.tsx?$|(^|\/)(testing|e2e)\//.test(path);
}

/**
 * Says why `importer` must not import `specifier`, or undefined where it may.
 *
 * @param importer path of the importing file, relative to the repository, with forward slashes
 * @param specifier what stands in the import, as written
 */
export function directionProblem(importer: string, specifier: string): string | undefined {
  if (isTestPath(importer)) return undefined;
  const folder = folderOf(importer);
  if (folder === undefined) return undefined;
  const rule = FOLDERS[folder];
  if (rule === undefined) return `${folder}/ has no line in tidy/import-directions.ts`;

  if (!specifier.startsWith(".")) {
    if (!rule.pure) return undefined;
    return `${folder}/ is pure and must not import "${specifier}": take it as an argument`;
  }
  const target = resolve(importer, specifier);
  if (target === undefined) return `"${specifier}" lies outside the repository`;
  if (isTestPath(target)) return `"${specifier}" is for tests only`;
  const targetFolder = folderOf(target);
  if (targetFolder === folder) return undefined;
  if (targetFolder === undefined) {
    return rule.pure ? `${folder}/ is pure and must not import "${specifier}"` : undefined;
  }
  const { files = [], imports } = rule;
  if (imports.includes(targetFolder) || files.includes(target)) return undefined;
  const allowed = [...imports.map((name) => `${name}/`), ...files].join(", ") || "nothing";
  return `${folder}/ must not import ${targetFolder}/ (it may import ${allowed})`;
}

/** The folder of the table that a path belongs to, the deepest one; undefined for a file at the root. */
function folderOf(path: string): string | undefined {
  if (path.startsWith("console/web/")) return "console/web";
  const slash = path.indexOf("/");
  return slash === -1 ? undefined : path.slice(0, slash);
}

/** Resolves a relative specifier; undefined where it climbs out of the repository. */
function resolve(importer: string, specifier: string): string | undefined {
  const parts = importer.split("/").slice(0, -1);
  for (const part of specifier.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined) return undefined;
  }
  return parts.join("/");
}
