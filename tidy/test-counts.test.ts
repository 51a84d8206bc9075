/**
 * Goal: a run that failed in any way is never counted as clean.
 * Method: reports in the form that vitest writes them, one for each way to fail.
 */
import { expect, test } from "vitest";
import { combinedLine, countReport } from "./test-counts.ts";

function report(status: string, ...statuses: string[]): string {
  const assertionResults = statuses.map((each, index) => ({ fullName: `t${index}`, status: each }));
  return JSON.stringify({ testResults: [{ name: "a.test.ts", status, assertionResults }] });
}

test("countReport: counts what passed, failed and was skipped", () => {
  const counts = countReport(report("failed", "passed", "failed", "skipped", "pending"), 1);
  expect(counts).toEqual({ passed: 1, failed: ["t1"], reasons: [], skipped: ["t2", "t3"] });
});

test("countReport: says why, in the first lines and without colour", () => {
  const failureMessages = [`\u001b[31mexpected 1 to be 2\u001b[39m\n${"at x\n".repeat(40)}`];
  const assertionResults = [{ failureMessages, fullName: "adds", status: "failed" }];
  const json = JSON.stringify({
    testResults: [{ name: "a.test.ts", status: "failed", assertionResults }],
  });
  const [reason = ""] = countReport(json, 1).reasons ?? [];
  expect(reason.split("\n").slice(0, 3)).toEqual(["adds", "  expected 1 to be 2", "  at x"]);
  expect(reason.split("\n")).toHaveLength(13);
});

test("countReport: a file that did not load is a failure", () => {
  expect(countReport(report("failed"), 1).failed).toEqual(["a.test.ts"]);
});

test("countReport: a file whose hook threw after its tests passed is a failure", () => {
  expect(countReport(report("failed", "passed"), 1).failed).toEqual(["a.test.ts"]);
});

test("countReport: an exit code with nothing failed in the report is a failure", () => {
  expect(countReport(report("passed", "passed"), 1).failed).toHaveLength(1);
});

test("countReport: errors outside of any test are its reasons", () => {
  const { failed, reasons } = countReport(report("passed", "passed"), 1, [
    "a.test.ts\nError: late",
  ]);
  expect(failed).toEqual(["(errors outside of any test)"]);
  expect(reasons).toEqual(["(errors outside of any test)\n  a.test.ts\n  Error: late"]);
});

test("countReport: a report that is cut short is a fault", () => {
  expect(() => countReport(`{"testResults": [`, 0)).toThrow(SyntaxError);
});

test("combinedLine: adds the steps up, and says skipped only where there is one", () => {
  const clean = { name: "a", passed: 2, failed: [], skipped: [] };
  expect(combinedLine([clean, clean])).toBe("4 passed, 0 failed");
  const mixed = { name: "b", passed: 1, failed: ["x"], skipped: ["y", "z"] };
  expect(combinedLine([clean, mixed])).toBe("3 passed, 1 failed, 2 skipped");
});
