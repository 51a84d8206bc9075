import { readdir, readFile, realpath, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { type FileProblem, wholeFileProblem } from "./source-file.ts";
import { FILE_BYTES_MAX } from "./yaml-tree.ts";

/** What a file of a workspace is about. */
export const FILE_KINDS = ["workspace", "policy", "lanes", "rates", "providers", "agent"] as const;
export type FileKind = (typeof FILE_KINDS)[number];

/** One file of a set, with its text. */
export interface WorkspaceFileText {
  readonly kind: FileKind;
  /** As the user named it. */
  readonly shown: string;
  /** Path inside the set: `workspace.yaml`, `agents/support-triage.yaml`. */
  readonly inSet: string;
  readonly text: string;
}

/** Every file of some paths, and every path or file that is not what it should be. */
export interface FoundFiles {
  readonly files: readonly WorkspaceFileText[];
  /** Directories that were given and hold no `workspace.yaml`. */
  readonly bareDirectories: readonly string[];
  /** Kinds of which a file is there and could not be read: what refers to them cannot be judged. */
  readonly unread: ReadonlySet<FileKind>;
  readonly problems: readonly FileProblem[];
}

const YAML = /\.ya?ml$/;
const FIXED_KINDS: ReadonlyMap<string, FileKind> = new Map(
  FILE_KINDS.filter((kind) => kind !== "agent").map((kind) => [kind, kind]),
);
const FIXED_NAMES = [...FIXED_KINDS.keys()].map((kind) => `${kind}.yaml`).join(", ");

/** A file that was found, before its text is read. */
interface FoundFile {
  readonly kind: FileKind;
  readonly shown: string;
  readonly inSet: string;
}

function fixedKind(fileName: string): FileKind | undefined {
  return YAML.test(fileName) ? FIXED_KINDS.get(fileName.replace(YAML, "")) : undefined;
}

/** Node's own code of a failed file operation, in words. */
function whyUnreadable(cause: unknown): string {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  if (code === "ENOENT") return "does not exist";
  if (code === "EACCES" || code === "EPERM") return "may not be read by this user";
  if (code === "ELOOP") return "is a link that leads to itself";
  return `cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`;
}

class Finder {
  readonly found: FoundFile[] = [];
  readonly bareDirectories: string[] = [];
  readonly problems: FileProblem[] = [];

  async path(path: string): Promise<void> {
    const kind = await this.#kindOf(path);
    if (kind === "directory") await this.#directory(path);
    else if (kind === "file") this.#singleFile(path);
    else if (kind === "other") this.#problem(path, "is neither a file nor a directory");
  }

  #problem(path: string, message: string): void {
    this.problems.push(wholeFileProblem(path, message));
  }

  async #kindOf(path: string): Promise<"directory" | "file" | "other" | undefined> {
    try {
      const status = await stat(path);
      return status.isDirectory() ? "directory" : status.isFile() ? "file" : "other";
    } catch (cause) {
      this.#problem(path, whyUnreadable(cause));
      return undefined;
    }
  }

  /** Names in a directory, sorted by code unit, without hidden ones (editors' and archives' own). */
  async #namesIn(path: string): Promise<readonly string[]> {
    try {
      return (await readdir(path)).filter((name) => !name.startsWith(".")).sort();
    } catch (cause) {
      this.#problem(path, whyUnreadable(cause));
      return [];
    }
  }

  #singleFile(path: string): void {
    const fileName = basename(path);
    if (!YAML.test(fileName)) this.#problem(path, "is not a .yaml file");
    const kind = fixedKind(fileName) ?? "agent";
    // Rules carry this path, so it is the same whether the file or its directory is applied.
    const inSet = kind === "agent" ? `agents/${fileName}` : fileName;
    this.found.push({ kind, shown: path, inSet });
  }

  async #directory(root: string): Promise<void> {
    const names = await this.#namesIn(root);
    let hasWorkspace = false;
    for (const name of names) {
      const shown = join(root, name);
      if (name === "agents") {
        await this.#agents(shown);
        continue;
      }
      const kind = fixedKind(name);
      if (kind === "workspace") hasWorkspace = true;
      if (kind !== undefined) this.found.push({ kind, shown, inSet: name });
      else if (YAML.test(name)) {
        const message = `is not a file of a workspace: there are ${FIXED_NAMES} and agents/NAME.yaml`;
        this.#problem(shown, message);
      }
    }
    if (!hasWorkspace) this.bareDirectories.push(root);
  }

  async #agents(directory: string): Promise<void> {
    if ((await this.#kindOf(directory)) !== "directory") {
      this.#problem(directory, "must be a directory of agents' files");
      return;
    }
    for (const name of await this.#namesIn(directory)) {
      const shown = join(directory, name);
      if (YAML.test(name)) this.found.push({ kind: "agent", shown, inSet: `agents/${name}` });
      else if ((await this.#kindOf(shown)) === "directory") {
        this.#problem(shown, "agents/ has no directories of its own: put the files into agents/");
      }
    }
  }
}

async function textOf(path: string): Promise<{ readonly text: string } | { why: string }> {
  try {
    const status = await stat(path);
    if (!status.isFile()) return { why: "is not a file" };
    if (status.size > FILE_BYTES_MAX) return { why: `is larger than ${FILE_BYTES_MAX} bytes` };
    const bytes = await readFile(path);
    return { text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch (cause) {
    if (cause instanceof TypeError) return { why: "is not UTF-8 text" };
    return { why: whyUnreadable(cause) };
  }
}

/** Finds and reads the files of some paths, each a file or a directory; the same file only once. */
export async function findFiles(paths: readonly string[]): Promise<FoundFiles> {
  const finder = new Finder();
  for (const path of paths) await finder.path(path);
  const files: WorkspaceFileText[] = [];
  const seen = new Set<string>();
  const unread = new Set<FileKind>();
  for (const found of finder.found) {
    const read = await textOf(found.shown);
    if ("why" in read) {
      finder.problems.push(wholeFileProblem(found.shown, read.why));
      unread.add(found.kind);
      continue;
    }
    const real = await realpath(found.shown);
    if (seen.has(real)) continue;
    seen.add(real);
    files.push({ ...found, text: read.text });
  }
  // A `workspace.yaml` given by itself completes a directory without one.
  const complete = files.some((file) => file.kind === "workspace");
  const bareDirectories = complete ? [] : finder.bareDirectories;
  return { files, bareDirectories, unread, problems: finder.problems };
}
