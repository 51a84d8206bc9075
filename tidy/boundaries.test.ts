/**
 * Goal: the boundaries of the architecture are held by the linter and the compiler, not by goodwill.
 * Method: copy the configuration into an empty tree, plant one violation per pair of folders and per
 * kind of rule, run the real oxlint and tsc over it, and look for each finding by name. What is
 * allowed is planted too and must pass, so that a linter that refuses everything fails as well.
 * The table below is written out again from architecture §8 on purpose: it must not be derived from
 * the table under test.
 */
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { ROOT } from "./repository.ts";
import { ALLOWED, DIRECTION, REFUSED } from "./testing/planted-violations.ts";

const MAY_IMPORT: Record<string, string[]> = {
  ledger: [],
  actors: ["ledger"],
  bus: ["ledger", "actors"],
  prices: ["ledger", "actors"],
  nodes: ["ledger", "actors", "bus", "prices"],
  gateway: ["ledger", "actors", "bus", "prices"],
  console: ["ledger", "actors", "bus", "prices"],
  cli: ["ledger", "actors", "bus", "prices"],
  sdk: ["ledger"],
  bench: ["ledger", "actors", "bus", "prices", "nodes", "gateway", "console", "cli", "sdk"],
};
const FOLDERS = Object.keys(MAY_IMPORT);

interface Finding {
  readonly filename: string;
  readonly code: string;
  readonly message: string;
  readonly help?: string;
}

let tree: string;
let findings: Map<string, Finding[]>;

function plant(root: string, path: string, code: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), `${code}\n`);
}

function copyConfiguration(root: string): void {
  for (const file of [".oxlintrc.json", "tsconfig.json", "tsconfig.pure.json", "package.json"]) {
    cpSync(join(ROOT, file), join(root, file));
  }
  for (const file of ["tidy/lint-rules.ts", "tidy/import-directions.ts"]) {
    cpSync(join(ROOT, file), join(root, file));
  }
  symlinkSync(join(ROOT, "node_modules"), join(root, "node_modules"));
}

/** Runs a tool of node_modules/.bin in a tree; a finding is an exit code, not a fault of the tool. */
function run(cwd: string, tool: string, args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const command = join(ROOT, "node_modules/.bin", tool);
    // The bundled Node comes first: the plugin is TypeScript, which the machine's own may not run.
    const path = `${join(ROOT, "node_modules/.bin")}:${process.env["PATH"] ?? ""}`;
    const options = { cwd, env: { ...process.env, PATH: path }, maxBuffer: 64 << 20 };
    execFile(command, args, options, (error, stdout, stderr) => {
      if (error !== null && typeof error.code !== "number")
        reject(new Error(`cannot run ${tool}`, { cause: error }));
      else if (stdout === "") reject(new Error(`${tool} said nothing: ${stderr}`));
      else resolve(stdout);
    });
  });
}

const pairPath = (from: string, to: string) => `${from}/imports-${to}.ts`;

beforeAll(async () => {
  tree = mkdtempSync(join(tmpdir(), "tarmac-boundaries-"));
  copyConfiguration(tree);
  for (const folder of FOLDERS) {
    plant(tree, `${folder}/target.ts`, "export type A = string;\nexport const a = 1;");
    plant(tree, `${folder}/testing/a.ts`, "export const a = 1;");
    for (const to of FOLDERS) {
      plant(
        tree,
        pairPath(folder, to),
        `import { a } from "../${to}/target.ts";\nexport const b = a;`,
      );
    }
  }
  for (const { path, code } of REFUSED) plant(tree, path, code);
  for (const [, path, code] of ALLOWED) plant(tree, path, code);

  const report = JSON.parse(await run(tree, "oxlint", ["--format=json"])) as {
    diagnostics: Finding[];
  };
  findings = Map.groupBy(report.diagnostics, (finding) => finding.filename);
});

afterAll(() => rmSync(tree, { recursive: true, force: true }));

function found(path: string): Finding[] {
  return findings.get(path) ?? [];
}

describe("import directions", () => {
  for (const from of FOLDERS) {
    for (const to of FOLDERS) {
      if (from === to || MAY_IMPORT[from]?.includes(to)) {
        test(`${from}: may import ${to}`, () => {
          expect(found(pairPath(from, to))).toEqual([]);
        });
      } else {
        test(`${from}: must not import ${to}`, () => {
          expect(found(pairPath(from, to))).toMatchObject([
            { code: DIRECTION, message: expect.stringContaining(`must not import ${to}/`) },
          ]);
        });
      }
    }
  }
});

describe("planted violations", () => {
  test.each(REFUSED)("refuses: $what ($path)", ({ path, rule, message }) => {
    const hits = found(path).filter((finding) => finding.code === rule);
    expect(hits, JSON.stringify(found(path))).not.toEqual([]);
    expect(hits.map((hit) => `${hit.message} ${hit.help ?? ""}`).join("\n")).toContain(message);
  });

  test.each(ALLOWED)("allows: %s (%s)", (_what, path) => {
    expect(found(path)).toEqual([]);
  });
});

/** A tree of its own: one import of a package that refers to node's types would bring them all in. */
test("tsconfig.pure.json: ledger and actors compile with nothing but the language", async () => {
  const pure = mkdtempSync(join(tmpdir(), "tarmac-pure-"));
  onTestFinished(() => rmSync(pure, { recursive: true, force: true }));
  copyConfiguration(pure);
  for (const folder of ["ledger", "actors"]) {
    plant(pure, `${folder}/sound.ts`, "export const a = new Date(0).getTime();");
    plant(pure, `${folder}/process.ts`, "export const pid = process.pid;");
    plant(pure, `${folder}/timer.ts`, "setTimeout(String, 1);");
    plant(pure, `${folder}/hash.ts`, "export const hash = crypto.subtle;");
    plant(pure, `${folder}/dom.ts`, "export const body = document.body;");
    plant(pure, `${folder}/builtin.ts`, `export { readFileSync } from "node:fs";`);
    plant(pure, `${folder}/a.test.ts`, "export const pid = process.pid;");
  }
  plant(pure, "nodes/process.ts", "export const pid = process.pid;");

  const output = await run(pure, "tsc", ["-p", "tsconfig.pure.json", "--pretty", "false"]);
  const refused = output.match(/^[a-z]+\/[a-z.]+(?=\()/gm);
  const sins = ["builtin.ts", "dom.ts", "hash.ts", "process.ts", "timer.ts"];
  expect(refused?.sort()).toEqual(
    ["actors", "ledger"].flatMap((folder) => sins.map((file) => `${folder}/${file}`)),
  );
});
