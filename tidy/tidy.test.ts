/**
 * Goal: what style and contract ask of the repository as a whole, and no linter looks at, stays true.
 * Method: read every file as a clone would have it and collect all offenders of a rule before failing,
 * so that one run names them all.
 */
import { existsSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { expect, test } from "vitest";
import { FOLDERS } from "./import-directions.ts";
import { codeLines, files, isComment, ROOT, read } from "./repository.ts";

/** Lines of code above which a file is named in the output; oxlint refuses 500. */
const LINES_WARN = 350;
const LINES_MAX = 500;
/** Biome holds code to 100 columns but wraps no comment: a few columns over are not worth a failure. */
const COMMENT_COLUMNS_MAX = 110;

/** Files above LINES_MAX that may stay so, each with its reason. */
const LONG_FILES: Readonly<Record<string, string>> = {};

/** Where the environment may be read besides a `config.ts` and tests, each with its reason. */
const READS_ENVIRONMENT: Readonly<Record<string, string>> = {};

const all = files();
const code = all.filter((path) => /\.(ts|tsx|mjs|js|css)$/.test(path));
const text = all.filter(
  (path) =>
    /\.(ts|tsx|mjs|js|css|sql|md|json|ya?ml|conf|sh)$|^\.ci\//.test(path) &&
    path !== "package-lock.json",
);
const markdown = all.filter((path) => path.endsWith(".md"));

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
}

interface Lock {
  readonly packages: Readonly<
    Record<string, { version?: string; license?: string; resolved?: string; integrity?: string }>
  >;
}

const manifest = JSON.parse(read("package.json")) as Manifest;
const lock = JSON.parse(read("package-lock.json")) as Lock;
const pinned: Readonly<Record<string, string>> = {
  ...manifest.dependencies,
  ...manifest.devDependencies,
  ...manifest.optionalDependencies,
};

/** Every line of the given files that `offends`, as `path:line`. */
function offenders(paths: readonly string[], offends: (line: string) => boolean): string[] {
  return paths.flatMap((path) =>
    read(path)
      .split("\n")
      .flatMap((line, index) => (offends(line) ? [`${path}:${index + 1}`] : [])),
  );
}

test("lock: names no registry, so that any mirror serves it", () => {
  const named = Object.entries(lock.packages).filter(([, entry]) => entry.resolved !== undefined);
  expect(named.map(([name]) => name)).toEqual([]);
  expect(read("package-lock.json")).not.toMatch(/"https?:\/\/[^"]*\.tgz"/);
});

test("lock: carries the integrity of every package", () => {
  const bare = Object.entries(lock.packages).filter(
    ([name, entry]) => name !== "" && entry.integrity === undefined,
  );
  expect(bare.map(([name]) => name)).toEqual([]);
});

test("package.json: pins every dependency exactly", () => {
  const loose = Object.entries(pinned).filter(
    ([, version]) => !/^\d+\.\d+\.\d+(-[0-9a-z.]+)?$/.test(version),
  );
  expect(loose).toEqual([]);
});

test("docs/dependencies.md: has one line for each dependency, and none besides", () => {
  const rows = read("docs/dependencies.md")
    .split("\n")
    .map((line) => line.split("|").map((cell) => cell.trim()))
    .filter((cells) => /^`[^`]+`$/.test(cells[1] ?? ""))
    .map(([, name = "", version, licence, why]) => {
      return { name: name.slice(1, -1), version, licence, why };
    });
  const documented = rows.map(({ name, version, licence }) => `${name} ${version} ${licence}`);
  const wanted = Object.entries(pinned).map(([name, version]) => {
    return `${name} ${version} ${lock.packages[`node_modules/${name}`]?.license}`;
  });
  expect(documented.sort()).toEqual(wanted.sort());
  expect(rows.filter(({ why }) => !why).map(({ name }) => name)).toEqual([]);
});

test(`files: none has more than ${LINES_MAX} lines of code`, () => {
  const sized = code.map((path) => ({ path, lines: codeLines(read(path)) }));
  const near = sized.filter(({ path, lines }) => lines > LINES_WARN && !(path in LONG_FILES));
  for (const { path, lines } of near) {
    console.warn(`${path}: ${lines} lines of code, above ${LINES_WARN}; think of where it divides`);
  }
  expect(near.filter(({ lines }) => lines > LINES_MAX)).toEqual([]);
  expect(Object.keys(LONG_FILES).filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
});

test(`comments: stay within ${COMMENT_COLUMNS_MAX} columns, but for addresses`, () => {
  const wide = (line: string) =>
    line.length > COMMENT_COLUMNS_MAX && isComment(line.trim()) && !line.includes("://");
  expect(offenders(code, wide)).toEqual([]);
});

test("files: leave nothing for later", () => {
  // Put together here, so that this file does not find itself.
  const marks = new RegExp(`\\b(${["TO" + "DO", "FIX" + "ME", "XX" + "X"].join("|")})\\b`);
  expect(offenders(text, (line) => marks.test(line))).toEqual([]);
});

test("files: are named for what they hold", () => {
  const vague = /(^|-)(utils?|helpers?|common|managers?|services?)$/;
  const named = all.filter((path) =>
    path
      .split("/")
      .map((part) => part.split(".")[0] ?? "")
      .some((part) => vague.test(part)),
  );
  expect(named).toEqual([]);
});

test("folders: have at most one index.ts each, an explicit list", () => {
  const indexes = all.filter((path) => /(^|\/)index\.tsx?$/.test(path));
  const perFolder = Map.groupBy(indexes, (path) => path.split("/")[0]);
  expect([...perFolder.values()].filter((paths) => paths.length > 1)).toEqual([]);
  expect(offenders(indexes, (line) => /^export \* from/.test(line))).toEqual([]);
});

test("folders: those that hold TypeScript have a line in tidy/import-directions.ts", () => {
  const holding = all.filter((path) => /\.tsx?$/.test(path) && path.includes("/"));
  const names = new Set(holding.map((path) => path.split("/")[0] ?? ""));
  expect([...names].filter((name) => FOLDERS[name] === undefined)).toEqual([]);
});

test("environment: is read in a config.ts only", () => {
  const readers = code.filter(
    (path) =>
      !/(^|\/)config\.ts$|\.test\.tsx?$|(^|\/)(testing|e2e)\//.test(path) &&
      !(path in READS_ENVIRONMENT),
  );
  const reads = /\bprocess\??\.env\b|\bprocess\[["']env["']\]|import\.meta\.env/;
  expect(offenders(readers, (line) => reads.test(line) && !isComment(line.trim()))).toEqual([]);
});

test("docs: every link to a file finds it", () => {
  const broken = markdown.flatMap((path) => {
    const prose = read(path).replace(/^```[\s\S]*?^```/gm, "");
    return [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, target = ""]) => target.split("#")[0] ?? "")
      .filter((target) => target !== "" && !/^[a-z]+:/.test(target))
      .filter((target) => !existsSync(join(ROOT, posix.join(dirname(path), target))))
      .map((target) => `${path}: ${target}`);
  });
  expect(broken).toEqual([]);
});

test("files: name no place of the machine they were written on", () => {
  const local = /(^|[\s"'`(=])\/(work|tmp\/brief|home\/[a-z]+|Users\/[A-Za-z]+)\//;
  expect(offenders(text, (line) => local.test(line))).toEqual([]);
});

test("tests: open with their goal and method", () => {
  const silent = all.filter(
    (path) => /\.test\.tsx?$/.test(path) && !/^(\/\*\*|\/\/)/.test(read(path)),
  );
  expect(silent).toEqual([]);
});
