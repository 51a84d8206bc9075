/**
 * `npm run check` and `npm test`: runs every step even after one failed, shows each as it goes, and
 * ends with a summary whose last line is `N passed, N failed`, alone. A step that is not a suite of
 * tests (format, lint, types) counts as one. Exits 1 when anything failed, 130 when interrupted.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { combinedLine, countReport, type Outcome } from "./test-counts.ts";

/** Node 24 is what the lock brings; an older one on PATH would fail later and less clearly. */
const NODE_MAJOR = 24;

interface Step {
  readonly name: string;
  /** A program of node_modules/.bin with its arguments; or a vitest project. */
  readonly command?: readonly string[];
  readonly project?: string;
}

const CHECK: readonly Step[] = [
  { name: "format", command: ["biome", "check", "."] },
  { name: "lint", command: ["oxlint"] },
  { name: "types", command: ["tsc", "-p", "tsconfig.json"] },
  { name: "types, pure folders", command: ["tsc", "-p", "tsconfig.pure.json"] },
  { name: "types, web", command: ["tsc", "-p", "console/web"] },
  { name: "types, browser tests", command: ["tsc", "-p", "console/e2e"] },
  { name: "tidy", project: "tidy" },
  { name: "unit", project: "unit" },
];

const SUITES: Readonly<Record<string, readonly Step[]>> = {
  check: CHECK,
  test: [
    ...CHECK,
    { name: "sim", project: "sim" },
    { name: "it", project: "it" },
    { name: "e2e", project: "e2e" },
  ],
};

let running: ChildProcess | undefined;
let interrupted = false;

/** Runs a program with this terminal; resolves with its exit code, 1 where a signal ended it. */
function execute(program: string, args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    running = spawn(program, args, { stdio: ["ignore", "inherit", "inherit"] });
    running.on("error", (cause) => reject(new Error(`cannot start ${program}`, { cause })));
    running.on("exit", (code) => {
      running = undefined;
      resolve(code ?? 1);
    });
  });
}

async function runProject(project: string, reports: string): Promise<Omit<Outcome, "name">> {
  const report = join(reports, `${project}.json`);
  const unhandled = join(reports, `${project}.unhandled.json`);
  const exitCode = await execute("vitest", [
    ...["run", "--project", project],
    ...["--reporter=default", "--reporter=json", `--outputFile.json=${report}`],
    ...["--reporter=./tidy/unhandled-errors-reporter.ts", `--outputFile.unhandled=${unhandled}`],
  ]);
  try {
    const errors = JSON.parse(readFileSync(unhandled, "utf8")) as string[];
    return countReport(readFileSync(report, "utf8"), exitCode, errors);
  } catch (cause) {
    if (!interrupted) console.error(`${project}: vitest left no report it can be judged by`, cause);
    return { passed: 0, failed: ["(the whole suite)"], skipped: [] };
  }
}

async function runStep(step: Step, reports: string): Promise<Outcome> {
  console.log(`\n── ${step.name} ${"─".repeat(Math.max(2, 76 - step.name.length))}`);
  const { name } = step;
  if (step.project !== undefined) return { name, ...(await runProject(step.project, reports)) };
  const [program = "", ...args] = step.command ?? [];
  const sound = (await execute(program, args)) === 0;
  return { name, passed: sound ? 1 : 0, failed: sound ? [] : [name], skipped: [] };
}

function summarize(outcomes: readonly Outcome[]): void {
  console.log(
    "\n── summary ──────────────────────────────────────────────────────────────────────",
  );
  for (const reason of outcomes.flatMap(({ reasons = [] }) => reasons)) console.log(`${reason}\n`);
  for (const { name, passed, failed, skipped } of outcomes) {
    const mark = failed.length > 0 ? "FAIL" : "ok  ";
    console.log(`${mark} ${name}: ${passed} passed, ${failed.length} failed`);
    for (const test of failed) console.log(`       failed: ${test}`);
    for (const test of skipped) console.log(`       skipped: ${test}`);
  }
  console.log(combinedLine(outcomes));
}

async function main(): Promise<number> {
  const steps = SUITES[process.argv[2] ?? ""];
  if (steps === undefined) {
    console.error(`usage: node tidy/run-tests.ts ${Object.keys(SUITES).join("|")}`);
    return 2;
  }
  if (Number(process.versions.node.split(".")[0]) < NODE_MAJOR) {
    console.error(`Node ${NODE_MAJOR} is needed, this is ${process.version}: run it through npm`);
    return 2;
  }
  console.log(`Node ${process.version}`);
  const reports = mkdtempSync(join(tmpdir(), "tarmac-reports-"));
  try {
    const outcomes: Outcome[] = [];
    for (const step of steps) {
      outcomes.push(await runStep(step, reports));
      if (interrupted) return 130;
    }
    summarize(outcomes);
    return outcomes.some(({ failed }) => failed.length > 0) ? 1 : 0;
  } finally {
    rmSync(reports, { recursive: true, force: true });
  }
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    interrupted = true;
    running?.kill(signal);
  });
}
process.exitCode = await main();
