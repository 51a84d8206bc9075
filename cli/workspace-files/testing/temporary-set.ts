import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { hasProblems, type LoadFilesOptions, loadWorkspaceFiles } from "../load.ts";
import type { LoadedWorkspace, LoadResult } from "../read-set.ts";
import { renderProblems } from "../render-problems.ts";
import { LANES } from "./lanes.ts";

/** The product's own example, as it is printed. */
export const EXAMPLE = `agent: support-triage
cost_center: customer-support
priority: P0

caps:
  per_run: $5.00
  monthly: $60,000
  yearly:  $700,000

lane:
  provider: anthropic-bedrock
  family:   claude
  region:   us-east-1
  tiers:    [S, M, L, XL]

rules:
  - if pace > 90% then floor: L
`;

/** The least workspace that lists the example's cost centre. */
export const WORKSPACE = `workspace: acme
time_zone: Europe/Berlin
cost_centers:
  customer-support:
`;

/** Files in a directory of their own, loaded with the lanes of `lanes.ts`. */
export class TemporarySet {
  readonly root: string;

  private constructor(root: string) {
    this.root = root;
  }

  static async make(): Promise<TemporarySet> {
    return new TemporarySet(await mkdtemp(join(tmpdir(), "tarmac-files-")));
  }

  async remove(): Promise<void> {
    await rm(this.root, { recursive: true });
  }

  path(name: string): string {
    return join(this.root, name);
  }

  async write(files: Readonly<Record<string, string | Uint8Array>>): Promise<void> {
    for (const [name, content] of Object.entries(files)) {
      await mkdir(dirname(this.path(name)), { recursive: true });
      await writeFile(this.path(name), content);
    }
  }

  async load(
    paths: readonly string[] = ["."],
    options: Partial<LoadFilesOptions> = {},
  ): Promise<LoadResult> {
    const full = paths.map((path) => this.path(path));
    return await loadWorkspaceFiles(full, { lanes: LANES, ...options });
  }

  /** What was loaded. @throws Error with the mistakes when there are any. */
  async loaded(
    paths: readonly string[] = ["."],
    options: Partial<LoadFilesOptions> = {},
  ): Promise<LoadedWorkspace> {
    const result = await this.load(paths, options);
    if (hasProblems(result)) throw new Error(renderProblems(result.problems));
    return result;
  }

  /** Every mistake as `file:line: message`. @throws Error when there is none. */
  async mistakes(
    paths: readonly string[] = ["."],
    options: Partial<LoadFilesOptions> = {},
  ): Promise<readonly string[]> {
    const result = await this.load(paths, options);
    if (!hasProblems(result)) throw new Error("loaded without a mistake");
    return result.problems.map(({ file, line, message }) => {
      const shown = file === this.root ? "." : file.replace(`${this.root}/`, "");
      return `${shown}:${line}: ${message.replaceAll(`${this.root}/`, "")}`;
    });
  }
}
