import { randomBytes } from "node:crypto";
import { access, chmod, constants, copyFile, mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { join } from "node:path";

import { FETCH_WAYS, type FetchWay } from "./nats-fetch.ts";
import { NATS_VERSION_MIN, NATS_VERSION_PINNED } from "./nats-pin.ts";
import { runCommand } from "./run-command.ts";

export interface NatsBinaryOptions {
  /** From `provisionConfig`; made if it is not there. */
  readonly cacheDir: string;
  /** `TARMAC_NATS_SERVER`: this one or none. */
  readonly explicitPath?: string;
  /** One line of progress, for a person. */
  readonly onProgress: (line: string) => void;
  /** Replaces the environment of this process, PATH included. */
  readonly env?: NodeJS.ProcessEnv;
  /** Searched after PATH; the system's `sbin` directories unless given. */
  readonly alsoSearch?: readonly string[];
  /** How to fetch one, in order; all of nats-fetch.ts unless given. */
  readonly ways?: readonly FetchWay[];
}

export interface NatsBinary {
  readonly path: string;
  /** "2.15.1". */
  readonly version: string;
  /** Where it was found or came from, for a person: "PATH", "the cache", … */
  readonly from: string;
}

/** What was found without fetching anything, and what was passed over and why. */
export interface NatsSearch {
  readonly found: NatsBinary | undefined;
  readonly notes: readonly string[];
}

const VERSION_MIN = `${NATS_VERSION_MIN.major}.${NATS_VERSION_MIN.minor}`;

/**
 * A nats-server new enough for a ledger: the explicit one, else one on PATH, else the cached one,
 * else one fetched into the cache. Processes that fetch at once do not disturb each other.
 *
 * @throws Error when the explicit one is missing or too old; or when no way works, naming each way
 * that was tried, why it failed, and what to do.
 */
export async function findNatsServer(options: NatsBinaryOptions): Promise<NatsBinary> {
  const { found, notes } = await searchNatsServer(options);
  if (found !== undefined) {
    for (const note of notes) options.onProgress(note);
    return found;
  }
  for (const note of notes) options.onProgress(note);
  return fetchNatsServer(options, notes);
}

/**
 * Looks for a nats-server on this machine, and fetches none.
 *
 * @throws Error when `explicitPath` is given and cannot be used.
 */
export async function searchNatsServer(options: NatsBinaryOptions): Promise<NatsSearch> {
  if (options.explicitPath !== undefined) {
    const judged = await judge(options.explicitPath, "TARMAC_NATS_SERVER", options);
    if (typeof judged !== "string") return { found: judged, notes: [] };
    throw new Error(
      `TARMAC_NATS_SERVER: ${judged}. Point it at a nats-server of ${VERSION_MIN} or newer, ` +
        "or unset it and Tarmac finds or fetches one.",
    );
  }
  const notes: string[] = [];
  for (const path of await candidatesOnPath(options)) {
    const judged = await judge(path, "PATH", options);
    if (typeof judged !== "string") return { found: judged, notes };
    notes.push(`passed over: ${judged}`);
  }
  if (notes.length === 0) notes.push("there is no nats-server on PATH");
  const cached = cachedPath(options.cacheDir);
  if (await isThere(cached)) {
    const judged = await judge(cached, "the cache", options);
    if (typeof judged !== "string") return { found: judged, notes };
    notes.push(`passed over: ${judged}`);
  } else {
    notes.push(`there is none at ${cached}`);
  }
  return { found: undefined, notes };
}

async function fetchNatsServer(
  options: NatsBinaryOptions,
  notes: readonly string[],
): Promise<NatsBinary> {
  const { cacheDir, onProgress } = options;
  try {
    await mkdir(cacheDir, { recursive: true });
    await access(cacheDir, constants.W_OK);
  } catch (cause) {
    throw new Error(
      `${cacheDir}, where nats-server would be kept, cannot be written ` +
        `(${(cause as NodeJS.ErrnoException).code}): set XDG_CACHE_HOME to a directory that can, ` +
        "or TARMAC_NATS_SERVER to a nats-server",
      { cause },
    );
  }
  const failures: string[] = [];
  for (const way of options.ways ?? FETCH_WAYS) {
    onProgress(`fetching nats-server ${NATS_VERSION_PINNED}: ${way.name}`);
    const dir = await mkdtemp(join(cacheDir, "fetching-"));
    try {
      const path = await way.fetch({ dir, ...env(options) });
      const binary = await keep(path, way.name, options);
      onProgress(`nats-server ${binary.version} is kept at ${binary.path}`);
      return binary;
    } catch (error) {
      const reason = (error as Error).message;
      failures.push(`${way.name}: ${reason}`);
      onProgress(`  no: ${reason}`);
    } finally {
      // Go makes what it downloads read-only, but not what it installs: all of this can go.
      await rm(dir, { recursive: true, force: true });
    }
  }
  throw new Error(
    [
      `No nats-server of ${VERSION_MIN} or newer is here, and none could be fetched.`,
      ...[...notes, ...failures].map((each) => `  - ${each}`),
      "What to do: connect this machine to one of these, or bring a nats-server from",
      "https://github.com/nats-io/nats-server/releases yourself and put it on PATH,",
      `at ${cachedPath(cacheDir)}, or anywhere, with TARMAC_NATS_SERVER set to its path.`,
    ].join("\n"),
  );
}

/** Checks what was fetched and moves it into the cache, whole or not at all. */
async function keep(path: string, from: string, options: NatsBinaryOptions): Promise<NatsBinary> {
  const kept = cachedPath(options.cacheDir);
  const draft = `${kept}.${process.pid}.${randomBytes(4).toString("hex")}`;
  try {
    await copyFile(path, draft);
    await chmod(draft, 0o755);
    const judged = await judge(draft, from, options);
    if (typeof judged === "string") throw new Error(judged);
    await rename(draft, kept);
    return { ...judged, path: kept };
  } finally {
    await rm(draft, { force: true });
  }
}

/** The binary, or why it cannot be used. */
async function judge(
  path: string,
  from: string,
  options: NatsBinaryOptions,
): Promise<NatsBinary | string> {
  let said: string;
  try {
    said = await runCommand(path, ["--version"], { timeoutMs: 10_000, ...env(options) });
  } catch (error) {
    const { message } = error as Error;
    return message.includes("is not on PATH") ? `${path} is not there` : message;
  }
  // "nats-server: v2.15.1"
  const match = /\bv?(\d+)\.(\d+)\.(\d+\S*)/.exec(said);
  if (match === null) return `${path} does not say its version: "${said.trim().slice(0, 80)}"`;
  const [, major = "", minor = "", patch = ""] = match;
  const version = `${major}.${minor}.${patch}`;
  const [haveMajor, haveMinor] = [Number(major), Number(minor)];
  const enough =
    haveMajor > NATS_VERSION_MIN.major ||
    (haveMajor === NATS_VERSION_MIN.major && haveMinor >= NATS_VERSION_MIN.minor);
  if (!enough) return `${path} is nats-server ${version}, older than ${VERSION_MIN}`;
  return { path, version, from };
}

/** Debian's package lies in /usr/sbin, which an ordinary user's PATH leaves out. */
const SBIN = ["/usr/local/sbin", "/usr/sbin"];

const LIST_CANDIDATES = `
IFS=:
for dir in $PATH "$@"; do
  if [ -f "$dir/nats-server" ] && [ -x "$dir/nats-server" ]; then echo "$dir/nats-server"; fi
done
`;

async function candidatesOnPath(options: NatsBinaryOptions): Promise<string[]> {
  const said = await runCommand(
    "/bin/sh",
    ["-c", LIST_CANDIDATES, "sh", ...(options.alsoSearch ?? SBIN)],
    {
      timeoutMs: 10_000,
      ...env(options),
    },
  );
  return [...new Set(said.split("\n").filter((line) => line !== ""))];
}

function cachedPath(cacheDir: string): string {
  return join(cacheDir, `nats-server-v${NATS_VERSION_PINNED}-${process.platform}-${process.arch}`);
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

function env(options: NatsBinaryOptions): { env?: NodeJS.ProcessEnv } {
  return options.env === undefined ? {} : { env: options.env };
}
