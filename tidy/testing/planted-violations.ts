/** What tidy/boundaries.test.ts plants: files that the linter must refuse, and files that it must pass. */

/** A file that must be refused by `rule` with `message` in its text. */
export interface Planted {
  readonly what: string;
  readonly path: string;
  readonly code: string;
  readonly rule: string;
  readonly message: string;
}

export const DIRECTION = "tarmac(import-direction)";
const long = (lines: number) => "  n += 1;\n".repeat(lines);

export const REFUSED: Planted[] = [
  ...importForms("nodes", "../bench/target.ts", "nodes/ must not import bench/"),
  ...importForms("readmodel", "../nodes/target.ts", "readmodel/ must not import nodes/"),
  ...[
    ["console's own server", "../server.ts", "console/"],
    ["the actors", "../../actors/target.ts", "actors/"],
    ["the read model", "../../readmodel/target.ts", "readmodel/"],
    ["the gateway", "../../gateway/target.ts", "gateway/"],
  ].map(([what = "", specifier = "", folder = ""], index) => ({
    what: `the console's page imports ${what}`,
    path: `console/web/pages/imports-${index}.tsx`,
    code: `export { a } from "../${specifier}";`,
    rule: DIRECTION,
    message: `console/web/ must not import ${folder} (it may import ledger/, console/wire.ts)`,
  })),
  {
    what: "the console's server imports its page",
    path: "console/imports-web.ts",
    code: `export { a } from "./web/a.ts";`,
    rule: DIRECTION,
    message: "console/ must not import console/web/",
  },
  {
    what: "a pure folder imports node:*",
    path: "ledger/node-builtin.ts",
    code: `export { readFileSync } from "node:fs";`,
    rule: DIRECTION,
    message: `ledger/ is pure and must not import "node:fs"`,
  },
  {
    what: "a pure folder imports a package",
    path: "actors/package.ts",
    code: `import { z } from "zod";\nexport const schema = z.string();`,
    rule: DIRECTION,
    message: `actors/ is pure and must not import "zod"`,
  },
  {
    what: "a pure folder imports a type of a package",
    path: "ledger/package-type.ts",
    code: `import type { Pool } from "pg";\nexport type P = Pool;`,
    rule: DIRECTION,
    message: `ledger/ is pure and must not import "pg"`,
  },
  {
    what: "production code imports what is for tests only",
    path: "gateway/imports-testing.ts",
    code: `export { a } from "./testing/a.ts";`,
    rule: DIRECTION,
    message: "is for tests only",
  },
  {
    what: "a path climbs out of the repository",
    path: "gateway/outside.ts",
    code: `export { a } from "../../elsewhere/a.ts";`,
    rule: DIRECTION,
    message: "lies outside the repository",
  },
  {
    what: "a computed import hides its direction",
    path: "gateway/computed.ts",
    code: `export const load = (name: string): Promise<unknown> => import(name);`,
    rule: DIRECTION,
    message: "import() takes a literal",
  },
  {
    what: "a folder has no line in the table",
    path: "stray/a.ts",
    code: `export { a } from "../ledger/target.ts";`,
    rule: DIRECTION,
    message: "stray/ has no line in tidy/import-directions.ts",
  },
  ...["ledger", "actors"].flatMap((folder) => impure(folder)),
  {
    what: "the environment is read outside a config.ts",
    path: "gateway/environment.ts",
    code: `export const port = process.env["PORT"];`,
    rule: "node(no-process-env)",
    message: "process.env",
  },
  {
    what: "the environment is imported outside a config.ts",
    path: "nodes/environment.ts",
    code: `import { env } from "node:process";\nexport const port = env["PORT"];`,
    rule: "eslint(no-restricted-imports)",
    message: "config.ts only",
  },
  {
    what: "a promise is dropped",
    path: "nodes/floating.ts",
    code: `async function post(): Promise<void> {}\nexport function f(): void {\n  post();\n}`,
    rule: "typescript(no-floating-promises)",
    message: "Promises must be awaited",
  },
  {
    what: "a promise stands where a condition is asked",
    path: "nodes/misused.ts",
    code: `async function ok(): Promise<boolean> {\n  return true;\n}\nexport const f = () => (ok() ? 1 : 2);`,
    rule: "typescript(no-misused-promises)",
    message: "Promise",
  },
  {
    what: "what is no promise is awaited",
    path: "nodes/thenable.ts",
    code: `export async function f(n: number): Promise<number> {\n  return await n;\n}`,
    rule: "typescript(await-thenable)",
    message: "await",
  },
  {
    what: "an any is written",
    path: "bus/any.ts",
    code: `export const f = (value: any) => String(value);`,
    rule: "typescript(no-explicit-any)",
    message: "any",
  },
  {
    what: "an any is passed on",
    path: "bus/unsafe.ts",
    code: `export function f(text: string): string {\n  const value = JSON.parse(text);\n  return value;\n}`,
    rule: "typescript(no-unsafe-return)",
    message: "any",
  },
  {
    what: "a switch forgets a member of its union",
    path: "actors/switch.ts",
    code: `export function f(kind: "a" | "b"): number {\n  switch (kind) {\n    case "a":\n      return 1;\n    default:\n      return 2;\n  }\n}`,
    rule: "typescript(switch-exhaustiveness-check)",
    message: "b",
  },
  {
    what: "a loose comparison",
    path: "cli/loose.ts",
    code: `export const f = (a: number, b: number) => a == b;`,
    rule: "eslint(eqeqeq)",
    message: "===",
  },
  {
    what: "a let that never changes",
    path: "cli/let.ts",
    code: `export function f(): number {\n  let a = 1;\n  return a;\n}`,
    rule: "eslint(prefer-const)",
    message: "never reassigned",
  },
  {
    what: "a file of more than 500 lines of code",
    path: "bench/long-file.ts",
    code: `export let n = 0;\n${"n += 1;\n".repeat(500)}`,
    rule: "eslint(max-lines)",
    message: "500",
  },
  {
    what: "a function of more than 70 lines",
    path: "prices/long-function.ts",
    code: `export function f(): number {\n  let n = 0;\n${long(70)}  return n;\n}`,
    rule: "eslint(max-lines-per-function)",
    message: "70",
  },
  {
    what: "a file name that is not kebab-case",
    path: "prices/camelCase.ts",
    code: `export const a = 1;`,
    rule: "unicorn(filename-case)",
    message: "kebab",
  },
  {
    what: "a focused test",
    path: "prices/focused.test.ts",
    code: `import { test } from "vitest";\ntest.only("a: b", () => undefined);`,
    rule: "vitest(no-focused-tests)",
    message: "",
  },
];

