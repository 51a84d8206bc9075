/** Tools that tests use when the machine has them: Go, say. */
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** A tool that a test needs, and the words for its name when it is not here. */
export interface Tool {
  /** `undefined` where it is not on the PATH. */
  readonly path: string | undefined;
  /** Put behind the name of a test that is skipped; empty where it is not. */
  readonly missing: string;
}

/**
 * Finds a tool on the PATH. A test that needs it is skipped by name where it is missing, with the command
 * that brings it; TARMAC_TEST_REQUIRE=go,… turns that into a failure.
 * @throws Error for one that is required and missing
 */
export function findTool(name: string, broughtBy: string): Tool {
  const path = (process.env["PATH"] ?? "")
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find(isProgram);
  if (path !== undefined) return { missing: "", path };
  const required = (process.env["TARMAC_TEST_REQUIRE"] ?? "").split(",");
  if (required.includes(name)) {
    throw new Error(`${name} is required and not on the PATH. Bring it: ${broughtBy}`);
  }
  return { missing: ` (needs ${name}: ${broughtBy})`, path: undefined };
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
