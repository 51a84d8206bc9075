/**
 * A vitest reporter that keeps what vitest's JSON report leaves out: the errors that came up outside
 * of any test (an unhandled rejection, a worker that died). Written to `--outputFile.unhandled`, as a
 * JSON list of texts, so that the summary of a run can say why it failed.
 */
import { writeFileSync } from "node:fs";
import type { Reporter, Vitest } from "vitest/node";

export default class UnhandledErrorsReporter implements Reporter {
  #path: string | undefined;

  onInit(vitest: Vitest): void {
    const { outputFile } = vitest.config;
    this.#path = typeof outputFile === "object" ? outputFile["unhandled"] : undefined;
  }

  onTestRunEnd(...[, errors]: Parameters<NonNullable<Reporter["onTestRunEnd"]>>): void {
    if (this.#path === undefined) return;
    const texts = errors.map(({ name, message, stack, ...rest }) => {
      const where = typeof rest["VITEST_TEST_PATH"] === "string" ? rest["VITEST_TEST_PATH"] : "";
      return [where, `${name ?? "Error"}: ${message}`, stack ?? ""].filter(Boolean).join("\n");
    });
    writeFileSync(this.#path, JSON.stringify(texts));
  }
}
