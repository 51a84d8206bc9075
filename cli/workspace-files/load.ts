import { findFiles } from "./find-files.ts";
import {
  type ExistingConfig,
  type LoadOptions,
  type LoadResult,
  readSet,
  workspaceNamedBy,
} from "./read-set.ts";
import { wholeFileProblem } from "./source-file.ts";

export interface LoadFilesOptions extends LoadOptions {
  /**
   * Says what is in force in the workspace that the files turn out to be about; `undefined` when it is
   * new. Asked once, unless `existing` is given.
   */
  existingOf?(workspace: string): Promise<ExistingConfig | undefined>;
}

/**
 * Reads the files of a workspace from files and directories. Every mistake in every file is reported
 * at once, and then nothing else is returned: a set is applied whole or not at all. A fault of
 * `existingOf` is the caller's own and is passed on.
 */
export async function loadWorkspaceFiles(
  paths: readonly string[],
  options: LoadFilesOptions,
): Promise<LoadResult> {
  const found = await findFiles(paths);
  if (found.files.length === 0 && found.problems.length === 0) {
    const problems = paths.map((path) => wholeFileProblem(path, "holds no file of a workspace"));
    return { problems };
  }
  const workspace = options.workspace ?? workspaceNamedBy(found);
  const ask = workspace !== undefined && options.existing === undefined;
  const existing = ask ? await options.existingOf?.(workspace) : options.existing;
  const known = existing === undefined ? options : { ...options, existing };
  return readSet(found, known, found.problems);
}

/** True for a result that lists mistakes. */
export function hasProblems(
  result: LoadResult,
): result is Extract<LoadResult, { readonly problems: unknown }> {
  return "problems" in result;
}