/** Files that must pass every rule above. */
export const ALLOWED: [what: string, path: string, code: string][] = [
  [
    "the console's page imports the ledger, the wire and packages",
    "console/web/pages/allowed.tsx",
    `import type { A } from "../../wire.ts";\nimport { a } from "../../../ledger/target.ts";\nimport { render } from "solid-js/web";\nexport const b: readonly [A, unknown] = [a as unknown as A, render];`,
  ],
  [
    "a test imports what it needs",
    "gateway/a.test.ts",
    `import "../bench/target.ts";\nimport "node:fs";\nimport { a } from "./testing/a.ts";\nexport const b = a;`,
  ],
  [
    "a pure folder's test uses node and the clock",
    "ledger/a.test.ts",
    `import { hash } from "node:crypto";\nexport const a = hash("sha256", String(Date.now()));`,
  ],
  [
    "config.ts reads the environment",
    "gateway/config.ts",
    `export const port = process.env["PORT"];`,
  ],
  [
    "a process outside the pure folders reads the clock",
    "nodes/clock.ts",
    `export const now = () => new Date().getTime() + Math.random();`,
  ],
  ["a date of a given time", "ledger/date.ts", `export const at = (ms: number) => new Date(ms);`],
  [
    "a function of 70 lines",
    "prices/function.ts",
    `export function f(): number {\n  let n = 0;\n${long(66)}  return n;\n}`,
  ],
];

function importForms(folder: string, target: string, message: string): Planted[] {
  const forms = {
    "import for its effects": `import "${target}";`,
    "import type": `import type { A } from "${target}";\nexport type B = A;`,
    "export from": `export { a } from "${target}";`,
    "export all": `export * from "${target}";`,
    "import()": `export const load = () => import("${target}");`,
    "a type by import()": `export type B = import("${target}").A;`,
  };
  return Object.entries(forms).map(([what, code], index) => {
    return { what, path: `${folder}/form-${index}.ts`, code, rule: DIRECTION, message };
  });
}

function impure(folder: string): Planted[] {
  const globals = "eslint(no-restricted-globals)";
  const properties = "eslint(no-restricted-properties)";
  const sins: [name: string, code: string, rule: string][] = [
    ["date-now", "Date.now()", properties],
    ["new-date", "new Date()", "tarmac(no-bare-date)"],
    ["call-date", "Date()", "tarmac(no-bare-date)"],
    ["random", "Math.random()", properties],
    ["zone", "new Date(0).getHours()", properties],
    ["locale", `"a".localeCompare("b")`, properties],
    ["process", "process.pid", globals],
    ["timer", "setTimeout(String, 1)", globals],
    ["intl", `new Intl.DateTimeFormat("en")`, globals],
    ["global-this", "globalThis.process", globals],
  ];
  return sins.map(([name, code, rule]) => {
    return {
      what: `${folder}/ uses ${code}`,
      path: `${folder}/impure-${name}.ts`,
      code: `export const value = (): unknown => ${code};`,
      rule,
      message: rule === "tarmac(no-bare-date)" ? "take `now`" : "pure:",
    };
  });
}
