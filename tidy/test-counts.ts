/** What a test run amounts to: vitest's JSON report turned into counts that cannot hide a failure. */
import { stripVTControlCharacters } from "node:util";

/** What came of one step of a run. */
export interface Outcome {
  readonly name: string;
  readonly passed: number;
  /** Names of what failed. */
  readonly failed: readonly string[];
  /** The first lines of why, for each of {@link failed} that says. */
  readonly reasons?: readonly string[];
  /** Names of what was skipped. */
  readonly skipped: readonly string[];
}

interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message?: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages?: readonly string[];
    }[];
  }[];
}

/** Lines of a failure that a summary repeats: enough for the assertion and the line it stands in. */
const REASON_LINES = 12;

/**
 * Counts a report of `vitest --reporter=json`. A file that failed without a failed test (it did not
 * load, a hook threw) is one failure, and so is a run that exited non-zero with nothing failed in
 * its report (an unhandled rejection, a worker that died): `unhandled` says why.
 *
 * @throws SyntaxError when the report is not JSON.
 */
export function countReport(
  json: string,
  exitCode: number,
  unhandled: readonly string[] = [],
): Omit<Outcome, "name"> {
  const report = JSON.parse(json) as Report;
  let passed = 0;
  const failed: string[] = [];
  const reasons: string[] = [];
  const skipped: string[] = [];
  const fail = (name: string, messages: readonly string[] = []) => {
    failed.push(name);
    for (const message of messages) reasons.push(`${name}\n${firstLines(message)}`);
  };
  for (const file of report.testResults) {
    const failedBefore = failed.length;
    for (const { fullName, status, failureMessages } of file.assertionResults) {
      if (status === "passed") passed += 1;
      else if (status === "failed") fail(fullName, failureMessages);
      else skipped.push(fullName);
    }
    if (file.status === "failed" && failed.length === failedBefore) {
      fail(file.name, file.message ? [file.message] : []);
    }
  }
  if (exitCode !== 0 && failed.length === 0) fail("(errors outside of any test)", unhandled);
  return { passed, failed, reasons, skipped };
}

function firstLines(message: string): string {
  const lines = stripVTControlCharacters(message).split("\n");
  return lines
    .slice(0, REASON_LINES)
    .map((line) => `  ${line}`)
    .join("\n");
}

/** The last line of a run: `N passed, N failed`, and `, N skipped` where any was. */
export function combinedLine(outcomes: readonly Outcome[]): string {
  const passed = outcomes.reduce((sum, outcome) => sum + outcome.passed, 0);
  const failed = outcomes.reduce((sum, outcome) => sum + outcome.failed.length, 0);
  const skipped = outcomes.reduce((sum, outcome) => sum + outcome.skipped.length, 0);
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}
